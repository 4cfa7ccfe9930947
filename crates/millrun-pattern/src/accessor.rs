//! Paths into a record, as configurations write them.
//!
//! ```text
//! name                 the key itself, whatever characters it has
//! $.a.b[0]             dot notation: keys between dots, array indexes in brackets, no white space
//! $['a']["b"][0]       bracket notation: quoted keys, indexes
//! ```
//! A negative index counts from the end of the array.

use thiserror::Error;

/// The longest path accepted, in bytes.
const PATH_BYTES_MAX: usize = 4096;

/// A parsed path; it has at least one segment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Accessor {
    segments: Vec<Segment>,
}

/// One step into a record.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Segment {
    /// The value of a key of a map.
    Key(String),
    /// An element of an array; negative counts from the end.
    Index(i64),
}

impl Accessor {
    /// Parses a path.
    ///
    /// # Errors
    /// See [`AccessorError`]; a text that begins with neither `$.` nor `$[` is one plain key and always valid.
    pub fn parse(path: &str) -> Result<Self, AccessorError> {
        if path.len() > PATH_BYTES_MAX {
            return Err(AccessorError::TooLong { length: path.len() });
        }
        let segments = if let Some(dotted) = path.strip_prefix("$.") {
            dot_notation(path, dotted)?
        } else if path.starts_with("$[") {
            bracket_notation(path)?
        } else {
            vec![Segment::Key(path.to_owned())]
        };
        Ok(Accessor { segments })
    }

    /// The steps, outermost first.
    #[must_use]
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }
}

/// Why a path is none: the user's configuration is at fault.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AccessorError {
    /// Nothing follows the `$.`.
    #[error("empty keys in dot notation: {path}")]
    Empty {
        /// The path as written.
        path: String,
    },
    /// A space, tab or newline in dot notation.
    #[error("whitespace character is not allowed in dot notation. Use bracket notation: {path}")]
    Whitespace {
        /// The path as written.
        path: String,
    },
    /// A bracket is not closed.
    #[error("'[' found but ']' not found. Invalid syntax: {path}")]
    OpenBracket {
        /// The path as written.
        path: String,
    },
    /// A quoted key ends with the other quote. The end of a key is the first `']` of the rest, if there is one, as in
    /// Fluentd: after a key in double quotes none in single quotes can follow.
    #[error("Mismatched quotes. Invalid syntax: {path}; write all keys in the same quotes")]
    Quotes {
        /// The path as written.
        path: String,
    },
    /// Something else than `[` follows a bracket.
    #[error("expected '[' or the end after ']'. Invalid syntax: {path}")]
    AfterBracket {
        /// The path as written.
        path: String,
    },
    /// What stands in brackets is neither a quoted key nor a number.
    #[error(
        "invalid array index \"{index}\" in {path}; write a number; keys in quotes stand in bracket notation only, as in $['a']['b']"
    )]
    Index {
        /// What stands in the brackets.
        index: String,
        /// The path as written.
        path: String,
    },
    /// The path exceeds 4096 bytes.
    #[error("the path has {length} bytes, at most {PATH_BYTES_MAX} are accepted")]
    TooLong {
        /// Bytes of the path.
        length: usize,
    },
}

fn dot_notation(path: &str, dotted: &str) -> Result<Vec<Segment>, AccessorError> {
    if dotted.contains(char::is_whitespace) {
        return Err(AccessorError::Whitespace {
            path: path.to_owned(),
        });
    }
    let mut segments = Vec::new();
    // Dots at the end are ignored, those between other dots mean the empty key.
    let dotted = dotted.trim_end_matches('.');
    for part in dotted.split('.').filter(|_| !dotted.is_empty()) {
        let (key, mut brackets) = part.split_once('[').unwrap_or((part, ""));
        if !key.is_empty() || brackets.is_empty() {
            segments.push(Segment::Key(key.to_owned()));
        }
        while !brackets.is_empty() {
            let (inside, rest) = close(path, brackets)?;
            segments.push(index(path, inside)?);
            brackets = open(path, rest)?;
        }
    }
    if segments.is_empty() {
        return Err(AccessorError::Empty {
            path: path.to_owned(),
        });
    }
    Ok(segments)
}

