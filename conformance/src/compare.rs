use std::fmt::{self, Display};

use serde_json::{Map, Value};

use crate::case::{Case, member};
use crate::pattern::fits;
use crate::promises;
use crate::scene::Observation;

/// Characters shown of a value that differs.
const SHOWN_MAX: usize = 120;
/// Characters shown before the first that differs.
const SHOWN_BEFORE: usize = 30;

/// The first place where a run does not do what was recorded.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Difference {
    /// A JSON pointer into the case.
    pub(crate) pointer: String,
    recorded: String,
    ours: String,
}

/// Compares a run with its recording, but for what stands at the pointer `either_way`; `logs` also
/// compares the promised log lines.
pub(crate) fn first_difference(
    case: &Case,
    run: &Observation,
    either_way: Option<&str>,
    logs: bool,
) -> Option<Difference> {
    let comparison = Comparison { case, either_way };
    comparison
        .results(&run.results)
        .or_else(|| {
            let recorded = case.files()?;
            comparison.entries("/files", recorded, &run.files)
        })
        .or_else(|| {
            let recorded = case.log().filter(|_| logs && either_way != Some("/log"))?;
            let recorded = recorded.iter().filter_map(Value::as_str);
            let recorded = promises::promised(recorded);
            let ours = promises::promised(run.log.iter().map(String::as_str));
            (recorded != ours)
                .then(|| Difference::new("/log", &recorded.join(" | "), &ours.join(" | ")))
        })
}

struct Comparison<'a> {
    case: &'a Case,
    either_way: Option<&'a str>,
}

impl Comparison<'_> {
    fn results(&self, ours: &[Value]) -> Option<Difference> {
        let mut results = self.case.results().enumerate();
        results.find_map(|(position, (step, recorded))| {
            let ours = ours.get(step).unwrap_or(&Value::Null);
            self.value(&format!("/results/{position}/1"), recorded, ours)
        })
    }

    fn value(&self, pointer: &str, recorded: &Value, ours: &Value) -> Option<Difference> {
        if self.either_way == Some(pointer) {
            return None;
        }
        if self.case.varies(pointer) {
            // Where the other recording's value was not kept, nothing is known but that it varies.
            let second = self.case.second(pointer)?;
            return self
                .fixed(pointer, recorded, ours)
                .and_then(|_| self.fixed(pointer, second, ours));
        }
        self.fixed(pointer, recorded, ours)
    }

    fn fixed(&self, pointer: &str, recorded: &Value, ours: &Value) -> Option<Difference> {
        let differs = || Some(Difference::new(pointer, &shown(recorded), &shown(ours)));
        match (recorded, ours) {
            (Value::Array(recorded), Value::Array(ours)) => {
                if is_entries(recorded) || is_entries(ours) {
                    return self.entries(pointer, recorded, ours);
                }
                if recorded.len() != ours.len() {
                    return differs();
                }
                let mut pairs = recorded.iter().zip(ours).enumerate();
                pairs.find_map(|(index, (recorded, ours))| {
                    self.value(&format!("{pointer}/{index}"), recorded, ours)
                })
            }
            (Value::Object(recorded), Value::Object(ours)) => self.members(pointer, recorded, ours),
            (Value::String(recorded), Value::String(ours)) if same_text(recorded, ours) => None,
            (Value::String(recorded), Value::Number(ours)) if fits(recorded, &ours.to_string()) => {
                None
            }
            _ if recorded == ours => None,
            _ => differs(),
        }
    }

    fn members(
        &self,
        pointer: &str,
        recorded: &Map<String, Value>,
        ours: &Map<String, Value>,
    ) -> Option<Difference> {
        // The content says more than its length, which masks change.
        let is_compared = |key: &str| {
            let has_content = ["text", "events"]
                .iter()
                .any(|key| recorded.contains_key(*key));
            !(key == "size" && has_content)
        };
        let further = ours.keys().filter(|key| !recorded.contains_key(*key));
        let mut keys = recorded
            .keys()
            .chain(further)
            .filter(|key| is_compared(key));
        keys.find_map(|key| {
            let (recorded, ours) = (member(recorded, key), member(ours, key));
            self.value(&format!("{pointer}/{key}"), recorded, ours)
        })
    }

    /// Compares trees by path, so that one missing file is told as that.
    fn entries(&self, pointer: &str, recorded: &[Value], ours: &[Value]) -> Option<Difference> {
        let mut left: Vec<&Value> = ours.iter().collect();
        for (index, entry) in recorded.iter().enumerate() {
            let pointer = format!("{pointer}/{index}");
            let found = left.iter().position(|ours| fits(path(entry), path(ours)));
            let Some(found) = found else {
                if self.case.varies(&pointer) {
                    continue;
                }
                let ours: Vec<&str> = left.iter().map(|ours| path(ours)).collect();
                let ours = format!("no such path; further ones: {}", ours.join(", "));
                return Some(Difference::new(&pointer, path(entry), &ours));
            };
            let difference = self.value(&pointer, entry, left.remove(found));
            if difference.is_some() {
                return difference;
            }
        }
        let further = left.first()?;
        Some(Difference::new(pointer, "no further path", &shown(further)))
    }
}

