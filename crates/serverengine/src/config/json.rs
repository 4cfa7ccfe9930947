//! JSON to nodes with their places, and back.
//!
//! It is the form in which a configuration travels between the engine's processes, as well as one of a
//! file; so it is read without dependencies, and strictly: RFC 8259, each key once. Integers are those of
//! 64 bits with a sign, other numbers are floats.

use std::fmt::Write;

use super::node::{Entry, Node, Place, Value};

/// Deepest nesting.
const DEPTH_MAX: usize = 64;

/// Why a text could not be read, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unreadable {
    pub(crate) place: Place,
    pub(crate) message: String,
}

/// Reads a text that is one value.
pub(crate) fn parse(text: &str) -> Result<Node, Unreadable> {
    let mut parser = Parser {
        text,
        rest: text,
        depth: 0,
        counted: 0,
        place: Place { line: 1, column: 1 },
    };
    let node = parser.value()?;
    parser.space();
    if parser.rest.is_empty() {
        Ok(node)
    } else {
        parser.expected("the end of the text")
    }
}

struct Parser<'a> {
    text: &'a str,
    rest: &'a str,
    depth: usize,
    /// Up to where `place` has counted.
    counted: usize,
    place: Place,
}

impl<'a> Parser<'a> {
    fn value(&mut self) -> Result<Node, Unreadable> {
        self.space();
        let place = self.place();
        let value = match self.rest.as_bytes().first() {
            Some(b'{') => self.nested(Self::map)?,
            Some(b'[') => self.nested(Self::list)?,
            Some(b'"') => Value::Text(self.text()?),
            Some(b'-' | b'0'..=b'9') => self.number()?,
            _ if self.take("true") => Value::Bool(true),
            _ if self.take("false") => Value::Bool(false),
            _ if self.take("null") => Value::Null,
            _ => return self.expected("a value"),
        };
        Ok(Node { place, value })
    }

    fn nested(
        &mut self,
        inner: fn(&mut Self) -> Result<Value, Unreadable>,
    ) -> Result<Value, Unreadable> {
        if self.depth >= DEPTH_MAX {
            return self.fail(format!("nested deeper than {DEPTH_MAX} levels"));
        }
        self.depth += 1;
        self.skip(1);
        let value = inner(self)?;
        self.depth -= 1;
        Ok(value)
    }

    fn list(&mut self) -> Result<Value, Unreadable> {
        let mut items = Vec::new();
        self.space();
        if self.take("]") {
            return Ok(Value::List(items));
        }
        loop {
            items.push(self.value()?);
            self.space();
            if self.take("]") {
                return Ok(Value::List(items));
            }
            if !self.take(",") {
                return self.expected("',' or ']'");
            }
        }
    }

    fn map(&mut self) -> Result<Value, Unreadable> {
        let mut entries: Vec<Entry> = Vec::new();
        self.space();
        if self.take("}") {
            return Ok(Value::Map(entries));
        }
        loop {
            self.space();
            let place = self.place();
            if !self.rest.starts_with('"') {
                return self.expected("a key in double quotes");
            }
            let key = self.text()?;
            if entries.iter().any(|entry| entry.key == key) {
                let message = format!("the key {key:?} is there twice");
                return Err(Unreadable { place, message });
            }
            self.space();
            if !self.take(":") {
                return self.expected("':'");
            }
            let node = self.value()?;
            entries.push(Entry { key, place, node });
            self.space();
            if self.take("}") {
                return Ok(Value::Map(entries));
            }
            if !self.take(",") {
                return self.expected("',' or '}'");
            }
        }
    }

    fn number(&mut self) -> Result<Value, Unreadable> {
        let rest = self.rest;
        let end = rest
            .find(|it: char| !matches!(it, '0'..='9' | '-' | '+' | '.' | 'e' | 'E'))
            .unwrap_or(rest.len());
        let (word, _) = rest.split_at(end);
        if !is_number(word) {
            return self.fail(format!("{word} is no number"));
        }
        let value = match (word.parse(), word.parse::<f64>()) {
            (Ok(integer), _) => Value::Integer(integer),
            (Err(_), Ok(float)) if float.is_finite() => Value::Float(float),
            _ => return self.fail(format!("{word} is too large a number")),
        };
        self.skip(end);
        Ok(value)
    }

