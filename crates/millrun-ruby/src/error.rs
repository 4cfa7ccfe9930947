//! What an expression has to say when it has no result: what happened, where, and what to do.

use std::ops::Range;

use thiserror::Error;

/// Whose fault an error is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The text is no Ruby.
    Syntax,
    /// The text is Ruby, but not of the subset that is offered (docs/ruby-subset.md).
    OutsideSubset,
    /// The expression ran and raised an exception of this class; with these data, Ruby would have done so, too.
    Raised(&'static str),
    /// The expression ran into one of the [`Limits`](crate::Limits) or was larger than what is compiled.
    Limit,
}

/// Why an expression has no result.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{message}")]
pub struct RubyError {
    /// Whose fault it is.
    pub kind: ErrorKind,
    /// What happened, without the place.
    pub message: String,
    /// What was expected at the place; may be empty.
    pub label: String,
    /// What to do.
    pub hint: Option<String>,
    /// The bytes of the expression it is about.
    pub range: Range<usize>,
}

impl RubyError {
    pub(crate) fn new(kind: ErrorKind, at: Span, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            label: String::new(),
            hint: None,
            range: at.start as usize..at.end as usize,
        }
    }

    pub(crate) fn syntax(at: Span, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Syntax, at, message)
    }

    pub(crate) fn outside(at: Span, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::OutsideSubset, at, message)
    }

    pub(crate) fn limit(at: Span, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Limit, at, message)
    }

    /// The same error `by` bytes further on.
    pub(crate) fn moved(mut self, by: usize) -> Self {
        self.range = self.range.start + by..self.range.end + by;
        self
    }

    pub(crate) fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// A place in the expression, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: u32,
    pub(crate) end: u32,
}

impl Span {
    /// A place whose ends are positions in a text no longer than [`CODE_BYTES_MAX`](crate::CODE_BYTES_MAX).
    pub(crate) fn new(start: usize, end: usize) -> Self {
        let fit = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        Self {
            start: fit(start),
            end: fit(end),
        }
    }

    pub(crate) fn to(self, other: Span) -> Span {
        Span {
            start: self.start.min(other.start),
            end: self.end.max(other.end),
        }
    }
}
