//! The program's own log, in the line shape that operators grep for (fluentd.md section 2.9).
//!
//! ```text
//! 2026-11-21 03:00:00 +0000 [warn]: #0 [tail_app] pattern not matched: "…" file="app.log"
//! └─ local time           └ level  │  └ @id      └ message                └ other fields
//!                                  └ worker
//! ```
//!
//! Code logs through `tracing`; this layer gives the lines their shape. The field `plugin_id`
//! becomes the bracketed id unless it is empty, every other field a `key=value` pair. While lines are
//! captured ([`capture`]), each is an event, too ([`LogLines`]).

use std::cell::Cell;
use std::fmt::{Debug, Write as _};
use std::io::Write as _;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use millrun_event::{EventTime, json, write};

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

use crate::log_lines::{LogLine, LogLines};

/// Longest line written, in bytes; what is longer is cut and ends in an ellipsis. A log of logs
/// must not copy a megabyte of somebody's record.
pub const LINE_MAX: usize = 16 * 1024;

/// The least severity written, changed by [`set_level`].
static LEVEL: AtomicU8 = AtomicU8::new(severity(Level::INFO));

/// Sets the least severity of the lines written from now on.
pub fn set_level(level: LevelFilter) {
    LEVEL.store(level.into_level().map_or(0, severity), Ordering::Relaxed);
}

/// Greater is more talkative.
const fn severity(level: Level) -> u8 {
    match level {
        Level::ERROR => 1,
        Level::WARN => 2,
        Level::INFO => 3,
        Level::DEBUG => 4,
        Level::TRACE => 5,
    }
}

/// The worker shown after `#`, changed by [`set_worker`]; none in the control process.
static WORKER: AtomicU32 = AtomicU32::new(NO_WORKER);
const NO_WORKER: u32 = u32::MAX;

/// Says that from now on this process is a worker: a fork inherits the log of its parent.
pub fn set_worker(number: u32) {
    WORKER.store(number, Ordering::Relaxed);
}

/// Whether lines are JSON objects, changed by [`set_json`].
static IS_JSON: AtomicBool = AtomicBool::new(false);

/// Writes each line from now on as a JSON object, or as text.
pub fn set_json(is_json: bool) {
    IS_JSON.store(is_json, Ordering::Relaxed);
}

/// Makes the layer the process's log: lines of `level` and graver go to the standard output,
/// where Fluentd writes them. `clock` writes the local time. Does nothing when a log was set
/// before.
pub fn install(level: LevelFilter, clock: fn(&mut String)) {
    set_level(level);
    let subscriber = tracing_subscriber::registry().with(FluentLines { clock });
    // A second install, as tests do, keeps the first log.
    let _ = tracing::subscriber::set_global_default(subscriber);
}

/// Where lines go as events, while they are captured.
static CAPTURED: RwLock<Option<Arc<LogLines>>> = RwLock::new(None);

/// Keeps the lines of this process from now on, up to a limit, for whoever makes events of them.
/// Called again, it answers the same keeper.
pub fn capture() -> Arc<LogLines> {
    let mut captured = CAPTURED.write().unwrap_or_else(PoisonError::into_inner);
    Arc::clone(captured.get_or_insert_default())
}

/// Ends [`capture`]: later lines are lines only.
pub fn release() {
    *CAPTURED.write().unwrap_or_else(PoisonError::into_inner) = None;
}

thread_local! {
    /// The lines of this thread are about events made of lines: they make no more of them.
    static IS_LEFT_OUT: Cell<bool> = const { Cell::new(false) };
}

/// Says that the lines of this thread never become events.
pub(crate) fn leave_thread_out() {
    IS_LEFT_OUT.set(true);
}

fn captured() -> Option<Arc<LogLines>> {
    if IS_LEFT_OUT.get() {
        return None;
    }
    let captured = CAPTURED.read().unwrap_or_else(PoisonError::into_inner);
    captured.clone()
}

struct FluentLines {
    clock: fn(&mut String),
}

impl FluentLines {
    fn line(&self, level: Level, fields: &Fields, worker: Option<u32>) -> String {
        let mut line = String::with_capacity(128);
        (self.clock)(&mut line);
        line.push_str(" [");
        line.push_str(level_word(level));
        line.push_str("]: ");
        if let Some(worker) = worker {
            // Writing to a string cannot fail.
            let _ = write!(line, "#{worker} ");
        }
        fields.put_text(&mut line);
        cut(&mut line);
        line.push('\n');
        line
    }

