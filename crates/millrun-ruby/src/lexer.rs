//! From text to tokens.
//!
//! Ruby's tokens depend on what stands before them: `/` divides after a value and opens a regular expression
//! elsewhere, `:` is half of a ternary or opens a symbol. One look at the token before decides here; where Ruby asks
//! which names are variables, white space decides as Ruby's own warning would.

use crate::{
    error::{RubyError, Span},
    limits::{CODE_BYTES_MAX, NESTING_MAX},
    token::{Keyword, Part, Token, TokenKind},
};

pub(crate) type Lexed<T> = Result<T, Box<RubyError>>;

/// The tokens of an expression; the last one is [`TokenKind::Eof`].
pub(crate) fn tokens(code: &str) -> Lexed<Vec<Token>> {
    let mut lexer = Lexer::new(code)?;
    let tokens = lexer.run(false, 0)?;
    Ok(tokens)
}

/// The pieces of a text that is quoted by its own ends, as `%Q[…]` is by brackets.
pub(crate) fn quoted(code: &str) -> Lexed<Vec<Part>> {
    let mut lexer = Lexer::new(code)?;
    lexer.quoted_to_end()
}

/// Longest first, so that the first that fits is the one.
const OPERATORS: &[&str] = &[
    "**=", "<=>", "===", "...", "<<=", ">>=", "&&=", "||=", "**", "==", "!=", ">=", "<=", "&&",
    "||", "=~", "!~", "..", "::", "+=", "-=", "*=", "/=", "%=", "|=", "&=", "^=", "<<", ">>", "->",
    "=>", "&.", "+", "-", "*", "/", "%", "=", "<", ">", "!", "&", "|", "^", "~", "?", ":", ",",
    ".", "(", ")", "[", "]", "{", "}",
];

pub(crate) struct Lexer<'c> {
    pub(crate) code: &'c str,
    pub(crate) bytes: &'c [u8],
    pub(crate) at: usize,
    /// Ternaries whose `:` is still to come.
    ternaries: usize,
}

impl<'c> Lexer<'c> {
    fn new(code: &'c str) -> Lexed<Self> {
        if code.len() > CODE_BYTES_MAX {
            return Err(Box::new(
                RubyError::limit(
                    Span::new(CODE_BYTES_MAX, code.len()),
                    format!("the expression is longer than {CODE_BYTES_MAX} bytes"),
                )
                .hint("move the work into a plugin or into several fields"),
            ));
        }
        Ok(Self {
            code,
            bytes: code.as_bytes(),
            at: 0,
            ternaries: 0,
        })
    }

    /// Reads to the end, or with `braced` to the `}` that closes an interpolation, which it takes.
    pub(crate) fn run(&mut self, braced: bool, depth: usize) -> Lexed<Vec<Token>> {
        let start = self.at;
        if depth > NESTING_MAX {
            return Err(self.too_deep(start));
        }
        let mut tokens: Vec<Token> = Vec::new();
        let mut braces = 0usize;
        let ternaries = std::mem::take(&mut self.ternaries);
        loop {
            let before = self.at;
            self.skip_space();
            let spaced = self.at > before || tokens.is_empty();
            let start = self.at;
            let Some(byte) = self.peek(0) else {
                if braced {
                    return Err(Box::new(
                        RubyError::syntax(Span::new(start, start), "the interpolation never ends")
                            .label("a `}` is missing here"),
                    ));
                }
                let at = Span::new(start, start);
                tokens.push(Token {
                    kind: TokenKind::Eof,
                    at,
                    spaced,
                });
                self.ternaries = ternaries;
                return Ok(tokens);
            };
            if braced && byte == b'}' && braces == 0 {
                self.at += 1;
                let at = Span::new(start, start);
                tokens.push(Token {
                    kind: TokenKind::Eof,
                    at,
                    spaced,
                });
                self.ternaries = ternaries;
                return Ok(tokens);
            }
            let kind = self.token(byte, &tokens, spaced, depth)?;
            match kind {
                TokenKind::Operator("{") => braces += 1,
                TokenKind::Operator("}") => braces = braces.saturating_sub(1),
                _ => {}
            }
            // A line that begins with a dot goes on with the one before.
            if kind == TokenKind::End && self.continues_with_dot() {
                continue;
            }
            tokens.push(Token {
                kind,
                at: Span::new(start, self.at),
                spaced,
            });
        }
    }

