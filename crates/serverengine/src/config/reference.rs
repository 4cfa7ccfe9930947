//! The table of keys as a page shows it.

use std::fmt::Write;

use super::keys::{self, ABSENT, Key, Reload};
use super::node::Value;
use super::{Config, json};

/// Returns the table of all keys in Markdown, for reference pages: also of an application that explains
/// its own configuration.
#[must_use]
pub fn reference_table() -> String {
    let mut text =
        "| Key | In a file | Unit | Default | Reload | Meaning |\n|---|---|---|---|---|---|\n"
            .to_owned();
    for key in keys::all() {
        let reload = match key.reload {
            Reload::Fixed => "–",
            Reload::Live => "at once",
            Reload::NextStart => "for what starts later",
        };
        let kind = if key.kind.is_empty() { "–" } else { key.kind };
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "| `{}` | {kind} | {} | {} | {reload} | {} |",
            key.name,
            if key.unit.is_empty() { "–" } else { key.unit },
            default(key),
            in_one_line(key.doc),
        );
    }
    text.push_str("\nKeys of ServerEngine that there are none of:\n\n");
    for (name, why) in ABSENT {
        let _ = writeln!(text, "* `{name}`: {why}.");
    }
    text
}

fn default(key: &Key) -> String {
    if key.kind.is_empty() {
        return "see there".to_owned();
    }
    let node = (key.value)(&Config::default());
    match node.value {
        Value::Null => "none".to_owned(),
        Value::Text(text) => format!("`{text}`"),
        Value::Map(_) => "see there".to_owned(),
        _ => format!("`{}`", json::write(&node)),
    }
}

/// Links lead into the crate's documentation, which is not there.
fn in_one_line(doc: &str) -> String {
    let words: Vec<_> = doc.split_whitespace().collect();
    let line = words.join(" ").replace('|', "\\|");
    let parts = line.split("](").enumerate().map(|(place, part)| {
        let rest = part.split_once(')').map_or(part, |(_, rest)| rest);
        if place == 0 { part } else { rest }
    });
    parts.collect::<String>().replace(['[', ']'], "")
}
