use std::fs;

use serde_json::{Value, json};

use super::compare::Comparison;
use super::scene::{self, Observation};
use super::{Case, Difference, Unplayable, World};
use crate::notation;

/// How long the answer to an exchange may be silent before it is taken for whole, in seconds.
const SILENCE: f64 = 0.6;
/// How long events take to their file, in seconds.
const SETTLING: f64 = 0.4;
/// The year of the recordings, in which syslog lines without one were placed.
const RECORDED_YEAR: &str = "2026";

/// An exchange of bytes with one of the sources of `network.conf`.
///
/// ```text
/// {kind, port, send_b64, split: [offset …]}   → response_b64, server_closed, events, log
/// ```
///
/// The program is configured with the source of this port and the outputs, so that a source that
/// is not built fails its own cases only.
pub(crate) fn network(case: &Case, world: &World) -> Result<Vec<Difference>, Unplayable> {
    let configuration = vec![("f.conf".to_owned(), configuration(case, world)?)];
    let run = scene::play(&configuration, &steps(case)?, world)?;
    let mut comparison = Comparison::of(case);
    let started = json!({"started": true});
    comparison.value(
        "/started",
        &started,
        run.results.first().unwrap_or(&Value::Null),
    );
    let answer = run.results.get(1).and_then(|answers| answers.get(0));
    let answer = |key: &str| {
        answer
            .and_then(|answer| answer.get(key))
            .unwrap_or(&Value::Null)
    };
    let recorded = notation::decode_base64(case.need_text("response_b64")?);
    comparison.value("/response_text", &notation::text(&recorded), answer("recv"));
    comparison.value(
        "/server_closed",
        case.get("server_closed"),
        answer("closed"),
    );
    let syslog = case
        .text("kind")
        .is_some_and(|kind| kind.starts_with("syslog"));
    comparison.value("/events", case.get("events"), &events(&run, syslog));
    // Which messages the program logged; other members of the recorded log are their details.
    let messages = case.list("log").unwrap_or_default().iter();
    let messages = messages.filter_map(|line| {
        let level = line.get("level")?.as_str()?.strip_prefix("fluent.")?;
        Some(json!(format!(
            "[{level}]: {}",
            line.get("message")?.as_str()?
        )))
    });
    comparison.log(&messages.collect::<Vec<_>>(), &run.log);
    Ok(comparison.found)
}

/// The recordings' configuration, with the source of the case's port alone.
fn configuration(case: &Case, world: &World) -> Result<String, Unplayable> {
    let unreadable = |error| Unplayable(format!("{}: {error}", world.network.display()));
    let text = fs::read_to_string(&world.network).map_err(unreadable)?;
    let port = case.get("port").to_string();
    let mut kept = String::new();
    let mut source = String::new();
    let mut is_source = false;
    for line in text.lines() {
        is_source |= line.trim() == "<source>";
        let part = if is_source { &mut source } else { &mut kept };
        part.push_str(line);
        part.push('\n');
        if line.trim() == "</source>" {
            is_source = false;
            let is_ours = source
                .lines()
                .any(|line| line.trim() == format!("port {port}"));
            if is_ours {
                kept.push_str(&source.replace(&format!("port {port}"), "port $P1"));
            }
            source.clear();
        }
    }
    // What it logs is read from its log, not from its events.
    kept.push_str("<label @FLUENT_LOG>\n  <match **>\n    @type null\n  </match>\n</label>\n");
    Ok(kept
        .lines()
        // Below info no program says that it runs.
        .filter(|line| !line.trim().starts_with("log_level "))
        .map(|line| match line.trim().strip_prefix("path ") {
            Some(_) => "  path $D/out\n".to_owned(),
            None => format!("{line}\n"),
        })
        .collect())
}

/// Starts, sends the bytes in their pieces, reads, waits for the events.
fn steps(case: &Case) -> Result<Vec<Value>, Unplayable> {
    let bytes = notation::decode_base64(case.need_text("send_b64")?);
    let mut cuts: Vec<usize> = case
        .list("split")
        .unwrap_or_default()
        .iter()
        .filter_map(|cut| usize::try_from(cut.as_u64()?).ok())
        .collect();
    cuts.push(bytes.len());
    let mut operations = Vec::new();
    let mut start = 0;
    for cut in cuts {
        let piece = bytes.get(start..cut).unwrap_or_default();
        operations.push(json!({"send_b64": notation::encode_base64(piece)}));
        operations.push(json!({"sleep": 0.05}));
        start = cut;
    }
    // A sender of lines ends by closing, a sender of requests waits.
    if case.get("server_closed") == &json!(true) && !has_response(case) {
        operations.push(json!({"shutdown": 1}));
    }
    operations.push(json!({"recv": SILENCE}));
    Ok(vec![
        json!(["start"]),
        json!(["tcp", "$P1", operations]),
        json!(["sleep", SETTLING]),
        json!(["stop"]),
    ])
}

fn has_response(case: &Case) -> bool {
    case.text("response_b64")
        .is_some_and(|text| !text.is_empty())
}

/// The stored events. A time that is neither in the message nor the recording's is the arrival's.
fn events(run: &Observation, syslog: bool) -> Value {
    // A file a day, as the output's buffer has its usual keys.
    let files = run.files.iter().filter(|entry| {
        let path = entry.get("path").and_then(Value::as_str);
        path.is_some_and(|path| path.starts_with("out.") && path.ends_with(".log"))
    });
    let bytes: Vec<u8> = files
        .flat_map(|entry| {
            let text = |key: &str| entry.get(key).and_then(Value::as_str).unwrap_or_default();
            [
                notation::decode_base64(text("text_b64")),
                text("text").as_bytes().to_vec(),
            ]
            .concat()
        })
        .collect();
    let lines = bytes
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty());
    lines
        .map(|line| {
            let Ok(mut event) = serde_json::from_slice::<Value>(line) else {
                return notation::text(line);
            };
            if syslog {
                in_recorded_year(&mut event);
            }
            event
        })
        .collect()
}

/// Moves the time of a line without a year into the year of the recordings.
fn in_recorded_year(event: &mut Value) {
    let Some(Value::String(text)) = event.get_mut("_time") else {
        return;
    };
    let Some((seconds, fraction)) = text.split_once('.') else {
        return;
    };
    let (Ok(format), Ok(seconds)) = (
        millrun_pattern::TimeFormat::compile("%m-%d %H:%M:%S"),
        seconds.parse(),
    ) else {
        return;
    };
    let utc = millrun_pattern::Zone::UTC;
    let moved = format!("{RECORDED_YEAR}-{}", format.to_string(seconds, 0, &utc));
    let parser = millrun_pattern::TimeParser::new(
        millrun_pattern::TimeType::Text,
        Some("%Y-%m-%d %H:%M:%S"),
        &[],
        utc,
    );
    let moved = parser
        .ok()
        .and_then(|mut parser| parser.parse_text(moved.as_bytes(), 0).ok());
    if let Some(time) = moved {
        *text = format!("{}.{fraction}", time.seconds);
    }
}
