//! What the running Fluentd answered, and what the parsers do to bytes.

use std::path::Path;

use millrun_event::{Cursor, EventTime};
use millrun_pattern::{Flags, Matcher, Regex, TimeType, split_literal};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::{JsonParser, nginx_parser};
use super::{LineParser, NoneParser, ParseError, Parsed, RegexpParser, Settings, TextKind};

const NOW: EventTime = EventTime::new(1_795_264_496, 5);

/// Recorded answers that ours differs from on purpose.
const DEVIATIONS: &[(&str, &str)] = &[];

fn cases(kind: &str) -> Vec<(String, Value)> {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../conformance/cases/{kind}.jsonl"));
    let text = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.lines()
        .map(|line| (line.to_owned(), serde_json::from_str(line).unwrap()))
        .collect()
}

/// A parser by the parameters of a case; nothing for types that are not built here, an error text for bad parameters.
fn build(case: &Value) -> Option<Result<Box<dyn LineParser>, String>> {
    let conf = case["conf"].as_object().unwrap();
    let text = |key: &str| conf.get(key).and_then(Value::as_str);
    let is_true = |key: &str| text(key) == Some("true");
    let types = text("types")
        .unwrap_or_default()
        .split(',')
        .filter_map(|part| part.split_once(':'));
    let fallbacks = text("time_format_fallbacks").unwrap_or("[]");
    let settings = Settings {
        types: types
            .map(|(key, definition)| (key.to_owned(), definition.to_owned()))
            .collect(),
        time_key: text("time_key").map(str::to_owned),
        keep_time_key: is_true("keep_time_key"),
        time_type: text("time_type").map(|time_type| match time_type {
            "string" => TimeType::Text,
            "unixtime" => TimeType::Unixtime,
            "float" => TimeType::Float,
            other => {
                assert_eq!(other, "mixed");
                TimeType::Mixed
            }
        }),
        time_format: text("time_format").map(str::to_owned),
        time_format_fallbacks: serde_json::from_str(fallbacks).unwrap(),
        utc: is_true("utc"),
        null_value_pattern: text("null_value_pattern")
            .map(|pattern| Matcher::compile(pattern, Flags::default()).unwrap()),
        null_empty_string: is_true("null_empty_string"),
        estimate_current_event: text("estimate_current_event") != Some("false"),
        ..Settings::default()
    };
    fn boxed<P: LineParser + 'static, E: ToString>(
        parser: Result<P, E>,
    ) -> Result<Box<dyn LineParser>, String> {
        parser
            .map(|parser| Box::new(parser) as Box<dyn LineParser>)
            .map_err(|error| error.to_string())
    }
    Some(match case["type"].as_str().unwrap() {
        "none" => boxed(Ok::<_, String>(NoneParser::new("message", &settings))),
        "json" => boxed(JsonParser::new(settings)),
        "nginx" => boxed(nginx_parser(settings)),
        "regexp" => {
            let Some(expression) = text("expression") else {
                return Some(Err("'expression' parameter is required".to_owned()));
            };
            let (source, flags) = split_literal(expression).unwrap();
            let regex = Regex::compile(source, flags).map_err(|error| error.to_string());
            boxed(regex.and_then(|regex| {
                RegexpParser::new(regex, settings).map_err(|error| error.to_string())
            }))
        }
        _ => return None,
    })
}

