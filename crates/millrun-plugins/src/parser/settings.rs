//! What every `<parse>` section can say.

use millrun_pattern::{Matcher, TimeParser, TimeType, Zone};

use super::error::SetupError;

/// How text from the line is written to msgpack.
///
/// Fluentd writes lines without a declared encoding as byte strings; text is what receivers expect, and the default
/// here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TextKind {
    /// msgpack `str`.
    #[default]
    Str,
    /// msgpack `bin`.
    Bin,
}

/// The parameters that all parsers share, as written.
#[derive(Debug)]
pub struct Settings {
    /// `types`: keys and the types of their values, such as `integer` or `time:%Y`.
    pub types: Vec<(String, String)>,
    /// `time_key`: where the event's time stands.
    pub time_key: Option<String>,
    /// `keep_time_key`: the time stays in the record, too.
    pub keep_time_key: bool,
    /// `time_type`; without one the parser knows.
    pub time_type: Option<TimeType>,
    /// `time_format`.
    pub time_format: Option<String>,
    /// `time_format_fallbacks`, for times of the mixed type.
    pub time_format_fallbacks: Vec<String>,
    /// `timezone`.
    pub timezone: Option<String>,
    /// `utc`, or `localtime false`.
    pub utc: bool,
    /// `null_value_pattern`: text that matches becomes null.
    pub null_value_pattern: Option<Matcher>,
    /// `null_empty_string`: empty text becomes null.
    pub null_empty_string: bool,
    /// `estimate_current_event`: a line that tells no time happened now.
    pub estimate_current_event: bool,
    /// How text is written.
    pub text: TextKind,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            types: Vec::new(),
            time_key: None,
            keep_time_key: false,
            time_type: None,
            time_format: None,
            time_format_fallbacks: Vec::new(),
            timezone: None,
            utc: false,
            null_value_pattern: None,
            null_empty_string: false,
            estimate_current_event: true,
            text: TextKind::default(),
        }
    }
}

impl Settings {
    /// The reader of times, `fallback` being the type where none is set.
    pub(super) fn time_parser(&self, fallback: TimeType) -> Result<TimeParser, SetupError> {
        let time_type = self.time_type.unwrap_or(fallback);
        let format = self.time_format.as_deref();
        if time_type == TimeType::Text && format.is_none() && (self.timezone.is_some() || self.utc)
        {
            return Err(SetupError::ZoneWithoutFormat);
        }
        let fallbacks: Vec<&str> = self
            .time_format_fallbacks
            .iter()
            .map(String::as_str)
            .collect();
        Ok(TimeParser::new(
            time_type,
            format,
            &fallbacks,
            self.zone()?,
        )?)
    }

    /// The zone of times that name none.
    pub(super) fn zone(&self) -> Result<Zone, SetupError> {
        Ok(match &self.timezone {
            Some(timezone) => Zone::parse(timezone)?,
            None if self.utc => Zone::UTC,
            None => Zone::local(),
        })
    }
}
