//! The time of an event as text, with the last one kept: most lines share their second with the
//! line before.

use std::fmt::Write as _;

use millrun_event::{EntryTime, EventTime};
use millrun_pattern::{TimeFormat, TimeFormatError, Zone};

use super::FormatError;

/// How times are written: the parameters `time_type`, `time_format`, `utc`, `localtime` and
/// `timezone`.
#[derive(Clone, Debug)]
pub(crate) struct TimeText {
    form: Form,
}

#[derive(Clone, Debug)]
enum Form {
    /// `time_type unixtime`.
    Seconds,
    /// `time_type float`.
    SecondsAndFraction,
    /// `time_type string`.
    Text {
        format: TimeFormat,
        zone: Zone,
        shows_fraction: bool,
    },
}

impl TimeText {
    /// Whole seconds since the epoch.
    pub(crate) fn unixtime() -> Self {
        Self {
            form: Form::Seconds,
        }
    }

    /// Seconds since the epoch with nine decimals. (Fluentd prints zeros of the wrong length where
    /// the nanoseconds have fewer than nine digits.)
    pub(crate) fn float() -> Self {
        Self {
            form: Form::SecondsAndFraction,
        }
    }

    /// ISO 8601 to the second, with `Z` for UTC and an offset for other zones: what is written
    /// where no format is given.
    pub(crate) fn iso8601(zone: Zone) -> Self {
        Self {
            form: Form::Text {
                format: TimeFormat::iso8601(),
                zone,
                shows_fraction: false,
            },
        }
    }

    /// A strftime format.
    ///
    /// # Errors
    /// Where the format cannot be compiled.
    pub(crate) fn strftime(format: &str, zone: Zone) -> Result<Self, TimeFormatError> {
        Ok(Self {
            form: Form::Text {
                // More than needed is safe here: it only costs the reuse of the last text.
                shows_fraction: format.contains(['N', 'L']),
                format: TimeFormat::compile(format)?,
                zone,
            },
        })
    }

    /// The text of `time`. `last` belongs to this `TimeText`.
    pub(crate) fn text<'l>(&self, time: EventTime, last: &'l mut LastTime) -> &'l str {
        // Times we were sent may claim more than a second of nanoseconds.
        let nanoseconds = time.nanoseconds.min(999_999_999);
        let shows_fraction = match self.form {
            Form::Seconds => false,
            Form::SecondsAndFraction => true,
            Form::Text { shows_fraction, .. } => shows_fraction,
        };
        let key = EventTime::new(time.seconds, if shows_fraction { nanoseconds } else { 0 });
        if last.time != Some(key) {
            last.time = Some(key);
            last.text.clear();
            // Writing to a string does not fail.
            let _ = match &self.form {
                Form::Seconds => write!(last.text, "{}", time.seconds),
                Form::SecondsAndFraction => {
                    write!(last.text, "{}.{nanoseconds:09}", time.seconds)
                }
                Form::Text { format, zone, .. } => {
                    format.write(time.seconds.into(), nanoseconds, zone, &mut last.text);
                    Ok(())
                }
            };
        }
        &last.text
    }
}

/// The time written last, and its text.
#[derive(Clone, Debug, Default)]
pub(crate) struct LastTime {
    time: Option<EventTime>,
    text: String,
}

/// The time of `entry` for those who print it.
pub(super) fn time_of(time: EntryTime) -> Result<EventTime, FormatError> {
    time.to_event_time().ok_or(FormatError::Time)
}
