//! What one line looks like.
//!
//! ```text
//! Ruby   I, [2026-11-21T01:02:13.030487 #24557]  INFO -- : text
//! JSON   {"time":"2026-11-21T01:02:13.030487+01:00","level":"INFO","pid":24557,"message":"text"}
//! ```
//!
//! Ruby's time is local and does not say so; JSON's carries its offset.

use std::fmt::Write;
use std::time::Duration;

use crate::log::Level;

/// Form of a log line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LineFormat {
    /// The one of Ruby's standard library. A message with line ends becomes several lines.
    #[default]
    Ruby,
    /// One JSON object per line.
    Json,
}

/// A moment, with the offset of local time that applies to it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LocalTime {
    pub(crate) since_epoch: Duration,
    pub(crate) offset_seconds: i32,
}

/// A date and a time of day.
pub(crate) struct Civil {
    pub(crate) date: (u64, u64, u64),
    pub(crate) time: (u64, u64, u64),
}

impl LocalTime {
    pub(crate) fn now() -> Self {
        let since_epoch = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap_or_default();
        Self {
            since_epoch,
            offset_seconds: crate::sys::local_offset_seconds(since_epoch.as_secs()),
        }
    }

    pub(crate) fn local_seconds(self) -> u64 {
        self.since_epoch
            .as_secs()
            .saturating_add_signed(self.offset_seconds.into())
    }

    pub(crate) fn civil(self) -> Civil {
        let seconds = self.local_seconds();
        Civil {
            date: civil_date(seconds / 86_400),
            time: (seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60),
        }
    }
}

/// Makes the line of a message, its end included.
pub(crate) fn line(
    format: LineFormat,
    level: Level,
    message: &str,
    time: LocalTime,
    pid: u32,
) -> String {
    let mut line = String::with_capacity(message.len() + 96);
    // Writing to a string does not fail.
    let _ = match format {
        LineFormat::Ruby => {
            let initial = level.name().get(..1).unwrap_or_default();
            let time = moment(format, time);
            writeln!(line, "{initial}, [{time} #{pid}] {level:>5} -- : {message}")
        }
        LineFormat::Json => {
            let time = moment(format, time);
            let _ = write!(
                line,
                "{{\"time\":\"{time}\",\"level\":\"{level}\",\"pid\":{pid},\"message\":"
            );
            json_string(message, &mut line);
            writeln!(line, "}}")
        }
    };
    line
}

/// Makes the text of a moment.
pub(crate) fn moment(format: LineFormat, time: LocalTime) -> String {
    match format {
        LineFormat::Ruby => timestamp(time),
        LineFormat::Json => timestamp(time) + &offset(time, ":"),
    }
}

/// Makes the first line of a new file.
pub(crate) fn header(time: LocalTime) -> String {
    let text = timestamp(time);
    let (date, clock) = text.split_at(10.min(text.len()));
    let clock = clock.get(1..9).unwrap_or_default();
    let offset = offset(time, "");
    let version = env!("CARGO_PKG_VERSION");
    format!("# Logfile created on {date} {clock} {offset} by serverengine/{version}\n")
}

fn timestamp(time: LocalTime) -> String {
    let Civil {
        date: (year, month, day),
        time: (hour, minute, second),
    } = time.civil();
    let micros = time.since_epoch.subsec_micros();
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}")
}

fn offset(time: LocalTime, separator: &str) -> String {
    let sign = if time.offset_seconds < 0 { '-' } else { '+' };
    let minutes = time.offset_seconds.unsigned_abs() / 60;
    format!("{sign}{:02}{separator}{:02}", minutes / 60, minutes % 60)
}

fn json_string(text: &str, line: &mut String) {
    line.push('"');
    for character in text.chars() {
        match character {
            '"' => line.push_str("\\\""),
            '\\' => line.push_str("\\\\"),
            '\n' => line.push_str("\\n"),
            '\r' => line.push_str("\\r"),
            '\t' => line.push_str("\\t"),
            control if u32::from(control) < 0x20 => {
                let _ = write!(line, "\\u{:04x}", u32::from(control));
            }
            other => line.push(other),
        }
    }
    line.push('"');
}

/// Returns year, month and day of a day counted from 1970-01-01 (proleptic Gregorian calendar).
///
/// Years are taken from March on, so that the leap day is the last day of a year.
pub(crate) fn civil_date(days_since_epoch: u64) -> (u64, u64, u64) {
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

    const TIME: LocalTime = LocalTime {
        since_epoch: Duration::new(1_795_222_933, 30_487_999),
        offset_seconds: 0,
    };

    #[test]
    fn a_line_has_the_shape_of_serverengine() {
        assert_eq!(
            line(LineFormat::Ruby, Level::Info, "text", TIME, 24_557),
            "I, [2026-11-21T01:02:13.030487 #24557]  INFO -- : text\n"
        );
        let time = LocalTime {
            offset_seconds: -5_400,
            ..TIME
        };
        assert_eq!(
            line(LineFormat::Ruby, Level::Trace, "a\nb", time, 1),
            "T, [2026-11-20T23:32:13.030487 #1] TRACE -- : a\nb\n"
        );
    }

    #[test]
    fn a_json_line_is_one_line_whatever_the_message() {
        let time = LocalTime {
            offset_seconds: 19_800,
            ..TIME
        };
        assert_eq!(
            line(LineFormat::Json, Level::Warn, "a \"b\\\n\tü\u{1}", time, 7),
            "{\"time\":\"2026-11-21T06:32:13.030487+05:30\",\"level\":\"WARN\",\"pid\":7,\
             \"message\":\"a \\\"b\\\\\\n\\tü\\u0001\"}\n"
        );
    }

    #[test]
    fn a_new_file_says_when_it_was_made() {
        assert_eq!(
            header(LocalTime {
                offset_seconds: 3_600,
                ..TIME
            }),
            format!(
                "# Logfile created on 2026-11-21 02:02:13 +0100 by serverengine/{}\n",
                env!("CARGO_PKG_VERSION")
            )
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
