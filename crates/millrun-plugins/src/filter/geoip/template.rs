//! The values of `<record>` with placeholders of a database.
//!
//! ```text
//! ${country.iso_code["host"]}                        one placeholder: the value as the database has it
//! ${location.latitude["host"]},${location.…["host"]} text
//! { "lat" : ${location.latitude["host"]} }           JSON: within its strings text, else JSON values
//! ```

use millrun_event::json::{self, FloatText};
use millrun_event::{Value, write};

use crate::formatter::write_ruby_text;

/// A value of `<record>`.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Template {
    /// A text without placeholders, as msgpack.
    Constant(Vec<u8>),
    /// One placeholder.
    Value(usize),
    Text(Vec<Part>),
    Json(Vec<Part>),
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part {
    Text(String),
    /// The number of a placeholder; whether it stands within a string of JSON.
    Value(usize, bool),
}

/// What a placeholder says: a path, and the field that holds the address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Placeholder<'t> {
    pub(super) path: &'t str,
    pub(super) key: &'t str,
}

impl Template {
    /// Takes `text` apart; `number` gives each placeholder its number.
    ///
    /// # Errors
    /// That of `number`, and a placeholder of another form.
    pub(super) fn compile(
        text: &str,
        mut number: impl FnMut(Placeholder<'_>) -> Result<usize, String>,
    ) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        let mut is_quoted = false;
        while let Some((before, behind)) = rest.split_once("${") {
            let Some((inside, after)) = behind.split_once('}') else {
                return Err(format!("the placeholder `${{{behind}` does not end"));
            };
            let placeholder = parse(inside).ok_or_else(|| {
                format!("`${{{inside}}}` is no placeholder like ${{country.iso_code[\"host\"]}}")
            })?;
            is_quoted ^= ends_within_string(before, is_quoted);
            if !before.is_empty() {
                parts.push(Part::Text(before.to_owned()));
            }
            parts.push(Part::Value(number(placeholder)?, is_quoted));
            rest = after;
        }
        if parts.is_empty() {
            let mut constant = Vec::new();
            match is_json(text) && json::transcode(text.as_bytes(), &mut constant).is_ok() {
                true => {}
                false => write::str(&mut constant, text.as_bytes()),
            }
            return Ok(Template::Constant(constant));
        }
        if let ([Part::Value(number, _)], "") = (parts.as_slice(), rest) {
            return Ok(Template::Value(*number));
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        Ok(match is_json(text) {
            true => Template::Json(parts),
            false => Template::Text(parts),
        })
    }

    /// The number of its first placeholder.
    pub(super) fn first(&self) -> Option<usize> {
        match self {
            Template::Constant(_) => None,
            Template::Value(number) => Some(*number),
            Template::Text(parts) | Template::Json(parts) => {
                parts.iter().find_map(|part| match part {
                    Part::Text(_) => None,
                    Part::Value(number, _) => Some(*number),
                })
            }
        }
    }

    /// Appends the value; `found` knows what placeholders stand for.
    pub(super) fn write<'v>(
        &self,
        found: impl Fn(usize) -> Option<&'v [u8]>,
        scratch: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) {
        match self {
            Template::Constant(value) => out.extend_from_slice(value),
            Template::Value(number) => match found(*number) {
                Some(value) => out.extend_from_slice(value),
                None => write::nil(out),
            },
            Template::Text(parts) => {
                scratch.clear();
                for part in parts {
                    match part {
                        Part::Text(text) => scratch.extend_from_slice(text.as_bytes()),
                        Part::Value(number, _) => write_text(found(*number), scratch),
                    }
                }
                write::str(out, scratch);
            }
            Template::Json(parts) => {
                scratch.clear();
                for part in parts {
                    match part {
                        Part::Text(text) => scratch.extend_from_slice(text.as_bytes()),
                        Part::Value(number, false) => {
                            let value = found(*number).unwrap_or(b"\xc0");
                            let _ = json::write_value(value, FloatText::Ruby, scratch);
                        }
                        Part::Value(number, true) => {
                            let mut text = Vec::new();
                            write_text(found(*number), &mut text);
                            let mut quoted = Vec::new();
                            json::write_str(&mut quoted, &text);
                            let inside = quoted.get(1..quoted.len().saturating_sub(1));
                            scratch.extend_from_slice(inside.unwrap_or_default());
                        }
                    }
                }
                if json::transcode(scratch, out).is_err() {
                    write::str(out, scratch);
                }
            }
        }
    }
}

/// A value of the database as text; nothing for nothing.
fn write_text(value: Option<&[u8]>, out: &mut Vec<u8>) {
    let Some(value) = value.map(Value::new) else {
        return;
    };
    match value.text() {
        Some(text) => out.extend_from_slice(text),
        // What the database's reader wrote is sound.
        None => {
            let _ = write_ruby_text(value, out);
        }
    }
}

fn is_json(text: &str) -> bool {
    let text = text.trim();
    (text.starts_with('{') && text.ends_with('}') && !text.starts_with("${"))
        || (text.starts_with('[') && text.ends_with(']'))
}

/// Whether `text` begins or ends a string of JSON on the whole.
fn ends_within_string(text: &str, mut is_quoted: bool) -> bool {
    let begun = is_quoted;
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' if is_quoted => {
                let _ = characters.next();
            }
            '"' => is_quoted = !is_quoted,
            _ => {}
        }
    }
    begun != is_quoted
}

/// `path["key"]`, also with single quotes or none.
fn parse(inside: &str) -> Option<Placeholder<'_>> {
    let (path, rest) = inside.trim().split_once('[')?;
    let key = rest.strip_suffix(']')?.trim();
    let unquoted = ['"', '\'']
        .into_iter()
        .find_map(|quote| key.strip_prefix(quote)?.strip_suffix(quote));
    let key = unquoted.unwrap_or(key);
    (!path.is_empty() && !key.is_empty()).then_some(Placeholder { path, key })
}
