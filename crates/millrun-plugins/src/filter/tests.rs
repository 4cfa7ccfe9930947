//! What the filters do to streams, beyond what the recorded cases say.

use std::path::Path;
use std::sync::Arc;

use millrun_config::{Diagnostics, Element};
use millrun_core::{
    Assembly, Batch, DirectOutput, ErrorEvents, Filter, Losses, Node, Registry, Report, System,
    assemble,
};
use millrun_event::{Entries, EventBuffer, EventTime, Events, json::transcode, write};
use serde_json::{Value, json};

use super::delete::delete;

pub(crate) const NOW: EventTime = EventTime::new(1_795_224_568, 0);

/// Takes nothing.
struct Nowhere;

impl DirectOutput for Nowhere {
    fn emit(&self, _: &str, _: Events<'_>) -> Result<(), millrun_core::DeliveryError> {
        Ok(())
    }
}

thread_local! {
    /// The filter that the registry of the tests made last.
    static MADE: std::cell::RefCell<Option<Arc<dyn Filter>>> = const { std::cell::RefCell::new(None) };
}

/// The filter of an element, through the assembly that a configuration goes through.
pub(crate) fn build(element: &Element) -> Result<Arc<dyn Filter>, String> {
    fn keep(
        element: &Element,
        id: &millrun_core::PluginId,
        assembly: &mut Assembly<'_>,
    ) -> Option<Arc<dyn Filter>> {
        let mut real = Registry::default();
        super::register(&mut real);
        let kind = element.plugin_type()?;
        let filter = (real.filters().get(kind)?.factory)(element, id, assembly)?;
        MADE.with(|made| *made.borrow_mut() = Some(Arc::clone(&filter)));
        Some(filter)
    }
    let mut real = Registry::default();
    super::register(&mut real);
    let mut registry = Registry::default();
    for (&name, known) in real.filters() {
        registry.add_filter(name, known.schema, keep);
    }
    registry.add_output(
        "nowhere",
        super::stdout::StdoutParameters::SCHEMA,
        |_, id, _| {
            Some(Node::Direct {
                id: id.clone(),
                output: Arc::new(Nowhere),
            })
        },
    );
    let span = element.span();
    let mut root = Element::new("ROOT", "", span);
    root.push(element.clone());
    let mut diagnostics = Diagnostics::default();
    millrun_config::modernise(
        &mut root,
        &|element| registry.schema_of(element),
        &mut diagnostics,
    );
    let system = System::read(&root, &mut diagnostics).unwrap();
    MADE.with(|made| made.borrow_mut().take());
    assemble(
        &root,
        &registry,
        &system,
        Path::new("/tmp"),
        &mut diagnostics,
    );
    let made = MADE.with(|made| made.borrow_mut().take());
    match diagnostics.errors().next() {
        Some(fault) => Err(fault.message.clone()),
        None => Ok(made.unwrap()),
    }
}

/// The filter of a text such as `@type grep …`.
pub(crate) fn filter(text: &str) -> Arc<dyn Filter> {
    let parsed = millrun_config::parse_str(
        "case.conf",
        &format!("<filter **>\n{text}\n</filter>"),
        &mut millrun_config::NoRuby,
        &mut millrun_config::NoIncludes,
    );
    build(&parsed.root.elements()[0]).unwrap_or_else(|error| panic!("{error}"))
}

/// All that is said of a filter's text, as it is shown.
pub(crate) fn said(text: &str) -> String {
    let mut parsed = millrun_config::parse_str(
        "f.conf",
        &format!("<filter **>\n{text}\n</filter>\n"),
        &mut millrun_config::NoRuby,
        &mut millrun_config::NoIncludes,
    );
    let mut registry = Registry::default();
    super::register(&mut registry);
    let mut diagnostics = parsed.diagnostics;
    millrun_config::modernise(
        &mut parsed.root,
        &|element| registry.schema_of(element),
        &mut diagnostics,
    );
    let system = System::read(&parsed.root, &mut diagnostics).unwrap();
    assemble(
        &parsed.root,
        &registry,
        &system,
        Path::new("/tmp"),
        &mut diagnostics,
    );
    diagnostics.render(&parsed.sources, millrun_config::RenderStyle::Plain)
}

/// Entries of records in JSON, a second apart.
pub(crate) fn stream(records: &[Value]) -> EventBuffer {
    let mut stream = EventBuffer::default();
    for (second, record) in (0..).zip(records) {
        stream.push(EventTime::new(1_700_000_000 + second, 0), |out| {
            transcode(record.to_string().as_bytes(), out).unwrap();
        });
    }
    stream
}