    /// The line as a JSON object, with the worker as a number.
    fn json_line(&self, level: Level, fields: &Fields, worker: Option<u32>) -> Vec<u8> {
        let (mut time, mut text) = (String::new(), String::new());
        (self.clock)(&mut time);
        fields.put_text(&mut text);
        cut(&mut text);
        let mut line = b"{".to_vec();
        let mut pair = |key: &str, value: &str| {
            if line.len() > 1 {
                line.push(b',');
            }
            json::write_str(&mut line, key.as_bytes());
            line.push(b':');
            json::write_str(&mut line, value.as_bytes());
        };
        pair("time", &time);
        pair("level", level_word(level));
        pair("message", &text);
        if let Some(worker) = worker {
            line.extend_from_slice(format!(",\"worker_id\":{worker}").as_bytes());
        }
        line.extend_from_slice(b"}\n");
        line
    }
}

/// What an event says, as text and, for an event of ours, as a record.
fn fields_of(event: &Event<'_>, wants_record: bool) -> Fields {
    let mut fields = Fields {
        record: wants_record.then(Record::default),
        ..Fields::default()
    };
    event.record(&mut fields);
    fields
}

fn cut(text: &mut String) {
    if text.len() > LINE_MAX {
        text.truncate(text.floor_char_boundary(LINE_MAX));
        text.push('…');
    }
}

impl<S: Subscriber> Layer<S> for FluentLines {
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        severity(*metadata.level()) <= LEVEL.load(Ordering::Relaxed)
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let worker = Some(WORKER.load(Ordering::Relaxed)).filter(|number| *number != NO_WORKER);
        let level = *event.metadata().level();
        let lines = captured();
        let fields = fields_of(event, lines.is_some());
        // One write per line, so that lines of several processes never tear. A log that cannot
        // be written has nowhere to say so.
        let line = match IS_JSON.load(Ordering::Relaxed) {
            true => self.json_line(level, &fields, worker),
            false => self.line(level, &fields, worker).into_bytes(),
        };
        let _ = std::io::stdout().write_all(&line);
        if let (Some(lines), Some(record)) = (lines, fields.record()) {
            lines.keep(LogLine {
                level,
                time: EventTime::now(),
                record,
            });
        }
    }
}

fn level_word(level: Level) -> &'static str {
    match level {
        Level::TRACE => "trace",
        Level::DEBUG => "debug",
        Level::INFO => "info",
        Level::WARN => "warn",
        Level::ERROR => "error",
    }
}

/// The parts of a line.
#[derive(Default)]
struct Fields {
    message: String,
    plugin_id: Option<String>,
    pairs: String,
    /// The pairs once more, where the line becomes an event.
    record: Option<Record>,
}

/// The pairs of a line as the inside of a msgpack map.
#[derive(Default)]
struct Record {
    bytes: Vec<u8>,
    count: u32,
}

impl Fields {
    fn put_text(&self, out: &mut String) {
        if let Some(id) = &self.plugin_id {
            // Writing to a string cannot fail.
            let _ = write!(out, "[{id}] ");
        }
        out.push_str(&self.message);
        out.push_str(&self.pairs);
    }

    /// The pairs, then the whole text as `message`.
    fn record(&self) -> Option<Box<[u8]>> {
        let pairs = self.record.as_ref()?;
        let mut text = String::with_capacity(self.message.len() + self.pairs.len());
        self.put_text(&mut text);
        cut(&mut text);
        let mut record = Vec::with_capacity(pairs.bytes.len() + text.len() + 16);
        write::map(&mut record, pairs.count + 1);
        record.extend_from_slice(&pairs.bytes);
        write::str(&mut record, b"message");
        write::str(&mut record, text.as_bytes());
        Some(record.into())
    }

