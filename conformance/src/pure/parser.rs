//! `parser`, `parser_config_error`: a text through a parser.

use millrun_config::{Diagnostics, Element};
use millrun_event::EventTime;
use millrun_pattern::{TimeFormat, Zone};
use millrun_plugins::parser::{LineParser, Parsed, TextKind, parse_section};
use serde_json::{Value, json};

use super::{Answer, element};
use crate::case::{Case, Unplayable};
use crate::notation;

/// When a line is read: in the year of the recordings, which lines without one belong to.
const NOW: EventTime = EventTime::new(1_795_224_568, 0);

pub(crate) fn parser(case: &Case) -> Result<Answer, Unplayable> {
    let missing = || Unplayable::new("expected a text in `in`");
    let line = notation::bytes(case.get("in")).ok_or_else(missing)?;
    let events = build(case)?.and_then(|mut parser| events(&mut *parser, &line));
    Ok(Answer::of(events.map(|mut events| {
        if case.has("time_depends_on_current_year") {
            events.iter_mut().for_each(month_and_day);
        }
        events
    })))
}

pub(crate) fn parser_config_error(case: &Case) -> Result<Answer, Unplayable> {
    Ok(Answer::of(build(case)?.map(|_| "accepted")))
}

/// The parser of the case's section; the first error where it is refused.
fn build(case: &Case) -> Result<Result<Box<dyn LineParser>, String>, Unplayable> {
    let mut section = Element::new("parse", "", element::nowhere());
    for (name, value) in case.members("conf") {
        element::set(&mut section, name, value.as_str().unwrap_or_default());
    }
    element::set(&mut section, "@type", case.need_text("type")?);
    let mut plugin = Element::new("source", "", element::nowhere());
    plugin.push(section);
    let mut diagnostics = Diagnostics::default();
    let parser = parse_section(&plugin, TextKind::Str, &mut diagnostics);
    let fault = diagnostics.errors().next();
    Ok(parser.ok_or_else(|| fault.map(|fault| fault.message.clone()).unwrap_or_default()))
}

/// All events of a text; the error where the parser refuses it.
fn events(parser: &mut dyn LineParser, line: &[u8]) -> Result<Vec<Value>, String> {
    let mut out = Vec::new();
    let mut events = Vec::new();
    let mut parsed = Some(parser.parse(line, NOW, &mut out));
    while let Some(result) = parsed {
        events.push(match result.map_err(|error| error.to_string())? {
            Parsed::Event { time } => {
                let time = time.map(|time| json!({"$et": [time.seconds, time.nanoseconds]}));
                let record = notation::decode(&out).map_err(|error| error.to_string())?;
                json!([time, record])
            }
            Parsed::Unmatched => json!([null, null]),
        });
        out.clear();
        parsed = parser.parse_next(NOW, &mut out);
    }
    Ok(events)
}

/// A time as month, day and time of day, as recorded where the line has no year.
fn month_and_day(event: &mut Value) {
    let seconds = event.pointer("/0/$et/0").and_then(Value::as_i64);
    if let (Some(seconds), Ok(format), Some(time)) = (
        seconds,
        TimeFormat::compile("%m-%d %H:%M:%S"),
        event.get_mut(0),
    ) {
        *time = json!({"mmdd": format.to_string(seconds, 0, &Zone::UTC)});
    }
}
