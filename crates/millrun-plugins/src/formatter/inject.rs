//! `<inject>`: fields added to a record just before it is formatted (fluentd.md section 3.9).
//!
//! ```text
//! <inject>
//!   hostname_key host
//!   worker_id_key worker
//!   tag_key tag
//!   time_key time
//!   time_type string       float, unixtime, unixtime_millis, _micros, _nanos, string
//!   time_format %F %T      and localtime, utc, timezone
//! </inject>
//! ```
//!
//! The fields are written in this order behind the record's own; one that the record has already
//! takes the new value where it stands.

use std::mem;

use millrun_config::{Diagnostic, Diagnostics, Element, parameters, words};
use millrun_core::Assembly;
use millrun_event::{Cursor, Entry, EventTime, Record, write};

use super::time_text::time_of;
use super::{EventFormatter, FormatError, LastTime, Scratch, TimeText, format_section};
use crate::time_section::TimeParameters;

words! {
    /// What an injected time looks like.
    pub enum InjectedTimeName {
        /// Seconds since 1970 with a fraction of microseconds.
        Float = "float",
        /// Whole seconds since 1970.
        Unixtime = "unixtime",
        /// Whole milliseconds since 1970.
        UnixtimeMillis = "unixtime_millis",
        /// Whole microseconds since 1970.
        UnixtimeMicros = "unixtime_micros",
        /// Nanoseconds since 1970.
        UnixtimeNanos = "unixtime_nanos",
        /// Text, as time_format says.
        String = "string",
    }
}

parameters! {
    /// Fields added to each record.
    pub struct InjectParameters in "inject" {
        /// The field that gets the host's name.
        hostname_key: Option<String>;
        /// That name; the system's without.
        hostname: Option<String>;
        /// The field that gets the worker's number.
        worker_id_key: Option<String>;
        /// The field that gets the tag.
        tag_key: Option<String>;
        /// The field that gets the time.
        time_key: Option<String>;
        /// What the time looks like.
        time_type: InjectedTimeName = "float";
        /// The format of a time of type string; ISO 8601 without.
        time_format: Option<String>;
        /// A time of type string is local.
        localtime: bool = "true";
        /// A time of type string is UTC.
        utc: bool = "false";
        /// The zone of a time of type string.
        timezone: Option<String>;
    }
}

/// The formatter of a plugin: what its `<format>` section says, behind its `<inject>` section.
/// `None` when a diagnostic says why not.
pub(crate) fn plugin_formatter(
    plugin: &Element,
    default: &str,
    assembly: &mut Assembly<'_>,
) -> Option<Box<dyn EventFormatter>> {
    let formatter = format_section(plugin, default, assembly.diagnostics)?;
    Some(match Injection::of(plugin, assembly)? {
        None => formatter,
        Some(injection) => Box::new(Injecting {
            injection,
            formatter,
        }),
    })
}

/// A formatter of records with fields added.
struct Injecting {
    injection: Injection,
    formatter: Box<dyn EventFormatter>,
}

/// What an `<inject>` section adds to each record.
pub(crate) struct Injection {
    fields: Vec<Field>,
}

/// A field to be added.
struct Field {
    name: Vec<u8>,
    value: FieldValue,
}

enum FieldValue {
    /// The same for all events, as msgpack.
    Fixed(Vec<u8>),
    Tag,
    TimeText(TimeText),
    TimeNumber(InjectedTimeName),
}

impl EventFormatter for Injecting {
    fn format(
        &self,
        tag: &str,
        entry: &Entry<'_>,
        scratch: &mut Scratch,
        out: &mut Vec<u8>,
    ) -> Result<(), FormatError> {
        // The formatter behind needs the scratch while it reads the entry made here.
        let mut injected = mem::take(&mut scratch.injected);
        injected.clear();
        let formatted = self
            .inject(tag, entry, &mut scratch.injected_time, &mut injected)
            .and_then(|()| Ok(Entry::read(&mut Cursor::new(&injected))?))
            .and_then(|entry| self.formatter.format(tag, &entry, scratch, out));
        scratch.injected = injected;
        formatted
    }
}

impl Injecting {
    /// Writes the entry with the fields added.
    fn inject(
        &self,
        tag: &str,
        entry: &Entry<'_>,
        last: &mut LastTime,
        out: &mut Vec<u8>,
    ) -> Result<(), FormatError> {
        let time = time_of(entry.time)?;
        let record = entry.record_bytes();
        let before_record = entry.bytes.len().saturating_sub(record.len());
        out.extend_from_slice(entry.bytes.get(..before_record).unwrap_or_default());
        self.injection.write(tag, time, entry.record(), last, out)
    }
}

