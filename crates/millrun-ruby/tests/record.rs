//! Expressions over records: the recorded cases' kinds, types, changes in place, limits.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests may be as blunt as tests"
)]

use millrun_event::{EventTime, Record, json};
use millrun_pattern::Zone;
use millrun_ruby::{ErrorKind, Evaluator, Limits, Place, Program, RubyError, SystemWorld};

const RECORD: &str = r#"{"a":1,"b":{"c":"d","e":[1,{"f":"g"}]},"s":"x y","arr":[1,2],"n":null,"big":18446744073709551615,"text":"level=INFO user=42","é":"ü"}"#;

fn evaluator() -> Evaluator<SystemWorld> {
    Evaluator::new(SystemWorld::new("web1", "0", Zone::UTC, 1))
}

fn packed(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    json::transcode(text.as_bytes(), &mut out).unwrap();
    out
}

fn shown(bytes: &[u8]) -> String {
    let mut out = Vec::new();
    json::write_value(bytes, json::FloatText::Json, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// The value of a template over the record, as JSON.
fn value(template: &str) -> Result<String, RubyError> {
    let program = Program::template(template, true, Place::Record)?;
    let record = packed(RECORD);
    let mut evaluator = evaluator();
    let mut event = evaluator.event(
        Record::new(&record),
        "p.q.r",
        EventTime::new(1_700_000_000, 123_000_000),
    );
    let mut out = Vec::new();
    event.evaluate(&program, &mut out)?;
    Ok(shown(&out))
}

/// The record behind an expression, as JSON.
fn changed(code: &str, record: &str) -> String {
    let program = Program::expression(code, Place::Record).unwrap();
    let record = packed(record);
    let mut evaluator = evaluator();
    let mut event = evaluator.event(Record::new(&record), "t", EventTime::new(0, 0));
    event.evaluate(&program, &mut Vec::new()).unwrap();
    let mut out = Vec::new();
    event.record(&mut out).unwrap();
    shown(&out)
}

#[test]
fn templates_give_typed_values_and_texts() {
    for (template, expected) in [
        (r#"${record["a"]}"#, "1"),
        (r#"v${record["a"]}"#, r#""v1""#),
        (r#"${record["n"]}"#, "null"),
        (r#"x${record["zz"]}y"#, r#""xy""#),
        (r#"${record["b"]}"#, r#"{"c":"d","e":[1,{"f":"g"}]}"#),
        (r#"p${record["arr"]}"#, r#""p[1, 2]""#),
        (r#"${record["big"]}"#, "18446744073709551615"),
        (r#"${tag}${tag}"#, r#""p.q.rp.q.r""#),
        (r#"${tag_parts[0]}-${tag_parts[-1]}"#, r#""p-r""#),
        (r#"${tag_prefix[1]}/${tag_suffix[1]}"#, r#""p.q/q.r""#),
        (r#"${tag_suffix}"#, r#"["p.q.r","q.r","r"]"#),
        (r#"${time.strftime("%Y")}"#, r#""2023""#),
        (r#"${time}"#, r#""2023-11-14 22:13:20 +0000""#),
        (
            r#"${time.iso8601(3)}"#,
            r#""2023-11-14T22:13:20.123+00:00""#,
        ),
        (r#"${time.to_f}"#, "1700000000.1230001"),
        (r#"${tag.split(".").last}"#, r#""r""#),
        (r#"${record["s"] || "d"}"#, r#""x y""#),
        (r#"${record["s"].gsub(/x/, "z")}"#, r#""z y""#),
        (r#"${record.dig("b", "e", 1, "f")}"#, r#""g""#),
        (r#"${record["b"]["e"][-1]}"#, r#"{"f":"g"}"#),
        (
            r#"${record["b"].to_json}"#,
            r#""{\"c\":\"d\",\"e\":[1,{\"f\":\"g\"}]}""#,
        ),
        (r#"${record.keys.length}"#, "8"),
        (
            r#"${record["text"].scan(/(\w+)=(\w+)/).to_h}"#,
            r#"{"level":"INFO","user":"42"}"#,
        ),
        (r#"${record["text"] =~ /user=(\d+)/ ? $1.to_i : nil}"#, "42"),
        (r#"${record["é"].upcase}"#, r#""Ü""#),
        (r#"${record.has_key?("a") && !record.key?("q")}"#, "true"),
        (r#"${record.fetch("q", "none")}"#, r#""none""#),
        (r#"${hostname}:${record.size}"#, r#""web1:8""#),
        (r#"${record.reject { |k, _| k != "a" }}"#, r#"{"a":1}"#),
        (r#"${record["arr"].map { |x| x + record["a"] }}"#, "[2,3]"),
        (r#"${record.merge("z" => 1).size}"#, "9"),
        (
            r#"${record["a"] == 1 ? {"ok" => [1, nil]} : 0}"#,
            r#"{"ok":[1,null]}"#,
        ),
        (r#"line\n${"a\tb"}"#, r#""line\na\tb""#),
        ("plain", r#""plain""#),
        ("", r#""""#),
    ] {
        assert_eq!(value(template).as_deref(), Ok(expected), "{template}");
    }
}

#[test]
fn expressions_change_the_record_through_whatever_leads_to_it() {
    for (code, before, after) in [
        (r#"record["x"] = 1"#, r#"{"a":1}"#, r#"{"a":1,"x":1}"#),
        (r#"record.delete("a")"#, r#"{"a":1,"b":2}"#, r#"{"b":2}"#),
        (
            r#"record["k"]["p"] = record["k"]["p"].split(".")[-1]; nil"#,
            r#"{"k":{"p":"a.b"},"z":[1]}"#,
            r#"{"k":{"p":"b"},"z":[1]}"#,
        ),
        (
            r#"record["k"].delete("p")"#,
            r#"{"k":{"p":1,"q":{"r":2}}}"#,
            r#"{"k":{"q":{"r":2}}}"#,
        ),
        (r#"record["s"] << "!""#, r#"{"s":"a"}"#, r#"{"s":"a!"}"#),
        (
            r#"s = record["s"]; s.upcase!"#,
            r#"{"s":"a","t":""}"#,
            r#"{"s":"A","t":""}"#,
        ),
        (
            r#"record["l"] << {"n" => 1}"#,
            r#"{"l":[]}"#,
            r#"{"l":[{"n":1}]}"#,
        ),
        (
            r#"record["l"][0]["x"] = true"#,
            r#"{"l":[{"x":false}]}"#,
            r#"{"l":[{"x":true}]}"#,
        ),
        (
            r#"record["o"] = {"labels" => {}} unless record["o"]; record["o"]["labels"] = {"1" => "2"}"#,
            r#"{"a":1}"#,
            r#"{"a":1,"o":{"labels":{"1":"2"}}}"#,
        ),
        (
            r#"record.each { |k, v| record[k] = v.to_s }"#,
            r#"{"a":1,"b":null}"#,
            r#"{"a":"1","b":""}"#,
        ),
        (
            r#"record.merge!(JSON.parse(record["j"]))"#,
            r#"{"j":"{\"y\":[1]}"}"#,
            r#"{"j":"{\"y\":[1]}","y":[1]}"#,
        ),
        (
            r#"record.keys.size"#,
            r#"{"a":{"b":[1,2]}}"#,
            r#"{"a":{"b":[1,2]}}"#,
        ),
        (r#"record["a"] += 1"#, r#"{"a":1}"#, r#"{"a":2}"#),
        (
            r#"record["self"] = record["a"]; record["a"]["b"] = 2"#,
            r#"{"a":{"b":1}}"#,
            r#"{"a":{"b":2},"self":{"b":2}}"#,
        ),
        (
            r#"if record.has_key?('foo'); record['bar'] = 'Hi!'; end; nil"#,
            r#"{"foo":1}"#,
            r#"{"foo":1,"bar":"Hi!"}"#,
        ),
    ] {
        assert_eq!(changed(code, before), after, "{code}");
    }
}

#[test]
fn programs_of_one_event_see_each_others_changes() {
    let record = packed(r#"{"a":"x"}"#);
    let mut evaluator = evaluator();
    let put = Program::expression(
        r#"record["b"] = "literal"; record[:c] = "sym""#,
        Place::Record,
    )
    .unwrap();
    let get =
        Program::expression(r#"record["b"] + record["a"] + record[:c]"#, Place::Record).unwrap();
    let mut event = evaluator.event(Record::new(&record), "t", EventTime::new(0, 0));
    event.evaluate(&put, &mut Vec::new()).unwrap();
    let mut out = Vec::new();
    event.evaluate(&get, &mut out).unwrap();
    assert_eq!(shown(&out), r#""literalxsym""#);
}

#[test]
fn a_record_that_nobody_changed_keeps_its_bytes() {
    // A long form of a short string, which no writer of ours makes.
    let record = b"\x81\xd9\x01a\xd9\x01b";
    let mut evaluator = evaluator();
    let read = Program::expression(r#"record["a"].upcase"#, Place::Record).unwrap();
    let mut event = evaluator.event(Record::new(record), "t", EventTime::new(0, 0));
    let mut out = Vec::new();
    event.evaluate(&read, &mut out).unwrap();
    assert_eq!(out, b"\xa1B");
    assert!(!event.may_have_changed());
    out.clear();
    event.record(&mut out).unwrap();
    assert_eq!(out, record);
}

#[test]
fn errors_say_what_where_and_what_to_do() {
    for (template, message, label, hint, place) in [
        (
            r#"${1 +}"#,
            "unexpected end of the expression",
            "expected a value",
            None,
            5..5,
        ),
        (
            r#"a ${record["s"].upcas} b"#,
            "there is no method `upcas` in the subset",
            "",
            Some("did you mean `upcase`?"),
            16..21,
        ),
        (
            r#"${record["s"].foo.bar}"#,
            "there is no method `foo` in the subset",
            "",
            Some("docs/ruby-subset.md lists what there is"),
            14..17,
        ),
        (
            r#"${`ls`}"#,
            "commands are never run",
            "",
            Some("pass what the command prints in an environment variable or a file"),
            2..6,
        ),
        (
            r#"${system("ls")}"#,
            "there is no function `system` in the subset",
            "",
            Some(
                "commands are never run; pass what they print in an environment variable or a file",
            ),
            2..8,
        ),
        (
            r#"${@x}"#,
            "instance variables are not part of the subset",
            "",
            Some("use a local variable; it lives as long as the expression"),
            2..4,
        ),
        (
            r#"${OMS::Common.format_time(1)}"#,
            "there is no class or module `OMS::Common` in the subset",
            "",
            Some("docs/ruby-subset.md lists what there is"),
            2..13,
        ),
        (
            r#"${File.write("x", "y")}"#,
            "there is no `File.write` in the subset",
            "",
            Some("files are only read, and asked whether they are there"),
            2..12,
        ),
        (
            r#"${"#,
            "the interpolation never ends",
            "a `}` is missing here",
            None,
            2..2,
        ),
        (
            r#"${nope}"#,
            "undefined local variable or method `nope'",
            "",
            None,
            2..6,
        ),
        (
            r#"${record["zz"].gsub(/x/, "z")}"#,
            "undefined method `gsub' for nil:NilClass",
            "",
            Some("there is no value; use `&.` or a default such as `(… || \"\")`"),
            2..29,
        ),
        (
            r#"${record["a"] + "x"}"#,
            "String can't be coerced into Integer",
            "",
            Some("`.to_i` and `.to_f` make numbers of strings"),
            2..19,
        ),
        (
            r#"${"x" + record["a"]}"#,
            "no implicit conversion of Integer into String",
            "",
            Some("`.to_s` makes a string of it"),
            2..19,
        ),
        (r#"${record["a"] / 0}"#, "divided by 0", "", None, 2..17),
    ] {
        let error = value(template).unwrap_err();
        assert_eq!(error.message, message, "{template}");
        assert_eq!(error.label, label, "{template}");
        assert_eq!(error.hint.as_deref(), hint, "{template}");
        assert_eq!(error.range, place, "{template}");
    }
}

#[test]
fn undefined_names_can_be_reported_beforehand() {
    let program = Program::expression("tagg + message", Place::Record).unwrap();
    let found: Vec<_> = program
        .undefined_names()
        .iter()
        .map(|error| (error.message.as_str(), error.hint.as_deref()))
        .collect();
    assert_eq!(
        found,
        [
            (
                "undefined local variable or method `tagg'",
                Some("did you mean `tag`?")
            ),
            (
                "undefined local variable or method `message'",
                Some("a field of the event is `record[\"message\"]`")
            ),
        ]
    );
}

#[test]
fn hostile_expressions_end_at_a_limit() {
    let deep = format!("{}1{}", "[".repeat(5000), "]".repeat(5000));
    let chain = format!("1{}", "+1".repeat(5000));
    let nots = format!("{}1", "!".repeat(5000));
    let dots = format!("x=\"a\";x{}", ".upcase".repeat(5000));
    for code in [
        r#"("a" * 1000000) * 1000000"#,
        "loop { }",
        "while true; end",
        "(1..).each { |x| x }",
        "a = []; loop { a << a; a.to_s }",
        "a = []; a << a; a.to_s",
        "h = {}; h[1] = h; h.to_json",
        "a = [1]; loop { a += a }",
        "s = \"x\"; loop { s << s }",
        "a = (1..100000).to_a; a.each { |x| a.each { |y| a.each { |z| z } } }",
        "(1..10000000000).to_a",
        "10000000.times.map { |x| x.to_s * 1000 }",
        "x = []; 100000.times { x = [x] }; x.flatten",
        r#""%1000000d" % 1 * 100000"#,
        r#"("a" * 100000).scan(/a/) { |x| ("a" * 100000).scan(/a/) }"#,
        &deep,
        &chain,
        &nots,
        &dots,
    ] {
        let done =
            Program::expression(code, Place::Record).and_then(|program| evaluator().text(&program));
        let error = done.expect_err(code);
        assert_eq!(error.kind, ErrorKind::Limit, "{code}: {error}");
    }
    let code = r#"("a" * 40) =~ /(a+)+$b|(a|aa)+$c/"#;
    let program = Program::expression(code, Place::Record).unwrap();
    let _ = evaluator().text(&program);
}

#[test]
fn limits_cannot_be_rescued() {
    let program =
        Program::expression("begin; loop { }; rescue => e; 1; end", Place::Configuration).unwrap();
    let limits = Limits {
        steps: 1000,
        ..Limits::default()
    };
    let mut evaluator = Evaluator::with_limits(SystemWorld::new("h", "", Zone::UTC, 1), limits);
    let error = evaluator.text(&program).unwrap_err();
    assert_eq!(error.message, "the expression needs more than 1000 steps");
    assert_eq!(
        error.hint.as_deref(),
        Some("make less of the data, or do it in a plugin")
    );
}

#[test]
fn a_copy_made_before_sees_what_happened_within_values_only() {
    let text = r#"{"a":{"b":1,"c":[1]},"gone":"g","s":"x"}"#;
    let code = r#"record["a"].delete("b"); record["a"]["c"] << 2; record["s"] << "y"; record.delete("gone"); record["new"] = 1"#;
    let program = Program::expression(code, Place::Record).unwrap();
    let record = packed(text);
    let mut evaluator = evaluator();
    let mut event = evaluator.event(Record::new(&record), "t", EventTime::new(0, 0));
    event.evaluate(&program, &mut Vec::new()).unwrap();
    let mut out = Vec::new();
    event.record_as_it_came(&mut out).unwrap();
    assert_eq!(shown(&out), r#"{"a":{"c":[1,2]},"gone":"g","s":"xy"}"#);
}

#[test]
fn a_number_before_a_letter_of_several_bytes_has_an_error_that_can_be_shown() {
    let code = "6\u{597}x";
    let error = Program::expression(code, Place::Configuration).unwrap_err();
    assert_eq!(
        (error.message.as_str(), code.get(error.range)),
        ("a malformed number", Some("6\u{597}"))
    );
}