    fn pair(&mut self, name: &str, text: &dyn Debug, value: impl FnOnce(&mut Vec<u8>)) {
        let _ = write!(self.pairs, " {name}={text:?}");
        if let Some(record) = &mut self.record {
            write::str(&mut record.bytes, name.as_bytes());
            value(&mut record.bytes);
            record.count += 1;
        }
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        match field.name() {
            "message" => self.message = format!("{value:?}"),
            "plugin_id" => self.plugin_id = Some(format!("{value:?}")),
            name => self.pair(name, value, |out| {
                let mut text = format!("{value:?}");
                cut(&mut text);
                write::str(out, text.as_bytes());
            }),
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => self.message = value.to_owned(),
            "plugin_id" => self.plugin_id = Some(value.to_owned()).filter(|id| !id.is_empty()),
            name => self.pair(name, &value, |out| {
                let end = value.floor_char_boundary(LINE_MAX);
                write::str(out, value.get(..end).unwrap_or(value).as_bytes());
            }),
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.pair(field.name(), &value, |out| write::int(out, value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.pair(field.name(), &value, |out| write::uint(out, value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.pair(field.name(), &value, |out| write::bool(out, value));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.pair(field.name(), &value, |out| write::float(out, value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use millrun_event::json;
    use std::sync::{Arc, Mutex};

    /// The layer, the worker, the lines, the last record.
    struct Capture(
        FluentLines,
        Option<u32>,
        Arc<Mutex<String>>,
        Arc<Mutex<String>>,
    );

    impl<S: Subscriber> Layer<S> for Capture {
        fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
            let fields = fields_of(event, true);
            let line = self.0.line(*event.metadata().level(), &fields, self.1);
            let mut record = Vec::new();
            let bytes = fields.record().unwrap();
            json::write_value(&bytes, json::FloatText::Ruby, &mut record).unwrap();
            *self.3.lock().unwrap() = String::from_utf8(record).unwrap();
            self.2.lock().unwrap().push_str(&line);
        }
    }

    #[test]
    fn a_json_line_is_one_object() {
        let layer = FluentLines {
            clock: |out| out.push_str("2026-11-21"),
        };
        let fields = Fields {
            message: "a\"b\n".to_owned(),
            plugin_id: Some("out".to_owned()),
            ..Fields::default()
        };
        let line =
            |worker| String::from_utf8(layer.json_line(Level::WARN, &fields, worker)).unwrap();
        let text = r#"{"time":"2026-11-21","level":"warn","message":"[out] a\"b\n""#;
        assert_eq!(line(None), format!("{text}}}\n"));
        assert_eq!(line(Some(3)), format!("{text},\"worker_id\":3}}\n"));
    }

    fn logged(worker: Option<u32>, log: impl FnOnce()) -> String {
        line_and_record(worker, log).0
    }

    fn line_and_record(worker: Option<u32>, log: impl FnOnce()) -> (String, String) {
        let record = Arc::new(Mutex::new(String::new()));
        let lines = Arc::new(Mutex::new(String::new()));
        let layer = FluentLines {
            clock: |out| out.push_str("2026-11-21 03:00:00 +0000"),
        };
        let (kept, last) = (Arc::clone(&lines), Arc::clone(&record));
        let subscriber = tracing_subscriber::registry().with(Capture(layer, worker, kept, last));
        tracing::subscriber::with_default(subscriber, log);
        let (lines, record) = (lines.lock().unwrap(), record.lock().unwrap());
        (lines.clone(), record.clone())
    }

    #[test]
    fn a_worker_line_has_fluentds_shape() {
        let line = logged(Some(0), || {
            tracing::warn!(
                plugin_id = "tail_app",
                file = "a\"b.log",
                count = 3,
                "not matched"
            );
        });
        assert_eq!(
            line,
            "2026-11-21 03:00:00 +0000 [warn]: #0 [tail_app] not matched file=\"a\\\"b.log\" count=3\n"
        );
    }

    #[test]
    fn a_control_line_has_no_worker_number() {
        let line = logged(None, || tracing::info!("starting"));
        assert_eq!(line, "2026-11-21 03:00:00 +0000 [info]: starting\n");
    }

    #[test]
    fn a_long_line_is_cut_at_a_character() {
        let line = logged(None, || tracing::info!("{}", "é".repeat(LINE_MAX)));
        assert!(line.len() <= LINE_MAX + "…\n".len() && line.ends_with("é…\n"));
    }

    /// fluentd.md section 2.9: the pairs with their types, and the whole text with the id and the
    /// pairs, without time, level and worker.
    #[test]
    fn the_record_of_a_line() {
        let (_, record) = line_and_record(Some(3), || {
            let (error, path) = (std::fmt::Error, std::path::Path::new("/x"));
            tracing::warn!(
                plugin_id = "out", file = "a\"b", count = 3_u64, below = -1, rate = 0.5, is_last = true,
                error = %error, path = ?path, "not matched"
            );
        });
        assert_eq!(
            record,
            "{\"file\":\"a\\\"b\",\"count\":3,\"below\":-1,\"rate\":0.5,\"is_last\":true,\
             \"error\":\"an error occurred when formatting an argument\",\"path\":\"\\\"/x\\\"\",\
             \"message\":\"[out] not matched file=\\\"a\\\\\\\"b\\\" count=3 below=-1 rate=0.5 is_last=true \
             error=an error occurred when formatting an argument path=\\\"/x\\\"\"}"
        );
        let (_, record) = line_and_record(None, || tracing::info!("starting"));
        assert_eq!(record, "{\"message\":\"starting\"}");
    }

    #[test]
    fn long_texts_of_a_record_are_cut() {
        let long = "é".repeat(LINE_MAX);
        let (_, record) = line_and_record(None, || tracing::info!(long, "{long}"));
        assert!(record.len() < 3 * LINE_MAX, "{}", record.len());
    }
}
