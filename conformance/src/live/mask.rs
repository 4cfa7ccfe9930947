use std::path::Path;

use serde_json::Value;

/// How many ports a case may name, `$P1` and so on.
pub(crate) const PORTS: usize = 8;

/// What stands behind the masks of one run: its directory and its ports.
///
/// ```text
/// $D        the work directory            $D_DOTS   the same with dots for slashes
/// $P1 …     ports on 127.0.0.1            $C1 …     chunk ids (32 hex digits) in sort order
/// ```
///
/// These have one value in a run, so they are expanded in what the case says and put back into
/// what the run answered. Masks of times, pids and the like stand for any value of their form:
/// [`pattern`](super::pattern) compares those.
pub(crate) struct Masks {
    /// Masks and their values, in the order in which they are replaced.
    pairs: Vec<(String, String)>,
    ports: Vec<(String, String)>,
}

impl Masks {
    pub(crate) fn new(directory: &Path, ports: &[u16]) -> Self {
        let directory = directory.display().to_string();
        let dots = directory.trim_start_matches('/').replace('/', ".");
        let number = |(index, port): (usize, &u16)| (format!("$P{}", index + 1), port.to_string());
        Self {
            pairs: vec![("$D_DOTS".to_owned(), dots), ("$D".to_owned(), directory)],
            ports: ports.iter().enumerate().map(number).collect(),
        }
    }

    /// Puts values in the place of masks.
    pub(crate) fn expand(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (mask, value) in self.pairs.iter().chain(&self.ports) {
            text = text.replace(mask, value);
        }
        text
    }

    /// Does so in every text of a value.
    pub(crate) fn expand_in(&self, value: &Value) -> Value {
        map_texts(value, &|text| self.expand(text))
    }

    /// Puts masks in the place of values; chunk ids are those of [`chunk_ids`].
    pub(crate) fn cover(&self, text: &str, ids: &[String]) -> String {
        let mut text = text.to_owned();
        for (mask, value) in &self.pairs {
            text = text.replace(value, mask);
        }
        for (mask, port) in &self.ports {
            text = replace_number(&text, port, mask);
        }
        for (index, id) in ids.iter().enumerate() {
            text = text.replace(id, &format!("$C{}", index + 1));
        }
        text
    }

    /// Does so in every text of a value.
    pub(crate) fn cover_in(&self, value: &Value, ids: &[String]) -> Value {
        map_texts(value, &|text| self.cover(text, ids))
    }
}

/// The chunk ids in all texts of a value, each once, in sort order.
pub(crate) fn chunk_ids(value: &Value) -> Vec<String> {
    let mut ids = Vec::new();
    collect_ids(value, &mut ids);
    ids.sort_unstable();
    ids.dedup();
    ids
}

fn collect_ids(value: &Value, ids: &mut Vec<String>) {
    match value {
        Value::String(text) => {
            let is_hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
            // A state letter `b` may stand right before the digits.
            for run in text.split(|c| !is_hex(c)) {
                let id = match run.len() {
                    32 => run,
                    33 => run.strip_prefix('b').unwrap_or_default(),
                    _ => continue,
                };
                if !id.is_empty() {
                    ids.push(id.to_owned());
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect_ids(item, ids)),
        Value::Object(members) => members.values().for_each(|item| collect_ids(item, ids)),
        _ => {}
    }
}

/// Replaces a number where no further digit stands beside it.
fn replace_number(text: &str, number: &str, replacement: &str) -> String {
    let mut replaced = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(found) = rest.find(number) {
        let (before, from) = rest.split_at(found);
        let after = from.get(number.len()..).unwrap_or_default();
        let previous = before.chars().next_back().or(replaced.chars().next_back());
        let beside_digit = previous.is_some_and(|c| c.is_ascii_digit())
            || after.starts_with(|c: char| c.is_ascii_digit());
        replaced.push_str(before);
        replaced.push_str(if beside_digit { number } else { replacement });
        rest = after;
    }
    replaced.push_str(rest);
    replaced
}

fn map_texts(value: &Value, map: &impl Fn(&str) -> String) -> Value {
    match value {
        Value::String(text) => Value::String(map(text)),
        Value::Array(items) => items.iter().map(|item| map_texts(item, map)).collect(),
        Value::Object(members) => members
            .iter()
            .map(|(key, item)| (key.clone(), map_texts(item, map)))
            .collect(),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn masks() -> Masks {
        Masks::new(Path::new("/tmp/x1"), &[20_001, 20_002])
    }

    #[test]
    fn what_was_expanded_is_covered_again() {
        let text = "path $D/a port $P2 dots $D_DOTS.a";
        let expanded = masks().expand(text);
        assert_eq!(expanded, "path /tmp/x1/a port 20002 dots tmp.x1.a");
        assert_eq!(masks().cover(&expanded, &[]), text);
    }

    #[test]
    fn digits_beside_a_port_are_another_number() {
        let text = "1200012 20001 20001.5 x20001";
        assert_eq!(masks().cover(text, &[]), "1200012 $P1 $P1.5 x$P1");
    }

    #[test]
    fn chunk_ids_are_numbered_in_sort_order() {
        let (a, b) = ("6".repeat(32), "5".repeat(32));
        let value = json!([{"path": format!("buffer.b{a}.log")}, format!("q{b}")]);
        let ids = chunk_ids(&value);
        assert_eq!(
            masks().cover_in(&value, &ids),
            json!([{"path": "buffer.b$C2.log"}, "q$C1"])
        );
    }
}
