//! Expressions in records, and what is said of those that cannot be.

use serde_json::{Value, json};

use crate::filter::tests::{filter, play, said, stream};

/// The records a transformer with Ruby makes of `records`, and those it sends to `@ERROR`.
fn transformed(options: &str, fields: &str, records: &[Value]) -> (Vec<Value>, Vec<Value>) {
    let text = format!(
        "@type record_transformer\nenable_ruby true\n{options}\n<record>\n{fields}\n</record>"
    );
    let played = play(&*filter(&text), "p.q", stream(records).as_events());
    let second = |list: &Value| {
        let events = list.as_array().unwrap().iter();
        events.map(|event| event[1].clone()).collect::<Vec<_>>()
    };
    (second(&played["events"]), second(&played["errors"]))
}

#[test]
fn an_expression_keeps_its_type_alone_and_is_text_among_others() {
    let fields = "n ${record[\"a\"] + 1}\nt v${record[\"a\"] + 1}\nj {\"${tag}\":[\"${record['a']}\",2],\"s\":\"x\"}\nplain text";
    let (events, _) = transformed("", fields, &[json!({"a": 1})]);
    assert_eq!(
        events,
        [json!({"a": 1, "n": 2, "t": "v2", "j": {"p.q": [1, 2], "s": "x"}, "plain": "text"})]
    );
    let (events, _) = transformed(
        "auto_typecast false",
        "n ${record[\"a\"]}",
        &[json!({"a": 1})],
    );
    assert_eq!(events, [json!({"a": 1, "n": "1"})]);
}

#[test]
fn keys_may_hang_on_the_record() {
    let (events, _) = transformed(
        "",
        "${record[\"k\"]}_x 1",
        &[json!({"k": "a"}), json!({"k": "b"})],
    );
    assert_eq!(
        events,
        [json!({"k": "a", "a_x": "1"}), json!({"k": "b", "b_x": "1"})]
    );
    let text = "@type record_transformer\n<record>\n${record[\"k\"]}_x 1\n</record>";
    let played = play(
        &*filter(text),
        "t",
        stream(&[json!({"k": "a"})]).as_events(),
    );
    assert_eq!(played["events"][0][1], json!({"k": "a", "a_x": "1"}));
}

#[test]
fn what_expressions_do_to_the_record_shows_within_its_values_only() {
    let record = json!({"a": {"b": 1, "c": 2}, "gone": "g", "s": "x"});
    let fields = "moved ${record[\"a\"].delete(\"b\")}\ntop ${record.delete(\"gone\")}\nlater ${record[\"gone\"]}\ns2 ${record[\"s\"] << \"y\"}";
    let (events, errors) = transformed("", fields, &[record]);
    assert_eq!(
        events,
        [
            json!({"a": {"c": 2}, "gone": "g", "s": "xy", "moved": 1, "top": "g", "later": null, "s2": "xy"})
        ]
    );
    assert!(errors.is_empty());
}

#[test]
fn fields_that_are_replaced_or_removed_are_evaluated_all_the_same() {
    let fields = "a ${record[\"a\"] * 2}\nt ${record[\"a\"] + 0.5}";
    let (events, _) = transformed(
        "renew_time_key t\nremove_keys t",
        fields,
        &[json!({"a": 3})],
    );
    assert_eq!(events, [json!({"a": 6})]);
}

#[test]
fn an_expression_that_raises_sends_its_event_to_error() {
    let fields = "x ${record[\"m\"].upcase}";
    let (events, errors) = transformed(
        "",
        fields,
        &[json!({"m": "a"}), json!({"n": 1}), json!({"m": "b"})],
    );
    assert_eq!(
        events,
        [json!({"m": "a", "x": "A"}), json!({"m": "b", "x": "B"})]
    );
    assert_eq!(errors, [json!({"n": 1})]);
}

#[test]
fn an_expression_without_end_is_given_up_and_its_event_counted() {
    let fields = "x ${while true; end}";
    let (events, errors) = transformed("", fields, &[json!({"m": "a"})]);
    assert_eq!((events.len(), errors.len()), (0, 1));
}

#[test]
fn a_broken_expression_is_shown_where_it_stands() {
    let text = "@type record_transformer\nenable_ruby true\n<record>\nr ${1 +}\n</record>";
    assert_eq!(
        said(text),
        "error: in an expression: unexpected end of the expression\n --> f.conf:5:8\n  |\n5 | r ${1 +}\n  |        ^ expected a value"
    );
}

#[test]
fn keys_are_kept_of_a_new_record_only() {
    assert_eq!(
        said("@type record_transformer\nkeep_keys a"),
        "error: `renew_record` must be true to use `keep_keys`\n --> f.conf:3:11\n  |\n3 | keep_keys a\n  |           ^ names fields to keep\n  |\n  = help: add `renew_record true`, or name the other fields in remove_keys"
    );
}

#[test]
fn a_name_that_nothing_defines_is_warned_of() {
    let text = "@type record_transformer\nenable_ruby true\n<record>\nr ${nope}\n</record>";
    assert_eq!(
        said(text),
        "warning: undefined local variable or method `nope'\n --> f.conf:5:5\n  |\n5 | r ${nope}\n  |     ^^^^ here\n  |\n  = help: a field of the event is `record[\"nope\"]`"
    );
}

#[test]
fn a_tags_suffixes_are_the_same_with_and_without_ruby() {
    let fields = "a ${tag_suffix[0]}\nb ${tag_suffix[1]}\nc ${tag_suffix[-1]}";
    let expected = json!({"a": "p.q", "b": "q", "c": "q"});
    let (events, _) = transformed("", fields, &[json!({})]);
    assert_eq!(events, std::slice::from_ref(&expected));
    let text = format!("@type record_transformer\n<record>\n{fields}\n</record>");
    let played = play(&*filter(&text), "p.q", stream(&[json!({})]).as_events());
    assert_eq!(played["events"][0][1], expected);
}

#[test]
fn what_one_event_does_is_nothing_to_the_walk_over_the_next() {
    // The fields' names are known before the record is walked, also behind an event whose expression raised.
    let records = [
        json!({"k": "a", "x": 1}),
        json!({"k": 5, "x": 2}),
        json!({"x": 3, "k": "b"}),
        json!({"k": "c"}),
    ];
    let fields = "y ${record[\"k\"].upcase}\nx ${record[\"k\"]}";
    let (events, errors) = transformed("remove_keys k", fields, &records);
    assert_eq!(
        events,
        [
            json!({"x": "a", "y": "A"}),
            json!({"x": "b", "y": "B"}),
            json!({"y": "C", "x": "c"}),
        ]
    );
    assert_eq!(errors, [json!({"k": 5, "x": 2})]);
    // A change within the record moves its pairs; they are walked anew.
    let record = json!({"a": {"b": 1}, "x": 0, "z": 2});
    let fields = "x ${record[\"a\"][\"b\"] = \"long text\"; record[\"a\"][\"b\"]}";
    let (events, _) = transformed("", fields, &[record]);
    assert_eq!(
        events,
        [json!({"a": {"b": "long text"}, "x": "long text", "z": 2})]
    );
}
