//! What the running Fluentd answered, against this crate.
//!
//! A kind lists its deviations with a reason each. A deviation that agrees again fails, too, so that no list can rot.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test helper may be blunt"
)]

use std::path::Path;

use millrun_pattern::{
    Accessor, Segment, TagPattern, TagPatterns, TimeFormat, TimeParser, TimeType, Zone,
};
use serde_json::{Value, json};

/// The day on which missing parts of a date are filled in; no recorded case depends on it.
const NOW: i64 = 1_795_264_496;

/// Runs each case of a kind; `answer` returns what the case calls `out`, or nothing for an error.
fn check(kind: &str, deviations: &[(&str, &str)], answer: impl Fn(&Value) -> Option<Value>) {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../conformance/cases/{kind}.jsonl"));
    let text = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut seen = 0;
    let mut wrong = Vec::new();
    for line in text.lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let agrees = answer(&case) == case.get("out").cloned();
        let reason = deviations
            .iter()
            .find(|(deviation, _)| *deviation == line)
            .map(|(_, reason)| reason);
        seen += usize::from(reason.is_some());
        match (agrees, reason) {
            (true, None) | (false, Some(_)) => {}
            (false, None) => wrong.push(format!("disagrees: {line}\n  ours: {:?}", answer(&case))),
            (true, Some(reason)) => {
                wrong.push(format!("agrees now, although \"{reason}\": {line}"));
            }
        }
    }
    assert_eq!(seen, deviations.len(), "{kind}: a deviation names no case");
    assert!(
        wrong.is_empty(),
        "{kind}: {} cases\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

fn text<'v>(case: &'v Value, key: &str) -> Option<&'v str> {
    case.get(key).and_then(Value::as_str)
}

fn zone(case: &Value) -> Zone {
    match text(case, "timezone") {
        Some(zone) => Zone::parse(zone).unwrap(),
        None if case.get("localtime") == Some(&json!(true)) => Zone::local(),
        None => Zone::UTC,
    }
}

#[test]
fn match_cases() {
    check("match", &[], |case| {
        let pattern = TagPattern::compile(text(case, "pattern")?).ok()?;
        Some(pattern.matches(text(case, "tag")?).into())
    });
}

#[test]
fn rule_cases() {
    check("rule", &[], |case| {
        let patterns = TagPatterns::compile(text(case, "arg")?).ok()?;
        // The case of the error has no tag.
        Some(
            patterns
                .matches(text(case, "tag").unwrap_or_default())
                .into(),
        )
    });
}

#[test]
fn timezone_cases() {
    check("timezone", &[], |case| {
        Some(Zone::parse(text(case, "in")?).is_ok().into())
    });
}

#[test]
fn time_parse_cases() {
    check("time_parse", &[], |case| {
        let time_type = match text(case, "time_type")? {
            "string" => TimeType::Text,
            "unixtime" => TimeType::Unixtime,
            "float" => TimeType::Float,
            _ => return None,
        };
        let mut parser =
            TimeParser::new(time_type, text(case, "time_format"), &[], zone(case)).ok()?;
        let time = match case.get("in")? {
            Value::String(text) => parser.parse_text(text.as_bytes(), NOW),
            Value::Number(number) => match number.as_i64() {
                Some(seconds) => parser.parse_integer(seconds),
                None => parser.parse_float(number.as_f64()?),
            },
            _ => return None,
        };
        time.ok()
            .map(|time| json!({"$et": [time.seconds, time.nanoseconds]}))
    });
}

#[test]
fn time_format_cases() {
    let offset = TimeFormat::compile("%z").unwrap();
    let local_is_utc = [0, 1_700_000_000, 1_720_000_000]
        .iter()
        .all(|&seconds| offset.to_string(seconds, 0, &Zone::local()) == "+0000");
    if !local_is_utc {
        eprintln!("skipped cases in the local zone: they were recorded with TZ=UTC");
    }
    check("time_format", &[], |case| {
        if !local_is_utc && case.get("localtime") == Some(&json!(true)) {
            return case.get("out").cloned();
        }
        let seconds = case.pointer("/in/0")?.as_i64()?;
        let nanoseconds = u32::try_from(case.pointer("/in/1")?.as_u64()?).ok()?;
        let format = match (text(case, "time_type"), text(case, "time_format")) {
            (Some("unixtime"), _) => return Some(seconds.to_string().into()),
            (Some("float"), _) => {
                return Some(millrun_pattern::float_seconds(seconds, nanoseconds).into());
            }
            (_, Some(format)) => TimeFormat::compile(format).ok()?,
            (_, None) => TimeFormat::iso8601(),
        };
        Some(format.to_string(seconds, nanoseconds, &zone(case)).into())
    });
}

#[test]
fn accessor_path_cases() {
    check("accessor_path", &[], |case| {
        let path = text(case, "path")?;
        let accessor = Accessor::parse(path).ok()?;
        let segments: Vec<Value> = accessor
            .segments()
            .iter()
            .map(|segment| match segment {
                Segment::Key(key) => json!(key),
                Segment::Index(index) => json!(index),
            })
            .collect();
        // A plain key is recorded as itself, a path as its segments.
        if path.starts_with("$.") || path.starts_with("$[") {
            Some(segments.into())
        } else {
            segments.first().cloned()
        }
    });
}