    pub(crate) fn peek(&self, ahead: usize) -> Option<u8> {
        self.bytes.get(self.at + ahead).copied()
    }

    pub(crate) fn too_deep(&self, start: usize) -> Box<RubyError> {
        Box::new(
            RubyError::limit(
                Span::new(start, self.bytes.len().min(start + 1)),
                format!("expressions nest deeper than {NESTING_MAX} levels"),
            )
            .hint("use local variables"),
        )
    }

    pub(crate) fn syntax(&self, start: usize, message: &str, label: &str) -> Box<RubyError> {
        Box::new(RubyError::syntax(Span::new(start, self.at.max(start)), message).label(label))
    }

    fn skip_space(&mut self) {
        while let Some(byte) = self.peek(0) {
            match byte {
                b' ' | b'\t' | b'\r' => self.at += 1,
                b'\\' if self.peek(1) == Some(b'\n') => self.at += 2,
                b'#' => {
                    while self.peek(0).is_some_and(|byte| byte != b'\n') {
                        self.at += 1;
                    }
                }
                _ => break,
            }
        }
    }

    fn continues_with_dot(&self) -> bool {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let mut bytes = rest.iter().copied().skip_while(u8::is_ascii_whitespace);
        let first = bytes.next();
        let second = bytes.next();
        matches!((first, second), (Some(b'.'), other) if other != Some(b'.'))
            || matches!((first, second), (Some(b'&'), Some(b'.')))
    }

    fn token(
        &mut self,
        byte: u8,
        before: &[Token],
        spaced: bool,
        depth: usize,
    ) -> Lexed<TokenKind> {
        let previous = before.last().map(|token| &token.kind);
        let after_value = previous.is_some_and(TokenKind::ends_value);
        let after_dot = matches!(previous, Some(TokenKind::Operator("." | "&.")));
        // `puts -1`, `raise "x"`: a name, white space, and something that touches what follows.
        let argument = spaced
            && matches!(previous, Some(TokenKind::Name(_)))
            && !matches!(self.peek(1), Some(b' ' | b'\t' | b'\n' | b'=') | None);
        let value_expected = (!after_value || argument) && !after_dot;
        match byte {
            b'\n' | b';' => {
                self.at += 1;
                Ok(TokenKind::End)
            }
            b'0'..=b'9' => self.number(),
            b'"' | b'\'' => {
                let start = self.at;
                self.at += 1;
                let parts = self.delimited(byte, byte, byte == b'"', depth, start)?;
                let opens = matches!(previous, Some(TokenKind::Operator("{" | "," | "(")));
                if opens && self.peek(0) == Some(b':') && self.peek(1) != Some(b':') {
                    self.at += 1;
                    return match <[Part; 1]>::try_from(parts) {
                        Ok([Part::Text(text)]) => Ok(TokenKind::Label(
                            String::from_utf8_lossy(&text).into_owned(),
                        )),
                        Err(parts) if parts.is_empty() => Ok(TokenKind::Label(String::new())),
                        _ => Err(self.syntax(
                            start,
                            "a label with an interpolation",
                            "use `\"…\".to_sym => value`",
                        )),
                    };
                }
                Ok(TokenKind::Text(parts))
            }
            b'`' if !after_dot => {
                let start = self.at;
                self.at += 1;
                let parts = self.delimited(b'`', b'`', false, depth, start)?;
                let text: Vec<u8> = parts
                    .into_iter()
                    .flat_map(|part| match part {
                        Part::Text(text) => text,
                        Part::Code(_) => Vec::new(),
                    })
                    .collect();
                Ok(TokenKind::Command(
                    String::from_utf8_lossy(&text).into_owned(),
                ))
            }
            b'/' if value_expected => self.regex(b'/', b'/', 1, depth),
            b'%' if value_expected => self.percent(depth),
            b':' if self.opens_symbol(after_value, spaced) => self.symbol(depth),
            b'?' if value_expected && !argument => self.character(),
            b'<' if value_expected && self.opens_heredoc() => {
                self.at += 2;
                Err(Box::new(
                    RubyError::outside(
                        Span::new(self.at - 2, self.at),
                        "here-documents are not part of the subset",
                    )
                    .hint("write a quoted string; it may span lines"),
                ))
            }
            b'$' => self.global(),
            b'@' => {
                let start = self.at;
                while self
                    .peek(0)
                    .is_some_and(|byte| byte == b'@' || is_word(byte))
                {
                    self.at += 1;
                }
                Err(Box::new(
                    RubyError::outside(
                        Span::new(start, self.at),
                        "instance variables are not part of the subset",
                    )
                    .hint("use a local variable; it lives as long as the expression"),
                ))
            }
            _ if is_word(byte) => Ok(self.word(previous, after_dot)),
            _ => self.operator(byte),
        }
    }

