//! The program's own log, in the line shape that operators grep for (fluentd.md section 2.9).
//!
//! ```text
//! 2026-11-21 03:00:00 +0000 [warn]: #0 [tail_app] pattern not matched: "…" file="app.log"
//! └─ local time           └ level  │  └ @id      └ message                └ other fields
//!                                  └ worker
//! ```
//!
//! Code logs through `tracing`; this layer gives the lines their shape. The field `plugin_id`
//! becomes the bracketed id unless it is empty, every other field a `key=value` pair.

use std::fmt::{Debug, Write as _};
use std::io::Write as _;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

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

/// Makes the layer the process's log: lines of `level` and graver go to the standard output,
/// where Fluentd writes them. `clock` writes the local time. Does nothing when a log was set
/// before.
pub fn install(level: LevelFilter, clock: fn(&mut String)) {
    set_level(level);
    let subscriber = tracing_subscriber::registry().with(FluentLines { clock });
    // A second install, as tests do, keeps the first log.
    let _ = tracing::subscriber::set_global_default(subscriber);
}

struct FluentLines {
    clock: fn(&mut String),
}

impl FluentLines {
    fn line(&self, event: &Event<'_>, worker: Option<u32>) -> String {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let mut line = String::with_capacity(128);
        (self.clock)(&mut line);
        line.push_str(" [");
        line.push_str(level_word(*event.metadata().level()));
        line.push_str("]: ");
        // Writing to a string cannot fail.
        if let Some(worker) = worker {
            let _ = write!(line, "#{worker} ");
        }
        if let Some(id) = &fields.plugin_id {
            let _ = write!(line, "[{id}] ");
        }
        line.push_str(&fields.message);
        line.push_str(&fields.pairs);
        if line.len() > LINE_MAX {
            line.truncate(line.floor_char_boundary(LINE_MAX));
            line.push('…');
        }
        line.push('\n');
        line
    }
}

impl<S: Subscriber> Layer<S> for FluentLines {
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        severity(*metadata.level()) <= LEVEL.load(Ordering::Relaxed)
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let worker = Some(WORKER.load(Ordering::Relaxed)).filter(|number| *number != NO_WORKER);
        // One write per line, so that lines of several processes never tear. A log that cannot
        // be written has nowhere to say so.
        let _ = std::io::stdout().write_all(self.line(event, worker).as_bytes());
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

#[derive(Default)]
struct Fields {
    message: String,
    plugin_id: Option<String>,
    pairs: String,
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        match field.name() {
            "message" => self.message = format!("{value:?}"),
            "plugin_id" => self.plugin_id = Some(format!("{value:?}")),
            name => {
                let _ = write!(self.pairs, " {name}={value:?}");
            }
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => self.message = value.to_owned(),
            "plugin_id" => self.plugin_id = Some(value.to_owned()).filter(|id| !id.is_empty()),
            name => {
                let _ = write!(self.pairs, " {name}={value:?}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    struct Capture(FluentLines, Option<u32>, Arc<Mutex<String>>);

    impl<S: Subscriber> Layer<S> for Capture {
        fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
            self.2.lock().unwrap().push_str(&self.0.line(event, self.1));
        }
    }

    fn logged(worker: Option<u32>, log: impl FnOnce()) -> String {
        let lines = Arc::new(Mutex::new(String::new()));
        let layer = FluentLines {
            clock: |out| out.push_str("2026-11-21 03:00:00 +0000"),
        };
        let subscriber =
            tracing_subscriber::registry().with(Capture(layer, worker, Arc::clone(&lines)));
        tracing::subscriber::with_default(subscriber, log);
        let lines = lines.lock().unwrap();
        lines.clone()
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
}
