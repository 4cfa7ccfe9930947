//! JSON as configuration files write it.
//!
//! Ours because three things differ from a data format: comments are allowed, an error must know
//! its place, and the literal is printed again the way Ruby prints it (`1e3` becomes `1000.0`),
//! since that text is what a parameter's type converts and what the configuration dump shows.

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
    /// Reads one value and nothing after it.
    ///
    /// # Errors
    /// If the text is not exactly one JSON value, or nests deeper than [`MAX_JSON_DEPTH`].
    pub fn parse(text: &str) -> Result<Self, JsonError> {
        let mut reader = Reader { text, offset: 0 };
        let value = reader.value(0)?;
        reader.skip_blank()?;
        match reader.peek() {
            None => Ok(value),
            Some(_) => Err(reader.expected("the end of the text")),
        }
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

struct Reader<'a> {
    text: &'a str,
    offset: usize,
}

impl Reader<'_> {
    fn rest(&self) -> &str {
        self.text.get(self.offset..).unwrap_or("")
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn bump(&mut self) -> Option<char> {
        let character = self.peek()?;
        self.offset += character.len_utf8();
        Some(character)
    }

    fn skip(&mut self, prefix: &str) -> bool {
        let found = self.rest().starts_with(prefix);
        if found {
            self.offset += prefix.len();
        }
        found
    }

    fn expected(&self, expected: &'static str) -> JsonError {
        JsonError {
            offset: self.offset,
            expected,
        }
    }

    fn skip_blank(&mut self) -> Result<(), JsonError> {
        loop {
            if self.skip("//") {
                let rest = self.rest();
                self.offset += rest.find('\n').unwrap_or(rest.len());
            } else if self.rest().starts_with("/*") {
                match self.rest().find("*/") {
                    Some(length) => self.offset += length + 2,
                    None => return Err(self.expected("a comment that is closed with */")),
                }
            } else if self
                .peek()
                .is_some_and(|c| matches!(c, ' ' | '\t' | '\r' | '\n'))
            {
                self.bump();
            } else {
                return Ok(());
            }
        }
    }

    fn value(&mut self, depth: usize) -> Result<Json, JsonError> {
        if depth > MAX_JSON_DEPTH {
            return Err(self.expected("no more than 100 levels of nesting"));
        }
        self.skip_blank()?;
        match self.peek() {
            Some('[') => self.array(depth),
            Some('{') => self.object(depth),
            Some('"') => self.string().map(Json::String),
            Some('-' | '0'..='9') => self.number(),
            _ if self.skip("null") => Ok(Json::Null),
            _ if self.skip("true") => Ok(Json::Bool(true)),
            _ if self.skip("false") => Ok(Json::Bool(false)),
            _ => Err(self.expected("a JSON value; text must be in double quotes")),
        }
    }

    fn array(&mut self, depth: usize) -> Result<Json, JsonError> {
        self.bump();
        let mut items = Vec::new();
        self.skip_blank()?;
        if self.skip("]") {
            return Ok(Json::Array(items));
        }
        loop {
            items.push(self.value(depth + 1)?);
            self.skip_blank()?;
            if self.skip("]") {
                return Ok(Json::Array(items));
            }
            if !self.skip(",") {
                return Err(self.expected("',' or ']'"));
            }
        }
    }

    fn object(&mut self, depth: usize) -> Result<Json, JsonError> {
        self.bump();
        let mut members: Vec<(String, Json)> = Vec::new();
        self.skip_blank()?;
        if self.skip("}") {
            return Ok(Json::Object(members));
        }
        loop {
            self.skip_blank()?;
            if self.peek() != Some('"') {
                return Err(self.expected("a key in double quotes"));
            }
            let key = self.string()?;
            self.skip_blank()?;
            if !self.skip(":") {
                return Err(self.expected("':' after the key"));
            }
            let value = self.value(depth + 1)?;
            match members.iter_mut().find(|(name, _)| *name == key) {
                Some((_, old)) => *old = value,
                None => members.push((key, value)),
            }
            self.skip_blank()?;
            if self.skip("}") {
                return Ok(Json::Object(members));
            }
            if !self.skip(",") {
                return Err(self.expected("',' or '}'"));
            }
        }
    }

    fn string(&mut self) -> Result<String, JsonError> {
        self.bump();
        let mut text = String::new();
        loop {
            match self.peek() {
                None => return Err(self.expected("a string that is closed with '\"'")),
                Some('"') => {
                    self.bump();
                    return Ok(text);
                }
                Some('\\') => {
                    self.bump();
                    text.push(self.escape()?);
                }
                Some('\0'..='\x1f') => {
                    return Err(self.expected("no bare control character in a string"));
                }
                Some(character) => {
                    self.bump();
                    text.push(character);
                }
            }
        }
    }

    fn escape(&mut self) -> Result<char, JsonError> {
        Ok(match self.bump() {
            Some('b') => '\u{8}',
            Some('f') => '\u{c}',
            Some('n') => '\n',
            Some('r') => '\r',
            Some('t') => '\t',
            Some('u') => self.code_point()?,
            None | Some('\n') => return Err(self.expected("a character after '\\'")),
            // Ruby's parser takes any other character as itself, and files rely on it.
            Some(other) => other,
        })
    }

    fn code_point(&mut self) -> Result<char, JsonError> {
        let first = self.four_digits()?;
        let is_high = (0xd800..0xdc00).contains(&first);
        if is_high && self.skip("\\u") {
            let second = self.four_digits()?;
            if (0xdc00..0xe000).contains(&second) {
                let code = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
                return Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
        }
        Ok(char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    fn four_digits(&mut self) -> Result<u32, JsonError> {
        let digits = self
            .rest()
            .get(..4)
            .filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()));
        match digits.and_then(|digits| u32::from_str_radix(digits, 16).ok()) {
            Some(code) => {
                self.offset += 4;
                Ok(code)
            }
            None => Err(self.expected("four hexadecimal digits after '\\u'")),
        }
    }

    fn number(&mut self) -> Result<Json, JsonError> {
        let start = self.offset;
        self.skip("-");
        let integer = self.digits();
        if integer == 0 {
            return Err(self.expected("a digit"));
        }
        if integer > 1
            && self
                .text
                .get(self.offset - integer..)
                .is_some_and(|t| t.starts_with('0'))
        {
            self.offset -= integer;
            return Err(self.expected("a number without leading zeros"));
        }
        let mut is_float = false;
        if self.skip(".") {
            is_float = true;
            if self.digits() == 0 {
                return Err(self.expected("a digit after '.'"));
            }
        }
        if self.skip("e") || self.skip("E") {
            is_float = true;
            let _ = self.skip("+") || self.skip("-");
            if self.digits() == 0 {
                return Err(self.expected("a digit in the exponent"));
            }
        }
        let text = self.text.get(start..self.offset).unwrap_or("");
        Ok(match text.parse() {
            Ok(integer) if !is_float => Json::Integer(integer),
            _ if !is_float => Json::BigInteger(text.to_owned()),
            _ => Json::Float(text.parse().unwrap_or(f64::INFINITY)),
        })
    }

    fn digits(&mut self) -> usize {
        let count = self.rest().bytes().take_while(u8::is_ascii_digit).count();
        self.offset += count;
        count
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
