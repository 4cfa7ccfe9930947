//! Where the engine's own messages go.
//!
//! One line per message, written by one system call, so that lines of several processes never tear.
//! The sink is called from the control loops and from the small threads of a worker: it must not block
//! for long.

use std::fmt;
use std::io::Write;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Weight of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Level {
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
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Warn => "WARN",
            Self::Error => "ERROR",
            Self::Fatal => "FATAL",
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

/// The default sink: ServerEngine's line format on standard error, in UTC.
///
/// ```text
/// I, [2026-11-21T01:02:13.030487 #24557]  INFO -- : text
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct StderrLog;

impl Log for StderrLog {
    fn log(&self, level: Level, message: &str) {
        let since_epoch = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let line = format_line(level, message, since_epoch, std::process::id());
        // Nobody is left to tell when standard error cannot be written.
        let _ = std::io::stderr().write_all(line.as_bytes());
    }
}

fn format_line(level: Level, message: &str, since_epoch: Duration, pid: u32) -> String {
    let initial = level.name().get(..1).unwrap_or_default();
    let seconds = since_epoch.as_secs();
    let (year, month, day) = civil_date(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60);
    let micros = since_epoch.subsec_micros();
    format!(
        "{initial}, [{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06} \
         #{pid}] {level:>5} -- : {message}\n"
    )
}

/// Returns year, month and day of a day counted from 1970-01-01 (proleptic Gregorian calendar).
///
/// Years are taken from March on, so that the leap day is the last day of a year.
fn civil_date(days_since_epoch: u64) -> (u64, u64, u64) {
    const DAYS_PER_ERA: u64 = 146_097; // 400 years
    let days = days_since_epoch + 719_468; // since 0000-03-01
    let era = days / DAYS_PER_ERA;
    let day_of_era = days % DAYS_PER_ERA;
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_the_shape_of_serverengine() {
        let time = Duration::new(1_795_222_933, 30_487_999);
        assert_eq!(
            format_line(Level::Info, "text", time, 24_557),
            "I, [2026-11-21T01:02:13.030487 #24557]  INFO -- : text\n"
        );
    }

    #[test]
    fn dates_around_leap_days() {
        for (days, date) in [
            (0, (1970, 1, 1)),
            (59, (1970, 3, 1)),
            (789, (1972, 2, 29)),
            (11_016, (2000, 2, 29)),
            (11_017, (2000, 3, 1)),
            (47_540, (2100, 2, 28)),
            (47_541, (2100, 3, 1)),
        ] {
            assert_eq!(civil_date(days), date);
        }
    }
}
