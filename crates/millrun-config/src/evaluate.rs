//! Embedded Ruby, as far as the language is concerned: a text goes in, a text comes out.

use std::ops::Range;

/// Evaluates the expressions between `#{` and `}`.
///
/// The crate `millrun-ruby` has the evaluator that the collector uses.
pub trait Evaluate {
    /// The result of an expression. It is called once per expression, in the order of the file.
    ///
    /// # Errors
    /// If the expression cannot be evaluated; the caller adds the place.
    fn evaluate(&mut self, code: &str) -> Result<Evaluated, EvaluateError>;
}

/// No evaluator: for configurations of tests and tools, in which there is no embedded Ruby.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoRuby;

impl Evaluate for NoRuby {
    fn evaluate(&mut self, code: &str) -> Result<Evaluated, EvaluateError> {
        Err(EvaluateError {
            message: "embedded Ruby is not evaluated here".to_owned(),
            label: String::new(),
            hint: None,
            range: 0..code.len(),
        })
    }
}

/// The result of an expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Evaluated {
    /// Text that takes the expression's place. Ruby's `nil` gives an empty one.
    Text(String),
    /// `use_nil`: the whole value is nothing.
    Nil,
    /// `use_default`: the whole value is as if it had not been written.
    Default,
}

/// Why an expression has no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct EvaluateError {
    /// What happened, without the place.
    pub message: String,
    /// What was expected at the place; may be empty.
    pub label: String,
    /// What to do.
    pub hint: Option<String>,
    /// The bytes of the expression it is about.
    pub range: Range<usize>,
}
