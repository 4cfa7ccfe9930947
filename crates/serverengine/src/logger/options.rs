//! What a logger can be told, and what levels are called.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::log::Level;

use super::{LineFormat, Rotation};

/// Where a log goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Destination {
    /// Standard error.
    #[default]
    Stderr,
    /// Standard output.
    Stdout,
    /// A file, appended to.
    File(PathBuf),
}

impl fmt::Display for Destination {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stderr => formatter.write_str("on standard error"),
            Self::Stdout => formatter.write_str("on standard output"),
            Self::File(path) => path.display().fmt(formatter),
        }
    }
}

/// How a [`DaemonLogger`](crate::DaemonLogger) works. The comments name ServerEngine's keys.
#[derive(Clone, Debug)]
pub struct LoggerOptions {
    /// `log`: where the lines go.
    pub destination: Destination,
    /// `log_level`: what is less important is not logged.
    pub level: Level,
    /// What a line looks like.
    pub format: LineFormat,
    /// `log_rotate_age` and `log_rotate_size`: when the file is put aside.
    pub rotation: Rotation,
    /// `log_stdout`: whether what server and workers print goes to the log.
    pub log_stdout: bool,
    /// `log_stderr`: whether what server and workers print on standard error goes to the log.
    pub log_stderr: bool,
}

impl Default for LoggerOptions {
    fn default() -> Self {
        Self {
            destination: Destination::Stderr,
            level: Level::Debug,
            format: LineFormat::Ruby,
            rotation: Rotation::default(),
            log_stdout: true,
            log_stderr: true,
        }
    }
}

impl FromStr for Level {
    type Err = String;

    /// Reads a level's name in any case, or ServerEngine's number: -1 (trace) to 4 (fatal).
    fn from_str(text: &str) -> Result<Self, String> {
        Ok(match text.to_ascii_lowercase().as_str() {
            "trace" | "-1" => Self::Trace,
            "debug" | "0" => Self::Debug,
            "info" | "1" => Self::Info,
            "warn" | "2" => Self::Warn,
            "error" | "3" => Self::Error,
            "fatal" | "4" => Self::Fatal,
            _ => {
                return Err(format!(
                    "{text:?} is no log level; there are trace, debug, info, warn, error, fatal"
                ));
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_have_names_and_numbers() {
        for (name, number) in [
            ("trace", "-1"),
            ("debug", "0"),
            ("info", "1"),
            ("warn", "2"),
            ("error", "3"),
            ("fatal", "4"),
        ] {
            let level: Level = name.parse().unwrap();
            assert_eq!(number.parse(), Ok(level));
            assert_eq!(level.name(), name.to_uppercase());
            assert_eq!(Level::from_number(level as u64), level);
        }
        assert_eq!(
            "loud".parse::<Level>(),
            Err(
                "\"loud\" is no log level; there are trace, debug, info, warn, error, fatal"
                    .to_owned()
            )
        );
    }
}
