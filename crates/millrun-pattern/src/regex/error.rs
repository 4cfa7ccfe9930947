//! What can be wrong with an expression, and what can stop a match.

use thiserror::Error;

use super::{REGEX_MATCH_STEPS_MAX, REGEX_NESTING_MAX, REGEX_SOURCE_BYTES_MAX};

/// Why an expression does not compile: the user's configuration is at fault, or asks for what is not offered.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RegexError {
    /// Not a Ruby regular expression.
    #[error("at byte {offset}: {message}")]
    Syntax {
        /// Bytes before the place in the source.
        offset: usize,
        /// What is wrong and what to write instead.
        message: String,
    },
    /// A construct of Ruby's that is not offered here.
    #[error("at byte {offset}: {construct} is not supported; {advice}")]
    Unsupported {
        /// Bytes before the place in the source.
        offset: usize,
        /// The construct as written or named.
        construct: String,
        /// What to do instead.
        advice: &'static str,
    },
    /// The source exceeds [`REGEX_SOURCE_BYTES_MAX`].
    #[error("the expression has {length} bytes, at most {REGEX_SOURCE_BYTES_MAX} are accepted")]
    TooLong {
        /// Bytes of the source.
        length: usize,
    },
    /// Groups nest deeper than [`REGEX_NESTING_MAX`].
    #[error("at byte {offset}: groups nest deeper than {REGEX_NESTING_MAX} levels")]
    TooDeep {
        /// Bytes before the place in the source.
        offset: usize,
    },
    /// The engine refuses the translated expression.
    #[error("the expression is refused: {message}")]
    Engine {
        /// The engine's own words.
        message: String,
    },
}

impl RegexError {
    /// Bytes of the source before the place the error is about, where there is one.
    #[must_use]
    pub fn offset(&self) -> Option<usize> {
        match self {
            RegexError::Syntax { offset, .. }
            | RegexError::Unsupported { offset, .. }
            | RegexError::TooDeep { offset } => Some(*offset),
            RegexError::TooLong { .. } | RegexError::Engine { .. } => None,
        }
    }
}

/// Why a match came to no answer.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum MatchError {
    /// The expression backtracks too much on this text.
    #[error(
        "the match was given up after {REGEX_MATCH_STEPS_MAX} steps or too much memory: the expression backtracks too \
         much on this text; avoid nested or adjacent repeats of the same characters"
    )]
    Limit,
    /// The engine failed otherwise.
    #[error("the regular expression engine failed: {message}")]
    Engine {
        /// The engine's own words.
        message: String,
    },
}
