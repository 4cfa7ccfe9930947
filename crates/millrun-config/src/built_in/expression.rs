//! The tree of an embedded expression.

use std::ops::Range;

use crate::{
    EvaluateError,
    built_in::token::{Token, TokenKind, tokenize},
    nearest,
};

/// Deepest nesting of parentheses.
const MAX_DEPTH: usize = 50;

const SUPPORTED: &str = "supported: ENV['X'], ENV.fetch('X', 'd'), 'text', 1, ||, +, hostname …";

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

/// A value of an expression; the last two end it wherever they come up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ruby {
    Text(String),
    Integer(i64),
    Bool(bool),
    Nil,
    UseNil,
    UseDefault,
}

pub(super) struct Expression {
    pub(super) kind: ExpressionKind,
    pub(super) range: Range<usize>,
}

pub(super) enum ExpressionKind {
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

/// Reads a whole expression.
pub(super) fn parse(code: &str) -> Result<Expression, EvaluateError> {
    let tokens = tokenize(code)?;
    if tokens.is_empty() {
        // `#{}` is nil.
        return Ok(Expression {
            kind: ExpressionKind::Literal(Ruby::Nil),
            range: 0..code.len(),
        });
    }
    let mut parser = Parser {
        tokens: &tokens,
        next: 0,
        end: code.len(),
    };
    let expression = parser.or(0)?;
    match parser.peek() {
        None => Ok(expression),
        Some(token) => Err(unsupported(token, "expected '||', '+' or the end")),
    }
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
            None => SUPPORTED.to_owned(),
        }),
        range: token.range.clone(),
    }
}
