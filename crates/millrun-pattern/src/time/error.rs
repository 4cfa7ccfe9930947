//! What can be wrong with a format, a zone or a time.

use thiserror::Error;

/// Why a text is no time: the data is at fault.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("invalid time format: value = {value}, expected {expected}")]
pub struct TimeError {
    /// The text, cut at a limit; what is no UTF-8 is replaced.
    pub value: String,
    /// What would have been right.
    pub expected: String,
}

/// Why a time format does not compile: the user's configuration is at fault.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TimeFormatError {
    /// A directive that cannot be read from text.
    #[error(
        "at byte {offset}: the time format has `{directive}`, which cannot be parsed; known are %Y %C %y %m %b %B %h %d %e %j %H %k %I %l %p %P %M %S %L %N %z %Z %s %Q %a %A %u %w %U %W %V %G %g %F %T %D %R %r %c %x %X %n %t %%"
    )]
    Directive {
        /// Bytes before the directive in the format.
        offset: usize,
        /// The directive as written.
        directive: String,
    },
    /// The format exceeds 1024 bytes.
    #[error("the time format has {length} bytes, at most 1024 are accepted")]
    TooLong {
        /// Bytes of the format.
        length: usize,
    },
}

/// Why a text names no time zone: the user's configuration is at fault.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "invalid timezone \"{zone}\": write an offset such as +09:00, +0900 or +09, or a place such as Asia/Tokyo"
)]
pub struct ZoneError {
    /// The text as written.
    pub zone: String,
}
