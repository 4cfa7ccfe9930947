//! Reports of scripted servers: what of them is compared.

use serde_json::{Value, json};

use super::compare::Comparison;
use crate::case::Case;

/// Compares a report.
///
/// The order over several connections varies, so messages are compared as a set; which of several
/// servers gets a chunk is drawn, so of those only the counts are compared.
pub(crate) fn report(
    comparison: &mut Comparison<'_>,
    case: &Case,
    pointer: &str,
    recorded: &Value,
    ours: &Value,
) {
    let steps = case.list("steps").unwrap_or_default().iter();
    let fakes = steps.filter(|step| step.get(0).and_then(Value::as_str) == Some("fake"));
    let part = |value: &Value, key: &str| value.get(key).cloned().unwrap_or_default();
    if fakes.count() > 1 {
        let count = |value: &Value| part(value, "count");
        let shares = Shares::drawn(case);
        let may_be = |ours: u64| shares.is_some_and(|shares| shares.hold(ours));
        if !count(ours).as_u64().is_some_and(may_be) {
            comparison.value(&format!("{pointer}/count"), &count(recorded), &count(ours));
        }
        return;
    }
    let (recorded, ours) = &(
        without_packed_lengths(recorded),
        without_packed_lengths(ours),
    );
    let several = |value: &Value| part(value, "connections").as_u64() > Some(1);
    if several(recorded) && several(ours) {
        return comparison.value(pointer, &in_order(recorded), &in_order(ours));
    }
    comparison.value(pointer, recorded, ours);
}

/// The least and the most that one of several servers got in either recording.
#[derive(Clone, Copy)]
struct Shares {
    least: u64,
    most: u64,
}

impl Shares {
    /// What servers got that share by chance: where the two recordings differ in what one of them got. The draw is the
    /// whole list's, so that it may be any server's share that came out otherwise. `None` where nothing is drawn.
    fn drawn(case: &Case) -> Option<Self> {
        let places =
            (0..case.results().count()).map(|position| format!("/results/{position}/1/count"));
        let mut shares = Vec::new();
        let mut is_drawn = false;
        for place in places {
            is_drawn |= case.varies(&place);
            let both = [Some(case.at(&place)), case.second(&place)];
            shares.extend(both.into_iter().flatten().filter_map(Value::as_u64));
        }
        let (least, most) = (shares.iter().min()?, shares.iter().max()?);
        is_drawn.then_some(Self {
            least: *least,
            most: *most,
        })
    }

    fn hold(self, share: u64) -> bool {
        (self.least..=self.most).contains(&share)
    }
}

/// A report without the lengths of what is compressed: compressors differ in a byte, and what a request or a payload
/// expands to, and the number of its members, is compared.
fn without_packed_lengths(report: &Value) -> Value {
    let mut report = report.clone();
    let mut is_packed = false;
    let messages = report.get_mut("messages").and_then(Value::as_array_mut);
    for message in messages.into_iter().flatten() {
        let is_such = |key| message.get(key).is_some();
        if !is_such("gunzip") && !is_such("gzip_members") {
            continue;
        }
        is_packed = true;
        if let Some(headers) = message.get_mut("headers").and_then(Value::as_array_mut) {
            let is_length = |header: &Value| {
                let text = header.as_str().unwrap_or_default();
                text.starts_with("Content-Length: ")
            };
            headers.retain(|header| !is_length(header));
        }
    }
    let ends = report.get_mut("conn_ends").and_then(Value::as_array_mut);
    for end in ends.into_iter().flatten().filter(|_| is_packed) {
        if let Some(received) = end.get_mut(1) {
            *received = Value::Null;
        }
    }
    report
}

/// A report whose messages and connections stand in an order of their own.
fn in_order(report: &Value) -> Value {
    let mut report = report.clone();
    if let Some(Value::Array(messages)) = report.get_mut("messages") {
        for message in messages.iter_mut() {
            if let Some(message) = message.as_object_mut() {
                message.remove("conn");
            }
        }
        messages.sort_by_key(|message| {
            let part = |key: &str| message.get(key).cloned().unwrap_or_default();
            let seconds = (part("t").as_f64().unwrap_or_default() * 2.0).round();
            json!([seconds, part("tag"), part("entries")]).to_string()
        });
    }
    if let Some(Value::Array(ends)) = report.get_mut("conn_ends") {
        for end in ends.iter_mut() {
            if let Some(end) = end.as_array_mut().filter(|end| !end.is_empty()) {
                end.remove(0);
            }
        }
        ends.sort_by_key(ToString::to_string);
    }
    report
}

/// What a scripted client saw, without its words for how it noticed that the connection was over: a
/// send fails or not, as the end was seen before it or after.
pub(crate) fn without_failed_sends(told: &Value) -> Value {
    match told {
        Value::Array(items) => {
            let items = items
                .iter()
                .filter(|item| item.get("error").and_then(Value::as_str) != Some("send failed"));
            items.map(without_failed_sends).collect()
        }
        Value::Object(members) => members
            .iter()
            .map(|(key, value)| (key.clone(), without_failed_sends(value)))
            .collect(),
        other => other.clone(),
    }
}
