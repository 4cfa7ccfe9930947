//! What the process finds around it: variables, the host's name, the user, the clock.

use std::fs::OpenOptions;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};

use millrun_config::{Environment, LogLevel};
use millrun_core::{StateEnvironment, log};
use millrun_pattern::{TimeFormat, Zone};
use tracing::level_filters::LevelFilter;

use crate::command_line::CommandLine;

/// The environment embedded Ruby sees.
pub(crate) fn of_configuration(worker: Option<u32>) -> Environment {
    Environment {
        variables: std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect(),
        hostname: nix::unistd::gethostname()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default(),
        worker_id: worker,
    }
}

/// What decides where state is kept.
pub(crate) fn of_state() -> StateEnvironment {
    let directory = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    // systemd separates several directories by colons; the first is ours.
    let first = |value: std::ffi::OsString| {
        let text = value.to_string_lossy().into_owned();
        PathBuf::from(text.split(':').next().unwrap_or_default())
    };
    StateEnvironment {
        systemd_state: directory("STATE_DIRECTORY").map(first),
        user_state: directory("XDG_STATE_HOME").map(PathBuf::from),
        home: directory("HOME").map(PathBuf::from),
        is_root: nix::unistd::Uid::effective().is_root(),
    }
}

/// Makes `path` the standard output and error of this process and those it forks, by appending.
/// Called again, it opens the path anew: for a log that was moved away.
pub(crate) fn write_to(path: &Path) -> io::Result<()> {
    let file = OpenOptions::new().create(true).append(true).open(path)?;
    nix::unistd::dup2_stdout(&file)?;
    nix::unistd::dup2_stderr(&file)?;
    Ok(())
}

/// The time of log lines until the configuration is read.
const LOG_TIME_FORMAT: &str = "%Y-%m-%d %H:%M:%S %z";

/// Starts the program's log at the level of the flags, else of the configuration.
pub(crate) fn start_log(arguments: &CommandLine) {
    if let Ok(format) = TimeFormat::compile(LOG_TIME_FORMAT) {
        set_log_time(format);
    }
    let level = arguments.log_level().unwrap_or(LevelFilter::INFO);
    log::install(level, write_clock);
}

/// The level of a word of the configuration.
pub(crate) fn level(word: LogLevel) -> LevelFilter {
    match word {
        LogLevel::Trace => LevelFilter::TRACE,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Error | LogLevel::Fatal => LevelFilter::ERROR,
    }
}

/// How the time at the head of a log line is written.
static CLOCK: RwLock<Option<(TimeFormat, Zone)>> = RwLock::new(None);

/// Writes the time of log lines in this format from now on.
pub(crate) fn set_log_time(format: TimeFormat) {
    *CLOCK.write().unwrap_or_else(PoisonError::into_inner) = Some((format, Zone::local()));
}

/// The local time at the head of a log line.
fn write_clock(out: &mut String) {
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    if let Some((format, zone)) = &*CLOCK.read().unwrap_or_else(PoisonError::into_inner) {
        format.write(
            i64::try_from(now.as_secs()).unwrap_or(i64::MAX),
            now.subsec_nanos(),
            zone,
            out,
        );
    }
}
