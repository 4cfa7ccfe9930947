//! Why a text is no value of a type.

use std::fmt;

use crate::JsonError;

/// Why a text is no value of the type. All of these are the fault of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ValueError {
    /// The text means "nothing" (`use_nil`, or a text that is no bool while lax).
    #[error("nil is specified")]
    Nil,
    /// Strict: not an integer as Ruby writes them.
    #[error("invalid value for Integer(): {0:?}")]
    Integer(String),
    /// Strict: not a float as Ruby writes them.
    #[error("invalid value for Float(): {0:?}")]
    Float(String),
    /// Strict: not a bool.
    #[error("invalid bool value: {0}")]
    Bool(String),
    /// A number that the parameter's type cannot hold.
    #[error("{text:?} is out of range: expected {expected}")]
    Range {
        /// The text as written.
        text: String,
        /// The values allowed.
        expected: String,
    },
    /// More than two letters after the last slash.
    #[error("invalid regexp: missing right slash: {0}")]
    Regexp(String),
    /// Not one of the words.
    #[error("valid options are {} but got {text}", options.join(","))]
    Word {
        /// The text as written.
        text: String,
        /// The words allowed.
        options: &'static [&'static str],
    },
    /// A JSON literal inside the value is broken.
    #[error("invalid JSON: expected {}, near {near:?}", error.expected)]
    Json {
        /// What was expected, with its offset in the text.
        error: JsonError,
        /// The text that stands there.
        near: String,
    },
    /// Anything a type of a plugin's own has to say.
    #[error("{0}")]
    Other(String),
}

pub(crate) fn range(text: &str, expected: impl fmt::Display) -> ValueError {
    ValueError::Range {
        text: text.to_owned(),
        expected: expected.to_string(),
    }
}
