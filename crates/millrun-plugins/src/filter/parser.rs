//! The `parser` filter: parses a field of the record.
//!
//! ```text
//! <filter app.**>
//!   @type parser
//!   key_name message
//!   reserve_data true                 the other fields stay; what is parsed wins
//!   <parse>
//!     @type json
//!   </parse>
//! </filter>
//! ```
//! A field that is missing or does not parse makes an error event (`emit_invalid_record_to_error`); with `reserve_data`
//! its record is passed on as it is, too. (Fluentd adds an empty `hash_value_field` to it; so does this.)

use std::sync::{Arc, Mutex, PoisonError};

use millrun_config::{Diagnostic, Diagnostics, Element, parameters};
use millrun_core::{Assembly, Batch, Fate, Filter, LossReason, PluginId, Report, lookup, text_of};
use millrun_event::{Cursor, Entries, Entry, EventBuffer, EventTime, Record, Token, Value, write};
use millrun_pattern::Accessor;

use crate::parser::{LineParser, ParseError, Parsed, TextKind, parse_section};

parameters! {
    /// Parses a field of the record.
    pub struct ParserFilterParameters in "filter", type "parser" {
        /// The field: a name, or a path like `$.a.b`.
        key_name: String = required;
        /// The fields of the record stay, too.
        reserve_data: bool = "false";
        /// The event keeps its time.
        reserve_time: bool = "false";
        /// The field goes once it is parsed.
        remove_key_name_field: bool = "false";
        /// Stands before every key that is parsed.
        inject_key_prefix: Option<String>;
        /// Bytes that are no UTF-8 become question marks before they are parsed.
        replace_invalid_sequence: bool = "false";
        /// The field that takes what is parsed, as a map.
        hash_value_field: Option<String>;
        /// What cannot be parsed goes to @ERROR.
        emit_invalid_record_to_error: bool = "true";
    }
    sections {
        /// How the field is parsed.
        parse: Option<Element>;
    }
    legacy { Parse }
}

pub(super) fn build(
    element: &Element,
    id: &PluginId,
    assembly: &mut Assembly<'_>,
) -> Option<Arc<dyn Filter>> {
    let parameters = ParserFilterParameters::read(element, assembly.diagnostics)?;
    let first = Worker::new(parse_section(element, TextKind::Str, assembly.diagnostics)?);
    let accessor = match Accessor::parse(&parameters.key_name) {
        Ok(accessor) => accessor,
        Err(error) => {
            let fault = Diagnostic::error(error.to_string());
            let place = fault.at(element.span_of("key_name"), "this field");
            assembly.diagnostics.push(place);
            return None;
        }
    };
    Some(Arc::new(ParserFilter {
        id: id.text.clone(),
        accessor,
        hash_value_field: parameters.hash_value_field.as_deref().map(key),
        element: element.clone(),
        parameters,
        workers: Mutex::new(vec![first]),
    }))
}

struct ParserFilter {
    id: Arc<str>,
    parameters: ParserFilterParameters,
    accessor: Accessor,
    hash_value_field: Option<Vec<u8>>,
    /// What further workers are made of; the first one proved it sound.
    element: Element,
    /// One for each thread that is at work here.
    workers: Mutex<Vec<Worker>>,
}

struct Worker {
    parser: Box<dyn LineParser>,
    parsed: Vec<u8>,
    /// The field's text with invalid sequences replaced.
    text: Vec<u8>,
}

impl Worker {
    fn new(parser: Box<dyn LineParser>) -> Self {
        Worker {
            parser,
            parsed: Vec::new(),
            text: Vec::new(),
        }
    }
}

impl Filter for ParserFilter {
    fn is_costly(&self) -> bool {
        true
    }

    fn filter(&self, batch: Batch<'_>, out: &mut EventBuffer, report: &mut Report<'_>) {
        let lock = || self.workers.lock().unwrap_or_else(PoisonError::into_inner);
        let known = lock().pop();
        let made = known.or_else(|| {
            let mut unheard = Diagnostics::default();
            parse_section(&self.element, TextKind::Str, &mut unheard).map(Worker::new)
        });
        let Some(mut worker) = made else {
            // It was made of the same section before.
            report.lose(&self.id, LossReason::Invalid, u64::from(batch.events.count));
            return;
        };
        for entry in Entries::new(batch.events.bytes) {
            match entry {
                Ok(entry) => self.parse(&entry, batch, &mut worker, out, report),
                Err(_) => {
                    report.lose(&self.id, LossReason::Invalid, 1);
                    break;
                }
            }
        }
        lock().push(worker);
    }
}

