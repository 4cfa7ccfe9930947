//! What every parser does to fields: the time is taken out, nulls are recognised, types are given.

use millrun_event::{EventTime, Token, Value, write};
use millrun_pattern::{Matcher, TimeParser, TimeType, Timestamp};

use super::{
    conversion::{Conversion, write_text},
    error::{ParseError, SetupError},
    settings::{Settings, TextKind},
};

/// [`Settings`], compiled.
#[derive(Debug)]
pub(super) struct Rules {
    time_key: Option<Box<str>>,
    pub(super) keep_time_key: bool,
    time: TimeParser,
    conversions: Vec<(Box<str>, Conversion)>,
    null_value_pattern: Option<Matcher>,
    null_empty_string: bool,
    estimate_current_event: bool,
    text: TextKind,
}

impl Rules {
    /// Compiles the settings; `time_type` and `time_key` are what holds where they say nothing.
    pub(super) fn new(
        settings: Settings,
        time_type: TimeType,
        time_key: Option<&str>,
    ) -> Result<Self, SetupError> {
        let conversions = settings.types.iter().map(|(key, definition)| {
            let conversion = Conversion::parse(key, definition, &settings)?;
            Ok((key.as_str().into(), conversion))
        });
        Ok(Rules {
            conversions: conversions.collect::<Result<_, SetupError>>()?,
            time: settings.time_parser(time_type)?,
            time_key: settings
                .time_key
                .or_else(|| time_key.map(str::to_owned))
                .map(Into::into),
            keep_time_key: settings.keep_time_key,
            null_value_pattern: settings.null_value_pattern,
            null_empty_string: settings.null_empty_string,
            estimate_current_event: settings.estimate_current_event,
            text: settings.text,
        })
    }

    /// Whether values go to the record as they are.
    pub(super) fn leave_values(&self) -> bool {
        self.conversions.is_empty() && self.null_value_pattern.is_none() && !self.null_empty_string
    }

    /// Whether what the line has as text goes to the record as strings.
    pub(super) fn leaves_text(&self) -> bool {
        self.leave_values() && matches!(self.text, TextKind::Str)
    }

    /// The key that tells the time.
    pub(super) fn time_key(&self) -> Option<&[u8]> {
        self.time_key.as_ref().map(|key| key.as_bytes())
    }

    pub(super) fn is_time_key(&self, key: &[u8]) -> bool {
        self.time_key
            .as_ref()
            .is_some_and(|time_key| time_key.as_bytes() == key)
    }

    /// The index of the conversion for a key.
    pub(super) fn conversion(&self, key: &[u8]) -> Option<usize> {
        self.conversions
            .iter()
            .position(|(known, _)| known.as_bytes() == key)
    }

    /// The time of an event that tells none.
    #[inline]
    pub(super) fn time_untold(&self, now: EventTime) -> Option<EventTime> {
        self.estimate_current_event.then_some(now)
    }

    #[inline]
    pub(super) fn time_of_text(
        &mut self,
        text: &[u8],
        now: EventTime,
    ) -> Result<EventTime, ParseError> {
        Ok(event_time(
            self.time.parse_text(text, i64::from(now.seconds))?,
        ))
    }

    pub(super) fn time_of_value(
        &mut self,
        value: Value<'_>,
        now: EventTime,
    ) -> Result<EventTime, ParseError> {
        let found = match value.token() {
            Some(Token::Str(text) | Token::Bin(text)) => return self.time_of_text(text, now),
            Some(Token::Uint(seconds)) => {
                let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
                return Ok(event_time(self.time.parse_integer(seconds)?));
            }
            Some(Token::Int(seconds)) => return Ok(event_time(self.time.parse_integer(seconds)?)),
            Some(Token::Float(seconds)) => return Ok(event_time(self.time.parse_float(seconds)?)),
            Some(Token::Nil) | None => "null",
            Some(Token::Bool(_)) => "true or false",
            Some(Token::Array(_)) => "an array",
            Some(Token::Map(_)) => "an object",
            Some(Token::Ext(..)) => "an extension",
        };
        Err(ParseError::TimeValue { found })
    }

    /// Writes text of the line as a value.
    #[inline]
    pub(super) fn write_text(
        &mut self,
        text: &[u8],
        conversion: Option<usize>,
        now: EventTime,
        out: &mut Vec<u8>,
    ) {
        self.write_head(text, text.len(), conversion, now, out);
    }

    /// The same of the first `len` bytes of `rest`, which is faster than without what stands behind.
    #[inline]
    pub(super) fn write_head(
        &mut self,
        rest: &[u8],
        len: usize,
        conversion: Option<usize>,
        now: EventTime,
        out: &mut Vec<u8>,
    ) {
        let text = rest.get(..len).unwrap_or(rest);
        if self.is_null(text) {
            return write::nil(out);
        }
        match conversion.and_then(|index| self.conversions.get_mut(index)) {
            Some((_, conversion)) => conversion.write_text(text, self.text, now, out),
            None if self.text == TextKind::Str => write::str_head(out, rest, len),
            None => write_text(text, self.text, out),
        }
    }

    /// Writes a value of a document that is msgpack already.
    pub(super) fn write_value(
        &mut self,
        key: &[u8],
        value: Value<'_>,
        now: EventTime,
        out: &mut Vec<u8>,
    ) {
        if value.text().is_some_and(|text| self.is_null(text)) {
            return write::nil(out);
        }
        let conversion = self
            .conversion(key)
            .and_then(|index| self.conversions.get_mut(index));
        match conversion {
            // Strings of a document are text, whatever the line is.
            Some((_, conversion)) => conversion.write_value(value, TextKind::Str, now, out),
            None => out.extend_from_slice(value.bytes()),
        }
    }

    fn is_null(&self, text: &[u8]) -> bool {
        (self.null_empty_string && text.is_empty())
            // A pattern that gives up on a value has not matched it.
            || self.null_value_pattern.as_ref().is_some_and(|pattern| pattern.is_match(text).unwrap_or(false))
    }
}

/// Times outside of what an event can carry end at its limits.
pub(super) fn event_time(time: Timestamp) -> EventTime {
    let seconds = u32::try_from(time.seconds.max(0)).unwrap_or(u32::MAX);
    EventTime::new(seconds, time.nanoseconds)
}
