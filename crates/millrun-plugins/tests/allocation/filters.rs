//! Filters, and the outputs that emit again.
//!
//! A batch twice as large must not cost an allocation more: what a batch costs as a whole is no matter.

use std::cell::RefCell;
use std::path::Path;
use std::sync::Arc;

use millrun_config::{Diagnostics, NoIncludes, NoRuby, parse_str};
use millrun_core::{
    Batch, Emissions, ErrorEvents, Filter, Holder, Losses, Node, Registry, Report, Rewrite, Stage,
    System, assemble,
};
use millrun_event::{EventBuffer, EventTime, write};

use crate::NOW;
use crate::counting::allocations_so_far;

enum Made {
    Filter(Arc<dyn Filter>),
    Rewrite(Arc<Rewrite>),
}

thread_local! {
    static MADE: RefCell<Option<Made>> = const { RefCell::new(None) };
}

/// The plugin of a section, by way of the assembly.
fn made(text: &str) -> Made {
    let parsed = parse_str("f.conf", text, &mut NoRuby, &mut NoIncludes);
    let mut registry = Registry::default();
    let real = millrun_plugins::registry();
    for (&name, known) in real.filters() {
        registry.add_filter(name, known.schema, |element, id, assembly| {
            let real = millrun_plugins::registry();
            let factory = real.filters().get(element.plugin_type()?)?.factory;
            let filter = factory(element, id, assembly)?;
            MADE.set(Some(Made::Filter(Arc::clone(&filter))));
            Some(filter)
        });
    }
    for (&name, known) in real.outputs() {
        registry.add_output(name, known.schema, |element, id, assembly| {
            let real = millrun_plugins::registry();
            let factory = real.outputs().get(element.plugin_type()?)?.factory;
            let node = factory(element, id, assembly)?;
            if let Node::Rewrite(rewrite) = &node {
                MADE.set(Some(Made::Rewrite(Arc::clone(rewrite))));
            }
            Some(node)
        });
    }
    let mut diagnostics = Diagnostics::default();
    let system = System::read(&parsed.root, &mut diagnostics).unwrap();
    let root = Path::new("/tmp");
    assemble(&parsed.root, &registry, &system, root, &mut diagnostics);
    let faults: Vec<_> = diagnostics.errors().map(|fault| &fault.message).collect();
    assert!(faults.is_empty(), "{faults:?}");
    MADE.take().unwrap()
}

/// A plugin at work on one shard.
struct Played {
    made: Made,
    holder: Option<Box<dyn Holder>>,
    out: EventBuffer,
    emissions: Emissions,
    losses: Losses,
    errors: ErrorEvents,
}

impl Played {
    fn new(made: Made) -> Self {
        let filter = match &made {
            Made::Filter(filter) => Some(filter),
            Made::Rewrite(rewrite) => rewrite.stage.as_ref(),
        };
        let stage = filter.and_then(|filter| filter.stage());
        Self {
            holder: stage.map(Stage::holder),
            made,
            out: EventBuffer::default(),
            emissions: Emissions::default(),
            losses: Losses::default(),
            errors: ErrorEvents::default(),
        }
    }

    /// Takes a batch; answers how often was allocated.
    fn play(&mut self, events: &EventBuffer) -> usize {
        self.out.clear();
        self.emissions.clear();
        let before = allocations_so_far();
        let mut report = Report::new(&mut self.losses, &mut self.errors);
        let batch = Batch {
            tag: "raw.app",
            events: events.as_events(),
            now: NOW,
        };
        match (&mut self.holder, &self.made) {
            (Some(holder), _) => {
                holder.filter(batch, &mut self.out, &mut report);
                holder.commit();
            }
            (None, Made::Filter(filter)) => filter.filter(batch, &mut self.out, &mut report),
            (None, Made::Rewrite(_)) => self.out.extend(batch.events.bytes, batch.events.count),
        }
        if let Made::Rewrite(rewrite) = &self.made {
            let events = self.out.as_events();
            let batch = Batch { events, ..batch };
            rewrite
                .tags
                .rewrite(batch, &mut self.emissions, &mut report);
        }
        allocations_so_far() - before
    }
}

