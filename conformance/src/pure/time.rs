//! `time_parse`, `time_format`, `timezone`.

use millrun_pattern::{TimeFormat, TimeParser, TimeType, Zone, float_seconds};
use serde_json::{Value, json};

use super::Answer;
use crate::case::{Case, Unplayable};

/// The day on which missing parts of a date are filled in: in the year of the recordings.
const NOW: i64 = 1_795_264_496;

pub(crate) fn timezone(case: &Case) -> Result<Answer, Unplayable> {
    Ok(Answer::Out(
        Zone::parse(case.need_text("in")?).is_ok().into(),
    ))
}

pub(crate) fn time_parse(case: &Case) -> Result<Answer, Unplayable> {
    let time_type = match case.need_text("time_type")? {
        "string" => TimeType::Text,
        "unixtime" => TimeType::Unixtime,
        "float" => TimeType::Float,
        "mixed" => TimeType::Mixed,
        other => return Err(Unplayable::new(format!("unknown time_type {other}"))),
    };
    let zone = match zone(case) {
        Ok(zone) => zone,
        Err(error) => return Ok(Answer::Error(error)),
    };
    let fallbacks = case.texts("time_format_fallbacks");
    let mut parser = match TimeParser::new(time_type, case.text("time_format"), &fallbacks, zone) {
        Ok(parser) => parser,
        Err(error) => return Ok(Answer::Error(error.to_string())),
    };
    let time = match case.get("in") {
        Value::String(text) => parser.parse_text(text.as_bytes(), NOW),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(seconds), _) => parser.parse_integer(seconds),
            (None, float) => parser.parse_float(float.unwrap_or(f64::NAN)),
        },
        // What is neither text nor number is no time.
        other => return Ok(Answer::Error(format!("{other} is no time"))),
    };
    Ok(Answer::of(time.map(
        |time| json!({"$et": [time.seconds, time.nanoseconds]}),
    )))
}

pub(crate) fn time_format(case: &Case) -> Result<Answer, Unplayable> {
    let unreadable = || Unplayable::new("expected [seconds, nanoseconds] in `in`");
    let seconds = case.at("/in/0").as_i64().ok_or_else(unreadable)?;
    let nanoseconds = case.at("/in/1").as_u64().ok_or_else(unreadable)?;
    let nanoseconds = u32::try_from(nanoseconds).map_err(|_| unreadable())?;
    let format = match (case.text("time_type"), case.text("time_format")) {
        (Some("unixtime"), _) => return Ok(Answer::Out(seconds.to_string().into())),
        (Some("float"), _) => {
            return Ok(Answer::Out(float_seconds(seconds, nanoseconds).into()));
        }
        (_, Some(format)) => TimeFormat::compile(format),
        (_, None) => Ok(TimeFormat::iso8601()),
    };
    let text = format
        .map_err(|error| error.to_string())
        .and_then(|format| Ok(format.to_string(seconds, nanoseconds, &zone(case)?)));
    Ok(Answer::of(text))
}

/// The zone of a case. The recordings' local zone was UTC, as is that of the command.
fn zone(case: &Case) -> Result<Zone, String> {
    match case.text("timezone") {
        Some(zone) => Zone::parse(zone).map_err(|error| error.to_string()),
        None if case.get("localtime") == &json!(true) => Ok(Zone::local()),
        None => Ok(Zone::UTC),
    }
}