impl Difference {
    /// Both texts from shortly before the first character that differs.
    fn new(pointer: &str, recorded: &str, ours: &str) -> Self {
        let pairs = recorded.chars().zip(ours.chars());
        let same = pairs
            .take_while(|(recorded, ours)| recorded == ours)
            .count();
        let skipped = same.saturating_sub(SHOWN_BEFORE);
        let cut = |text: &str| text.chars().skip(skipped).take(SHOWN_MAX).collect();
        Self {
            pointer: pointer.to_owned(),
            recorded: cut(recorded),
            ours: cut(ours),
        }
    }
}

impl Display for Difference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            pointer,
            recorded,
            ours,
        } = self;
        write!(formatter, "{pointer}: recorded {recorded:?}, ours {ours:?}")
    }
}

/// How a connection that is over was seen depends on bytes not read yet.
fn same_text(recorded: &str, ours: &str) -> bool {
    const OVER: [&str; 4] = [
        "closed",
        "reset",
        "error:BrokenPipeError",
        "ConnectionResetError",
    ];
    fits(recorded, ours) || (OVER.contains(&recorded) && OVER.contains(&ours))
}

fn is_entries(values: &[Value]) -> bool {
    values
        .first()
        .is_some_and(|value| value.get("path").is_some())
}

fn path(entry: &Value) -> &str {
    entry
        .get("path")
        .and_then(Value::as_str)
        .unwrap_or_default()
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn difference(recording: &Value, results: Vec<Value>, files: Vec<Value>) -> Option<String> {
        let case = Case::parse(&recording.to_string()).unwrap();
        let run = Observation {
            results,
            files,
            log: Vec::new(),
        };
        first_difference(&case, &run, None, false).map(|difference| difference.to_string())
    }

    #[test]
    fn what_agrees_has_no_difference() {
        let recording = json!({"name": "n", "results": [[1, {"acks": ["ack", "reset"]}]],
            "files": [{"path": "a$PID", "size": 9, "text": "at $now"}, {"path": "b", "m": "$now"}]});
        let results = vec![json!(null), json!({"acks": ["ack", "closed"]})];
        let files = vec![
            json!({"path": "a7", "size": 3, "text": "at 1700000000"}),
            json!({"path": "b", "m": 1_700_000_000}),
        ];
        assert_eq!(difference(&recording, results, files), None);
    }

    #[test]
    fn the_first_difference_is_told_with_its_place() {
        let recording = json!({"name": "n", "files": [{"path": "a", "text": "x"}]});
        let told = |files| difference(&recording, Vec::new(), files).unwrap();
        assert_eq!(
            told(vec![json!({"path": "a", "text": "y"})]),
            r#"/files/0/text: recorded "x", ours "y""#
        );
        assert_eq!(
            told(vec![json!({"path": "b"})]),
            r#"/files/0: recorded "a", ours "no such path; further ones: b""#
        );
        assert_eq!(
            told(vec![
                json!({"path": "a", "text": "x"}),
                json!({"path": "b"})
            ]),
            r#"/files: recorded "no further path", ours "{\"path\":\"b\"}""#
        );
    }

    #[test]
    fn what_varied_may_be_either() {
        let recording = json!({"name": "n", "results": [[0, {"a": 1, "b": 1}]],
            "varies": ["/results/0/1/a", "/results/0/1/b"], "second": {"/results/0/1/a": 2}});
        assert_eq!(
            difference(&recording, vec![json!({"a": 2, "b": 9})], Vec::new()),
            None
        );
        assert!(difference(&recording, vec![json!({"a": 3, "b": 9})], Vec::new()).is_some());
    }
}
