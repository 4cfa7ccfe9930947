//! The evaluator for the forms nearly every file uses.
//!
//! ```text
//! or       = sum { "||" sum }
//! sum      = primary { "+" primary }
//! primary  = 'text' | "text" | integer | true | false | nil
//!          | ENV['X'] | ENV.fetch('X') | ENV.fetch('X', or)
//!          | hostname | Socket.gethostname | worker_id | use_nil | use_default | "(" or ")"
//! ```
//!
//! Anything else is an error with its place, never passed through.

use std::{iter::Peekable, ops::Range, str::CharIndices};

use crate::{Environment, Evaluate, EvaluateError, Evaluated, nearest};

/// Deepest nesting of parentheses.
const MAX_DEPTH: usize = 50;

/// Names an expression may begin with, for "did you mean".
const NAMES: [&str; 9] = [
    "ENV",
    "Socket",
    "hostname",
    "worker_id",
    "use_nil",
    "use_default",
    "true",
    "false",
    "nil",
];

/// Evaluates with an [`Environment`] and nothing else.
#[derive(Debug, Clone, Copy)]
pub struct BuiltIn<'a> {
    environment: &'a Environment,
}

impl<'a> BuiltIn<'a> {
    /// An evaluator that sees this environment.
    #[must_use]
    pub fn new(environment: &'a Environment) -> Self {
        Self { environment }
    }
}

impl Evaluate for BuiltIn<'_> {
    fn evaluate(&mut self, code: &str) -> Result<Evaluated, EvaluateError> {
        let tokens = tokenize(code)?;
        let mut parser = Parser {
            tokens: &tokens,
            next: 0,
            end: code.len(),
        };
        let expression = parser.or(0)?;
        if let Some(token) = parser.peek() {
            return Err(unsupported(token, "expected '||', '+' or the end"));
        }
        Ok(match self.run(&expression)? {
            Ruby::Text(text) => Evaluated::Text(text),
            Ruby::Integer(value) => Evaluated::Text(value.to_string()),
            Ruby::Bool(value) => Evaluated::Text(value.to_string()),
            Ruby::Nil => Evaluated::Text(String::new()),
            Ruby::UseNil => Evaluated::Nil,
            Ruby::UseDefault => Evaluated::Default,
        })
    }
}

/// A value of an expression; the last two end it wherever they come up.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Ruby {
    Text(String),
    Integer(i64),
    Bool(bool),
    Nil,
    UseNil,
    UseDefault,
}

struct Expression {
    kind: ExpressionKind,
    range: Range<usize>,
}

enum ExpressionKind {
    Literal(Ruby),
    Variable {
        name: String,
    },
    Fetch {
        name: String,
        default: Option<Box<Expression>>,
    },
    Hostname,
    WorkerId,
    Or(Box<Expression>, Box<Expression>),
    Sum(Box<Expression>, Box<Expression>),
}

impl BuiltIn<'_> {
    fn run(&self, expression: &Expression) -> Result<Ruby, EvaluateError> {
        let variable = |name: &str| {
            self.environment
                .variables
                .get(name)
                .cloned()
                .map(Ruby::Text)
        };
        match &expression.kind {
            ExpressionKind::Literal(value) => Ok(value.clone()),
            ExpressionKind::Variable { name } => Ok(variable(name).unwrap_or(Ruby::Nil)),
            ExpressionKind::Fetch { name, default } => match (variable(name), default) {
                (Some(value), _) => Ok(value),
                (None, Some(default)) => self.run(default),
                (None, None) => Err(EvaluateError {
                    message: format!("environment variable '{name}' is not set"),
                    label: String::new(),
                    hint: Some(format!("set it, or write ENV.fetch('{name}', 'default')")),
                    range: expression.range.clone(),
                }),
            },
            ExpressionKind::Hostname => Ok(Ruby::Text(self.environment.hostname.clone())),
            ExpressionKind::WorkerId => {
                let id = self.environment.worker_id;
                Ok(Ruby::Text(id.map_or_else(String::new, |id| id.to_string())))
            }
            ExpressionKind::Or(left, right) => match self.run(left)? {
                Ruby::Nil | Ruby::Bool(false) => self.run(right),
                value => Ok(value),
            },
            ExpressionKind::Sum(left, right) => {
                let (a, b) = (self.run(left)?, self.run(right)?);
                match (a, b) {
                    (marker @ (Ruby::UseNil | Ruby::UseDefault), _)
                    | (_, marker @ (Ruby::UseNil | Ruby::UseDefault)) => Ok(marker),
                    (Ruby::Text(a), Ruby::Text(b)) => Ok(Ruby::Text(a + &b)),
                    (Ruby::Integer(a), Ruby::Integer(b)) => a
                        .checked_add(b)
                        .map(Ruby::Integer)
                        .ok_or_else(|| too_large(expression)),
                    (a, b) => Err(EvaluateError {
                        message: format!("cannot add {} and {}", noun(&a), noun(&b)),
                        label: "expected two texts or two integers".to_owned(),
                        hint: Some("write ENV.fetch('X', '') where it may be unset".to_owned()),
                        range: expression.range.clone(),
                    }),
                }
            }
        }
    }
}