    /// `:` is a symbol's unless it follows a value closely or closes a ternary.
    fn opens_symbol(&self, after_value: bool, spaced: bool) -> bool {
        let next = self.peek(1);
        let fits = match next {
            Some(b'"' | b'\'') => true,
            Some(b'+' | b'-' | b'*' | b'/' | b'<' | b'>' | b'[' | b'%' | b'&' | b'|' | b'^') => {
                !after_value
            }
            Some(b'=') => !after_value && matches!(self.peek(2), Some(b'=' | b'~')),
            Some(byte) => is_word(byte) && !byte.is_ascii_digit(),
            None => false,
        };
        fits && (!after_value || (spaced && self.ternaries == 0))
    }

    fn opens_heredoc(&self) -> bool {
        self.peek(1) == Some(b'<')
            && matches!(self.peek(2), Some(b'~' | b'-' | b'A'..=b'Z' | b'"' | b'\''))
    }

    fn number(&mut self) -> Lexed<TokenKind> {
        let start = self.at;
        let prefix = match (self.peek(0), self.peek(1)) {
            (Some(b'0'), Some(b'x' | b'X')) => Some((16, 2)),
            (Some(b'0'), Some(b'b' | b'B')) => Some((2, 2)),
            (Some(b'0'), Some(b'o' | b'O')) => Some((8, 2)),
            (Some(b'0'), Some(b'0'..=b'9' | b'_')) => Some((8, 1)),
            _ => None,
        };
        if let Some((radix, skip)) = prefix {
            self.at += skip;
            let digits = self.take(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
            return i64::from_str_radix(&digits.replace('_', ""), radix)
                .map(TokenKind::Integer)
                .map_err(|_| {
                    self.syntax(
                        start,
                        "a malformed number",
                        "digits of its base, 63 bits at most",
                    )
                });
        }
        let digits = |byte: u8| byte.is_ascii_digit() || byte == b'_';
        let mut text = self.take(digits).to_owned();
        let mut float = false;
        if self.peek(0) == Some(b'.') && self.peek(1).is_some_and(|byte| byte.is_ascii_digit()) {
            float = true;
            self.at += 1;
            text.push('.');
            text.push_str(self.take(digits));
        }
        if matches!(self.peek(0), Some(b'e' | b'E')) {
            let sign = matches!(self.peek(1), Some(b'+' | b'-'));
            if self
                .peek(1 + usize::from(sign))
                .is_some_and(|byte| byte.is_ascii_digit())
            {
                float = true;
                let from = self.at;
                self.at += 1 + usize::from(sign);
                self.take(digits);
                text.push_str(self.code.get(from..self.at).unwrap_or_default());
            }
        }
        let text = text.replace('_', "");
        if self.peek(0).is_some_and(is_word) {
            self.pass_letter();
            return Err(self.syntax(
                start,
                "a malformed number",
                "a digit or an operator must follow",
            ));
        }
        if float {
            return text
                .parse()
                .map(TokenKind::Float)
                .map_err(|_| self.syntax(start, "a malformed number", ""));
        }
        text.parse().map(TokenKind::Integer).map_err(|_| {
            Box::new(
                RubyError::outside(
                    Span::new(start, self.at),
                    "integers beyond 64 bits are not part of the subset",
                )
                .hint("write it as a float"),
            )
        })
    }

    pub(crate) fn take(&mut self, wanted: impl Fn(u8) -> bool) -> &'c str {
        let start = self.at;
        while self.peek(0).is_some_and(&wanted) {
            self.at += 1;
        }
        self.code.get(start..self.at).unwrap_or_default()
    }

