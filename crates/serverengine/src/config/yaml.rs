//! YAML to nodes with their places: the first document, with anchors and aliases.
//!
//! Plain scalars mean what Ruby's YAML makes of them, as far as a configuration needs that:
//!
//! ```text
//!   ~ null, nothing          nothing
//!   true yes on, false …     bool
//!   10 1_000 0x1f 0o17 017   integer
//!   1.5 1e3 .inf             float
//!   :name                    text "name" (a symbol)
//! ```

use std::collections::HashMap;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle};

use super::json::Unreadable;
use super::node::{Entry, Node, Place, Value};

/// Most values of a document, those that aliases repeat included: a few lines of aliases can name more
/// than any memory holds.
const NODES_MAX: usize = 100_000;

/// Deepest nesting.
const DEPTH_MAX: usize = 64;

/// A list or mapping that has not ended.
struct Open {
    node: Node,
    anchor: usize,
    /// The key that waits for its value.
    key: Option<(String, Place)>,
}

#[derive(Default)]
struct Composer {
    open: Vec<Open>,
    anchors: HashMap<usize, Node>,
    count: usize,
    root: Option<Node>,
}

pub(super) fn parse(text: &str) -> Result<Node, Unreadable> {
    let mut composer = Composer::default();
    let mut parser = Parser::new_from_str(text);
    while let Some(event) = parser.next_event() {
        let (event, span) = event.map_err(|error| Unreadable {
            place: place(error.marker()),
            message: format!("this is no YAML: {}", error.info()),
        })?;
        let place = place(&span.start);
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain && tag.is_none();
                let value = if plain {
                    resolve(&text)
                } else {
                    Value::Text(text.into_owned())
                };
                composer.add(Node { place, value }, anchor, 1)?;
            }
            Event::SequenceStart(anchor, _) => {
                composer.begin(Value::List(Vec::new()), anchor, place)?;
            }
            Event::MappingStart(anchor, _) => {
                composer.begin(Value::Map(Vec::new()), anchor, place)?;
            }
            Event::SequenceEnd | Event::MappingEnd => composer.end()?,
            Event::Alias(anchor) => composer.repeat(anchor, place)?,
            Event::DocumentEnd => break,
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentStart(_) => {}
        }
    }
    Ok(composer.root.unwrap_or(Node {
        place: Place { line: 1, column: 1 },
        value: Value::Null,
    }))
}

fn place(marker: &Marker) -> Place {
    let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    Place {
        line: number(marker.line()),
        column: number(marker.col()).saturating_add(1),
    }
}

fn fail<T>(place: Place, message: impl Into<String>) -> Result<T, Unreadable> {
    let message = message.into();
    Err(Unreadable { place, message })
}

impl Composer {
    fn begin(&mut self, value: Value, anchor: usize, place: Place) -> Result<(), Unreadable> {
        if self.open.len() >= DEPTH_MAX {
            return fail(place, format!("nested deeper than {DEPTH_MAX} levels"));
        }
        self.open.push(Open {
            node: Node { place, value },
            anchor,
            key: None,
        });
        Ok(())
    }

    fn end(&mut self) -> Result<(), Unreadable> {
        match self.open.pop() {
            Some(open) => self.add(open.node, open.anchor, 1),
            None => Ok(()),
        }
    }

    fn repeat(&mut self, anchor: usize, place: Place) -> Result<(), Unreadable> {
        let Some(node) = self.anchors.get(&anchor).cloned() else {
            return fail(place, "an alias stands inside what it names");
        };
        let count = size(&node);
        self.add(Node { place, ..node }, 0, count)
    }

    fn add(&mut self, node: Node, anchor: usize, count: usize) -> Result<(), Unreadable> {
        self.count = self.count.saturating_add(count);
        if self.count > NODES_MAX {
            return fail(
                node.place,
                format!("there are more than {NODES_MAX} values"),
            );
        }
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        let Some(open) = self.open.last_mut() else {
            self.root.get_or_insert(node);
            return Ok(());
        };
        match &mut open.node.value {
            Value::List(items) => items.push(node),
            Value::Map(entries) => match open.key.take() {
                Some((key, place)) => entries.push(Entry { key, place, node }),
                None => {
                    let key = key(node.value).map_err(|what| Unreadable {
                        place: node.place,
                        message: format!("a key cannot be {what}"),
                    })?;
                    if entries.iter().any(|entry| entry.key == key) {
                        return fail(node.place, format!("the key {key:?} is there twice"));
                    }
                    open.key = Some((key, node.place));
                }
            },
            // Only these two can be open.
            _ => {}
        }
        Ok(())
    }
}

