use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Map, Value};

/// One recorded scenario: what to do, and what Fluentd answered.
pub(crate) struct Case {
    pub(crate) name: String,
    recording: Value,
}

impl Case {
    /// Reads the cases of a kind, `<cases>/<kind>.jsonl`.
    pub(crate) fn read_all(cases: &Path, kind: &str) -> Result<Vec<Self>> {
        let path = cases.join(format!("{kind}.jsonl"));
        let text =
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        text.lines()
            .enumerate()
            .map(|(index, line)| {
                Self::parse(line).with_context(|| format!("{}:{}", path.display(), index + 1))
            })
            .collect()
    }

    pub(crate) fn parse(line: &str) -> Result<Self> {
        let recording: Value = serde_json::from_str(line)?;
        let name = recording.get("name").and_then(Value::as_str);
        Ok(Self {
            name: name.context("a case needs a name")?.to_owned(),
            recording,
        })
    }

    /// The files to create before the first step: their paths and texts.
    pub(crate) fn configuration(&self) -> Vec<(&str, &str)> {
        match self.recording.get("conf") {
            Some(Value::String(text)) => vec![("f.conf", text)],
            Some(Value::Object(files)) => files
                .iter()
                .filter_map(|(path, text)| Some((path.as_str(), text.as_str()?)))
                .collect(),
            _ => Vec::new(),
        }
    }

    pub(crate) fn steps(&self) -> &[Value] {
        self.list("steps").unwrap_or_default()
    }

    /// What the steps with these indices answered.
    pub(crate) fn results(&self) -> impl Iterator<Item = (usize, &Value)> {
        let results = self.list("results").unwrap_or_default();
        results.iter().filter_map(|result| {
            let pair = result.as_array()?;
            let index = pair.first()?.as_u64()?;
            Some((usize::try_from(index).ok()?, pair.get(1)?))
        })
    }

    /// The tree at the end, where it was recorded.
    pub(crate) fn files(&self) -> Option<&[Value]> {
        self.list("files")
    }

    /// The log lines, where they were recorded.
    pub(crate) fn log(&self) -> Option<&[Value]> {
        self.list("log")
    }

    /// Whether the two recordings of the case differ at this pointer.
    pub(crate) fn varies(&self, pointer: &str) -> bool {
        let varying = self.list("varies").unwrap_or_default();
        varying.iter().any(|entry| entry.as_str() == Some(pointer))
    }

    /// What the other recording has at a pointer that varies, where that was kept.
    pub(crate) fn second(&self, pointer: &str) -> Option<&Value> {
        self.recording.get("second")?.get(pointer)
    }

    fn list(&self, key: &str) -> Option<&[Value]> {
        self.recording.get(key)?.as_array().map(Vec::as_slice)
    }
}

/// The member of a JSON object, or null.
pub(crate) fn member<'a>(object: &'a Map<String, Value>, key: &str) -> &'a Value {
    object.get(key).unwrap_or(&Value::Null)
}
