//! `filter`: streams through a filter, made of its section as a configuration makes it.

use std::path::Path;

use millrun_config::{Diagnostics, Element};
use millrun_core::{Batch, ErrorEvents, Losses, Report, RouterId, System, assemble};
use millrun_event::{Entries, EventBuffer, EventTime, Events};
use serde_json::{Value, json};

use super::{Answer, element};
use crate::case::{Case, Unplayable};
use crate::notation;

/// When the events of the recordings were taken: where a filter asks for the time, this is it.
const NOW: EventTime = EventTime::new(1_795_224_568, 0);
/// The time of the first event; each further one is a second later.
const FIRST_SECOND: u32 = 1_700_000_000;

pub(crate) fn filter(case: &Case) -> Result<Answer, Unplayable> {
    let kind = case.need_text("type")?;
    let tag = case.need_text("tag")?;
    let filtered = run(kind, case.get("conf"), tag, case.need_list("in")?)?;
    Ok(Answer::of(filtered.map(|filtered| {
        // Of an error event its class is recorded, too: a word of Ruby's.
        let recorded = case.at("/out/errors").as_array();
        let errors = filtered.errors.iter().enumerate().map(|(index, error)| {
            let mut error = error.clone();
            let class = recorded
                .and_then(|errors| errors.get(index)?.get(2))
                .cloned();
            if let (Some(class), Some(parts)) = (class, error.as_array_mut()) {
                parts.push(class);
            }
            error
        });
        let errors: Vec<Value> = errors.collect();
        let recorded = case.at("/out/events").as_array();
        let events = filtered.events.iter().enumerate().map(|(index, event)| {
            let recorded = recorded.and_then(|events| events.get(index));
            as_recorded(event, recorded)
        });
        let events: Vec<Value> = events.collect();
        json!({"events": events, "errors": errors})
    })))
}

/// A time of reading is any: the recorded one where both are.
fn as_recorded(event: &Value, recorded: Option<&Value>) -> Value {
    let seconds = |event: &Value| event.pointer("/0/$et/0").and_then(Value::as_u64);
    let is_read_time = seconds(event) == Some(NOW.seconds.into())
        && recorded.and_then(seconds) > Some(u64::from(FIRST_SECOND) + 10_000_000);
    match (is_read_time, recorded) {
        (true, Some(recorded)) => json!([recorded.get(0), event.get(1)]),
        _ => event.clone(),
    }
}

/// What became of a stream.
pub(super) struct Filtered {
    /// `[time, record]` each.
    events: Vec<Value>,
    /// `[tag, record]` each.
    errors: Vec<Value>,
}

impl Filtered {
    /// The record of an event.
    pub(super) fn at_record(&self, index: usize) -> Option<&Value> {
        self.events.get(index)?.get(1)
    }
}

/// Sends records through the filter of an element, or tells why it is refused.
pub(super) fn run(
    kind: &str,
    conf: &Value,
    tag: &str,
    records: &[Value],
) -> Result<Result<Filtered, String>, Unplayable> {
    let section = element::element(conf)?;
    let mut filter = Element::new("filter", "**", element::nowhere());
    for entry in section.parameters() {
        filter.insert(entry.clone());
    }
    element::set(&mut filter, "@type", kind);
    for inner in section.elements() {
        filter.push(inner.clone());
    }
    let mut stream = EventBuffer::default();
    for (second, record) in (FIRST_SECOND..).zip(records) {
        let mut bytes = Vec::new();
        notation::encode(record, &mut bytes)?;
        stream.push(EventTime::new(second, 0), |out| {
            out.extend_from_slice(&bytes);
        });
    }
    Ok(filtered(filter, tag, stream.as_events()))
}

fn filtered(filter: Element, tag: &str, events: Events<'_>) -> Result<Filtered, String> {
    let mut root = Element::new("ROOT", "", element::nowhere());
    root.push(filter);
    let mut diagnostics = Diagnostics::default();
    let system = System::read(&root, &mut diagnostics).ok_or("no <system>")?;
    let registry = millrun_plugins::registry();
    let state = Path::new("/nonexistent");
    let parts = assemble(&root, &registry, &system, state, &mut diagnostics);
    if let Some(fault) = diagnostics.errors().next() {
        return Err(fault.message.clone());
    }
    let router = parts.graph.router(RouterId::ROOT).ok_or("no router")?;
    let filters = router.route(tag).filters;
    let filter = filters.first().ok_or("no filter")?;
    let mut out = EventBuffer::default();
    let (mut losses, mut errors) = (Losses::default(), ErrorEvents::default());
    let mut report = Report::new(&mut losses, &mut errors);
    filter.filter(
        Batch {
            tag,
            events,
            now: NOW,
        },
        &mut out,
        &mut report,
    );
    let errors = errors.groups().iter().flat_map(|group| {
        let events = shown(group.events.as_events());
        let tag = group.tag.clone();
        events
            .into_iter()
            .map(move |event| json!([tag, event.get(1)]))
    });
    Ok(Filtered {
        events: shown(out.as_events()),
        errors: errors.collect(),
    })
}

/// `[time, record]` of each event.
fn shown(events: Events<'_>) -> Vec<Value> {
    let entries = Entries::new(events.bytes).map_while(Result::ok);
    entries
        .map(|entry| {
            let time = entry.time.to_event_time();
            let time = time.map(|time| json!({"$et": [time.seconds, time.nanoseconds]}));
            json!([time, notation::decode(entry.record_bytes()).ok()])
        })
        .collect()
}
