//! The `<system>` section: what holds for the whole instance (fluentd.md section 2.10).

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use millrun_config::{Diagnostic, Diagnostics, Element, LogLevel, Mode, parameters, words};

use crate::crew::HELPERS_MAX;

words! {
    /// What an acknowledged transaction survives.
    pub enum DurabilityName {
        /// kill -9 of any process.
        Process = "process",
        /// Loss of power as well: each commit waits for the disk.
        Power = "power",
    }
}

parameters! {
    /// What holds for the whole instance.
    pub struct SystemParameters in "system" {
        /// How many workers run the configuration side by side.
        workers: u32 = "1";
        /// Where buffers, positions and backups live that name no path of their own.
        root_dir: Option<PathBuf>;
        /// The least severity of the log lines written.
        log_level: LogLevel = "info";
        /// Seconds between the death of a worker and the start of its successor.
        restart_worker_interval: std::time::Duration = "0";
        /// Do not show the configuration in the log at start.
        suppress_config_dump: bool = "false";
        /// Make events of log lines also while the outputs end, for as long as they take any.
        log_event_verbose: bool = "false";
        /// Start no source.
        without_source: bool = "false";
        /// Take a value of the wrong type for an error.
        strict_config_value: bool = "false";
        /// A directory whose files are read behind the main one; empty for none.
        config_include_dir: Option<String>;
        /// Permissions of files made.
        file_permission: Option<Mode>;
        /// Permissions of directories made.
        dir_permission: Option<Mode>;
        /// The name shown by ps.
        process_name: Option<String>;
        /// What an acknowledged transaction survives.
        durability: DurabilityName = "process";
        /// How many threads of a worker help those of its sources to parse and filter; 0 for none. Without it, as many
        /// as leave a core to the source: the cores shared among the workers, less one.
        helper_threads: Option<u32>;
    }
    sections {
        /// What the lines of the program's own log look like.
        log: Option<Element>;
    }
}

words! {
    /// The shape of a log line.
    pub enum LogFormatName {
        /// `time [level]: message key=value`.
        Text = "text",
        /// A JSON object with time, level and message.
        Json = "json",
    }
}

parameters! {
    /// The program's own log.
    pub struct LogParameters in "log" {
        /// The shape of its lines.
        format: LogFormatName = "text";
        /// The time in front of each.
        time_format: String = "%Y-%m-%d %H:%M:%S %z";
    }
}

/// What the instance is run with: the section, with the command line's word over it.
#[derive(Clone, Debug)]
pub struct System {
    /// The section's parameters.
    pub parameters: SystemParameters,
    /// Its `<log>` section.
    pub log: LogParameters,
    /// The worker this process is, from 0.
    pub worker: u32,
    /// Start no source.
    pub without_source: bool,
}

impl System {
    /// Reads the section of `root`; a second one is an error. `None` when a diagnostic says why.
    pub fn read(root: &Element, diagnostics: &mut Diagnostics) -> Option<Self> {
        let mut sections = root.elements_named("system");
        let section = sections.next();
        if let Some(second) = sections.next() {
            let fault = Diagnostic::error("<system> is duplicated. <system> should be only one");
            diagnostics.push(fault.at(second.span(), "the second one"));
        }
        let absent = Element::new("system", "", root.span());
        let section = section.unwrap_or(&absent);
        let parameters = SystemParameters::read(section, diagnostics)?;
        if parameters.workers == 0 {
            let fault = Diagnostic::error("workers: 0 workers would run nothing");
            let fault = fault.at(section.span_of("workers"), "expected 1 or more");
            diagnostics.push(fault);
            return None;
        }
        let usual = Element::new("log", "", section.span());
        let log = section.elements_named("log").next().unwrap_or(&usual);
        let log = LogParameters::read(log, diagnostics)?;
        Some(Self {
            without_source: parameters.without_source,
            parameters,
            log,
            worker: 0,
        })
    }

    /// How many helpers each worker has.
    #[must_use]
    pub fn helpers(&self) -> usize {
        // Asked once: the answer takes reading files, and every source asks.
        static CORES: LazyLock<usize> =
            LazyLock::new(|| std::thread::available_parallelism().map_or(1, usize::from));
        helpers(
            self.parameters.helper_threads,
            *CORES,
            self.parameters.workers,
        )
    }

    /// What holds without a section: so that a faulty one does not hide what else is wrong.
    pub fn usual(root: &Element) -> Option<Self> {
        let absent = Element::new("ROOT", "", root.span());
        Self::read(&absent, &mut Diagnostics::default())
    }

