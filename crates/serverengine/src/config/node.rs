//! A value as a configuration has it, with its place in the text.

use std::fmt;

/// A place in a text. Line and column count from 1, the column in characters; 0: there is no text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) line: u32,
    pub(crate) column: u32,
}

impl Place {
    #[cfg(any(test, feature = "toml"))]
    /// Returns the place of a byte of a text.
    pub(crate) fn of(text: &str, offset: usize) -> Self {
        let before = text
            .get(..text.floor_char_boundary(offset))
            .unwrap_or_default();
        let line = before.bytes().filter(|byte| *byte == b'\n').count();
        let column = before
            .rsplit('\n')
            .next()
            .map_or(0, |it| it.chars().count());
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX).saturating_add(1);
        Self {
            line: number(line),
            column: number(column),
        }
    }
}

/// A value and where it stands. Nodes are equal if their values are.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) place: Place,
    pub(crate) value: Value,
}

impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

/// What a configuration can say.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Integer(i64),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// A key and its value.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) key: String,
    /// Of the key. Only files have places that somebody asks for.
    #[cfg_attr(not(feature = "files"), allow(dead_code))]
    pub(crate) place: Place,
    pub(crate) node: Node,
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key && self.node == other.node
    }
}

impl From<Value> for Node {
    fn from(value: Value) -> Self {
        Self {
            place: Place::default(),
            value,
        }
    }
}

impl Node {
    /// Makes a mapping without places.
    pub(crate) fn map(entries: impl IntoIterator<Item = (String, Self)>) -> Self {
        let entry = |(key, node)| Entry {
            key,
            place: Place::default(),
            node,
        };
        Value::Map(entries.into_iter().map(entry).collect()).into()
    }

    /// Returns the value of a key, if this is a mapping that has it.
    pub(crate) fn field(&self, key: &str) -> Option<&Self> {
        let Value::Map(entries) = &self.value else {
            return None;
        };
        let entry = entries.iter().find(|entry| entry.key == key)?;
        Some(&entry.node)
    }
}

/// Says what a value is, for messages: `text "four"`, `a list`.
impl fmt::Display for Value {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => formatter.write_str("nothing"),
            Self::Bool(value) => write!(formatter, "{value}"),
            Self::Integer(value) => write!(formatter, "{value}"),
            Self::Float(value) => write!(formatter, "{value}"),
            Self::Text(value) => write!(formatter, "text {value:?}"),
            Self::List(_) => formatter.write_str("a list"),
            Self::Map(_) => formatter.write_str("a mapping"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_lines_and_characters() {
        let text = "a: 1\nü: 2\n";
        for (offset, line, column) in [(0, 1, 1), (3, 1, 4), (5, 2, 1), (7, 2, 2), (99, 3, 1)] {
            assert_eq!(Place::of(text, offset), Place { line, column }, "{offset}");
        }
    }
}