fn noun(value: &Ruby) -> &'static str {
    match value {
        Ruby::Text(_) => "a text",
        Ruby::Integer(_) => "an integer",
        Ruby::Bool(_) => "a bool",
        Ruby::Nil | Ruby::UseNil | Ruby::UseDefault => "nil",
    }
}

fn too_large(expression: &Expression) -> EvaluateError {
    EvaluateError {
        message: "the sum does not fit into 64 bits".to_owned(),
        label: String::new(),
        hint: None,
        range: expression.range.clone(),
    }
}

#[derive(Debug, Clone)]
struct Token {
    kind: TokenKind,
    range: Range<usize>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum TokenKind {
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

fn tokenize(code: &str) -> Result<Vec<Token>, EvaluateError> {
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

struct Parser<'a> {
    tokens: &'a [Token],
    next: usize,
    end: usize,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<&'a Token> {
        self.tokens.get(self.next)
    }

    fn accept(&mut self, sign: &'static str) -> bool {
        let found = self
            .peek()
            .is_some_and(|token| token.kind == TokenKind::Sign(sign));
        if found {
            self.next += 1;
        }
        found
    }

    fn expect(&mut self, sign: &'static str) -> Result<(), EvaluateError> {
        if self.accept(sign) {
            return Ok(());
        }
        Err(self.unexpected(&format!("expected '{sign}'")))
    }

    fn unexpected(&self, label: &str) -> EvaluateError {
        match self.peek() {
            Some(token) => unsupported(token, label),
            None => EvaluateError {
                message: "this Ruby expression is incomplete".to_owned(),
                label: label.to_owned(),
                hint: None,
                range: self.end..self.end,
            },
        }
    }

    fn or(&mut self, depth: usize) -> Result<Expression, EvaluateError> {
        let mut left = self.sum(depth)?;
        while self.accept("||") {
            let right = self.sum(depth)?;
            left = join(left, right, ExpressionKind::Or);
        }
        Ok(left)
    }

    fn sum(&mut self, depth: usize) -> Result<Expression, EvaluateError> {
        let mut left = self.primary(depth)?;
        while self.accept("+") {
            let right = self.primary(depth)?;
            left = join(left, right, ExpressionKind::Sum);
        }
        Ok(left)
    }

    fn primary(&mut self, depth: usize) -> Result<Expression, EvaluateError> {
        const EXPECTED: &str = "expected a text, a number, ENV['X'], hostname or worker_id";
        let Some(token) = self.peek() else {
            return Err(self.unexpected(EXPECTED));
        };
        self.next += 1;
        let kind = match &token.kind {
            TokenKind::Text(text) => ExpressionKind::Literal(Ruby::Text(text.clone())),
            TokenKind::Integer(value) => ExpressionKind::Literal(Ruby::Integer(*value)),
            TokenKind::Name(name) => match name.as_str() {
                "true" => ExpressionKind::Literal(Ruby::Bool(true)),
                "false" => ExpressionKind::Literal(Ruby::Bool(false)),
                "nil" => ExpressionKind::Literal(Ruby::Nil),
                "use_nil" => ExpressionKind::Literal(Ruby::UseNil),
                "use_default" => ExpressionKind::Literal(Ruby::UseDefault),
                "hostname" | "Socket.gethostname" => ExpressionKind::Hostname,
                "worker_id" => ExpressionKind::WorkerId,
                "ENV" => {
                    self.expect("[")?;
                    let name = self.name()?;
                    self.expect("]")?;
                    ExpressionKind::Variable { name }
                }
                "ENV.fetch" => {
                    self.expect("(")?;
                    let name = self.name()?;
                    let default = match self.accept(",") {
                        true => Some(Box::new(self.or(depth + 1)?)),
                        false => None,
                    };
                    self.expect(")")?;
                    ExpressionKind::Fetch { name, default }
                }
                _ => return Err(unsupported(token, EXPECTED)),
            },
            TokenKind::Sign("(") if depth < MAX_DEPTH => {
                let inner = self.or(depth + 1)?;
                self.expect(")")?;
                return Ok(inner);
            }
            TokenKind::Sign(_) | TokenKind::Other => return Err(unsupported(token, EXPECTED)),
        };
        let last = self.tokens.get(self.next - 1).unwrap_or(token);
        Ok(Expression {
            kind,
            range: token.range.start..last.range.end,
        })
    }

    /// The name of an environment variable.
    fn name(&mut self) -> Result<String, EvaluateError> {
        match self.peek() {
            Some(Token {
                kind: TokenKind::Text(name),
                ..
            }) => {
                self.next += 1;
                Ok(name.clone())
            }
            _ => Err(self.unexpected("expected a variable's name in quotes")),
        }
    }
}

fn join(
    left: Expression,
    right: Expression,
    kind: impl FnOnce(Box<Expression>, Box<Expression>) -> ExpressionKind,
) -> Expression {
    let range = left.range.start..right.range.end;
    Expression {
        kind: kind(Box::new(left), Box::new(right)),
        range,
    }
}

fn unsupported(token: &Token, label: &str) -> EvaluateError {
    let near = match &token.kind {
        TokenKind::Name(name) => nearest(name, NAMES),
        _ => None,
    };
    EvaluateError {
        message: "this Ruby expression is not supported".to_owned(),
        label: label.to_owned(),
        hint: Some(match near {
            Some(near) => format!("did you mean '{near}'?"),
            None => {
                "supported are ENV['X'], ENV.fetch('X', 'default'), '||', '+', texts, integers, \
                     hostname, worker_id, use_nil and use_default"
                    .to_owned()
            }
        }),
        range: token.range.clone(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn environment() -> Environment {
        Environment {
            variables: [("X".to_owned(), "x".to_owned())].into(),
            hostname: "mill".to_owned(),
            worker_id: Some(3),
        }
    }

    fn evaluate(code: &str) -> Result<Evaluated, EvaluateError> {
        BuiltIn::new(&environment()).evaluate(code)
    }

    #[test]
    fn the_documented_forms_work() {
        for (code, expected) in [
            ("ENV['X']", "x"),
            ("ENV[\"X\"]", "x"),
            ("ENV['Y']", ""),
            ("ENV.fetch('X')", "x"),
            ("ENV.fetch('Y', 'd')", "d"),
            ("ENV.fetch(\"Y\", ENV['X'])", "x"),
            ("ENV['Y'] || 'd'", "d"),
            ("ENV['Y'] || 9_200", "9200"),
            ("ENV['Y'] || ENV['Z'] || true", "true"),
            ("ENV['X'] || use_default", "x"),
            ("'https://' + ENV['X'] + ':' + \"\\t\"", "https://x:\t"),
            ("hostname", "mill"),
            ("Socket.gethostname", "mill"),
            ("worker_id", "3"),
            ("(nil || 'a') + 'b'", "ab"),
            ("1 + 1", "2"),
            ("'it\\'s'", "it's"),
        ] {
            assert_eq!(
                evaluate(code),
                Ok(Evaluated::Text(expected.to_owned())),
                "{code}"
            );
        }
        assert_eq!(evaluate("use_nil"), Ok(Evaluated::Nil));
        assert_eq!(evaluate("ENV['Y'] || use_default"), Ok(Evaluated::Default));
    }

    #[test]
    fn everything_else_is_an_error_with_its_place() {
        for (code, message, range) in [
            ("`hostname`", "this Ruby expression is not supported", 0..1),
            (
                "ENV['X'].strip",
                "this Ruby expression is not supported",
                8..9,
            ),
            ("hostnam", "this Ruby expression is not supported", 0..7),
            (
                "ENV.fetch('Y')",
                "environment variable 'Y' is not set",
                0..14,
            ),
            ("ENV['Y'] + 'a'", "cannot add nil and a text", 0..14),
            ("ENV[", "this Ruby expression is incomplete", 4..4),
            ("", "this Ruby expression is incomplete", 0..0),
            ("'a", "this string is never closed", 0..2),
            (
                "'a' || \"#{1}\"",
                "interpolation inside embedded Ruby is not supported",
                8..10,
            ),
        ] {
            let error = evaluate(code).unwrap_err();
            assert_eq!(
                (error.message.as_str(), error.range),
                (message, range),
                "{code}"
            );
        }
        assert_eq!(
            evaluate("hostnam").unwrap_err().hint.unwrap(),
            "did you mean 'hostname'?"
        );
        assert!(evaluate(&"(".repeat(100_000)).is_err());
    }

    proptest! {
        #[test]
        fn never_panics(code in r#"[EVN.fetché'"\\|+()\[\],0-9#{} ]{0,30}"#) {
            let _ = evaluate(&code);
        }
    }
}