/// A batch that was taken at [`NOW`].
pub(crate) fn batch_of<'e>(tag: &'e str, events: Events<'e>) -> Batch<'e> {
    Batch {
        tag,
        events,
        now: NOW,
    }
}

/// What a filter makes of a stream, in the notation of the cases, error events without their classes.
pub(crate) fn play(filter: &dyn Filter, tag: &str, events: Events<'_>) -> Value {
    let mut out = EventBuffer::default();
    let (mut losses, mut errors) = (Losses::default(), ErrorEvents::default());
    let mut report = Report::new(&mut losses, &mut errors);
    let now = NOW;
    filter.filter(Batch { tag, events, now }, &mut out, &mut report);
    let errors: Vec<Value> = errors
        .groups()
        .iter()
        .flat_map(|group| {
            records(group.events.as_events())
                .into_iter()
                .map(|event| json!([*group.tag, event[1]]))
        })
        .collect();
    json!({"events": records(out.as_events()), "errors": errors})
}

pub(crate) fn records(events: Events<'_>) -> Vec<Value> {
    let entries: Vec<_> = Entries::new(events.bytes).map(Result::unwrap).collect();
    assert_eq!(
        entries.len(),
        events.count as usize,
        "the count is of other events"
    );
    let value = |bytes: &[u8]| {
        let mut text = Vec::new();
        let floats = millrun_event::json::FloatText::Ruby;
        millrun_event::json::write_value(bytes, floats, &mut text).unwrap();
        serde_json::from_slice::<Value>(&text).unwrap()
    };
    entries
        .iter()
        .map(|entry| {
            let time = entry.time.to_event_time().unwrap();
            json!([{"$et": [time.seconds, time.nanoseconds]}, value(entry.record_bytes())])
        })
        .collect()
}

#[test]
fn placeholders_reach_into_the_record_and_fields_replace_each_other() {
    let filter = filter(
        "@type record_transformer\nremove_keys gone,$.b.c\nrenew_time_key gone\n\
         <record>\nx ${record[\"b\"][\"c\"]}\na ${record['b']['l'][-1]}\nz ${tag_parts[1]}-${hostname_}\nz ${tag_suffix[-1]}\n\
         gone 7.5\n</record>",
    );
    let stream = stream(&[json!({"a": 0, "b": {"c": [1], "l": [2, "l"]}, "gone": 1})]);
    assert_eq!(
        play(&*filter, "p.q", stream.as_events()),
        json!({"errors": [], "events": [
            [{"$et": [7, 500_000_000]}, {"a": "l", "b": {"l": [2, "l"]}, "x": [1], "z": "q"}]
        ]})
    );
}

#[test]
fn records_may_begin_anew() {
    let stream = stream(&[json!({"a": 1, "b": 2, "c": 3})]);
    for (text, expected) in [
        (
            "renew_record true\nkeep_keys b,c\nremove_keys c",
            json!({"b": 2, "d": 1}),
        ),
        ("renew_record true", json!({"d": 1})),
        ("renew_record true\nkeep_keys d", json!({"d": 1})),
    ] {
        let text =
            format!("@type record_transformer\n{text}\n<record>\nd ${{record[\"a\"]}}\n</record>");
        let played = play(&*filter(&text), "t", stream.as_events());
        assert_eq!(played["events"][0][1], expected, "{text}");
    }
}

#[test]
fn what_is_no_time_goes_to_error() {
    let filter = filter("@type record_transformer\nrenew_time_key t");
    let stream = stream(&[json!({"t": [1]}), json!({"t": 5})]);
    assert_eq!(
        play(&*filter, "t", stream.as_events()),
        json!({"errors": [["t", {"t": [1]}]], "events": [[{"$et": [5, 0]}, {"t": 5}]]})
    );
}

#[test]
fn parsed_fields_go_where_the_options_say() {
    let parse = "<parse>\n@type json\nestimate_current_event false\n</parse>";
    let records = [
        json!({"m": "{\"a\":1,\"m\":2}", "a": 0}),
        json!({"m": "bad", "a": 0}),
    ];
    let stream = stream(&records);
    for (options, good, bad) in [
        ("", Some(json!({"a": 1, "m": 2})), None),
        (
            "hash_value_field h",
            Some(json!({"h": {"a": 1, "m": 2}})),
            None,
        ),
        (
            "reserve_data true\nhash_value_field h\nremove_key_name_field true\ninject_key_prefix p.",
            Some(json!({"a": 0, "h": {"p.a": 1, "p.m": 2}})),
            Some(json!({"m": "bad", "a": 0, "h": {}})),
        ),
        (
            "reserve_data true\nremove_key_name_field true",
            Some(json!({"a": 1, "m": 2})),
            Some(json!({"m": "bad", "a": 0})),
        ),
        (
            "reserve_data true\ninject_key_prefix p.",
            Some(json!({"a": 0, "m": "{\"a\":1,\"m\":2}", "p.a": 1, "p.m": 2})),
            Some(json!({"m": "bad", "a": 0})),
        ),
    ] {
        let played = play(
            &*filter(&format!("@type parser\nkey_name m\n{options}\n{parse}")),
            "t",
            stream.as_events(),
        );
        let events = [good, bad]
            .into_iter()
            .flatten()
            .zip([1_700_000_000, 1_700_000_001]);
        let events: Vec<Value> = events
            .map(|(record, time)| json!([{"$et": [time, 0]}, record]))
            .collect();
        assert_eq!(played["events"], json!(events), "{options}");
        assert_eq!(played["errors"], json!([["t", records[1]]]), "{options}");
    }
}

