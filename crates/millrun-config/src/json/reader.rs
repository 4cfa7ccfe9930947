//! Reads JSON by recursive descent, with the place of what does not fit.

use crate::{Json, JsonError, MAX_JSON_DEPTH};

/// Reads one value and nothing after it.
pub(super) fn read(text: &str) -> Result<Json, JsonError> {
    let mut reader = Reader { text, offset: 0 };
    let value = reader.value(0)?;
    reader.skip_blank()?;
    match reader.peek() {
        None => Ok(value),
        Some(_) => Err(reader.expected("the end of the text")),
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
            _ => match text.parse() {
                Ok(float) if f64::is_finite(float) => Json::Float(float),
                _ => {
                    self.offset = start;
                    return Err(self.expected("a number below 1.8e308"));
                }
            },
        })
    }

    fn digits(&mut self) -> usize {
        let count = self.rest().bytes().take_while(u8::is_ascii_digit).count();
        self.offset += count;
        count
    }
}
