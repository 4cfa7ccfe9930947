//! The recorded cases of Fluentd's parsers.

use super::*;

/// Recorded answers that ours differs from on purpose.
const DEVIATIONS: &[(&str, &str)] = &[
    (
        r#"{"type":"csv","conf":{"estimate_current_event":"false","keys":"a,b,c","parser_type":"fast"},"in":"1,2,3,4","out":[[null,{"$pairs":[["a","1"],["b","2"],["c","3"],[null,"4"]]}]]}"#,
        "a value without a key is left out, as the other engine does; a key that is null breaks receivers",
    ),
    (
        r#"{"type":"syslog","conf":{"estimate_current_event":"false","message_format":"rfc5424","parser_type":"regexp","with_priority":"false"},"in":"bad","error":"NoMethodError","message":"undefined method `-' for nil:NilClass"}"#,
        "too few words are another shape, not a fault of ours",
    ),
];

pub(super) fn cases(kind: &str) -> Vec<(String, Value)> {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../conformance/cases/{kind}.jsonl"));
    let text = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.lines()
        .map(|line| (line.to_owned(), serde_json::from_str(line).unwrap()))
        .collect()
}

/// A parser by the parameters of a case, through the section one would write; the first error where it is refused.
pub(super) fn build(case: &Value) -> Result<Box<dyn LineParser>, String> {
    let span = Span::new(Sources::default().add("case.conf", ""), 0, 0);
    let mut section = Element::new("parse", "", span);
    let mut set = |name: &str, text: &str| {
        section.insert(Entry {
            name: name.to_owned(),
            name_span: span,
            value: millrun_config::Value::text(text, span),
        });
    };
    for (name, text) in case["conf"].as_object().unwrap() {
        set(name, text.as_str().unwrap());
    }
    set("@type", case["type"].as_str().unwrap());
    let mut plugin = Element::new("source", "", span);
    plugin.push(section);
    let mut diagnostics = Diagnostics::default();
    parse_section(&plugin, TextKind::Str, &mut diagnostics).ok_or_else(|| {
        let fault = diagnostics.errors().next().unwrap();
        fault.message.clone()
    })
}

/// The text of a case.
pub(super) fn input(case: &Value) -> Vec<u8> {
    match &case["in"] {
        Value::String(text) => text.as_bytes().to_vec(),
        bytes => {
            let text = bytes["$b64"].as_str().unwrap();
            base64(text)
        }
    }
}

/// The bytes that base64 `text` stands for.
fn base64(text: &str) -> Vec<u8> {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut bytes = Vec::new();
    let (mut bits, mut width) = (0u32, 0);
    for digit in text.bytes().filter(|digit| *digit != b'=') {
        let digit = DIGITS.iter().position(|known| *known == digit).unwrap();
        (bits, width) = (bits << 6 | digit as u32, width + 6);
        if width >= 8 {
            width -= 8;
            bytes.push((bits >> width) as u8);
        }
    }
    bytes
}

/// All events of a line in the notation of the cases; nothing for an error.
pub(super) fn events(parser: &mut dyn LineParser, line: &[u8]) -> Option<Value> {
    let mut out = Vec::new();
    let mut parsed = Some(parser.parse(line, NOW, &mut out));
    let mut events = Vec::new();
    while let Some(result) = parsed {
        events.push(match result.ok()? {
            Parsed::Event { time } => json!([
                time.map(|time| json!({"$et": [time.seconds, time.nanoseconds]})),
                value(&out)
            ]),
            Parsed::Unmatched => json!([null, null]),
        });
        out.clear();
        parsed = parser.parse_next(NOW, &mut out);
    }
    Some(events.into())
}

/// A msgpack value in the notation of the cases.
pub(super) fn value(bytes: &[u8]) -> Value {
    let mut rest = bytes;
    let value = notation(rmpv::decode::read_value(&mut rest).unwrap());
    assert!(rest.is_empty(), "bytes follow the record");
    value
}

pub(super) fn notation(value: rmpv::Value) -> Value {
    match value {
        rmpv::Value::Map(pairs) => {
            let pairs = pairs
                .into_iter()
                .map(|(key, value)| (key.as_str().unwrap().to_owned(), notation(value)));
            pairs.collect::<Map<_, _>>().into()
        }
        rmpv::Value::Array(values) => values.into_iter().map(notation).collect::<Vec<_>>().into(),
        rmpv::Value::Ext(0, payload) => {
            let time = EventTime::from_payload(payload.try_into().unwrap());
            json!({"$et": [time.seconds, time.nanoseconds]})
        }
        rmpv::Value::F64(number) if number.is_infinite() => json!({"$float": "Infinity"}),
        rmpv::Value::F64(number) => json!(number),
        rmpv::Value::String(text) => json!(text.as_str().unwrap()),
        rmpv::Value::Integer(number) => number.as_i64().map_or(json!(number.as_u64()), Value::from),
        rmpv::Value::Boolean(truth) => json!(truth),
        rmpv::Value::Nil => Value::Null,
        other => panic!("{other:?}"),
    }
}

#[test]
fn parser_cases() {
    let mut wrong = Vec::new();
    let mut seen = 0;
    for (line, case) in cases("parser") {
        let mut parser = build(&case).unwrap_or_else(|error| panic!("{error}: {line}"));
        let mut ours = events(&mut *parser, &input(&case));
        if case.get("time_depends_on_current_year").is_some() {
            ours = ours.map(month_and_day);
        }
        let agrees = ours.as_ref() == case.get("out");
        let reason = DEVIATIONS.iter().find(|(deviation, _)| *deviation == line);
        seen += usize::from(reason.is_some());
        match (agrees, reason) {
            (true, None) | (false, Some(_)) => {}
            (true, Some((_, reason))) => wrong.push(format!("agrees by now: {line} ({reason})")),
            (false, None) => wrong.push(format!("{line}\n  ours: {}", json!(ours))),
        }
    }
    assert_eq!(seen, DEVIATIONS.len(), "a deviation is of no case");
    assert!(
        wrong.is_empty(),
        "{} cases\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

/// Events with their times as month, day and time of day.
fn month_and_day(mut events: Value) -> Value {
    let format = TimeFormat::compile("%m-%d %H:%M:%S").unwrap();
    for event in events.as_array_mut().unwrap() {
        if let Some(seconds) = event[0]["$et"][0].as_i64() {
            event[0] = json!({"mmdd": format.to_string(seconds, 0, &Zone::UTC)});
        }
    }
    events
}

#[test]
fn parser_config_error_cases() {
    for (line, case) in cases("parser_config_error") {
        assert!(build(&case).is_err(), "is accepted: {line}");
    }
}