impl ParserFilter {
    fn parse(
        &self,
        entry: &Entry<'_>,
        batch: Batch<'_>,
        worker: &mut Worker,
        out: &mut EventBuffer,
        report: &mut Report<'_>,
    ) {
        let value = lookup(entry.record_bytes(), self.accessor.segments());
        let Some(value) = value.filter(|value| value.token() != Some(Token::Nil)) else {
            let error = format_args!("{} does not exist", self.parameters.key_name);
            return self.invalid(entry, batch, out, report, error);
        };
        let other;
        let text = match value.text() {
            Some(text) => text,
            None => {
                other = text_of(value.bytes());
                other.as_bytes()
            }
        };
        let Worker {
            parser,
            parsed,
            text: scrubbed,
        } = worker;
        let text = if self.parameters.replace_invalid_sequence && std::str::from_utf8(text).is_err()
        {
            scrub(text, scrubbed);
            scrubbed
        } else {
            text
        };
        parsed.clear();
        let mut outcome = parser.parse(text, batch.now, parsed);
        loop {
            match outcome {
                Ok(Parsed::Event { time }) => self.push(entry, batch.now, time, parsed, out),
                Ok(Parsed::Unmatched) => {
                    let error = Unparsed::Unmatched(text);
                    self.invalid(entry, batch, out, report, error);
                }
                Err(error) => {
                    let error = Unparsed::Error(error);
                    self.invalid(entry, batch, out, report, error);
                }
            }
            parsed.clear();
            match parser.parse_next(batch.now, parsed) {
                Some(next) => outcome = next,
                None => return,
            }
        }
    }

    /// Passes on what was parsed.
    fn push(
        &self,
        entry: &Entry<'_>,
        now: EventTime,
        told: Option<EventTime>,
        parsed: &[u8],
        out: &mut EventBuffer,
    ) {
        let kept = entry.time.to_event_time();
        let time = if self.parameters.reserve_time {
            kept
        } else {
            told.or(kept)
        };
        let parameters = &self.parameters;
        out.push(time.unwrap_or(now), |out| {
            let prefix = parameters.inject_key_prefix.as_deref();
            let record = parameters.reserve_data.then(|| entry.record());
            let without = parameters
                .remove_key_name_field
                .then(|| self.accessor.segments());
            let plain = prefix.is_none() && self.hash_value_field.is_none();
            match record {
                None if plain => out.extend_from_slice(parsed),
                None => self.write_alone(parsed, out),
                Some(record) => {
                    let start = out.len();
                    self.write_merged(record, Some(parsed), out);
                    // What was parsed out of the field may bring a field of this name.
                    if let Some(path) = without
                        && !self.sets(parsed, path)
                    {
                        super::delete::delete(out, start, path);
                    }
                }
            }
        });
    }

    /// Whether the merge put a value where the path leads.
    fn sets(&self, parsed: &[u8], path: &[millrun_pattern::Segment]) -> bool {
        let [millrun_pattern::Segment::Key(name)] = path else {
            return false;
        };
        if let Some(field) = &self.hash_value_field {
            return text(field) == name.as_bytes();
        }
        let prefix = self
            .parameters
            .inject_key_prefix
            .as_deref()
            .unwrap_or_default();
        name.strip_prefix(prefix)
            .is_some_and(|name| Record::new(parsed).field(name.as_bytes()).is_some())
    }

    /// What is parsed without the record: prefixed, in its field.
    fn write_alone(&self, parsed: &[u8], out: &mut Vec<u8>) {
        if let Some(field) = &self.hash_value_field {
            write::map(out, 1);
            out.extend_from_slice(field);
        }
        self.write_prefixed(parsed, out);
    }

    fn write_prefixed(&self, parsed: &[u8], out: &mut Vec<u8>) {
        let Some(prefix) = &self.parameters.inject_key_prefix else {
            out.extend_from_slice(parsed);
            return;
        };
        let Ok(fields) = Record::new(parsed).fields() else {
            return write::map(out, 0);
        };
        write::map(out, fields.left());
        for (key, value) in fields.flatten() {
            write_key(prefix, key, out);
            out.extend_from_slice(value.bytes());
        }
    }

