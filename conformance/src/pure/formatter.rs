//! `formatter`: one event through the formatter of an output.

use std::path::Path;

use millrun_config::{Diagnostics, Element};
use millrun_core::{Content, System, assemble};
use millrun_event::EventBuffer;

use super::{Answer, element};
use crate::case::{Case, Unplayable};
use crate::notation;

pub(crate) fn formatter(case: &Case) -> Result<Answer, Unplayable> {
    let mut section = Element::new("format", "", element::nowhere());
    element::set(&mut section, "@type", case.need_text("type")?);
    for (name, value) in case.members("conf") {
        element::set(&mut section, name, value.as_str().unwrap_or_default());
    }
    let mut record = Vec::new();
    notation::encode(case.get("record"), &mut record)?;
    let mut events = EventBuffer::default();
    events.push(notation::event_time(case.get("time"))?, |out| {
        out.extend_from_slice(&record);
    });
    let text = formatted(section, case.need_text("tag")?, &events);
    Ok(Answer::of(text.map(|bytes| notation::text(&bytes))))
}

/// The text of an event as out_file writes it: the bytes of its chunks are the formatter's.
fn formatted(section: Element, tag: &str, events: &EventBuffer) -> Result<Vec<u8>, String> {
    let mut output = Element::new("match", "**", element::nowhere());
    element::set(&mut output, "@type", "file");
    element::set(&mut output, "path", "/nonexistent/file");
    output.push(section);
    let mut root = Element::new("ROOT", "", element::nowhere());
    root.push(output);
    let mut diagnostics = Diagnostics::default();
    let system = System::read(&root, &mut diagnostics).ok_or("no <system>")?;
    let registry = millrun_plugins::registry();
    let state = Path::new("/nonexistent");
    let parts = assemble(&root, &registry, &system, state, &mut diagnostics);
    if let Some(fault) = diagnostics.errors().next() {
        return Err(fault.message.clone());
    }
    let node = parts.buffered.first().ok_or("no output")?;
    let Content::Formatted(formatter) = node.output.content() else {
        return Err("an output without a formatter".to_owned());
    };
    let (mut out, mut ends) = (Vec::new(), Vec::new());
    match formatter.format(tag, events.as_events(), &mut out, &mut ends) {
        0 => Ok(out),
        _ => Err("the event cannot be formatted".to_owned()),
    }
}
