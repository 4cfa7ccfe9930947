//! Embedded Ruby, as far as the language is concerned: a text goes in, a text comes out.

use std::ops::Range;

/// Evaluates the expressions between `#{` and `}`.
///
/// This crate brings [`BuiltIn`](crate::BuiltIn) for the few forms nearly every file uses.
pub trait Evaluate {
    /// The result of an expression. It is called once per expression, in the order of the file.
    ///
    /// # Errors
    /// If the expression cannot be evaluated; the caller adds the place.
    fn evaluate(&mut self, code: &str) -> Result<Evaluated, EvaluateError>;
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
