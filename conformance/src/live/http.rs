//! Answers of HTTP servers.

use serde_json::{Value, json};

use super::compare::Comparison;

/// Compares an answer `{response, closed}`.
///
/// The recordings' RPC and monitor servers were not Fluentd's own: of those (they say `Server:`)
/// status, content type and body are facts, and of an error only status and content type.
pub(crate) fn response(
    comparison: &mut Comparison<'_>,
    pointer: &str,
    recorded: &Value,
    ours: &Value,
) {
    let text = |value: &Value| {
        let text = value.get("response").and_then(Value::as_str);
        text.unwrap_or_default().to_owned()
    };
    let (recorded_text, our_text) = (text(recorded), text(ours));
    if !header(&recorded_text, "server").is_some_and(|name| name.contains("WEBrick")) {
        return comparison.value(pointer, recorded, ours);
    }
    let facts = |text: &str| {
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((text, ""));
        let status = head.split(' ').nth(1).unwrap_or_default().to_owned();
        let kind = header(text, "content-type").unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim().to_owned();
        let body = if status.starts_with('2') { body } else { "" };
        // A body in JSON is what it says, however it is set.
        let body = serde_json::from_str::<Value>(body).unwrap_or_else(|_| json!(body));
        json!({"status": status, "content-type": kind, "body": body})
    };
    comparison.value(
        &format!("{pointer}/response"),
        &facts(&recorded_text),
        &facts(&our_text),
    );
}

/// The value of a header.
fn header(text: &str, name: &str) -> Option<String> {
    let (head, _) = text.split_once("\r\n\r\n")?;
    head.lines().find_map(|line| {
        let (known, value) = line.split_once(':')?;
        (known.eq_ignore_ascii_case(name)).then(|| value.trim().to_owned())
    })
}
