//! The tokens of an embedded expression.

use std::{iter::Peekable, ops::Range, str::CharIndices};

use crate::EvaluateError;

/// Longest expression; the tree of a sum is as deep as the sum is long.
const MAX_TOKENS: usize = 1000;

#[derive(Debug, Clone)]
pub(super) struct Token {
    pub(super) kind: TokenKind,
    pub(super) range: Range<usize>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TokenKind {
    /// A name, with `.name` after a constant: `ENV`, `ENV.fetch`, `Socket.gethostname`.
    Name(String),
    Text(String),
    Integer(i64),
    /// `||`, or a single character.
    Sign(&'static str),
    /// A character that begins nothing known.
    Other,
}

const SIGNS: [&str; 7] = ["||", "+", "(", ")", "[", "]", ","];

pub(super) fn tokenize(code: &str) -> Result<Vec<Token>, EvaluateError> {
    let mut tokens = Vec::new();
    let mut characters = code.char_indices().peekable();
    while let Some((start, character)) = characters.peek().copied() {
        if character.is_whitespace() {
            characters.next();
            continue;
        }
        let rest = code.get(start..).unwrap_or("");
        let sign = SIGNS.into_iter().find(|sign| rest.starts_with(sign));
        let kind = if let Some(sign) = sign {
            for _ in sign.chars() {
                characters.next();
            }
            TokenKind::Sign(sign)
        } else if matches!(character, '"' | '\'') {
            TokenKind::Text(quoted(&mut characters, code.len())?)
        } else if character.is_ascii_digit() {
            let digits = take(&mut characters, code, |c| c.is_ascii_digit() || c == '_');
            digits
                .replace('_', "")
                .parse()
                .map_or(TokenKind::Other, TokenKind::Integer)
        } else if character.is_alphabetic() || character == '_' {
            let name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '?' | '!');
            TokenKind::Name(take(&mut characters, code, name).to_owned())
        } else {
            characters.next();
            TokenKind::Other
        };
        let end = characters.peek().map_or(code.len(), |(index, _)| *index);
        if tokens.len() == MAX_TOKENS {
            return Err(EvaluateError {
                message: "this Ruby expression is too long".to_owned(),
                label: format!("expected at most {MAX_TOKENS} words and signs"),
                hint: None,
                range: start..end,
            });
        }
        tokens.push(Token {
            kind,
            range: start..end,
        });
    }
    Ok(tokens)
}

fn take<'a>(
    characters: &mut Peekable<CharIndices<'_>>,
    code: &'a str,
    fits: impl Fn(char) -> bool,
) -> &'a str {
    let start = characters.peek().map_or(code.len(), |(index, _)| *index);
    while characters
        .next_if(|(_, character)| fits(*character))
        .is_some()
    {}
    let end = characters.peek().map_or(code.len(), |(index, _)| *index);
    code.get(start..end).unwrap_or("")
}

/// A string without interpolation; the opening quote is next.
fn quoted(characters: &mut Peekable<CharIndices<'_>>, end: usize) -> Result<String, EvaluateError> {
    let Some((start, quote)) = characters.next() else {
        return Ok(String::new());
    };
    let error = |message: &str, range| EvaluateError {
        message: message.to_owned(),
        label: String::new(),
        hint: None,
        range,
    };
    let mut text = String::new();
    while let Some((index, character)) = characters.next() {
        match character {
            character if character == quote => return Ok(text),
            '\\' if quote == '\'' => match characters.next_if(|(_, c)| matches!(c, '\'' | '\\')) {
                Some((_, escaped)) => text.push(escaped),
                None => text.push('\\'),
            },
            '\\' => text.push(match characters.next() {
                Some((_, 'n')) => '\n',
                Some((_, 'r')) => '\r',
                Some((_, 't')) => '\t',
                Some((_, 's')) => ' ',
                Some((_, '0')) => '\0',
                Some((at, other)) if other.is_alphanumeric() => {
                    return Err(error(
                        "this escape is not supported",
                        index..at + other.len_utf8(),
                    ));
                }
                Some((_, other)) => other,
                None => break,
            }),
            '#' if quote == '"' && characters.peek().is_some_and(|(_, next)| *next == '{') => {
                let message = "interpolation inside embedded Ruby is not supported";
                return Err(error(message, index..index + 2));
            }
            character => text.push(character),
        }
    }
    Err(error("this string is never closed", start..end))
}
