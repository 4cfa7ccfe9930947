//! A filter that holds events back, and an output that emits them again.

use std::sync::Arc;

use millrun_core::{
    Batch, Due, Emissions, Filter, Holder, Node, Registry, Report, Rewrite, Rewriter, RouterId,
    Stage,
};
use millrun_event::{Entries, EventBuffer, EventTime};

use super::{TestParameters, batch};

pub(crate) fn register(registry: &mut Registry) {
    let schema = TestParameters::SCHEMA;
    registry.add_filter("join", schema, |_, id, _| {
        Some(Arc::new(Join {
            name: id.text.to_string(),
        }))
    });
    registry.add_output("retag", schema, |_, id, _| {
        Some(Node::Rewrite(Arc::new(Rewrite {
            id: id.clone(),
            stage: None,
            tags: Arc::new(Retag),
            router: RouterId::ROOT,
        })))
    });
    registry.add_output("join_and_retag", schema, |_, id, _| {
        Some(Node::Rewrite(Arc::new(Rewrite {
            id: id.clone(),
            stage: Some(Arc::new(Join {
                name: id.text.to_string(),
            })),
            tags: Arc::new(Retag),
            router: RouterId::ROOT,
        })))
    });
}

/// Puts every event in front of the first one that does not end with a dash; after a minute without one, or 0.1 s in
/// tags with `soon`, gives up.
struct Join {
    name: String,
}

impl Filter for Join {
    /// Lets everything through: a test sees at once when it is called.
    fn filter(&self, batch: Batch<'_>, out: &mut EventBuffer, _: &mut Report<'_>) {
        out.extend(batch.events.bytes, batch.events.count);
    }

    fn stage(&self) -> Option<&dyn Stage> {
        Some(self)
    }
}

impl Stage for Join {
    fn name(&self) -> &str {
        &self.name
    }

    fn holder(&self) -> Box<dyn Holder> {
        Box::new(JoinHolder::default())
    }
}

#[derive(Default)]
struct JoinHolder {
    tag: String,
    text: String,
    due: Option<EventTime>,
}

impl Holder for JoinHolder {
    fn filter(&mut self, batch: Batch<'_>, out: &mut EventBuffer, _: &mut Report<'_>) {
        for entry in Entries::new(batch.events.bytes).map(Result::unwrap) {
            let message = entry.record().field(b"m").unwrap().text().unwrap();
            self.text.push_str(std::str::from_utf8(message).unwrap());
            self.tag = batch.tag.to_owned();
            if self.text.ends_with('-') {
                let wait = u32::from(!batch.tag.contains("soon")) * 60;
                let (seconds, nanoseconds) = (batch.now.seconds, batch.now.nanoseconds);
                self.due = Some(EventTime::new(seconds + wait, nanoseconds + 100_000_000));
                continue;
            }
            let events = super::batch(&[&self.text]);
            out.extend(events.as_events().bytes, 1);
            self.text.clear();
            self.due = None;
        }
    }

    fn due(&self) -> Option<EventTime> {
        self.due
    }

    fn release(&mut self, due: Due, out: &mut Emissions, _: &mut Report<'_>) {
        if !self.due.is_some_and(|time| due.includes(time)) {
            return;
        }
        let events = batch(&[&self.text]);
        out.buffer(&self.tag, None)
            .extend(events.as_events().bytes, 1);
        self.text.clear();
        self.due = None;
    }

    fn checkpoint(&self, out: &mut Vec<u8>) {
        if !self.text.is_empty() {
            out.extend_from_slice(format!("{} {}", self.tag, self.text).as_bytes());
        }
    }

    fn roll_back(&mut self, checkpoint: &[u8]) {
        let text = std::str::from_utf8(checkpoint).unwrap();
        let (tag, text) = text.split_once(' ').unwrap_or_default();
        (self.tag, self.text) = (tag.to_owned(), text.to_owned());
        self.due = (!text.is_empty()).then(EventTime::default);
    }
}

/// Emits everything again as `new.` and its tag; `keep.` tags stay.
struct Retag;

impl Rewriter for Retag {
    fn rewrite(&self, batch: Batch<'_>, out: &mut Emissions, _: &mut Report<'_>) {
        let tag = match batch.tag.starts_with("circle") {
            true => batch.tag.to_owned(),
            false => format!("new.{}", batch.tag),
        };
        out.buffer(&tag, None)
            .extend(batch.events.bytes, batch.events.count);
    }
}
