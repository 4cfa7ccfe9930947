//! What was typed: the flags, by Fluentd's names (fluentd.md section 2.2).

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{ArgAction, Parser};
use tracing::level_filters::LevelFilter;

/// Collects log events, keeps them safe, and passes them on.
#[derive(Clone, Debug, Parser)]
#[command(name = "millrun", version)]
pub(crate) struct CommandLine {
    /// The configuration file.
    #[arg(
        short,
        long = "config",
        value_name = "PATH",
        env = "FLUENT_CONF",
        default_value = "/etc/fluent/fluent.conf"
    )]
    pub config: PathBuf,

    /// Text appended to the configuration; a backslash and an n in it become a new line.
    #[arg(short, long, value_name = "TEXT")]
    pub inline_config: Option<String>,

    /// Check the configuration, say what is wrong with it, start nothing.
    #[arg(long)]
    pub dry_run: bool,

    /// Run in one process, without the control process that replaces a dead worker.
    #[arg(long)]
    pub no_supervisor: bool,

    /// Start no source.
    #[arg(long)]
    pub without_source: bool,

    /// Do not show the configuration in the log at start.
    #[arg(long)]
    pub suppress_config_dump: bool,

    /// Take a value of the wrong type for an error, not for a zero.
    #[arg(long)]
    pub strict_config_value: bool,

    /// Log more: -v debug, -vv trace.
    #[arg(short, long, action = ArgAction::Count)]
    pub verbose: u8,

    /// Log less: -q warnings and errors, -qq errors only.
    #[arg(short, long, action = ArgAction::Count)]
    pub quiet: u8,
}

impl CommandLine {
    /// Reads the flags of this process. The error is the status to exit with: 0 where help or
    /// the version was asked for and is printed, 1 for a usage that is wrong.
    pub(crate) fn read() -> Result<Self, ExitCode> {
        Self::try_parse().map_err(|error| {
            // Nobody is left to tell when the terminal is gone.
            let _ = error.print();
            ExitCode::from(u8::from(error.use_stderr()))
        })
    }

    /// The level the flags ask for; `None` leaves it to the configuration.
    pub(crate) fn log_level(&self) -> Option<LevelFilter> {
        match (self.verbose, self.quiet) {
            (0, 0) => None,
            (0, 1) => Some(LevelFilter::WARN),
            (0, _) => Some(LevelFilter::ERROR),
            (1, _) => Some(LevelFilter::DEBUG),
            (_, _) => Some(LevelFilter::TRACE),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definition_is_sound() {
        CommandLine::command().debug_assert();
    }

    #[test]
    fn levels_follow_the_flags() {
        let level = |flags: &[&str]| {
            let words = ["millrun", "-c", "x"].iter().chain(flags);
            CommandLine::parse_from(words).log_level()
        };
        assert_eq!(level(&[]), None);
        assert_eq!(level(&["-q"]), Some(LevelFilter::WARN));
        assert_eq!(level(&["-qq"]), Some(LevelFilter::ERROR));
        assert_eq!(level(&["-v"]), Some(LevelFilter::DEBUG));
        assert_eq!(level(&["-vv"]), Some(LevelFilter::TRACE));
    }
}
