//! Where the engine's own messages go.
//!
//! One line per message, written by one system call, so that lines of several processes never tear.
//! The sink is called from the control loops and from the small threads of a worker: it must not block
//! for long.

use std::fmt;
use std::io::Write;

use crate::logger::{LineFormat, LocalTime, line};

/// Weight of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Level {
    /// Every step.
    Trace,
    /// Of interest to those who look for a fault.
    Debug,
    /// What happened as planned.
    Info,
    /// What happened and was not planned, and was dealt with.
    Warn,
    /// What was not done.
    Error,
    /// Why the process ends.
    Fatal,
}

impl Level {
    /// Returns the name as written in a log line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Trace => "TRACE",
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Warn => "WARN",
            Self::Error => "ERROR",
            Self::Fatal => "FATAL",
        }
    }

    /// Returns the level of this number; what is too high is the highest.
    pub(crate) fn from_number(number: u64) -> Self {
        match number {
            0 => Self::Trace,
            1 => Self::Debug,
            2 => Self::Info,
            3 => Self::Warn,
            4 => Self::Error,
            _ => Self::Fatal,
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

/// A sink of messages. Implemented by closures: `|level, message| …`.
pub trait Log: Send + Sync {
    /// Takes one message, without its line end.
    fn log(&self, level: Level, message: &str);

    /// Opens its files anew, after somebody has moved them. Asked for by reload and restart.
    fn reopen(&self) {}
}

impl<F: Fn(Level, &str) + Send + Sync> Log for F {
    fn log(&self, level: Level, message: &str) {
        self(level, message);
    }
}

/// The default sink: ServerEngine's line format on standard error, in local time.
///
/// ```text
/// I, [2026-11-21T01:02:13.030487 #24557]  INFO -- : text
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct StderrLog;

impl Log for StderrLog {
    fn log(&self, level: Level, message: &str) {
        let (time, pid) = (LocalTime::now(), std::process::id());
        let line = line(LineFormat::Ruby, level, message, time, pid);
        // Nobody is left to tell when standard error cannot be written.
        let _ = std::io::stderr().write_all(line.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_ordered_by_weight() {
        assert!(Level::Trace < Level::Debug);
        assert!(Level::Error < Level::Fatal);
        assert_eq!(Level::from_number(200), Level::Fatal);
    }
}