/// All events of a line in the notation of the cases; nothing for an error.
fn events(parser: &mut dyn LineParser, line: &[u8]) -> Option<Value> {
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
fn value(bytes: &[u8]) -> Value {
    let mut rest = bytes;
    let value = notation(rmpv::decode::read_value(&mut rest).unwrap());
    assert!(rest.is_empty(), "bytes follow the record");
    value
}

fn notation(value: rmpv::Value) -> Value {
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
        let Some(parser) = build(&case) else { continue };
        let ours = events(
            &mut *parser.unwrap(),
            case["in"].as_str().unwrap().as_bytes(),
        );
        let agrees = ours.as_ref() == case.get("out");
        let reason = DEVIATIONS.iter().find(|(deviation, _)| *deviation == line);
        seen += usize::from(reason.is_some());
        match (agrees, reason) {
            (true, None) | (false, Some(_)) => {}
            (false, None) => wrong.push(format!("disagrees: {line}\n  ours: {ours:?}")),
            (true, Some((_, reason))) => {
                wrong.push(format!("agrees now, although \"{reason}\": {line}"));
            }
        }
    }
    assert_eq!(seen, DEVIATIONS.len(), "a deviation names no case");
    assert!(
        wrong.is_empty(),
        "{} cases\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn parser_config_error_cases() {
    for (line, case) in cases("parser_config_error") {
        if let Some(parser) = build(&case) {
            assert!(parser.is_err(), "is accepted: {line}");
        }
    }
}

fn regexp(expression: &str, settings: Settings) -> RegexpParser {
    RegexpParser::new(
        Regex::compile(expression, Flags::default()).unwrap(),
        settings,
    )
    .unwrap()
}

fn settings_error(settings: Settings) -> String {
    JsonParser::new(settings).unwrap_err().to_string()
}

#[test]
fn the_errors_of_settings_say_what_to_write() {
    let types = vec![("h".to_owned(), "size".to_owned())];
    assert_eq!(
        settings_error(Settings {
            types,
            ..Settings::default()
        }),
        "unknown value conversion for key:'h', type:'size'; known are string, integer, float, bool, time, array"
    );
    let settings = Settings {
        time_type: Some(TimeType::Text),
        timezone: Some("+09:00".to_owned()),
        ..Settings::default()
    };
    assert_eq!(
        settings_error(settings),
        "specifying timezone requires time format"
    );
    let settings = Settings {
        time_format: Some("%Y".to_owned()),
        timezone: Some("JST".to_owned()),
        ..Settings::default()
    };
    assert_eq!(
        settings_error(settings),
        "timezone: invalid timezone \"JST\": write an offset such as +09:00, +0900 or +09, or a place such as Asia/Tokyo"
    );
    let regex = Regex::compile("x", Flags::default()).unwrap();
    assert_eq!(
        RegexpParser::new(regex, Settings::default())
            .unwrap_err()
            .to_string(),
        "No named captures in 'expression' parameter. The regexp must have at least one named capture: (?<name>…)"
    );
}

#[test]
fn a_line_that_is_no_event_leaves_the_buffer_as_it_was() {
    let lines: [(&str, Box<dyn LineParser>); 4] = [
        (
            "nonsense",
            Box::new(nginx_parser(Settings::default()).unwrap()),
        ),
        (
            "{\"time\":[1],\"a\":2}",
            Box::new(JsonParser::new(Settings::default()).unwrap()),
        ),
        (
            "{\"a\":1",
            Box::new(JsonParser::new(Settings::default()).unwrap()),
        ),
        (
            "[1,{\"time\":true}]",
            Box::new(JsonParser::new(Settings::default()).unwrap()),
        ),
    ];
    for (line, mut parser) in lines {
        let mut out = b"before".to_vec();
        assert!(
            !matches!(
                parser.parse(line.as_bytes(), NOW, &mut out),
                Ok(Parsed::Event { .. })
            ),
            "{line}"
        );
        assert_eq!(out, b"before");
        while let Some(parsed) = parser.parse_next(NOW, &mut out) {
            assert!(parsed.is_err(), "{line}");
            assert_eq!(out, b"before");
        }
    }
}

#[test]
fn a_time_that_is_no_time_says_what_it_is() {
    let mut json = JsonParser::new(Settings::default()).unwrap();
    let error = json
        .parse(b"{\"time\":{}}", NOW, &mut Vec::new())
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "value must be a string or a number: the time key holds an object"
    );
    let mut nginx = nginx_parser(Settings::default()).unwrap();
    let line = b"a b c [yesterday] \"GET / HTTP/1.1\" 200 1";
    assert_eq!(
        nginx
            .parse(line, NOW, &mut Vec::new())
            .unwrap_err()
            .to_string(),
        "invalid time format: value = yesterday, expected %d/%b/%Y:%H:%M:%S %z"
    );
}