impl Injection {
    /// The section of a plugin; `Some(None)` if there is none, or one that adds nothing. `None` when a diagnostic says
    /// what is wrong with it.
    pub(crate) fn of(plugin: &Element, assembly: &mut Assembly<'_>) -> Option<Option<Self>> {
        let Some(section) = plugin.elements_named("inject").next() else {
            return Some(None);
        };
        let worker = assembly.worker();
        let fields = fields(section, worker, assembly.diagnostics)?;
        Some((!fields.is_empty()).then_some(Self { fields }))
    }

    /// Writes a record with the fields added.
    ///
    /// # Errors
    /// If the record is no map. What was written of it by then stays in `out`.
    pub(crate) fn write(
        &self,
        tag: &str,
        time: EventTime,
        record: Record<'_>,
        last: &mut LastTime,
        out: &mut Vec<u8>,
    ) -> Result<(), FormatError> {
        let pairs = record.fields()?;
        let mut added = 0;
        for field in &self.fields {
            added += u32::from(record.field(&field.name).is_none());
        }
        write::map(out, pairs.left().saturating_add(added));
        for pair in pairs {
            let (key, value) = pair?;
            out.extend_from_slice(key.bytes());
            match self
                .fields
                .iter()
                .find(|field| key.text() == Some(&field.name))
            {
                Some(field) => field.value.write(tag, time, last, out),
                None => out.extend_from_slice(value.bytes()),
            }
        }
        for field in &self.fields {
            if record.field(&field.name).is_none() {
                write::str(out, &field.name);
                field.value.write(tag, time, last, out);
            }
        }
        Ok(())
    }
}

impl FieldValue {
    fn write(&self, tag: &str, time: EventTime, last: &mut LastTime, out: &mut Vec<u8>) {
        match self {
            Self::Fixed(bytes) => out.extend_from_slice(bytes),
            Self::Tag => write::str(out, tag.as_bytes()),
            Self::TimeText(text) => write::str(out, text.text(time, last).as_bytes()),
            Self::TimeNumber(name) => write_number(*name, time, out),
        }
    }
}

/// `String` has no number; it is never asked for one.
fn write_number(name: InjectedTimeName, time: EventTime, out: &mut Vec<u8>) {
    let seconds = u64::from(time.seconds);
    // Times we were sent may claim more than a second of nanoseconds.
    let nanoseconds = u64::from(time.nanoseconds.min(999_999_999));
    // No product overflows: 2^32 s are less than 2^63 ns.
    match name {
        InjectedTimeName::Float => {
            // Microseconds of 32 bits of seconds are exact in a float's 53 bits.
            let micros = seconds * 1_000_000 + nanoseconds / 1_000;
            write::float(out, micros as f64 / 1e6);
        }
        InjectedTimeName::Unixtime | InjectedTimeName::String => write::uint(out, seconds),
        InjectedTimeName::UnixtimeMillis => {
            write::uint(out, seconds * 1_000 + nanoseconds / 1_000_000);
        }
        InjectedTimeName::UnixtimeMicros => {
            write::uint(out, seconds * 1_000_000 + nanoseconds / 1_000);
        }
        InjectedTimeName::UnixtimeNanos => write::uint(out, seconds * 1_000_000_000 + nanoseconds),
    }
}

/// The fields of a section, in the order in which they are added.
fn fields(section: &Element, worker: u32, diagnostics: &mut Diagnostics) -> Option<Vec<Field>> {
    let parameters = InjectParameters::read(section, diagnostics)?;
    let mut fields = Vec::new();
    let mut add = |name: &Option<String>, value: FieldValue| {
        if let Some(name) = name {
            let name = name.as_bytes().to_vec();
            // The last one stands, as with one assignment after another.
            fields.retain(|field: &Field| field.name != name);
            fields.push(Field { name, value });
        }
    };
    let mut bytes = Vec::new();
    let hostname = parameters.hostname.clone().unwrap_or_else(system_hostname);
    write::str(&mut bytes, hostname.as_bytes());
    add(
        &parameters.hostname_key,
        FieldValue::Fixed(mem::take(&mut bytes)),
    );
    write::uint(&mut bytes, u64::from(worker));
    add(&parameters.worker_id_key, FieldValue::Fixed(bytes));
    add(&parameters.tag_key, FieldValue::Tag);
    let time = match parameters.time_type {
        InjectedTimeName::String => {
            FieldValue::TimeText(time_text(section, &parameters, diagnostics)?)
        }
        name => FieldValue::TimeNumber(name),
    };
    add(&parameters.time_key, time);
    Some(fields)
}

