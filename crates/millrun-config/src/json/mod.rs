//! JSON as configuration files write it.
//!
//! Ours because three things differ from a data format: comments are allowed, an error must know
//! its place, and the literal is printed again the way Ruby prints it (`1e3` becomes `1000.0`),
//! since that text is what a parameter's type converts and what the configuration dump shows.

mod reader;

use std::fmt::{self, Write as _};

/// Deepest nesting of arrays and objects, Ruby's limit too.
pub const MAX_JSON_DEPTH: usize = 100;

/// A JSON value. Objects keep the order of first appearance; the last of equal keys wins.
#[derive(Debug, Clone, PartialEq)]
pub enum Json {
    /// `null`
    Null,
    /// `true`, `false`
    Bool(bool),
    /// A number without fraction or exponent that fits.
    Integer(i64),
    /// The digits of one that does not.
    BigInteger(String),
    /// A number with fraction or exponent.
    Float(f64),
    /// A string.
    String(String),
    /// `[…]`
    Array(Vec<Json>),
    /// `{…}`
    Object(Vec<(String, Json)>),
}

/// Why a text is not JSON.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected}")]
pub struct JsonError {
    /// Byte offset of what does not fit.
    pub offset: usize,
    /// What would have.
    pub expected: &'static str,
}

impl Json {
    /// Reads the first document of a text in YAML: lists and mappings of scalars, without aliases.
    ///
    /// # Errors
    /// If the text is no such YAML, or nests deeper than [`MAX_JSON_DEPTH`].
    #[cfg(feature = "yaml")]
    pub fn parse_yaml(text: &str) -> Result<Self, crate::YamlError> {
        crate::yaml::read(text)
    }

    /// Reads one value and nothing after it.
    ///
    /// # Errors
    /// If the text is not exactly one JSON value, or nests deeper than [`MAX_JSON_DEPTH`].
    pub fn parse(text: &str) -> Result<Self, JsonError> {
        reader::read(text)
    }

    /// The text a scalar type converts: a string's content, anything else as JSON prints it.
    #[must_use]
    pub fn to_text(&self) -> String {
        match self {
            Json::String(text) => text.clone(),
            other => other.to_string(),
        }
    }
}

/// Compact, as Ruby's generator prints it.
impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Json::Null => f.write_str("null"),
            Json::Bool(value) => write!(f, "{value}"),
            Json::Integer(value) => write!(f, "{value}"),
            Json::BigInteger(digits) => f.write_str(digits),
            Json::Float(value) => f.write_str(&ruby_float(*value)),
            Json::String(text) => write_string(f, text),
            Json::Array(items) => {
                f.write_char('[')?;
                for (index, item) in items.iter().enumerate() {
                    write!(f, "{}{item}", if index > 0 { "," } else { "" })?;
                }
                f.write_char(']')
            }
            Json::Object(members) => {
                f.write_char('{')?;
                for (index, (key, value)) in members.iter().enumerate() {
                    f.write_str(if index > 0 { "," } else { "" })?;
                    write_string(f, key)?;
                    write!(f, ":{value}")?;
                }
                f.write_char('}')
            }
        }
    }
}

fn write_string(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    f.write_char('"')?;
    for character in text.chars() {
        match character {
            '"' => f.write_str("\\\"")?,
            '\\' => f.write_str("\\\\")?,
            '\n' => f.write_str("\\n")?,
            '\r' => f.write_str("\\r")?,
            '\t' => f.write_str("\\t")?,
            '\u{8}' => f.write_str("\\b")?,
            '\u{c}' => f.write_str("\\f")?,
            '\0'..='\x1f' => write!(f, "\\u{:04x}", u32::from(character))?,
            _ => f.write_char(character)?,
        }
    }
    f.write_char('"')
}

/// Ruby's `Float#to_s`: the shortest digits, plain from 0.0001 up to 16 digits, else with an
/// exponent of at least two digits.
pub(crate) fn ruby_float(value: f64) -> String {
    if !value.is_finite() {
        return if value.is_nan() {
            "NaN".to_owned()
        } else if value > 0.0 {
            "Infinity".to_owned()
        } else {
            "-Infinity".to_owned()
        };
    }
    let magnitude = value.abs();
    if magnitude != 0.0 && !(1e-4..1e16).contains(&magnitude) {
        let text = format!("{value:e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let point = if digits.contains('.') { "" } else { ".0" };
        let (sign, exponent) = match exponent.strip_prefix('-') {
            Some(exponent) => ('-', exponent),
            None => ('+', exponent),
        };
        return format!("{digits}{point}e{sign}{exponent:0>2}");
    }
    let text = value.to_string();
    if text.contains('.') {
        text
    } else {
        text + ".0"
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn again(text: &str) -> String {
        Json::parse(text).map_or_else(
            |error| format!("{error} at {}", error.offset),
            |j| j.to_string(),
        )
    }

    #[test]
    fn prints_as_ruby_does() {
        assert_eq!(
            again(r#" { "a" : 1 , "b" : [ true , null ] } "#),
            r#"{"a":1,"b":[true,null]}"#
        );
        assert_eq!(
            again("[1e3, 2.50, 1e20, 1e-5, -0.0]"),
            "[1000.0,2.5,1.0e+20,1.0e-05,-0.0]"
        );
        assert_eq!(
            again(r#"["\u00e9\ud83d\ude00\/\q\u0001"]"#),
            "[\"é😀/q\\u0001\"]"
        );
        assert_eq!(
            again("[123456789012345678901234567890]"),
            "[123456789012345678901234567890]"
        );
        assert_eq!(again(r#"{"d":1,"e":2,"d":3}"#), r#"{"d":3,"e":2}"#);
        assert_eq!(again("[1, /* one */ 2 // two\n]"), "[1,2]");
    }

    #[test]
    fn says_what_was_expected_and_where() {
        assert_eq!(again("{a: 1}"), "expected a key in double quotes at 1");
        assert_eq!(
            again("[a]"),
            "expected a JSON value; text must be in double quotes at 1"
        );
        assert_eq!(
            again("[1,2,]"),
            "expected a JSON value; text must be in double quotes at 5"
        );
        assert_eq!(again("[1 2]"), "expected ',' or ']' at 3");
        assert_eq!(again("[1e999]"), "expected a number below 1.8e308 at 1");
        assert_eq!(
            again("[01]"),
            "expected a number without leading zeros at 1"
        );
        assert_eq!(again("[1] x"), "expected the end of the text at 4");
        let deep = "[".repeat(MAX_JSON_DEPTH + 2);
        assert_eq!(
            again(&deep),
            "expected no more than 100 levels of nesting at 101"
        );
    }

    proptest! {
        #[test]
        fn never_panics(text in r#"[\[\]{}",:\\u0-9a-f.eE+\- \n/*tru]{0,40}"#) {
            let _ = Json::parse(&text);
        }

        #[test]
        fn reads_what_serde_json_reads(text in r#"[\[\]{}",:0-3.e\- ]{0,12}"#) {
            if let Ok(expected) = serde_json::from_str::<serde_json::Value>(&text) {
                let ours = Json::parse(&text).unwrap().to_string();
                let ours: serde_json::Value = serde_json::from_str(&ours).unwrap();
                // Through text, for serde_json compares 1.0 and 1 as different numbers.
                prop_assert_eq!(ours.to_string(), expected.to_string());
            }
        }
    }
}
