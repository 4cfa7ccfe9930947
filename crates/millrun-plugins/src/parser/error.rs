//! What can be wrong with a line, and with the settings of a parser.

use millrun_pattern::{MatchError, RegexError, TimeError, TimeFormatError, ZoneError};
use thiserror::Error;

/// Why a line that has the right shape is no event: the data is at fault.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ParseError {
    /// The time does not read as one.
    #[error(transparent)]
    Time(#[from] TimeError),
    /// The value of the time key is neither text nor a number.
    #[error("value must be a string or a number: the time key holds {found}")]
    TimeValue {
        /// What it is instead.
        found: &'static str,
    },
    /// A quote of a csv line stands where none can.
    #[error("malformed csv at byte {at}: {fault}")]
    Quote {
        /// What is wrong with it.
        fault: &'static str,
        /// Where.
        at: usize,
    },
    /// The expression gave up on the line.
    #[error(transparent)]
    Match(#[from] MatchError),
}

/// Why a parser cannot be set up: the user's configuration is at fault.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SetupError {
    /// `types` names a type that does not exist.
    #[error(
        "unknown value conversion for key:'{key}', type:'{type_name}'; known are string, integer, float, bool, time, array"
    )]
    UnknownType {
        /// The key of the record.
        key: String,
        /// The type as written.
        type_name: String,
    },
    /// The expression captures nothing by name.
    #[error(
        "No named captures in 'expression' parameter. The regexp must have at least one named capture: (?<name>…)"
    )]
    NoNamedCaptures,
    /// A zone without a format: the usual forms are read in the local zone.
    #[error("specifying timezone requires time format")]
    ZoneWithoutFormat,
    /// A parser of columns without names for them.
    #[error("keys is empty: name the columns, as in: keys host,status,path")]
    NoKeys,
    /// Nothing stands between values.
    #[error("the delimiter is empty: write the text that stands between values")]
    NoDelimiter,
    /// The expression does not compile.
    #[error("expression: {0}")]
    Expression(#[from] RegexError),
    /// The format of times does not compile.
    #[error("time_format: {0}")]
    TimeFormat(#[from] TimeFormatError),
    /// The zone is unknown.
    #[error("timezone: {0}")]
    Zone(#[from] ZoneError),
}

impl SetupError {
    /// The parameter at fault, if it is one.
    #[must_use]
    pub fn parameter(&self) -> Option<&'static str> {
        match self {
            Self::UnknownType { .. } => Some("types"),
            Self::NoNamedCaptures | Self::Expression(_) => Some("expression"),
            Self::TimeFormat(_) => Some("time_format"),
            Self::ZoneWithoutFormat | Self::Zone(_) => Some("timezone"),
            Self::NoKeys => Some("keys"),
            Self::NoDelimiter => Some("delimiter"),
        }
    }
}