    fn text(&mut self) -> Result<String, Unreadable> {
        self.skip(1);
        let mut text = String::new();
        loop {
            let end = self
                .rest
                .find(|it: char| it == '"' || it == '\\' || it < ' ')
                .unwrap_or(self.rest.len());
            let (plain, after) = self.rest.split_at(end);
            text.push_str(plain);
            self.rest = after;
            if self.take("\"") {
                return Ok(text);
            }
            if !self.take("\\") {
                return self.expected("'\"', the end of the text");
            }
            text.push(self.escape()?);
        }
    }

    fn escape(&mut self) -> Result<char, Unreadable> {
        let Some(letter) = self.rest.chars().next() else {
            return self.expected("an escape");
        };
        let plain = match letter {
            '"' | '\\' | '/' => letter,
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => {
                self.skip(1);
                return self.unicode();
            }
            _ => return self.fail(format!("\\{letter} is no escape")),
        };
        self.skip(1);
        Ok(plain)
    }

    fn unicode(&mut self) -> Result<char, Unreadable> {
        let first = self.hex()?;
        let code = match first {
            0xd800..0xdc00 => {
                if !self.take("\\u") {
                    return self.expected("the second half of a surrogate pair");
                }
                let second = self.hex()?;
                let low = second.checked_sub(0xdc00).filter(|low| *low < 0x400);
                low.map(|low| 0x1_0000 + ((first - 0xd800) << 10) + low)
            }
            code => Some(code),
        };
        let character = code.and_then(char::from_u32);
        character.map_or_else(|| self.fail("half a surrogate pair".to_owned()), Ok)
    }

