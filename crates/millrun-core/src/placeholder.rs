//! Placeholders of chunk keys in paths and the like (fluentd.md section 4.8).
//!
//! ```text
//! ${tag} ${tag[1]} ${tag[-1]}   where tag is a chunk key
//! ${field} ${$.a.b}             where fields are chunk keys
//! %Y%m%d …                      where time is a chunk key; then %% is a percent sign
//! ${chunk_id}                   always
//! ```
//!
//! A placeholder whose key is of a kind the buffer does not have stays as it is written.

use millrun_buffer::{ChunkId, Metadata};
use millrun_event::{Token, Value};
use thiserror::Error;

/// Why a template has no value for a chunk. Neither passes with time: both are the content's.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum PlaceholderError {
    /// A value that would lead out of the directory the template names.
    #[error(
        "{what} is {value:?}: a value with ../ or a leading / must not become a part of a path \
         (it would write outside the directory that is configured)"
    )]
    Escape {
        /// Which chunk key.
        what: String,
        /// Its value, as the chunk has it.
        value: String,
    },
}

/// What a template said beyond its text.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Expansion {
    /// The text with every known placeholder replaced.
    pub text: String,
    /// Placeholders of the right kind that no chunk key answers; they became empty.
    pub unknown: Vec<String>,
}

/// Replaces the placeholders of `template` by the chunk's values. `strftime` formats the chunk's
/// time slice in the zone of the buffer.
pub fn expand(
    template: &str,
    metadata: &Metadata,
    chunk: Option<ChunkId>,
    strftime: impl FnOnce(&str, i64) -> String,
) -> Result<Expansion, PlaceholderError> {
    let template = match metadata.timekey {
        Some(slice) => strftime(template, slice),
        None => template.to_owned(),
    };
    let mut expansion = Expansion::default();
    let mut rest = template.as_str();
    while let Some(start) = rest.find("${") {
        let (before, from) = rest.split_at(start);
        expansion.text.push_str(before);
        let Some(end) = from.find('}') else {
            rest = from;
            break;
        };
        let (whole, after) = from.split_at(end + 1);
        let name = whole.get(2..end).unwrap_or_default();
        match value(name, metadata, chunk)? {
            Replacement::Text(text) => expansion.text.push_str(&text),
            Replacement::Unknown => expansion.unknown.push(whole.to_owned()),
            Replacement::Keep => expansion.text.push_str(whole),
        }
        rest = after;
    }
    expansion.text.push_str(rest);
    Ok(expansion)
}

enum Replacement {
    Text(String),
    Unknown,
    Keep,
}

fn value(
    name: &str,
    metadata: &Metadata,
    chunk: Option<ChunkId>,
) -> Result<Replacement, PlaceholderError> {
    if let Some(tag) = &metadata.tag {
        if name == "tag" {
            return safe("the tag", tag.to_string());
        }
        if let Some(index) = tag_index(name) {
            return safe("the tag", tag_part(tag, index).to_owned());
        }
    }
    if !name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"-_.@$".contains(&byte))
    {
        return Ok(Replacement::Keep);
    }
    match &metadata.variables {
        Some(_) if name == "tag" => Ok(Replacement::Keep),
        Some(variables) => match variables.iter().find(|(key, _)| **key == *name) {
            Some((_, value)) => safe(name, text_of(value)),
            None => Ok(Replacement::Unknown),
        },
        None if name == "chunk_id" => Ok(match chunk {
            Some(chunk) => Replacement::Text(chunk.to_string()),
            // Metadata alone has no id.
            None => Replacement::Unknown,
        }),
        None => Ok(Replacement::Keep),
    }
}

fn safe(what: &str, value: String) -> Result<Replacement, PlaceholderError> {
    let leads_out = value.contains("../") || value.contains("..\\");
    if leads_out || value.starts_with(['/', '\\']) {
        return Err(PlaceholderError::Escape {
            what: what.to_owned(),
            value,
        });
    }
    Ok(Replacement::Text(value))
}

/// The N of `tag[N]`.
fn tag_index(name: &str) -> Option<i64> {
    name.strip_prefix("tag[")?.strip_suffix(']')?.parse().ok()
}

/// A part of the tag; negative counts from the end, out of range is empty.
fn tag_part(tag: &str, index: i64) -> &str {
    let nth = |back: bool, n: u64| {
        let n = usize::try_from(n).ok()?;
        if back {
            tag.rsplit('.').nth(n)
        } else {
            tag.split('.').nth(n)
        }
    };
    match index {
        0.. => nth(false, index.unsigned_abs()),
        _ => nth(true, index.unsigned_abs() - 1),
    }
    .unwrap_or_default()
}

/// A field's value as text; nil and containers are empty, which Fluentd's to_s also makes of nil.
pub fn text_of(value: &[u8]) -> String {
    match Value::new(value).token() {
        Some(Token::Str(text) | Token::Bin(text)) => String::from_utf8_lossy(text).into_owned(),
        Some(Token::Uint(number)) => number.to_string(),
        Some(Token::Int(number)) => number.to_string(),
        Some(Token::Bool(flag)) => flag.to_string(),
        Some(Token::Float(number)) => format!("{number:?}"),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata(tag: Option<&str>, field: Option<(&str, &str)>) -> Metadata {
        let mut metadata = Metadata {
            tag: tag.map(Into::into),
            ..Metadata::default()
        };
        metadata.variables = field.map(|(name, text)| {
            let mut value = Vec::new();
            millrun_event::write::str(&mut value, text.as_bytes());
            vec![(name.into(), value.into())]
        });
        metadata
    }

    fn text(template: &str, metadata: &Metadata) -> String {
        expand(template, metadata, None, |_, _| unreachable!("no time key"))
            .unwrap()
            .text
    }

    #[test]
    fn tag_and_its_parts() {
        let metadata = metadata(Some("a.b.c"), None);
        assert_eq!(
            text("/${tag}/${tag[0]}/${tag[-1]}/${tag[9]}/", &metadata),
            "/a.b.c/a/c//"
        );
        assert_eq!(
            text("${tag[0..1]} ${k} ${tag", &metadata),
            "${tag[0..1]} ${k} ${tag"
        );
    }

    #[test]
    fn fields_and_what_no_key_answers() {
        let metadata = metadata(None, Some(("$.h.x", "HX")));
        let expansion = expand("${$.h.x}.${nope}.${tag}", &metadata, None, |_, _| {
            String::new()
        });
        assert_eq!(
            expansion,
            Ok(Expansion {
                text: "HX..${tag}".into(),
                unknown: vec!["${nope}".into()]
            })
        );
    }

    #[test]
    fn a_value_that_leads_out_of_the_directory_is_refused() {
        for tag in ["../x", "a/../b", "/etc", "\\x"] {
            let error = expand("p/${tag}", &metadata(Some(tag), None), None, |_, _| {
                String::new()
            });
            assert!(
                matches!(error, Err(PlaceholderError::Escape { .. })),
                "{tag}"
            );
        }
    }
}