fn size(node: &Node) -> usize {
    match &node.value {
        Value::List(items) => 1 + items.iter().map(size).sum::<usize>(),
        Value::Map(entries) => 1 + entries.iter().map(|entry| size(&entry.node)).sum::<usize>(),
        _ => 1,
    }
}

fn key(value: Value) -> Result<String, Value> {
    match value {
        Value::Text(text) => Ok(text),
        Value::Bool(_) | Value::Integer(_) | Value::Float(_) => Ok(value.to_string()),
        Value::Null | Value::List(_) | Value::Map(_) => Err(value),
    }
}

/// What a plain scalar means.
fn resolve(text: &str) -> Value {
    match text.to_ascii_lowercase().as_str() {
        "" | "~" | "null" => return Value::Null,
        "true" | "yes" | "on" => return Value::Bool(true),
        "false" | "no" | "off" => return Value::Bool(false),
        ".inf" | "+.inf" => return Value::Float(f64::INFINITY),
        "-.inf" => return Value::Float(f64::NEG_INFINITY),
        ".nan" => return Value::Float(f64::NAN),
        _ => {}
    }
    if let Some(name) = text.strip_prefix(':')
        && !name.is_empty()
    {
        return Value::Text(name.to_owned());
    }
    if let Some(number) = integer(text) {
        return Value::Integer(number);
    }
    let is_number = text.contains(|it: char| it.is_ascii_digit())
        && text
            .bytes()
            .all(|it| matches!(it, b'0'..=b'9' | b'.' | b'-' | b'+' | b'e' | b'E' | b'_'));
    let float = is_number
        .then(|| text.replace('_', "").parse().ok())
        .flatten();
    float.map_or_else(|| Value::Text(text.to_owned()), Value::Float)
}

fn integer(text: &str) -> Option<i64> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if !digits.starts_with(|it: char| it.is_ascii_digit()) {
        return None;
    }
    let digits = digits.replace('_', "");
    let (radix, digits) = match digits.as_bytes() {
        [b'0', b'x', ..] => (16, digits.get(2..)?),
        [b'0', b'o', ..] => (8, digits.get(2..)?),
        [b'0', b'b', ..] => (2, digits.get(2..)?),
        [b'0', _, ..] => (8, digits.get(1..)?),
        _ => (10, digits.as_str()),
    };
    if digits.starts_with(['-', '+']) {
        return None;
    }
    let number = i64::from_str_radix(digits, radix).ok()?;
    Some(if negative {
        number.checked_neg()?
    } else {
        number
    })
}

#[cfg(test)]
mod tests {
    use super::super::json::write;
    use super::*;

    #[test]
    fn scalars_mean_what_they_mean_to_ruby() {
        for (text, json) in [
            ("~", "null"),
            ("", "null"),
            ("yes", "true"),
            ("Off", "false"),
            ("1_000", "1000"),
            ("-0x1f", "-31"),
            ("027", "23"),
            ("0o27", "23"),
            ("1.5e3", "1500.0"),
            (":name", "\"name\""),
            ("'7'", "\"7\""),
            ("!!str 7", "\"7\""),
            ("1.2.3", "\"1.2.3\""),
            ("08", "8.0"),
            ("10s", "\"10s\""),
            ("e", "\"e\""),
        ] {
            assert_eq!(write(&parse(text).unwrap()), json, "{text}");
        }
    }

    #[test]
    fn documents_have_places_anchors_and_limits() {
        let node = parse(":a: &x [1, {b: 2}]\nc: *x\n").unwrap();
        assert_eq!(write(&node), r#"{"a":[1,{"b":2}],"c":[1,{"b":2}]}"#);
        let Value::Map(entries) = &node.value else {
            panic!()
        };
        assert_eq!(entries[1].place, Place { line: 2, column: 1 });

        let message = |text: &str| parse(text).unwrap_err().message;
        assert_eq!(message("a: 1\na: 2\n"), "the key \"a\" is there twice");
        assert_eq!(
            message("a: &x [*x]\n"),
            "an alias stands inside what it names"
        );
        assert_eq!(message("[1]: 2\n"), "a key cannot be a list");
        assert_eq!(message(&"[".repeat(100)), "nested deeper than 64 levels");
        let mut bomb = "a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n".to_owned();
        for level in 1..9 {
            let before = format!("*a{}, ", level - 1).repeat(9);
            bomb.push_str(&format!("a{level}: &a{level} [{before}1]\n"));
        }
        assert_eq!(message(&bomb), "there are more than 100000 values");
    }
}
