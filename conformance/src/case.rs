use serde_json::{Map, Value};
use thiserror::Error;

/// One line of a file of cases: what was put in, and what Fluentd answered.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    /// Which line of its file, from 1 on.
    pub(crate) line: usize,
    /// The line as it stands.
    pub(crate) text: String,
    recording: Value,
}

/// Why a case cannot be played: it says too little, or something that no player knows.
#[derive(Debug, Error)]
#[error("cannot be played: {0}")]
pub(crate) struct Unplayable(pub(crate) String);

impl Unplayable {
    pub(crate) fn new(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }
}

impl Case {
    /// Reads a line. An error says what is wrong with it.
    pub(crate) fn parse(line: usize, text: &str) -> Result<Self, String> {
        let recording: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
        if !recording.is_object() {
            return Err("a case is an object: {…}".to_owned());
        }
        Ok(Self {
            line,
            text: text.to_owned(),
            recording,
        })
    }

    /// Its name, or its note, or the number of its line.
    pub(crate) fn label(&self) -> String {
        let name = ["name", "note"].into_iter().find_map(|key| self.text(key));
        name.map_or_else(|| format!("line {}", self.line), str::to_owned)
    }

    pub(crate) fn get(&self, key: &str) -> &Value {
        self.recording.get(key).unwrap_or(&Value::Null)
    }

    /// A member that is there, null or not.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.recording.get(key).is_some()
    }

    /// The value a JSON pointer leads to.
    pub(crate) fn at(&self, pointer: &str) -> &Value {
        self.recording.pointer(pointer).unwrap_or(&Value::Null)
    }

    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        self.get(key).as_str()
    }

    /// A text without which the case says nothing.
    pub(crate) fn need_text(&self, key: &str) -> Result<&str, Unplayable> {
        self.text(key).ok_or_else(|| needs(key, "a text"))
    }

    /// A list without which the case says nothing.
    pub(crate) fn need_list(&self, key: &str) -> Result<&[Value], Unplayable> {
        self.list(key).ok_or_else(|| needs(key, "a list"))
    }

    pub(crate) fn list(&self, key: &str) -> Option<&[Value]> {
        self.get(key).as_array().map(Vec::as_slice)
    }

    /// The texts of a list, or of none.
    pub(crate) fn texts(&self, key: &str) -> Vec<&str> {
        let list = self.list(key).unwrap_or_default();
        list.iter().filter_map(Value::as_str).collect()
    }

    /// The members of an object, or of none.
    pub(crate) fn members(&self, key: &str) -> impl Iterator<Item = (&String, &Value)> {
        self.get(key).as_object().into_iter().flatten()
    }

    /// The recorded error, where one was raised.
    pub(crate) fn error(&self) -> Option<&Value> {
        self.recording.get("error")
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

    /// What the steps with these indices answered.
    pub(crate) fn results(&self) -> impl Iterator<Item = (usize, &Value)> {
        let results = self.list("results").unwrap_or_default();
        results.iter().filter_map(|result| {
            let pair = result.as_array()?;
            let index = pair.first()?.as_u64()?;
            Some((usize::try_from(index).ok()?, pair.get(1)?))
        })
    }

    /// The files to create before the first step: their paths and texts.
    pub(crate) fn configuration(&self) -> Vec<(String, String)> {
        match self.get("conf") {
            Value::String(text) => vec![("f.conf".to_owned(), text.clone())],
            Value::Object(files) => files
                .iter()
                .filter_map(|(path, text)| Some((path.clone(), text.as_str()?.to_owned())))
                .collect(),
            _ => Vec::new(),
        }
    }
}

fn needs(key: &str, what: &str) -> Unplayable {
    Unplayable(format!("expected {what} in `{key}`"))
}

/// The member of a JSON object, or null.
pub(crate) fn member<'a>(object: &'a Map<String, Value>, key: &str) -> &'a Value {
    object.get(key).unwrap_or(&Value::Null)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_is_called_by_its_name_else_its_line() {
        let label = |text| Case::parse(7, text).unwrap().label();
        assert_eq!(label(r#"{"name":"n","note":"o"}"#), "n");
        assert_eq!(label(r#"{"note":"o"}"#), "o");
        assert_eq!(label("{}"), "line 7");
    }

    #[test]
    fn what_is_no_case_is_refused() {
        let error = |text| Case::parse(1, text).unwrap_err();
        assert_eq!(error("[]"), "a case is an object: {…}");
        assert_eq!(error("{"), "EOF while parsing an object at line 1 column 1");
    }
}