    /// The record with what is parsed merged over it; without any, with an empty map in its field.
    fn write_merged(&self, record: Record<'_>, parsed: Option<&[u8]>, out: &mut Vec<u8>) {
        let Ok(own) = record.fields() else {
            return out.extend_from_slice(record.bytes());
        };
        let parsed = parsed.unwrap_or(&[0x80]);
        if let Some(field) = &self.hash_value_field {
            let name = text(field);
            let is_there = record.field(name).is_some();
            write::map(out, own.left().saturating_add(u32::from(!is_there)));
            for (key, value) in own.flatten() {
                out.extend_from_slice(key.bytes());
                if key.text() == Some(name) {
                    self.write_prefixed(parsed, out);
                } else {
                    out.extend_from_slice(value.bytes());
                }
            }
            if !is_there {
                out.extend_from_slice(field);
                self.write_prefixed(parsed, out);
            }
            return;
        }
        let prefix = self
            .parameters
            .inject_key_prefix
            .as_deref()
            .unwrap_or_default();
        let new = Record::new(parsed);
        let Ok(fields) = new.fields() else {
            return out.extend_from_slice(record.bytes());
        };
        let replaces = |key: Value<'_>| {
            let name = key.text()?.strip_prefix(prefix.as_bytes())?;
            new.field(name)
        };
        let is_new = |key: &Value<'_>| {
            let mut own = own.clone().flatten();
            !own.any(|(known, _)| {
                is_joined(
                    known.text().unwrap_or_default(),
                    prefix,
                    key.text().unwrap_or_default(),
                )
            })
        };
        let added = fields
            .clone()
            .flatten()
            .filter(|(key, _)| is_new(key))
            .count();
        let total = (own.left() as usize).saturating_add(added);
        write::map(out, u32::try_from(total).unwrap_or(u32::MAX));
        for (key, value) in own.clone().flatten() {
            out.extend_from_slice(key.bytes());
            out.extend_from_slice(replaces(key).unwrap_or(value).bytes());
        }
        for (key, value) in fields.flatten().filter(|(key, _)| is_new(key)) {
            write_key(prefix, key, out);
            out.extend_from_slice(value.bytes());
        }
    }

    fn invalid(
        &self,
        entry: &Entry<'_>,
        batch: Batch<'_>,
        out: &mut EventBuffer,
        report: &mut Report<'_>,
        error: impl std::fmt::Display,
    ) {
        let fate = if self.parameters.reserve_data {
            Fate::Kept
        } else {
            Fate::Dropped
        };
        if self.parameters.emit_invalid_record_to_error {
            report.error_event(&self.id, batch.tag, entry, fate, error);
        } else if fate == Fate::Dropped {
            report.lose(&self.id, LossReason::Unparsable, 1);
        }
        if fate == Fate::Dropped {
            return;
        }
        match (&self.hash_value_field, entry.time.to_event_time()) {
            (Some(_), Some(time)) => {
                out.push(time, |out| self.write_merged(entry.record(), None, out));
            }
            _ => out.extend(entry.bytes, 1),
        }
    }
}

/// Why a field made no record.
enum Unparsed<'t> {
    Unmatched(&'t [u8]),
    Error(ParseError),
}

impl std::fmt::Display for Unparsed<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Unparsed::Unmatched(text) => {
                write!(
                    f,
                    "pattern not matched with data '{}'",
                    String::from_utf8_lossy(text)
                )
            }
            Unparsed::Error(error) => error.fmt(f),
        }
    }
}

/// A key as msgpack.
fn key(name: &str) -> Vec<u8> {
    let mut out = Vec::new();
    write::str(&mut out, name.as_bytes());
    out
}

/// The text of a key.
fn text(key: &[u8]) -> &[u8] {
    match Cursor::new(key).token() {
        Ok(Token::Str(text)) => text,
        _ => b"",
    }
}

fn write_key(prefix: &str, key: Value<'_>, out: &mut Vec<u8>) {
    let Some(name) = key.text().filter(|_| !prefix.is_empty()) else {
        return out.extend_from_slice(key.bytes());
    };
    let length = prefix.len().saturating_add(name.len());
    write::str_header(out, u32::try_from(length).unwrap_or(u32::MAX));
    out.extend_from_slice(prefix.as_bytes());
    out.extend_from_slice(name);
}

/// Whether `text` is `prefix` and `name`.
fn is_joined(text: &[u8], prefix: &str, name: &[u8]) -> bool {
    text.strip_prefix(prefix.as_bytes()) == Some(name)
}

/// The text with a question mark for each invalid sequence.
fn scrub(text: &[u8], out: &mut Vec<u8>) {
    out.clear();
    for chunk in text.utf8_chunks() {
        out.extend_from_slice(chunk.valid().as_bytes());
        if !chunk.invalid().is_empty() {
            out.push(b'?');
        }
    }
}
