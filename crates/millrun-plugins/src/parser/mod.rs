//! Parsers: what a line means.
//!
//! ```text
//! line ─► none      {message_key: line}
//!         json      an object, or an array of objects        streamed to msgpack, no tree
//!         regexp    the named captures of an expression      text, or what `types` make of it
//!         nginx     regexp with nginx's combined log format
//!         apache    regexp with httpd's, apache2 with escapes and numbers, apache_error its error log
//!         syslog    RFC 3164, RFC 5424 or either
//!         csv       values between commas, tsv between tabs, ltsv with labels
//!         msgpack   maps, or arrays of maps
//!         cri       lines of container runtimes
//! block ► multiline regexp over several lines
//!         grok      expressions written with the names of others
//!         multi_format   the first of several parsers that takes the line
//! ```
//! A parser is a pure value: bytes and the time of the read in, one msgpack map and the event's time out. Each map is
//! written once, straight into the caller's buffer; memory for scratch belongs to the parser and is used again, so a
//! line costs no allocation. What all parsers have in common, time and types and nulls, is [`Settings`].
//!
//! Source: fluentd.md section 3.8.

mod apache;
mod built_in;
mod columns;
mod conversion;
mod cri;
mod csv;
mod document;
mod error;
mod grok;
mod json;
mod ltsv;
mod msgpack;
mod multi_format;
mod multiline;
mod nginx;
mod none;
mod parameters;
mod regexp;
mod rules;
mod section;
mod settings;
mod syslog;
#[cfg(test)]
mod tests;
mod tsv;

use millrun_event::EventTime;
use millrun_pattern::Level;

pub(crate) use self::section::PARSERS;
pub use self::section::parse_section;
pub use self::{
    apache::{
        APACHE_ERROR_EXPRESSION, APACHE_EXPRESSION, APACHE_TIME_FORMAT, Apache2Parser,
        apache_error_parser, apache_parser,
    },
    cri::{CRI_TIME_FORMAT, CriParser},
    csv::{CsvEngine, CsvParser},
    error::{ParseError, SetupError},
    grok::{GROK_DEPTH_MAX, GrokError, GrokExpression, GrokNames, GrokOptions, GrokParser},
    json::JsonParser,
    ltsv::{LTSV_UNIQUE_LABELS_MAX, LtsvDelimiter, LtsvParser},
    msgpack::MsgpackParser,
    multi_format::MultiFormatParser,
    multiline::{FirstLine, Grouping, MultilineParser},
    nginx::{NGINX_EXPRESSION, NGINX_TIME_FORMAT, nginx_parser},
    none::NoneParser,
    regexp::RegexpParser,
    settings::{Settings, TextKind},
    syslog::{SyslogEngine, SyslogFormat, SyslogOptions, SyslogParser, YEAR_AHEAD_SECONDS_MAX},
    tsv::TsvParser,
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

    /// How lines become the texts that this parser takes.
    fn grouping(&self) -> Grouping<'_> {
        Grouping::Line
    }

    /// The expressions that lines go through: what each is for, and which engine runs it.
    fn patterns(&self) -> Vec<(&'static str, Level)> {
        Vec::new()
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