#[test]
fn a_stream_that_ends_within_an_entry_is_counted() {
    let whole = stream(&[json!({"m": "a"}), json!({"m": "b"})]);
    let events = whole.as_events();
    let cut = Events {
        bytes: &events.bytes[..events.bytes.len() - 1],
        ..events
    };
    for text in [
        "@type grep",
        "@type record_transformer\n<record>\na b\n</record>",
        "@type parser\nkey_name m\n<parse>\n@type none\n</parse>",
        "@type dedot",
        "@type flatten_hash",
    ] {
        let mut out = EventBuffer::default();
        let (mut losses, mut errors) = (Losses::default(), ErrorEvents::default());
        let mut report = Report::new(&mut losses, &mut errors);
        filter(text).filter(
            Batch {
                tag: "t",
                events: cut,
                now: NOW,
            },
            &mut out,
            &mut report,
        );
        assert_eq!((out.count(), losses.entries()[0].count), (1, 1), "{text}");
    }
}

#[test]
fn dots_go_and_maps_come_to_the_surface() {
    let stream = stream(&[json!({"a.b.c": 1, "x": {"y.z": [{"q.r": 2}, 3], "e": {}}})]);
    for (text, expected) in [
        (
            "@type dedot",
            json!({"a_b_c": 1, "x": {"y.z": [{"q.r": 2}, 3], "e": {}}}),
        ),
        (
            "@type dedot\nde_dot_nested true\nde_dot_separator --",
            json!({"a--b--c": 1, "x": {"y--z": [{"q--r": 2}, 3], "e": {}}}),
        ),
        (
            "@type dedot\nde_dot false",
            json!({"a.b.c": 1, "x": {"y.z": [{"q.r": 2}, 3], "e": {}}}),
        ),
        (
            "@type flatten_hash",
            json!({"a.b.c": 1, "x.y.z.0.q.r": 2, "x.y.z.1": 3}),
        ),
        (
            "@type flatten_hash\nseparator _\nflatten_array false",
            json!({"a.b.c": 1, "x_y.z": [{"q.r": 2}, 3]}),
        ),
    ] {
        let played = play(&*filter(text), "t", stream.as_events());
        assert_eq!(played["events"][0][1], expected, "{text}");
    }
}

#[test]
fn a_long_map_keeps_its_form_when_a_pair_goes() {
    let mut record = Vec::new();
    write::map(&mut record, 16);
    for key in 0..16 {
        write::str(&mut record, format!("k{key}").as_bytes());
        write::int(&mut record, key);
    }
    let path = millrun_pattern::Accessor::parse("k7").unwrap();
    assert!(delete(&mut record, 0, path.segments()));
    assert!(!delete(&mut record, 0, path.segments()));
    assert_eq!(record[..3], [0xde, 0, 15]);
    assert_eq!(millrun_event::Cursor::new(&record).value(), Ok(&record[..]));
}

#[test]
fn a_value_that_a_pattern_cannot_decide_goes_to_error() {
    let hostile = format!("{}b", "a".repeat(60));
    let stream = stream(&[json!({"m": "aa"}), json!({"m": hostile}), json!({"m": "x"})]);
    for (condition, kept) in [
        ("regexp", json!({"m": "aa"})),
        ("exclude", json!({"m": "x"})),
    ] {
        let text =
            format!("@type grep\n<{condition}>\nkey m\npattern /^(a+)+\\1$/\n</{condition}>");
        let played = play(&*filter(&text), "t", stream.as_events());
        assert_eq!(
            played["errors"],
            json!([["t", {"m": hostile}]]),
            "{condition}"
        );
        assert_eq!(played["events"].as_array().unwrap().len(), 1, "{condition}");
        assert_eq!(played["events"][0][1], kept, "{condition}");
    }
}
