//! The filter as a whole.

use serde_json::{Value, json};

use crate::filter::tests::{filter, play, said, stream};

fn modified(text: &str, list: &[Value]) -> (Vec<Value>, usize) {
    let filter = filter(&format!("@type record_modifier\n{text}"));
    let played = play(&*filter, "p.q", stream(list).as_events());
    let events = played["events"].as_array().unwrap().iter();
    let failed = played["errors"].as_array().unwrap().len();
    (events.map(|event| event[1].clone()).collect(), failed)
}

#[test]
fn each_field_sees_what_those_before_it_did() {
    let record = "<record>\na ${record[\"n\"] + 1}\nb ${record[\"a\"] * 2}\nc v${record[\"b\"]}\nt ${tag_parts[1]}\n\
                  gone ${record.delete(\"n\")}\nplain text\n</record>";
    assert_eq!(
        modified(record, &[json!({"n": 1, "x": {"y": [1]}})]),
        (
            vec![
                json!({"x": {"y": [1]}, "a": 2, "b": 4, "c": "v4", "t": "q", "gone": 1, "plain": "text"})
            ],
            0
        )
    );
}

#[test]
fn fields_are_taken_out_or_kept_behind_all_that() {
    let record = "<record>\na ${record[\"n\"]}\n</record>";
    let list = [json!({"n": {"b": 3, "c": [5]}, "m": 2})];
    let n = || list[0]["n"].clone();
    for (keys, expected) in [
        ("remove_keys n, m", json!({"a": n()})),
        ("remove_keys m,$.a.b,$['n']", json!({"a": {"c": [5]}})),
        ("remove_keys m,n,$.a.c[0]", json!({"a": {"b": 3, "c": []}})),
        ("whitelist_keys m", json!({"m": 2})),
        ("whitelist_keys m\nremove_keys a", json!({"n": n(), "m": 2})),
    ] {
        let (events, _) = modified(&format!("{keys}\n{record}"), &list);
        assert_eq!(events, [expected], "{keys}");
    }
}

#[test]
fn texts_are_put_in_place_of_others() {
    let replace = "<replace>\nkey m\nexpression /(\\d+)\\/x#{'/\nreplace \"<\\\\1'>\"\n</replace>";
    let named = "<replace>\nkey m\nexpression /^(?<start>.+).{2}(?<end>.+)$/\nreplace \\k<start>ors\\k<end>\n</replace>";
    let (events, _) = modified(named, &[json!({"m": "hoge"})]);
    assert_eq!(events, [json!({"m": "horse"})]);
    let (events, _) = modified(
        replace,
        &[
            json!({"m": "a 12/x#{' b"}),
            json!({"m": 5}),
            json!({"k": 1}),
        ],
    );
    assert_eq!(
        events,
        [json!({"m": "a <12'> b"}), json!({"m": 5}), json!({"k": 1})]
    );
}

#[test]
fn an_expression_that_raises_sends_its_event_to_error() {
    let record = "<record>\na ${record[\"x\"][\"y\"]}\n</record>";
    let (events, failed) = modified(record, &[json!({"n": 1}), json!({"x": {"y": 2}})]);
    assert_eq!((events, failed), (vec![json!({"x": {"y": 2}, "a": 2})], 1));
}

#[test]
fn texts_become_utf_8() {
    use millrun_event::{EventBuffer, EventTime, write};
    for (encoding, expected) in [
        // What Ruby 3.1 answered.
        ("iso-8859-1:utf-8", "é"),
        ("ascii-8bit:utf-8", "\u{fffd}"),
        ("utf-8:utf-8", "\u{fffd}"),
        ("iso-8859-1", "é"),
        ("iso-8859-1:iso-8859-15", "é"),
        ("iso-8859-1:us-ascii", "?"),
        ("koi8-r:windows-1251", "И"),
        ("koi8-r:iso-8859-1", "?"),
    ] {
        let mut given = EventBuffer::default();
        given.push(EventTime::new(1, 0), |out| {
            write::map(out, 1);
            write::str(out, b"m");
            write::array(out, 1);
            write::str(out, b"\xe9");
        });
        let text = format!("@type record_modifier\nchar_encoding {encoding}");
        let played = play(&*filter(&text), "t", given.as_events());
        assert_eq!(
            played["events"][0][1],
            json!({"m": [expected]}),
            "{encoding}"
        );
    }
}

#[test]
fn what_is_not_supported_is_said() {
    assert_eq!(
        said("@type record_modifier\nchar_encoding klingon:utf-8"),
        "error: char_encoding `klingon:utf-8` names an encoding that nobody knows\n --> f.conf:3:15\n  |\n3 | char_encoding klingon:utf-8\n  |               ^^^^^^^^^^^^^ here\n  |\n  = help: write a name such as utf-8, or two such as shift_jis:utf-8"
    );
    let text = said("@type record_modifier\nchar_encoding utf-16le:utf-8");
    assert!(
        text.contains("error: char_encoding `utf-16le:utf-8`: texts of events cannot be read as UTF-16 or UTF-32\n"),
        "{text}"
    );
    let text = said("@type record_modifier\nprepare_value @x = 1");
    assert!(
        text.contains("error: prepare_value needs a whole Ruby and is not supported\n --> f.conf:3:15\n  |\n3 | prepare_value @x = 1\n  |               ^^^^^^ code that runs once, at the start\n  |\n  = help: write the value where it is used; #{…} in a value is evaluated once, at the start"),
        "{text}"
    );
    assert_eq!(
        said("@type record_modifier\n<record>\na ${1 +}\n</record>"),
        "error: in an expression: unexpected end of the expression\n --> f.conf:4:8\n  |\n4 | a ${1 +}\n  |        ^ expected a value"
    );
}
