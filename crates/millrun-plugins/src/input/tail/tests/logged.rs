//! The log lines of all tests, by plugin.

use std::sync::Mutex;

use std::fmt::Debug;
use tracing::field::{Field, Visit};

static LINES: Mutex<Vec<(String, String)>> = Mutex::new(Vec::new());

struct Recorder;

#[derive(Default)]
struct Line {
    plugin_id: String,
    message: String,
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            self.message = format!("{value:?}");
        }
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "plugin_id" => self.plugin_id = value.to_owned(),
            "message" => self.message = value.to_owned(),
            _ => {}
        }
    }
}

impl tracing::Subscriber for Recorder {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        let mut line = Line::default();
        event.record(&mut line);
        let level = event.metadata().level().as_str().to_lowercase();
        let text = format!("[{level}]: {}", line.message);
        LINES.lock().unwrap().push((line.plugin_id, text));
    }
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}

pub(super) fn install() {
    // The first of the tests does it for all.
    let _ = tracing::subscriber::set_global_default(Recorder);
}

pub(super) fn lines(plugin_id: &str) -> Vec<String> {
    let lines = LINES.lock().unwrap();
    lines
        .iter()
        .filter(|(id, _)| id == plugin_id)
        .map(|(_, text)| text.clone())
        .collect()
}