fn stream(events: u32) -> EventBuffer {
    let mut stream = EventBuffer::default();
    for number in 0..events {
        stream.push(EventTime::new(1_700_000_000, number), |record| {
            write::map(record, 5);
            write::str(record, b"level");
            write::str(record, if number % 2 == 0 { b"warn" } else { b"info" });
            write::str(record, b"message");
            write::str(
                record,
                match number % 3 {
                    0 => &b"Exception in thread \"main\" java.lang.IllegalStateException: it broke"[..],
                    1 => b"\tat com.example.A.run(A.java:10)",
                    _ => b"a line of its own, in a record that has some more of them",
                },
            );
            write::str(record, b"n");
            write::uint(record, u64::from(number % 100));
            write::str(record, b"host");
            write::str(record, b"192.0.2.7");
            write::str(record, b"a.b");
            write::map(record, 1);
            write::str(record, b"c.d");
            write::nil(record);
        });
    }
    stream
}

/// How many allocations a batch costs, and one twice as large, once the buffers have grown.
fn allocations(text: &str) -> (usize, usize) {
    let (small, large) = (stream(600), stream(1200));
    let mut played = Played::new(made(text));
    for _ in 0..2 {
        played.play(&large);
        played.play(&small);
    }
    let counts = (played.play(&small), played.play(&large));
    assert!(played.errors.groups().is_empty(), "{text}");
    counts
}

#[test]
fn a_steady_flow_of_events_allocates_nothing() {
    let database = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../millrun-geoip/tests/places.mmdb"
    );
    let filters = [
        "@type grep\n<regexp>\nkey level\npattern /^w|x$/\n</regexp>".to_owned(),
        "@type dedot\nde_dot_nested true".to_owned(),
        "@type flatten_hash\nseparator _".to_owned(),
        "@type parser\nkey_name host\nreserve_data true\n<parse>\n@type regexp\nexpression /^(?<net>\\d+)\\./\n</parse>".to_owned(),
        "@type record_transformer\n<record>\nnew ${record[\"level\"]}-x\ntagged ${tag_parts[0]}\n</record>".to_owned(),
        "@type record_modifier\nremove_keys n\n<record>\nnew plain\nother ${record[\"level\"]}-x\n</record>".to_owned(),
        "@type record_transformer\nenable_ruby true\n<record>\nnew ${record[\"level\"].upcase}\n</record>".to_owned(),
        "@type throttle\ngroup_key level\ngroup_bucket_limit 100".to_owned(),
        "@type sampling\ninterval 3".to_owned(),
        "@type concat\nkey message\nn_lines 3".to_owned(),
        "@type concat\nkey message\nmultiline_start_regexp /^Exc/".to_owned(),
        format!(
            "@type geoip\ngeoip2_database {database}\n<record>\ncity ${{city.names.en[\"host\"]}}\n\
             at ${{location.latitude[\"host\"]}},${{location.longitude[\"host\"]}}\n</record>"
        ),
    ];
    for text in filters {
        let (small, large) = allocations(&format!("<filter **>\n{text}\n</filter>"));
        assert_eq!(small, large, "{text}");
    }
    let outputs = [
        "@type rewrite_tag_filter\n<rule>\nkey level\npattern /^(w.*)$/\ntag app.$1\n</rule>\n<rule>\nkey level\npattern /./\ntag other\n</rule>",
        "@type detect_exceptions\nremove_tag_prefix raw\nlanguages java",
    ];
    for text in outputs {
        let (small, large) = allocations(&format!("<match **>\n{text}\n</match>"));
        assert_eq!(small, large, "{text}");
    }
}
