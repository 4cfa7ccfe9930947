//! Parsers: what a line means.
//!
//! ```text
//! line ─► none      {message_key: line}
//!         json      an object, or an array of objects        streamed to msgpack, no tree
//!         regexp    the named captures of an expression      text, or what `types` make of it
//!         nginx     regexp with nginx's combined log format
//! ```
//! A parser is a pure value: bytes and the time of the read in, one msgpack map and the event's time out. Each map is
//! written once, straight into the caller's buffer; memory for scratch belongs to the parser and is used again, so a
//! line costs no allocation. What all parsers have in common, time and types and nulls, is [`Settings`].
//!
//! Source: fluentd.md section 3.8.

mod conversion;
mod error;
mod json;
mod nginx;
mod none;
mod number;
mod regexp;
mod rules;
mod section;
mod settings;
#[cfg(test)]
mod tests;

use millrun_event::EventTime;

pub(crate) use self::section::parse_section;
pub use self::{
    error::{ParseError, SetupError},
    json::JsonParser,
    nginx::{NGINX_EXPRESSION, NGINX_TIME_FORMAT, nginx_parser},
    none::NoneParser,
    regexp::RegexpParser,
    settings::{Settings, TextKind},
};

/// A parser of single lines, or of blocks of lines that belong together.
pub trait LineParser: Send {
    /// Appends the record of `line`, one msgpack map, to `record`, and tells the event's time. `line` has no newline at
    /// its end; `now` is the time at which it was read.
    ///
    /// With any other answer than an event `record` is as it was.
    ///
    /// # Errors
    /// The line has the shape, and its content is wrong.
    fn parse(
        &mut self,
        line: &[u8],
        now: EventTime,
        record: &mut Vec<u8>,
    ) -> Result<Parsed, ParseError>;

    /// As [`parse`](LineParser::parse), for the further events of the line that was parsed last; nothing when there are
    /// no more. Most parsers make one event of a line.
    fn parse_next(
        &mut self,
        now: EventTime,
        record: &mut Vec<u8>,
    ) -> Option<Result<Parsed, ParseError>> {
        let _ = (now, record);
        None
    }
}

/// What became of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// An event.
    Event {
        /// Its time; nothing if the line tells none and `estimate_current_event` is off.
        time: Option<EventTime>,
    },
    /// The line has another shape.
    Unmatched,
}
