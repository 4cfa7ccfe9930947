//! Times as text: reading and writing them as Ruby does, compiled once.
//!
//! A time is seconds and nanoseconds since 1970-01-01T00:00:00Z. Nothing here asks for the current time; what depends on
//! it (a text without a year) takes it as a parameter.

mod civil;
mod error;
mod free_form;
mod iso8601;
mod number;
mod offset;
mod parser;
mod parts;
mod strftime;
mod strptime;
mod zone;

pub use self::{
    error::{TimeError, TimeFormatError, ZoneError},
    number::float_seconds,
    parser::{TIME_TEXT_BYTES_MAX, TimeParser, TimeType},
    strftime::TimeFormat,
    zone::Zone,
};

/// A point in time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp {
    /// Seconds since 1970-01-01T00:00:00Z.
    pub seconds: i64,
    /// Nanoseconds after that second, below 1 000 000 000.
    pub nanoseconds: u32,
}
