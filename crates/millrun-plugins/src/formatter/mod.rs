//! Formatters: what an event looks like outside (fluentd.md section 3.9).
//!
//! ```text
//! out_file      2024-02-14T08:00:00+00:00 TAB tag TAB {"a":1} LF
//! json          {"a":1} LF
//! stdout        2024-02-14 08:00:00.123000000 +0000 tag: {"a":1} LF
//! msgpack       the record's bytes
//! single_value  one field's text LF
//! csv, tsv      chosen fields' texts, delimited, LF
//! ltsv          label:text TAB label:text LF
//! hash          {"a"=>1} LF
//! ```
//!
//! A formatter is a value without state; what it remembers from one event to the next (the text of
//! the last second) lies in a `Scratch` of the caller's, so that one formatter serves all threads
//! and no event allocates.

mod batch;
mod csv;
mod hash;
mod inject;
mod json;
mod ltsv;
mod msgpack;
mod out_file;
mod ruby_text;
mod section;
mod single_value;
mod stdout;
mod time_text;
mod tsv;

#[cfg(test)]
mod tests;

use millrun_event::{Cursor, Entry, EntryHead, Events, Malformed};
use thiserror::Error;

pub(crate) use batch::Batches;
pub(crate) use csv::Csv;
pub(crate) use hash::Hash;
#[cfg(feature = "geoip")]
pub(crate) use inject::Injection;
pub(crate) use inject::{InjectParameters, plugin_formatter};
pub(crate) use json::Json;
pub(crate) use ltsv::Ltsv;
pub(crate) use msgpack::Msgpack;
pub(crate) use out_file::OutFile;
pub(crate) use ruby_text::write_text as write_ruby_text;
pub(crate) use section::{FORMATTERS, format_section};
pub(crate) use single_value::SingleValue;
pub(crate) use stdout::Stdout;
pub(crate) use time_text::{LastTime, TimeText};
pub(crate) use tsv::Tsv;

/// Turns one event into the bytes an output keeps.
pub(crate) trait EventFormatter: Send + Sync {
    /// Appends `entry` to `out`. `scratch` belongs to this formatter and one thread.
    ///
    /// # Errors
    /// [`FormatError`]; `out` may then hold a part of the event, which the caller cuts off.
    fn format(
        &self,
        tag: &str,
        entry: &Entry<'_>,
        scratch: &mut Scratch,
        out: &mut Vec<u8>,
    ) -> Result<(), FormatError>;

    /// As [`format`](EventFormatter::format), of the entry whose head was read and whose record stands at the cursor,
    /// which is stepped over. Who prints all of the record does both in one pass.
    ///
    /// # Errors
    /// As [`format`](EventFormatter::format); the cursor may then stand anywhere behind the head.
    fn format_next(
        &self,
        tag: &str,
        head: EntryHead,
        cursor: &mut Cursor<'_>,
        scratch: &mut Scratch,
        out: &mut Vec<u8>,
    ) -> Result<(), FormatError> {
        self.format(tag, &head.entry(cursor)?, scratch, out)
    }
}

/// Why an event cannot be formatted. All are the sender's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub(crate) enum FormatError {
    /// The entry's time is neither an event time nor a number.
    #[error("the event has no time: expected an event time or a number of seconds")]
    Time,
    /// The record is no map, or no sound msgpack.
    #[error("the record is unsound: {0}")]
    Record(#[from] Malformed),
}

/// What a formatter remembers between events, and room it works in.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scratch {
    /// The time at the head of the line.
    pub(crate) time: LastTime,
    /// The time of the formatter within the formatter (`stdout` with `output_type out_file`).
    pub(crate) inner_time: LastTime,
    /// A field's text before it is quoted or cleaned of delimiters.
    pub(crate) text: Vec<u8>,
    /// An entry with fields injected.
    pub(crate) injected: Vec<u8>,
    /// The injected time.
    pub(crate) injected_time: LastTime,
}

/// What ends a line: the parameters `newline` and `add_newline`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum LineEnd {
    /// `newline lf`.
    #[default]
    Lf,
    /// `newline crlf`.
    CrLf,
    /// `add_newline false`.
    Nothing,
}

impl LineEnd {
    /// The bytes.
    pub(crate) fn bytes(self) -> &'static [u8] {
        match self {
            LineEnd::Lf => b"\n",
            LineEnd::CrLf => b"\r\n",
            LineEnd::Nothing => b"",
        }
    }
}

/// Formats a batch: appends each event to `out` and where it ends to `ends`. Answers how many
/// events could not be formatted; of them nothing is left in `out`. A stream that is cut off or
/// unsound counts the events that its count promised and it did not hold.
pub(crate) fn format_events(
    formatter: &dyn EventFormatter,
    tag: &str,
    events: Events<'_>,
    scratch: &mut Scratch,
    out: &mut Vec<u8>,
    ends: &mut Vec<usize>,
) -> u64 {
    let mut formatted = 0u64;
    let mut read = 0u64;
    let mut cursor = Cursor::new(events.bytes);
    while !cursor.is_at_end() {
        let (at, start) = (cursor.position(), out.len());
        let printed = EntryHead::read(&mut cursor)
            .map_err(FormatError::from)
            .and_then(|head| formatter.format_next(tag, head, &mut cursor, scratch, out));
        if printed.is_ok() {
            formatted += 1;
            ends.push(out.len());
        } else {
            out.truncate(start);
            // A sound entry that cannot be printed is passed over; nothing is known behind an unsound one.
            cursor.rewind(at);
            if Entry::read(&mut cursor).is_err() {
                break;
            }
        }
        read += 1;
    }
    read.max(u64::from(events.count)) - formatted
}
