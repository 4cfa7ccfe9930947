use std::fmt::{self, Display};

use serde_json::Value;

/// Characters shown of a value that differs.
const SHOWN_MAX: usize = 400;
/// Characters shown before the first that differs.
const SHOWN_BEFORE: usize = 60;

/// A place where a run does not do what was recorded.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Difference {
    /// A JSON pointer into the case.
    pub(crate) pointer: String,
    pub(crate) recorded: Value,
    pub(crate) ours: Value,
}

impl Difference {
    pub(crate) fn new(pointer: &str, recorded: impl Into<Value>, ours: impl Into<Value>) -> Self {
        Self {
            pointer: pointer.to_owned(),
            recorded: recorded.into(),
            ours: ours.into(),
        }
    }

    /// The recorded value as one text.
    pub(crate) fn recorded_text(&self) -> String {
        text_of(&self.recorded)
    }

    /// Our value as one text.
    pub(crate) fn our_text(&self) -> String {
        text_of(&self.ours)
    }
}

impl Display for Difference {
    /// Both values from shortly before the first character that differs.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (recorded, ours) = (self.recorded_text(), self.our_text());
        let pairs = recorded.chars().zip(ours.chars());
        let same = pairs
            .take_while(|(recorded, ours)| recorded == ours)
            .count();
        let skipped = same.saturating_sub(SHOWN_BEFORE);
        let cut = |text: &str| -> String { text.chars().skip(skipped).take(SHOWN_MAX).collect() };
        write!(
            formatter,
            "{}: recorded {:?}, ours {:?}",
            self.pointer,
            cut(&recorded),
            cut(&ours)
        )
    }
}

/// A text as it is, anything else as JSON.
fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_shown_from_shortly_before_where_it_begins() {
        let long = "a".repeat(100);
        let difference = Difference::new("/out", format!("{long}x"), format!("{long}y"));
        let shown = "a".repeat(60);
        assert_eq!(
            difference.to_string(),
            format!("/out: recorded \"{shown}x\", ours \"{shown}y\"")
        );
    }
}