fn time_text(
    section: &Element,
    parameters: &InjectParameters,
    diagnostics: &mut Diagnostics,
) -> Option<TimeText> {
    let times = TimeParameters {
        time_type: None,
        time_format: None,
        localtime: parameters.localtime,
        utc: parameters.utc,
        timezone: parameters.timezone.clone(),
        time_format_fallbacks: Vec::new(),
    };
    let zone = times.zone(section, diagnostics)?;
    let Some(format) = &parameters.time_format else {
        return Some(TimeText::iso8601(zone));
    };
    TimeText::strftime(format, zone)
        .map_err(|error| {
            let value = section.value("time_format");
            let span = value.map_or(section.span(), |value| value.span);
            diagnostics.push(Diagnostic::error(error.to_string()).at(span, "this format"));
        })
        .ok()
}

/// The name the system goes by; empty where it has none that is text.
fn system_hostname() -> String {
    nix::unistd::gethostname()
        .ok()
        .and_then(|name| name.into_string().ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use millrun_config::{NoIncludes, NoRuby, RenderStyle, parse_str};
    use millrun_event::EventBuffer;
    use millrun_event::json::{FloatText, transcode};

    use super::super::{Json, LineEnd, format_events};
    use super::*;

    /// A record through an `<inject>` section, or the errors of the section.
    fn injected(lines: &str, time: EventTime, record: &str) -> Result<String, String> {
        let text = format!("<inject>\n{lines}\n</inject>\n");
        let parsed = parse_str("f.conf", &text, &mut NoRuby, &mut NoIncludes);
        let mut diagnostics = Diagnostics::default();
        let Some(fields) = fields(&parsed.root.elements()[0], 3, &mut diagnostics) else {
            return Err(diagnostics.render(&parsed.sources, RenderStyle::Plain));
        };
        let formatter = Box::new(Json {
            floats: FloatText::Oj,
            line_end: LineEnd::Nothing,
        });
        let injection = Injection { fields };
        let injecting = Injecting {
            injection,
            formatter,
        };
        let mut events = EventBuffer::default();
        events.push(time, |out| transcode(record.as_bytes(), out).unwrap());
        let (mut out, mut ends) = (Vec::new(), Vec::new());
        let scratch = &mut Scratch::default();
        let lost = format_events(
            &injecting,
            "app.web",
            events.as_events(),
            scratch,
            &mut out,
            &mut ends,
        );
        assert_eq!(lost, 0);
        Ok(String::from_utf8(out).unwrap())
    }

    const TIME: EventTime = EventTime {
        seconds: 1_700_000_000,
        nanoseconds: 123_456_789,
    };

    #[test]
    fn fields_stand_behind_the_records_own_in_a_fixed_order() {
        let lines = "time_key t\ntime_type unixtime\ntag_key g\nworker_id_key w\n\
                     hostname_key h\nhostname mill";
        assert_eq!(
            injected(lines, TIME, r#"{"k":1}"#).unwrap(),
            r#"{"k":1,"h":"mill","w":3,"g":"app.web","t":1700000000}"#
        );
    }

    #[test]
    fn a_field_that_is_there_takes_the_new_value_in_its_place() {
        assert_eq!(
            injected("tag_key a", TIME, r#"{"a":[1],"b":2}"#).unwrap(),
            r#"{"a":"app.web","b":2}"#
        );
    }

    #[test]
    fn times_have_the_type_asked_for() {
        for (lines, expected) in [
            ("", "1700000000.123456"),
            ("time_type float", "1700000000.123456"),
            ("time_type unixtime", "1700000000"),
            ("time_type unixtime_millis", "1700000000123"),
            ("time_type unixtime_micros", "1700000000123456"),
            ("time_type unixtime_nanos", "1700000000123456789"),
            ("time_type string\nutc true", r#""2023-11-14T22:13:20Z""#),
            (
                "time_type string\ntime_format %s.%9N\ntimezone +0000",
                r#""1700000000.123456789""#,
            ),
        ] {
            let record = injected(&format!("time_key t\n{lines}"), TIME, "{}").unwrap();
            assert_eq!(record, format!(r#"{{"t":{expected}}}"#), "{lines}");
        }
    }

    #[test]
    fn a_wrong_zone_is_told_with_its_place() {
        let error = injected("time_key t\ntime_type string\ntimezone Nowhere", TIME, "{}");
        let error = error.unwrap_err();
        assert!(error.contains("f.conf:4"), "{error}");
        assert!(error.contains("this zone"), "{error}");
    }
}
