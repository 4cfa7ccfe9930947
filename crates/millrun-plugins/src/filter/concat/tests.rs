//! What belongs together, in every way it can be told.

use millrun_core::{Due, Emissions, ErrorEvents, Holder, Losses, Report};
use millrun_event::{EventTime, Events};
use serde_json::{Value, json};

use crate::filter::tests::{NOW, batch_of, filter, records, said, stream};

/// A holder at work, batch by batch.
struct Played {
    holder: Box<dyn Holder>,
}

impl Played {
    fn new(options: &str) -> Self {
        let filter = filter(&format!("@type concat\n{options}"));
        Self {
            holder: filter.stage().unwrap().holder(),
        }
    }

    fn batch(&mut self, tag: &str, list: &[Value]) -> Vec<Value> {
        let stream = stream(list);
        self.events(tag, stream.as_events())
    }

    fn events(&mut self, tag: &str, events: Events<'_>) -> Vec<Value> {
        let mut out = millrun_event::EventBuffer::default();
        let (mut losses, mut errors) = (Losses::default(), ErrorEvents::default());
        let mut report = Report::new(&mut losses, &mut errors);
        self.holder
            .filter(batch_of(tag, events), &mut out, &mut report);
        assert!(losses.entries().is_empty() && errors.groups().is_empty());
        records(out.as_events())
            .into_iter()
            .map(|event| event[1].clone())
            .collect()
    }

    fn release(&mut self, due: Due) -> Vec<(String, bool, Vec<Value>)> {
        let mut out = Emissions::default();
        let (mut losses, mut errors) = (Losses::default(), ErrorEvents::default());
        let mut report = Report::new(&mut losses, &mut errors);
        self.holder.release(due, &mut out, &mut report);
        let groups = out.groups().iter().map(|group| {
            let events = records(group.as_events()).into_iter();
            let events = events.map(|event| event[1].clone()).collect();
            (group.tag.clone(), group.label.is_some(), events)
        });
        groups.collect()
    }
}

fn lines(texts: &[&str]) -> Vec<Value> {
    texts.iter().map(|text| json!({"m": text})).collect()
}

fn after(seconds: u32) -> Due {
    Due::At(EventTime::new(NOW.seconds + seconds, NOW.nanoseconds))
}

#[test]
fn a_number_of_lines_is_one_event() {
    let mut played = Played::new("key m\nn_lines 2");
    assert_eq!(
        played.batch("t", &lines(&["a", "b", "c"])),
        lines(&["a\nb"])
    );
    assert_eq!(played.batch("other", &lines(&["x"])), lines(&[]));
    assert_eq!(played.batch("t", &lines(&["d"])), lines(&["c\nd"]));
}

#[test]
fn a_start_ends_what_was_before_it() {
    let mut played = Played::new("key m\nmultiline_start_regexp /^S/\nseparator \"+\"");
    let given = lines(&["before", "S1", "a", "b", "S2", "c"]);
    assert_eq!(played.batch("t", &given), lines(&["before", "S1+a+b"]));
    assert_eq!(played.release(after(59)), []);
    assert_eq!(
        played.release(after(60)),
        [("t".to_owned(), false, lines(&["S2+c"]))]
    );
}

#[test]
fn an_end_is_the_last_part() {
    let mut played = Played::new("key m\nmultiline_end_regexp /;$/\nseparator \"\"");
    assert_eq!(
        played.batch("t", &lines(&["a", "b;", "c;"])),
        lines(&["ab;", "c;"])
    );
    let mut played = Played::new("key m\nmultiline_start_regexp /^S/\nmultiline_end_regexp /;$/");
    let given = lines(&["S;", "x", "S", "a;", "y"]);
    assert_eq!(played.batch("t", &given), lines(&["S;", "x", "S\na;", "y"]));
}

#[test]
fn what_does_not_continue_ends_and_passes() {
    let mut played = Played::new("key m\nmultiline_start_regexp /^S/\ncontinuous_line_regexp /^ /");
    let given = lines(&["S", " a", "x", " b"]);
    assert_eq!(played.batch("t", &given), lines(&["S\n a", "x", " b"]));
}

#[test]
fn the_first_part_lends_its_fields_and_the_last_its_time() {
    let given = [json!({"m": "S", "k": 1}), json!({"m": "a", "k": 2, "z": 3})];
    for (option, seconds) in [("", 1), ("use_first_timestamp true", 0)] {
        let text = format!("@type concat\nkey m\nmultiline_end_regexp /a/\n{option}");
        let mut holder = filter(&text).stage().unwrap().holder();
        let mut out = millrun_event::EventBuffer::default();
        let (mut losses, mut errors) = (Losses::default(), ErrorEvents::default());
        let mut report = Report::new(&mut losses, &mut errors);
        let stream = stream(&given);
        holder.filter(batch_of("t", stream.as_events()), &mut out, &mut report);
        assert_eq!(
            records(out.as_events()),
            [json!([{"$et": [1_700_000_000 + seconds, 0]}, {"m": "S\na", "k": 1}])]
        );
    }
}

#[test]
fn streams_of_one_tag_do_not_mix() {
    let mut played = Played::new("key m\nn_lines 2\nstream_identity_key s");
    let part = |m: &str, s: &str| json!({"m": m, "s": s});
    let given = [
        part("a", "1"),
        part("b", "2"),
        part("c", "1"),
        part("d", "2"),
    ];
    assert_eq!(
        played.batch("t", &given),
        [part("a\nc", "1"), part("b\nd", "2")]
    );
}

