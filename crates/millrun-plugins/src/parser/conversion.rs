//! `types`: what becomes of the values of a key.
//!
//! ```text
//! string                      as text
//! integer, float              as far as the text is a number, else 0
//! bool                        true for true, yes and 1 in any case, else false
//! time[:unixtime|float|[zone:]format]    an event time, null if it is none
//! array[:delimiter]           the parts between delimiters, a comma without one
//! ```

use memchr::memmem;
use millrun_event::{
    EventTime, Token, Value,
    json::{FloatText, write_float},
    write,
};
use millrun_pattern::{TimeParser, TimeType, Zone};
use millrun_ruby::{leading_float, leading_integer};

use super::{
    error::SetupError,
    rules::event_time,
    settings::{Settings, TextKind},
};

/// The longest text form of a number or truth value.
const SCALAR_BYTES: usize = 32;

#[derive(Debug)]
pub(super) enum Conversion {
    Text,
    Integer,
    Float,
    Bool,
    Time(Box<TimeParser>),
    Array {
        delimiter: Box<memmem::Finder<'static>>,
    },
}

impl Conversion {
    /// Reads a type as written in `types`.
    pub(super) fn parse(
        key: &str,
        definition: &str,
        settings: &Settings,
    ) -> Result<Self, SetupError> {
        let (type_name, option) = match definition.split_once(':') {
            Some((type_name, option)) => (type_name, Some(option)),
            None => (definition, None),
        };
        Ok(match type_name.trim() {
            "string" => Conversion::Text,
            "integer" => Conversion::Integer,
            "float" => Conversion::Float,
            "bool" => Conversion::Bool,
            "time" => Conversion::Time(Box::new(time_parser(option, settings)?)),
            "array" => {
                let delimiter = option
                    .filter(|delimiter| !delimiter.is_empty())
                    .unwrap_or(",");
                Conversion::Array {
                    delimiter: Box::new(memmem::Finder::new(delimiter).into_owned()),
                }
            }
            _ => {
                return Err(SetupError::UnknownType {
                    key: key.to_owned(),
                    type_name: definition.to_owned(),
                });
            }
        })
    }

    /// Writes what becomes of a text.
    pub(super) fn write_text(
        &mut self,
        text: &[u8],
        kind: TextKind,
        now: EventTime,
        out: &mut Vec<u8>,
    ) {
        match self {
            Conversion::Text => write_text(text, kind, out),
            Conversion::Integer => write::int(out, leading_integer(text)),
            Conversion::Float => write::float(out, leading_float(text)),
            Conversion::Bool => {
                write::bool(
                    out,
                    [&b"true"[..], b"yes", b"1"]
                        .iter()
                        .any(|yes| text.eq_ignore_ascii_case(yes)),
                );
            }
            Conversion::Time(parser) => match parser.parse_text(text, i64::from(now.seconds)) {
                Ok(time) => write::time(out, event_time(time)),
                Err(_) => write::nil(out),
            },
            Conversion::Array { delimiter } => write_parts(text, delimiter, kind, out),
        }
    }

    /// Writes what becomes of a value of a JSON document; arrays and maps stay as they are.
    pub(super) fn write_value(
        &mut self,
        value: Value<'_>,
        kind: TextKind,
        now: EventTime,
        out: &mut Vec<u8>,
    ) {
        let Some(token) = value.token() else {
            return write::nil(out);
        };
        match (&*self, token) {
            (_, Token::Str(text) | Token::Bin(text)) => self.write_text(text, kind, now, out),
            (Conversion::Integer, Token::Uint(_) | Token::Int(_))
            | (Conversion::Float, Token::Float(_)) => {
                out.extend_from_slice(value.bytes());
            }
            (Conversion::Float, Token::Uint(number)) => write::float(out, number as f64),
            (Conversion::Float, Token::Int(number)) => write::float(out, number as f64),
            // Ends at the limits of 64 bits; what is not a number becomes 0.
            (Conversion::Integer, Token::Float(number)) => write::int(out, number as i64),
            (_, Token::Uint(_) | Token::Int(_) | Token::Float(_) | Token::Bool(_)) => {
                let mut text = Vec::with_capacity(SCALAR_BYTES);
                write_scalar(token, &mut text);
                self.write_text(&text, kind, now, out);
            }
            (_, Token::Nil | Token::Array(_) | Token::Map(_) | Token::Ext(..)) => {
                out.extend_from_slice(value.bytes());
            }
        }
    }
}

fn write_scalar(token: Token<'_>, text: &mut Vec<u8>) {
    match token {
        Token::Uint(number) => text.extend_from_slice(number.to_string().as_bytes()),
        Token::Int(number) => text.extend_from_slice(number.to_string().as_bytes()),
        Token::Float(number) => write_float(text, number, FloatText::Ruby),
        Token::Bool(true) => text.extend_from_slice(b"true"),
        _ => text.extend_from_slice(b"false"),
    }
}

/// Writes text of a line.
#[inline]
pub(super) fn write_text(text: &[u8], kind: TextKind, out: &mut Vec<u8>) {
    match kind {
        TextKind::Str => write::str(out, text),
        TextKind::Bin => write::bin(out, text),
    }
}

/// Writes the parts between delimiters; empty ones at the end are dropped, as Ruby's `split` does.
fn write_parts(text: &[u8], delimiter: &memmem::Finder<'_>, kind: TextKind, out: &mut Vec<u8>) {
    let width = delimiter.needle().len();
    let mut text = text;
    while let Some(shorter) = text.strip_suffix(delimiter.needle()) {
        text = shorter;
    }
    if text.is_empty() {
        return write::array(out, 0);
    }
    let parts = delimiter.find_iter(text).count() + 1;
    write::array(out, u32::try_from(parts).unwrap_or(u32::MAX));
    let mut start = 0;
    for end in delimiter.find_iter(text).chain([text.len()]) {
        write_text(text.get(start..end).unwrap_or_default(), kind, out);
        start = end + width;
    }
}

fn time_parser(option: Option<&str>, settings: &Settings) -> Result<TimeParser, SetupError> {
    let local = settings.zone()?;
    let Some(option) = option.filter(|option| !option.is_empty()) else {
        return Ok(TimeParser::new(TimeType::Text, None, &[], local)?);
    };
    if let Some(time_type) = match option {
        "unixtime" => Some(TimeType::Unixtime),
        "float" => Some(TimeType::Float),
        _ => None,
    } {
        return Ok(TimeParser::new(time_type, None, &[], local)?);
    }
    // A zone may stand in front of the format, and has colons of its own.
    let (zone, format) = match option.find(":%") {
        Some(colon) if !option.starts_with('%') => (
            Zone::parse(option.get(..colon).unwrap_or_default())?,
            option.get(colon + 1..),
        ),
        _ if option.contains('%') => (local, Some(option)),
        _ => (Zone::parse(option)?, None),
    };
    Ok(TimeParser::new(TimeType::Text, format, &[], zone)?)
}
