//! Filters over a stream of records with a level and a 186-byte message.

use std::hint::black_box;
use std::path::Path;
use std::rc::Rc;
use std::sync::{Arc, Mutex};

use millrun_config::{Diagnostics, NoIncludes, NoRuby, parse_str};
use millrun_core::{Batch, ErrorEvents, Filter, Losses, Registry, Report, System, assemble};
use millrun_event::{EventBuffer, EventTime, write};

use crate::parsers::ACCESS;
use crate::streams::walk;
use crate::{Goal, Loop, Work};

const NOW: EventTime = EventTime::new(1_795_264_496, 0);

pub(crate) fn loops() -> Vec<Loop> {
    vec![
        filtered(
            "grep literal",
            Goal::Nanoseconds(60.0),
            "@type grep\n<regexp>\nkey level\npattern /warn/\n</regexp>",
        ),
        filtered(
            "grep literal, long field",
            Goal::Any,
            "@type grep\n<regexp>\nkey message\npattern /app\\.js/\n</regexp>",
        ),
        filtered(
            "record_transformer static",
            Goal::Nanoseconds(60.0),
            "@type record_transformer\n<record>\nservice checkout\n</record>",
        ),
        filtered(
            "record_transformer record",
            Goal::Nanoseconds(400.0),
            "@type record_transformer\n<record>\nnew ${record[\"level\"]}-x\n</record>",
        ),
        filtered(
            "record_transformer ruby record",
            Goal::Nanoseconds(400.0),
            "@type record_transformer\nenable_ruby true\n<record>\nnew ${record[\"level\"]}-x\n</record>",
        ),
        filtered(
            "record_transformer ruby upcase",
            Goal::Nanoseconds(400.0),
            "@type record_transformer\nenable_ruby true\n<record>\nnew ${record[\"level\"].upcase}\n</record>",
        ),
        filtered(
            "record_modifier record",
            Goal::Any,
            "@type record_modifier\n<record>\nnew ${record[\"level\"]}-x\n</record>",
        ),
    ]
}

fn filtered(name: &'static str, goal: Goal, text: &'static str) -> Loop {
    Loop {
        name,
        goal,
        make: Box::new(move |events| {
            let stream = Rc::new(stream(events));
            let same = Rc::clone(&stream);
            let filter = filter(text);
            let mut out = EventBuffer::with_capacity(stream.len() * 2);
            let work: Work = Box::new(move || {
                let (mut losses, mut errors) = (Losses::default(), ErrorEvents::default());
                out.clear();
                let batch = Batch {
                    tag: "app.web",
                    events: stream.as_events(),
                    now: NOW,
                };
                let mut report = Report::new(&mut losses, &mut errors);
                filter.filter(black_box(batch), &mut out, &mut report);
                out.len()
            });
            (work, Box::new(move || walk(same.as_events())))
        }),
    }
}

fn stream(events: u32) -> EventBuffer {
    let (message, _) = ACCESS.as_bytes().split_at(186);
    let mut stream = EventBuffer::default();
    for number in 0..events {
        stream.push(EventTime::new(1_700_000_000, number), |record| {
            write::map(record, 2);
            write::str(record, b"level");
            write::str(record, if number % 2 == 0 { b"warn" } else { b"info" });
            write::str(record, b"message");
            write::str(record, message);
        });
    }
    stream
}

static MADE: Mutex<Option<Arc<dyn Filter>>> = Mutex::new(None);

/// The filter of a section, by way of the assembly.
fn filter(text: &str) -> Arc<dyn Filter> {
    let source = format!("<filter **>\n{text}\n</filter>");
    let parsed = parse_str("bench.conf", &source, &mut NoRuby, &mut NoIncludes);
    let mut registry = Registry::default();
    for (&name, known) in millrun_plugins::registry().filters() {
        registry.add_filter(name, known.schema, |element, id, assembly| {
            let real = millrun_plugins::registry();
            let factory = real.filters().get(element.plugin_type()?)?.factory;
            let filter = factory(element, id, assembly)?;
            *MADE.lock().unwrap() = Some(Arc::clone(&filter));
            Some(filter)
        });
    }
    let mut diagnostics = Diagnostics::default();
    let system = System::read(&parsed.root, &mut diagnostics).unwrap();
    let root = Path::new("/tmp");
    assemble(&parsed.root, &registry, &system, root, &mut diagnostics);
    let made = MADE.lock().unwrap().take();
    made.unwrap_or_else(|| {
        panic!(
            "{:?}",
            diagnostics.errors().next().map(|fault| &fault.message)
        )
    })
}