fn bracket_notation(path: &str) -> Result<Vec<Segment>, AccessorError> {
    let mut segments = Vec::new();
    let mut rest = path.strip_prefix("$[").unwrap_or_default();
    loop {
        let quote = rest
            .chars()
            .next()
            .filter(|quote| matches!(quote, '\'' | '"'));
        if let Some(quote) = quote {
            let end = rest.find("']").or_else(|| rest.find("\"]"));
            let Some(end) = end.filter(|&end| end > 0) else {
                return Err(AccessorError::OpenBracket {
                    path: path.to_owned(),
                });
            };
            let closing = rest.get(end..).unwrap_or_default();
            if !closing.starts_with(quote) {
                return Err(AccessorError::Quotes {
                    path: path.to_owned(),
                });
            }
            segments.push(Segment::Key(
                rest.get(1..end).unwrap_or_default().to_owned(),
            ));
            rest = closing.get(2..).unwrap_or_default();
        } else {
            let (inside, after) = close(path, rest)?;
            segments.push(index(path, inside)?);
            rest = after;
        }
        if rest.is_empty() {
            return Ok(segments);
        }
        rest = open(path, rest)?;
    }
}

fn close<'p>(path: &str, text: &'p str) -> Result<(&'p str, &'p str), AccessorError> {
    text.split_once(']')
        .ok_or_else(|| AccessorError::OpenBracket {
            path: path.to_owned(),
        })
}

fn open<'p>(path: &str, text: &'p str) -> Result<&'p str, AccessorError> {
    if text.is_empty() {
        return Ok(text);
    }
    text.strip_prefix('[')
        .ok_or_else(|| AccessorError::AfterBracket {
            path: path.to_owned(),
        })
}

fn index(path: &str, text: &str) -> Result<Segment, AccessorError> {
    let number = text.trim().parse();
    number
        .map(Segment::Index)
        .map_err(|_| AccessorError::Index {
            index: text.to_owned(),
            path: path.to_owned(),
        })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn error(path: &str) -> String {
        Accessor::parse(path).unwrap_err().to_string()
    }

    #[test]
    fn both_notations_lead_to_the_same_place() {
        let expected = [
            Segment::Key("a".into()),
            Segment::Key("b".into()),
            Segment::Index(-1),
        ];
        assert_eq!(Accessor::parse("$.a.b[-1]").unwrap().segments(), expected);
        assert_eq!(
            Accessor::parse("$['a'][\"b\"][-1]").unwrap().segments(),
            expected
        );
    }

    #[test]
    fn the_errors_say_what_to_write() {
        assert_eq!(error("$."), "empty keys in dot notation: $.");
        assert_eq!(
            error("$.a b"),
            "whitespace character is not allowed in dot notation. Use bracket notation: $.a b"
        );
        assert_eq!(
            error("$.a[0"),
            "'[' found but ']' not found. Invalid syntax: $.a[0"
        );
        assert_eq!(
            error("$['a"),
            "'[' found but ']' not found. Invalid syntax: $['a"
        );
        assert_eq!(
            error("$['a'].b"),
            "expected '[' or the end after ']'. Invalid syntax: $['a'].b"
        );
        assert_eq!(
            error("$[\"a\"]['b']"),
            "Mismatched quotes. Invalid syntax: $[\"a\"]['b']; write all keys in the same quotes"
        );
        assert_eq!(
            error("$.a[x]"),
            "invalid array index \"x\" in $.a[x]; write a number; keys in quotes stand in bracket notation only, as in $['a']['b']"
        );
    }

    proptest! {
        #[test]
        fn no_path_panics(path in r#"\$?[.\['"\]a0 é-]{0,16}"#) {
            let _ = Accessor::parse(&path);
        }
    }
}
