//! What the process finds around it: variables, the host's name, the user, the clock.

use std::fs::OpenOptions;
use std::io;
use std::path::{Path, PathBuf};

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

/// Starts the program's log at the level of the flags, else of the configuration.
pub(crate) fn start_log(arguments: &CommandLine) {
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

/// The local time at the head of a log line.
fn write_clock(out: &mut String) {
    use std::sync::LazyLock;
    static CLOCK: LazyLock<Option<(TimeFormat, Zone)>> = LazyLock::new(|| {
        Some((
            TimeFormat::compile("%Y-%m-%d %H:%M:%S %z").ok()?,
            Zone::local(),
        ))
    });
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    if let Some((format, zone)) = &*CLOCK {
        format.write(
            i64::try_from(now.as_secs()).unwrap_or(i64::MAX),
            0,
            zone,
            out,
        );
    }
}