#[test]
fn a_hostile_line_ends_in_an_error() {
    let mut parser = regexp("^(?<a>(x|xx)+)$", Settings::default());
    let line = [&[b'x'; 64][..], b"!"].concat();
    assert!(matches!(
        parser.parse(&line, NOW, &mut Vec::new()),
        Err(ParseError::Match(_))
    ));
}

#[test]
fn an_array_is_an_event_for_each_object() {
    let mut json = JsonParser::new(Settings {
        keep_time_key: true,
        ..Settings::default()
    })
    .unwrap();
    let now = json!({"$et": [NOW.seconds, NOW.nanoseconds]});
    assert_eq!(
        events(&mut json, b"[{\"a\":1},2,{\"time\":3}]"),
        Some(json!([[now, {"a": 1}], [null, null], [{"$et": [3, 0]}, {"time": 3}]]))
    );
    assert_eq!(events(&mut json, b"[]"), Some(json!([[null, null]])));
}

#[test]
fn text_of_lines_may_be_written_as_bytes() {
    let settings = || Settings {
        text: TextKind::Bin,
        ..Settings::default()
    };
    let mut out = Vec::new();
    NoneParser::new("message", &settings())
        .parse(b"\xff", NOW, &mut out)
        .unwrap();
    assert_eq!(out, b"\x81\xa7message\xc4\x01\xff");
    out.clear();
    regexp("(?<a>.*)", settings())
        .parse(b"x", NOW, &mut out)
        .unwrap();
    assert_eq!(out, b"\x81\xa1a\xc4\x01x");
}

#[test]
fn values_of_documents_change_type_too() {
    let types = [
        ("i", "integer"),
        ("s", "string"),
        ("f", "float"),
        ("b", "bool"),
        ("t", "time:+09:00:%Y-%m-%d"),
        ("a", "array"),
    ];
    let types = types
        .map(|(key, definition)| (key.to_owned(), definition.to_owned()))
        .to_vec();
    let mut json = JsonParser::new(Settings {
        types,
        estimate_current_event: false,
        ..Settings::default()
    })
    .unwrap();
    assert_eq!(
        events(
            &mut json,
            br#"{"i":12.7,"s":-1.5,"f":3,"b":1,"t":"2024-01-01","a":"x,,y,,"}"#
        ),
        Some(
            json!([[null, {"i": 12, "s": "-1.5", "f": 3.0, "b": true, "t": {"$et": [1_704_034_800, 0]}, "a": ["x", "", "y"]}]])
        )
    );
    assert_eq!(
        events(
            &mut json,
            br#"{"i":true,"s":false,"f":"x","b":"on","t":"x","a":{"n":[1]}}"#
        ),
        Some(
            json!([[null, {"i": 0, "s": "false", "f": 0.0, "b": false, "t": null, "a": {"n": [1]}}]])
        )
    );
}

proptest! {
    #[test]
    fn what_is_written_is_one_sound_map(line in r#"[ -~]{0,20}|\{("(a|time|b)":(1|"x"|null|\[1,2\]|\{\}),?){0,3}\}|[a-] [a-] - \[[0-9]{2}/Feb/2024:03:04:05 \+0900\] "GET( /)?" [0-9]{3} [0-9]"#) {
        let types = vec![("a".to_owned(), "array: ".to_owned()), ("b".to_owned(), "float".to_owned())];
        let settings = || Settings { types: types.clone(), null_empty_string: true, ..Settings::default() };
        let parsers: [Box<dyn LineParser>; 4] = [
            Box::new(NoneParser::new("message", &settings())),
            Box::new(JsonParser::new(settings()).unwrap()),
            Box::new(nginx_parser(settings()).unwrap()),
            Box::new(regexp("(?<a>[^x]*)x?(?<b>.)?", settings())),
        ];
        for mut parser in parsers {
            let mut out = Vec::new();
            if let Ok(Parsed::Event { .. }) = parser.parse(line.as_bytes(), NOW, &mut out) {
                prop_assert_eq!(Cursor::new(&out).value(), Ok(&out[..]));
            } else {
                prop_assert!(out.is_empty());
            }
        }
    }
}