#[test]
fn fields_tell_what_belongs_together() {
    let mut played = Played::new("key m\npartial_key p\npartial_value true\nseparator \"\"");
    let given = [
        json!({"m": "a", "p": "true"}),
        json!({"m": "b", "p": "true"}),
        json!({"m": "c", "p": "false"}),
        json!({"m": "alone"}),
        json!({"other": 1, "p": "true"}),
    ];
    assert_eq!(
        played.batch("t", &given),
        [
            json!({"m": "abc"}),
            json!({"m": "alone"}),
            json!({"other": 1, "p": "true"})
        ]
    );
    let mut played = Played::new("key m\nuse_partial_metadata true\nseparator \"\"");
    let docker = |m: &str, id: &str, last: &str| json!({"m": m, "partial_message": "true", "partial_id": id, "partial_ordinal": "1", "partial_last": last});
    let given = [
        docker("a", "1", "false"),
        docker("x", "2", "false"),
        docker("b", "1", "true"),
        json!({"m": "whole"}),
        docker("y", "2", "true"),
    ];
    assert_eq!(played.batch("t", &given), lines(&["ab", "whole", "xy"]));
    let mut played = Played::new("key m\nuse_partial_cri_logtag true\nseparator \"\"");
    let cri = |m: &str, stream: &str, tag: &str| json!({"m": m, "stream": stream, "logtag": tag});
    let given = [
        cri("a", "stdout", "P"),
        cri("e", "stderr", "F"),
        cri("b", "stdout", "P:x"),
        cri("c", "stdout", "F"),
    ];
    assert_eq!(
        played.batch("t", &given),
        [
            json!({"m": "e", "stream": "stderr"}),
            json!({"m": "abc", "stream": "stdout"})
        ]
    );
}

#[test]
fn a_checkpoint_restores_what_was_held() {
    let options = "key m\nmultiline_start_regexp /^S/";
    let mut played = Played::new(options);
    played.batch("t", &lines(&["S1", "a"]));
    played.batch("u", &lines(&["S2"]));
    let mut checkpoint = Vec::new();
    played.holder.checkpoint(&mut checkpoint);
    played.batch("t", &lines(&["b", "S3"]));

    let mut other = Played::new(options);
    other.holder.roll_back(b"not ours");
    assert_eq!(other.holder.due(), None);
    for holder in [&mut played, &mut other] {
        holder.holder.roll_back(&checkpoint);
        let mut again = Vec::new();
        holder.holder.checkpoint(&mut again);
        assert_eq!(again, checkpoint);
        assert_eq!(holder.batch("t", &lines(&["S4"])), lines(&["S1\na"]));
        assert_eq!(holder.release(Due::Now(NOW)).len(), 2);
    }
}

#[test]
fn more_than_should_be_held_goes_on_early() {
    let mut played = Played::new("key m\nmultiline_start_regexp /^S/");
    let long = "x".repeat(millrun_core::HELD_BYTES_MAX / 2);
    let given = lines(&["S", &long, &long, "rest"]);
    let out = played.batch("t", &given);
    assert_eq!(out.len(), 2);
    assert_eq!(out[1], json!({"m": "rest"}));
}

#[test]
fn what_is_missing_or_too_much_is_said() {
    let place =
        " --> f.conf:1:1\n  |\n1 | <filter **>\n  | ^^^^^^^^^^^ in this filter\n  |\n  = help: ";
    for (options, expected) in [
        (
            "",
            format!(
                "error: nothing says which events belong together\n{place}use one of n_lines, multiline_start_regexp, multiline_end_regexp, partial_key, use_partial_metadata, use_partial_cri_logtag"
            ),
        ),
        (
            "n_lines 2\npartial_key p",
            format!("error: n_lines, partial_key cannot be used together\n{place}keep one of them"),
        ),
        (
            "partial_key p",
            format!(
                "error: partial_key needs partial_value\n{place}partial_value is what the field says while another part follows"
            ),
        ),
        (
            "n_lines 0",
            format!("error: n_lines is 0\n{place}1 or more events make one"),
        ),
        (
            "use_partial_metadata true\npartial_metadata_format x",
            format!(
                "error: unknown partial_metadata_format `x`\n{place}it is docker-fluentd, docker-journald or docker-journald-lowercase"
            ),
        ),
    ] {
        assert_eq!(said(&format!("@type concat\nkey m\n{options}")), expected);
    }
}

#[test]
fn a_part_that_a_pattern_cannot_decide_goes_to_error_and_the_others_join() {
    let mut holder = filter(
        "@type concat\nkey m\nmultiline_start_regexp /^S/\ncontinuous_line_regexp /^(a+)+\\1$/",
    )
    .stage()
    .unwrap()
    .holder();
    let hostile = format!("{}b", "a".repeat(60));
    let stream = stream(&lines(&["S", &hostile, "aa", "S"]));
    let (mut losses, mut errors) = (Losses::default(), ErrorEvents::default());
    let mut out = millrun_event::EventBuffer::default();
    holder.filter(
        batch_of("t", stream.as_events()),
        &mut out,
        &mut Report::new(&mut losses, &mut errors),
    );
    assert_eq!(records(out.as_events())[0][1], json!({"m": "S\naa"}));
    let group = &errors.groups()[0];
    assert_eq!((group.dropped, group.events.count()), (1, 1));
    assert!(
        group
            .error
            .starts_with("the match was given up after 1000000 steps"),
        "{}",
        group.error
    );
}
