//! Rules of the kinds that are functions.

use serde_json::Value;

use super::Rule;

/// Where a parser, a formatter or the like deviates.
pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "value without a key",
        reason: "a column for which no key is configured is left out, as Fluentd's other CSV engine \
                 does it; a key that is null breaks what receives the record",
        kinds: &["parser"],
        explains: |case, difference| {
            case.text("type") == Some("csv")
                && without_null_keys(&difference.recorded) == difference.ours
        },
    },
    Rule {
        name: "short line crashes the parser",
        reason: "a line of another shape is unmatched; Fluentd raises an error of its own code",
        kinds: &["parser"],
        explains: |case, difference| {
            difference.pointer == "/error"
                && case.text("error") == Some("NoMethodError")
                && difference.our_text() == "[[null,null]]"
        },
    },
    Rule {
        name: "bytes that are not UTF-8 in JSON",
        reason: "they are printed as they are, as with oj; with the other engines Fluentd refuses \
                 the whole chunk for one byte",
        kinds: &["formatter"],
        explains: |case, difference| {
            difference.pointer == "/error"
                && matches!(case.at("/conf/json_parser").as_str(), Some("json" | "yajl"))
                && case.get("record").to_string().contains("\"$b64\"")
        },
    },
    Rule {
        name: "list of patterns in YAML",
        reason: "each element of a list under $tag is a pattern of its own; Fluentd joins them with \
                 commas, and the result matches nothing",
        kinds: &["yaml"],
        explains: |_, difference| {
            let text = difference.recorded_text();
            let joined = regex::Regex::new(r#"("arg":"[^"]*")"#);
            let Ok(joined) = joined else { return false };
            let repaired = joined.replace_all(&text, |found: &regex::Captures<'_>| {
                found
                    .get(0)
                    .map_or(String::new(), |part| part.as_str().replace(',', " "))
            });
            repaired != text && repaired == difference.our_text()
        },
    },
];

/// A value in which pairs whose key is null are left out of maps.
fn without_null_keys(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(without_null_keys).collect(),
        Value::Object(members) => {
            let Some(pairs) = members.get("$pairs").and_then(Value::as_array) else {
                return value.clone();
            };
            let named =
                |pair: &Value| Some((pair.get(0)?.as_str()?.to_owned(), pair.get(1)?.clone()));
            pairs
                .iter()
                .filter_map(named)
                .collect::<serde_json::Map<_, _>>()
                .into()
        }
        other => other.clone(),
    }
}