    fn character(&mut self) -> Lexed<TokenKind> {
        let start = self.at;
        let rest = self.code.get(self.at + 1..).unwrap_or_default();
        let mut chars = rest.chars();
        match (chars.next(), chars.next()) {
            (Some(first), second)
                if !first.is_whitespace()
                    && first != '\\'
                    && !second.is_some_and(|next| next.is_alphanumeric() || next == '_') =>
            {
                self.at += 1 + first.len_utf8();
                Ok(TokenKind::Text(vec![Part::Text(
                    first.to_string().into_bytes(),
                )]))
            }
            _ => {
                self.at += 1;
                Err(self.syntax(start, "unexpected `?`", "a value must stand before it"))
            }
        }
    }

    fn global(&mut self) -> Lexed<TokenKind> {
        let start = self.at;
        self.at += 1;
        let name = match self.peek(0) {
            Some(
                b'~' | b'!' | b'@' | b'&' | b'`' | b'\'' | b'+' | b'0'..=b'9' | b'/' | b',' | b';',
            ) => {
                let digits = self.take(|byte| byte.is_ascii_digit());
                if digits.is_empty() {
                    self.at += 1;
                }
                self.code.get(start + 1..self.at).unwrap_or_default()
            }
            _ => self.take(is_word),
        };
        if name.is_empty() {
            let error = self.syntax(
                start,
                "unexpected `$`",
                "the name of a global variable must follow",
            );
            let placeholder = self.peek(0) == Some(b'{');
            return Err(if placeholder {
                Box::new(error.hint("inside an expression a placeholder is written without `${…}`"))
            } else {
                error
            });
        }
        Ok(TokenKind::Global(name.to_owned()))
    }

    fn word(&mut self, previous: Option<&TokenKind>, after_dot: bool) -> TokenKind {
        let start = self.at;
        self.take(is_word);
        // `nil?`, `gsub!`; but `a!=b` and `a ?b:c`.
        if matches!(self.peek(0), Some(b'?' | b'!')) {
            let assigns =
                self.peek(1) == Some(b'=') && !matches!(self.peek(2), Some(b'=' | b'~' | b'>'));
            let scope = self.peek(1) == Some(b':')
                && self.peek(0) == Some(b'?')
                && self.peek(2) != Some(b':');
            if !assigns && !scope {
                self.at += 1;
            }
        }
        let text = self.code.get(start..self.at).unwrap_or_default();
        let opens = matches!(
            previous,
            None | Some(TokenKind::Operator("{" | "," | "(" | "|") | TokenKind::End)
        ) || (matches!(previous, Some(TokenKind::Name(_))) && self.ternaries == 0);
        if opens && self.peek(0) == Some(b':') && self.peek(1) != Some(b':') && !after_dot {
            self.at += 1;
            return TokenKind::Label(text.to_owned());
        }
        if after_dot {
            return TokenKind::Name(text.to_owned());
        }
        if let Some(word) = Keyword::find(text) {
            return TokenKind::Keyword(word);
        }
        if text.starts_with(|first: char| first.is_ascii_uppercase()) {
            return TokenKind::Constant(text.to_owned());
        }
        TokenKind::Name(text.to_owned())
    }

    /// Goes behind the letter here, all of it: an error that ends within one cannot be shown.
    fn pass_letter(&mut self) {
        let rest = self.code.get(self.at..).unwrap_or_default();
        self.at += rest.chars().next().map_or(1, char::len_utf8);
    }

    fn operator(&mut self, byte: u8) -> Lexed<TokenKind> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let Some(text) = OPERATORS
            .iter()
            .find(|text| rest.starts_with(text.as_bytes()))
        else {
            let start = self.at;
            self.pass_letter();
            let shown = match self.code.get(start..).and_then(|rest| rest.chars().next()) {
                Some(letter) => letter.to_string(),
                None => format!("byte {byte:#04x}"),
            };
            return Err(self.syntax(
                start,
                &format!("unexpected `{shown}`"),
                "no part of an expression",
            ));
        };
        self.at += text.len();
        match *text {
            "?" => self.ternaries += 1,
            ":" => self.ternaries = self.ternaries.saturating_sub(1),
            _ => {}
        }
        Ok(TokenKind::Operator(text))
    }
}

pub(crate) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}