    fn hex(&mut self) -> Result<u32, Unreadable> {
        let digits = self.rest.get(..4);
        let digits = digits.filter(|it| it.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let Some(code) = digits.and_then(|it| u32::from_str_radix(it, 16).ok()) else {
            return self.expected("four hexadecimal digits");
        };
        self.skip(4);
        Ok(code)
    }

    fn space(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
    }

    fn take(&mut self, word: &str) -> bool {
        let rest = self.rest.strip_prefix(word);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn skip(&mut self, bytes: usize) {
        self.rest = self.rest.get(bytes..).unwrap_or_default();
    }

    // Counts on from the last place: a text is looked at once, however many values it has.
    fn place(&mut self) -> Place {
        let now = self.text.len().saturating_sub(self.rest.len());
        for character in self.text.get(self.counted..now).unwrap_or_default().chars() {
            if character == '\n' {
                self.place.line = self.place.line.saturating_add(1);
                self.place.column = 1;
            } else {
                self.place.column = self.place.column.saturating_add(1);
            }
        }
        self.counted = now;
        self.place
    }

    fn expected<T>(&mut self, what: &str) -> Result<T, Unreadable> {
        let found = match self.rest.chars().next() {
            Some(character) => format!("{character:?}"),
            None => "the end".to_owned(),
        };
        self.fail(format!("expected {what}, found {found}"))
    }

    fn fail<T>(&mut self, message: String) -> Result<T, Unreadable> {
        let place = self.place();
        Err(Unreadable { place, message })
    }
}

/// Whether a word is a number of RFC 8259: no plus, no leading zeros, digits around the point.
fn is_number(word: &str) -> bool {
    let word = word.strip_prefix('-').unwrap_or(word);
    let (mantissa, exponent) = match word.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (word, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|it| it.is_ascii_digit());
    digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && fraction.is_none_or(digits)
        && exponent.is_none_or(|it| digits(it.strip_prefix(['+', '-']).unwrap_or(it)))
}

/// Writes a node as one line. What JSON cannot say, an infinite number, becomes null.
pub(crate) fn write(node: &Node) -> String {
    let mut text = String::new();
    write_value(&node.value, &mut text);
    text
}

fn write_value(value: &Value, text: &mut String) {
    match value {
        Value::Null => text.push_str("null"),
        // Writing to a string does not fail.
        Value::Bool(it) => drop(write!(text, "{it}")),
        Value::Integer(it) => drop(write!(text, "{it}")),
        Value::Float(it) if it.is_finite() => drop(write!(text, "{it:?}")),
        Value::Float(_) => text.push_str("null"),
        Value::Text(it) => write_text(it, text),
        Value::List(items) => {
            text.push('[');
            for (number, item) in items.iter().enumerate() {
                if number > 0 {
                    text.push(',');
                }
                write_value(&item.value, text);
            }
            text.push(']');
        }
        Value::Map(entries) => {
            text.push('{');
            for (number, entry) in entries.iter().enumerate() {
                if number > 0 {
                    text.push(',');
                }
                write_text(&entry.key, text);
                text.push(':');
                write_value(&entry.node.value, text);
            }
            text.push('}');
        }
    }
}

fn write_text(it: &str, text: &mut String) {
    text.push('"');
    for character in it.chars() {
        match character {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            it if it < ' ' => drop(write!(text, "\\u{:04x}", u32::from(it))),
            it => text.push(it),
        }
    }
    text.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str) -> String {
        let Unreadable { place, message } = parse(text).unwrap_err();
        format!("{}:{}: {message}", place.line, place.column)
    }

    #[test]
    fn values_come_back_as_they_went() {
        for text in [
            "null",
            "true",
            "[]",
            "{}",
            "-7",
            "9223372036854775807",
            "1.5",
            "1e300",
            r#"["a\u0001\"\\ü",{"b":[1,{"c":null}]}]"#,
        ] {
            assert_eq!(write(&parse(text).unwrap()), text);
        }
        assert_eq!(
            write(&parse(" [ 1 , \"\\ud83d\\ude00\\/\\n\" ]\n").unwrap()),
            "[1,\"😀/\\u000a\"]"
        );
        let node = parse("{\n  \"ü\": [1, 2]}").unwrap();
        let Value::Map(entries) = node.value else {
            panic!()
        };
        assert_eq!(entries[0].place, Place { line: 2, column: 3 });
        assert_eq!(entries[0].node.place, Place { line: 2, column: 8 });
    }

    #[test]
    fn what_is_no_json_is_said_with_its_place() {
        for (text, expected) in [
            ("", "1:1: expected a value, found the end"),
            ("{", "1:2: expected a key in double quotes, found the end"),
            ("{\"a\" 1}", "1:6: expected ':', found '1'"),
            ("[1\n2]", "2:1: expected ',' or ']', found '2'"),
            ("[1,]", "1:4: expected a value, found ']'"),
            ("{\"a\":1,\n\"a\":2}", "2:1: the key \"a\" is there twice"),
            ("01", "1:1: 01 is no number"),
            ("1.", "1:1: 1. is no number"),
            ("1e999", "1:1: 1e999 is too large a number"),
            ("\"\\x\"", "1:3: \\x is no escape"),
            (
                "\"\\ud800\"",
                "1:8: expected the second half of a surrogate pair, found '\"'",
            ),
            ("\"\\udc00\"", "1:8: half a surrogate pair"),
            (
                "\"a",
                "1:3: expected '\"', the end of the text, found the end",
            ),
            ("1 2", "1:3: expected the end of the text, found '2'"),
        ] {
            assert_eq!(message(text), expected, "{text}");
        }
        assert_eq!(
            message(&"[".repeat(1000)),
            "1:65: nested deeper than 64 levels"
        );
    }

    #[test]
    fn no_bytes_make_it_panic() {
        let text = r#"{"a":[1.5e-3,"ü\u00e9\n"],"b":{"c":null,"d":true}}"#;
        for length in 0..text.len() {
            if let Some(part) = text.get(..length) {
                assert!(parse(part).is_err());
            }
            for byte in "\"\\{}[]:,0-.eu \nü".chars() {
                let (before, after) = text.split_at(text.floor_char_boundary(length));
                let _ = parse(&format!("{before}{byte}{after}"));
            }
        }
    }
}
