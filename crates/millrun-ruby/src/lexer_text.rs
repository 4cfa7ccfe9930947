//! Quoted texts, symbols, regular expressions and `%` literals.

use millrun_pattern::Flags;

use crate::{
    error::{RubyError, Span},
    lexer::{Lexed, Lexer, is_word},
    limits::NESTING_MAX,
    token::{Part, TokenKind},
};

impl Lexer<'_> {
    /// Reads to the closing delimiter, behind the opening one.
    pub(crate) fn delimited(
        &mut self,
        open: u8,
        close: u8,
        escapes: bool,
        depth: usize,
        start: usize,
    ) -> Lexed<Vec<Part>> {
        let mut parts = Parts::default();
        let mut nested = 0usize;
        loop {
            let Some(byte) = self.peek(0) else {
                return Err(self.syntax(start, "the string never ends", "its end is missing"));
            };
            match byte {
                b'\\' => self.escape(open, close, escapes, &mut parts.text)?,
                b'#' if escapes && self.peek(1) == Some(b'{') => {
                    self.at += 2;
                    parts.code(self.run(true, depth + 1)?);
                }
                _ if byte == close && nested == 0 => {
                    self.at += 1;
                    return Ok(parts.finish());
                }
                _ => {
                    if open != close && byte == open {
                        nested += 1;
                    } else if byte == close {
                        nested -= 1;
                    }
                    parts.text.push(byte);
                    self.at += 1;
                }
            }
        }
    }

    /// The whole text as the inside of a quoted string.
    pub(crate) fn quoted_to_end(&mut self) -> Lexed<Vec<Part>> {
        let mut parts = Parts::default();
        while let Some(byte) = self.peek(0) {
            match byte {
                b'\\' => self.escape(b'[', b']', true, &mut parts.text)?,
                b'#' if self.peek(1) == Some(b'{') => {
                    self.at += 2;
                    parts.code(self.run(true, 1)?);
                }
                _ => {
                    parts.text.push(byte);
                    self.at += 1;
                }
            }
        }
        Ok(parts.finish())
    }

    fn escape(&mut self, open: u8, close: u8, escapes: bool, out: &mut Vec<u8>) -> Lexed<()> {
        let start = self.at;
        self.at += 1;
        let Some(byte) = self.peek(0) else {
            return Err(self.syntax(start, "the string never ends", "its end is missing"));
        };
        self.at += 1;
        if !escapes {
            if byte != b'\\' && byte != close && byte != open {
                out.push(b'\\');
            }
            out.push(byte);
            return Ok(());
        }
        match byte {
            b'n' => out.push(b'\n'),
            b't' => out.push(b'\t'),
            b'r' => out.push(b'\r'),
            b's' => out.push(b' '),
            b'e' => out.push(0x1b),
            b'a' => out.push(0x07),
            b'b' => out.push(0x08),
            b'f' => out.push(0x0c),
            b'v' => out.push(0x0b),
            b'\n' => {}
            b'0'..=b'7' => {
                self.at -= 1;
                let from = self.at;
                while self.at < from + 3 && matches!(self.peek(0), Some(b'0'..=b'7')) {
                    self.at += 1;
                }
                let digits = self.code.get(from..self.at).unwrap_or_default();
                let number = u32::from_str_radix(digits, 8).unwrap_or_default();
                out.push((number & 0xff) as u8);
            }
            b'x' => {
                let from = self.at;
                while self.at < from + 2
                    && self.peek(0).is_some_and(|byte| byte.is_ascii_hexdigit())
                {
                    self.at += 1;
                }
                let digits = self.code.get(from..self.at).unwrap_or_default();
                let number = u8::from_str_radix(digits, 16).map_err(|_| {
                    self.syntax(
                        start,
                        "a malformed escape",
                        "hexadecimal digits must follow",
                    )
                })?;
                out.push(number);
            }
            b'u' => {
                let braced = self.peek(0) == Some(b'{');
                self.at += usize::from(braced);
                let from = self.at;
                let most = if braced { 6 } else { 4 };
                while self.at < from + most
                    && self.peek(0).is_some_and(|byte| byte.is_ascii_hexdigit())
                {
                    self.at += 1;
                }
                let digits = self.code.get(from..self.at).unwrap_or_default();
                let letter = u32::from_str_radix(digits, 16)
                    .ok()
                    .and_then(char::from_u32);
                let closed = !braced || self.peek(0) == Some(b'}');
                let Some(letter) = letter.filter(|_| closed && (braced || digits.len() == 4))
                else {
                    return Err(self.syntax(
                        start,
                        "a malformed escape",
                        "a Unicode character, such as \\u00e9",
                    ));
                };
                self.at += usize::from(braced);
                out.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
            }
            b'c' | b'C' | b'M' => {
                return Err(Box::new(
                    RubyError::outside(
                        Span::new(start, self.at),
                        "control and meta escapes are not part of the subset",
                    )
                    .hint("use \\x and two hexadecimal digits"),
                ));
            }
            other => out.push(other),
        }
        Ok(())
    }

    pub(crate) fn symbol(&mut self, depth: usize) -> Lexed<TokenKind> {
        let start = self.at;
        self.at += 1;
        if let Some(quote @ (b'"' | b'\'')) = self.peek(0) {
            self.at += 1;
            let parts = self.delimited(quote, quote, quote == b'"', depth, start)?;
            return Ok(TokenKind::Symbol(parts));
        }
        let from = self.at;
        if self.peek(0).is_some_and(is_word) {
            self.take(is_word);
            let next = self.peek(1);
            match self.peek(0) {
                Some(b'?' | b'!') if next != Some(b'=') => self.at += 1,
                Some(b'=') if !matches!(next, Some(b'=' | b'~' | b'>')) => self.at += 1,
                _ => {}
            }
        } else {
            let rest = self.bytes.get(self.at..).unwrap_or_default();
            let operators = [
                "[]=", "[]", "<=>", "===", "==", "=~", "**", "<<", ">>", "<=", ">=", "+", "-", "*",
                "/", "%", "<", ">", "&", "|", "^",
            ];
            let length = operators
                .iter()
                .find(|text| rest.starts_with(text.as_bytes()))
                .map_or(0, |text| text.len());
            self.at += length;
        }
        let name = self.code.get(from..self.at).unwrap_or_default();
        Ok(TokenKind::Symbol(vec![Part::Text(
            name.as_bytes().to_vec(),
        )]))
    }

    /// A regular expression, whose escapes belong to it; `opening` bytes stand before its text.
    pub(crate) fn regex(
        &mut self,
        open: u8,
        close: u8,
        opening: usize,
        depth: usize,
    ) -> Lexed<TokenKind> {
        let start = self.at;
        self.at += opening;
        let mut parts = Parts::default();
        let mut nested = 0usize;
        loop {
            let Some(byte) = self.peek(0) else {
                return Err(self.syntax(
                    start,
                    "the regular expression never ends",
                    "its end is missing",
                ));
            };
            match byte {
                b'\\' => {
                    // The delimiter loses its backslash, all else keeps it.
                    if self.peek(1) != Some(close) || close != b'/' {
                        parts.text.push(byte);
                    }
                    self.at += 1;
                    if let Some(next) = self.peek(0) {
                        parts.text.push(next);
                        self.at += 1;
                    }
                }
                b'#' if self.peek(1) == Some(b'{') => {
                    self.at += 2;
                    parts.code(self.run(true, depth + 1)?);
                }
                _ if byte == close && nested == 0 => {
                    self.at += 1;
                    break;
                }
                _ => {
                    if open != close && byte == open {
                        nested += 1;
                    } else if byte == close {
                        nested -= 1;
                    }
                    parts.text.push(byte);
                    self.at += 1;
                }
            }
        }
        let mut flags = Flags::default();
        while let Some(letter) = self.peek(0).filter(u8::is_ascii_alphabetic) {
            match letter {
                b'i' => flags.ignore_case = true,
                b'm' => flags.multi_line = true,
                b'x' => flags.extended = true,
                // Once, and the encodings: texts are bytes here.
                b'o' | b'u' | b'n' => {}
                _ => {
                    self.at += 1;
                    return Err(self.syntax(
                        self.at - 1,
                        "an unknown regular expression option",
                        "i, m or x",
                    ));
                }
            }
            self.at += 1;
        }
        Ok(TokenKind::Regex(parts.finish(), flags))
    }

    /// `%w(…)`, `%i[…]`, `%q{…}`, `%Q<…>`, `%r{…}`, `%(…)`.
    pub(crate) fn percent(&mut self, depth: usize) -> Lexed<TokenKind> {
        let start = self.at;
        if depth > NESTING_MAX {
            return Err(self.too_deep(start));
        }
        let (letter, skip) = match self.peek(1) {
            Some(letter @ (b'w' | b'W' | b'i' | b'I' | b'q' | b'Q' | b'r')) => (letter, 2),
            Some(b'x') => {
                self.at += 2;
                return Err(Box::new(
                    RubyError::outside(Span::new(start, self.at), "commands are never run")
                        .hint("pass what the command prints in an environment variable or a file"),
                ));
            }
            _ => (b'Q', 1),
        };
        let Some(open) = self.peek(skip).filter(u8::is_ascii_punctuation) else {
            self.at += 1;
            return Err(self.syntax(start, "unexpected `%`", "a value must stand before it"));
        };
        let close = match open {
            b'(' => b')',
            b'[' => b']',
            b'{' => b'}',
            b'<' => b'>',
            other => other,
        };
        if letter == b'r' {
            return self.regex(open, close, skip + 1, depth);
        }
        self.at += skip + 1;
        let escapes = letter == b'Q';
        let parts = self.delimited(open, close, escapes, depth, start)?;
        if matches!(letter, b'q' | b'Q') {
            return Ok(TokenKind::Text(parts));
        }
        let text: Vec<u8> = parts
            .into_iter()
            .flat_map(|part| match part {
                Part::Text(text) => text,
                Part::Code(_) => Vec::new(),
            })
            .collect();
        let words = String::from_utf8_lossy(&text)
            .split_ascii_whitespace()
            .map(str::to_owned)
            .collect();
        Ok(TokenKind::Words(words, matches!(letter, b'i' | b'I')))
    }
}

/// Pieces on the way.
#[derive(Default)]
struct Parts {
    done: Vec<Part>,
    text: Vec<u8>,
}

impl Parts {
    fn code(&mut self, tokens: Vec<crate::token::Token>) {
        self.flush();
        self.done.push(Part::Code(tokens));
    }

    fn flush(&mut self) {
        if !self.text.is_empty() {
            self.done.push(Part::Text(std::mem::take(&mut self.text)));
        }
    }

    fn finish(mut self) -> Vec<Part> {
        self.flush();
        self.done
    }
}