    /// The directory of this instance's ledgers, and of buffers without a path.
    ///
    /// `root_dir` where it is set; else the directory systemd gives the service; else one below
    /// the user's state directory named after the configuration file, so that instances side by
    /// side never share one by accident.
    pub fn state_root(&self, config_file: &Path, environment: &StateEnvironment) -> PathBuf {
        if let Some(root) = &self.parameters.root_dir {
            return root.clone();
        }
        if let Some(directory) = &environment.systemd_state {
            return directory.clone();
        }
        let base = match (&environment.user_state, &environment.home) {
            _ if environment.is_root => PathBuf::from("/var/lib"),
            (Some(state), _) => state.clone(),
            (None, Some(home)) => home.join(".local/state"),
            (None, None) => PathBuf::from("/var/tmp"),
        };
        base.join("millrun").join(instance_name(config_file))
    }
}

/// The helpers of a worker, of which there are so many on so many cores.
fn helpers(wanted: Option<u32>, cores: usize, workers: u32) -> usize {
    let own = cores / (workers as usize).max(1);
    let helpers = wanted.map_or(own.saturating_sub(1), |wanted| wanted as usize);
    helpers.min(HELPERS_MAX)
}

/// How many workers a configuration wants, whatever else is wrong with it.
pub(crate) fn workers_of(root: &Element) -> u32 {
    let section = root.elements_named("system").next();
    let mut unheard = Diagnostics::default();
    let system = section.and_then(|section| SystemParameters::read(section, &mut unheard));
    system.map_or(1, |system| system.workers.max(1))
}

/// What decides where state is kept when the configuration does not say.
#[derive(Clone, Debug, Default)]
pub struct StateEnvironment {
    /// `STATE_DIRECTORY`, set by systemd for a service with `StateDirectory=`.
    pub systemd_state: Option<PathBuf>,
    /// `XDG_STATE_HOME`.
    pub user_state: Option<PathBuf>,
    /// `HOME`.
    pub home: Option<PathBuf>,
    /// The process runs as root.
    pub is_root: bool,
}

/// A directory name that tells configuration files apart: the path with `/` made `-`.
fn instance_name(config_file: &Path) -> String {
    let path = std::path::absolute(config_file).unwrap_or_else(|_| config_file.to_owned());
    let name: String = path
        .to_string_lossy()
        .trim_start_matches('/')
        .chars()
        .map(|character| if character == '/' { '-' } else { character })
        .collect();
    if name.is_empty() {
        "default".to_owned()
    } else {
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use millrun_config::{NoIncludes, NoRuby, RenderStyle, parse_str};

    fn read(text: &str) -> (Option<System>, String) {
        let parsed = parse_str("f.conf", text, &mut NoRuby, &mut NoIncludes);
        let mut diagnostics = parsed.diagnostics;
        let system = System::read(&parsed.root, &mut diagnostics);
        (
            system,
            diagnostics.render(&parsed.sources, RenderStyle::Plain),
        )
    }

    #[test]
    fn defaults_hold_without_a_section() {
        let (system, diagnostics) = read("");
        let system = system.unwrap();
        assert_eq!((system.parameters.workers, diagnostics.as_str()), (1, ""));
    }

    #[test]
    fn helpers_are_what_is_wanted_or_what_the_cores_leave() {
        let cases = [(None, 1, 1), (None, 4, 1), (None, 8, 4), (None, 64, 1)];
        let automatic = cases.map(|(wanted, cores, workers)| helpers(wanted, cores, workers));
        assert_eq!(automatic, [0, 3, 1, HELPERS_MAX]);
        assert_eq!((helpers(Some(0), 8, 1), helpers(Some(3), 1, 1)), (0, 3));
    }

    #[test]
    fn a_second_section_is_refused() {
        let (_, diagnostics) = read("<system>\n</system>\n<system>\n</system>\n");
        assert!(
            diagnostics.contains("<system> is duplicated"),
            "{diagnostics}"
        );
    }

    #[test]
    fn state_is_kept_where_root_dir_says_else_apart_for_each_configuration() {
        let (system, _) = read("<system>\nroot_dir /srv/m\n</system>\n");
        let environment = StateEnvironment {
            home: Some("/home/u".into()),
            ..Default::default()
        };
        let file = Path::new("/etc/fluent/a.conf");
        assert_eq!(
            system.unwrap().state_root(file, &environment),
            Path::new("/srv/m")
        );
        let system = read("").0.unwrap();
        assert_eq!(
            system.state_root(file, &environment),
            Path::new("/home/u/.local/state/millrun/etc-fluent-a.conf")
        );
        let service = StateEnvironment {
            systemd_state: Some("/var/lib/x".into()),
            ..environment
        };
        assert_eq!(system.state_root(file, &service), Path::new("/var/lib/x"));
    }
}
