//! The key in the file names of file_single (specification 4.7).
//!
//! What is not `-_.a-zA-Z0-9` is written as `%` and two hexadecimal digits, byte by byte. A name holds text
//! only, so a value that is none comes back as its text when the ledger does not know the chunk.

use std::fmt::Write as _;

use super::msgpack::{Cursor, put_str};
use crate::Metadata;

/// What the only chunk key of a file_single buffer is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SingleKey {
    /// No key, or one that stands in no name (`time`).
    Nothing,
    /// The tag.
    Tag,
    /// A field of the record.
    Field(Box<str>),
}

impl SingleKey {
    /// The key's value as a part of a file name.
    pub(super) fn encode(&self, metadata: &Metadata) -> String {
        let text = match self {
            Self::Nothing => Vec::new(),
            Self::Tag => metadata.tag.as_deref().unwrap_or_default().into(),
            Self::Field(name) => {
                let mut variables = metadata.variables.iter().flatten();
                let known = variables.find(|(known, _)| known == name);
                known.map_or_else(Vec::new, |(_, value)| text_of(value))
            }
        };
        let mut encoded = String::with_capacity(text.len());
        for byte in text {
            if byte.is_ascii_alphanumeric() || b"-_.".contains(&byte) {
                encoded.push(byte.into());
            } else {
                // Writing to a string cannot fail.
                let _ = write!(encoded, "%{byte:02X}");
            }
        }
        encoded
    }

    /// The metadata that a part of a file name says.
    pub(super) fn decode(&self, encoded: &str) -> Metadata {
        let text = String::from_utf8_lossy(&unescape(encoded)).into_owned();
        match self {
            Self::Nothing => Metadata::EMPTY,
            Self::Tag => Metadata::with_tag(&text),
            Self::Field(name) => {
                let mut value = Vec::new();
                put_str(&mut value, &text);
                Metadata {
                    variables: Some(vec![(name.clone(), value.into())]),
                    ..Metadata::EMPTY
                }
            }
        }
    }
}

fn text_of(value: &[u8]) -> Vec<u8> {
    if let Some(text) = Cursor(value).bytes() {
        return text.to_vec();
    }
    let number = Cursor(value).int().map(|number| number.to_string());
    number.unwrap_or_default().into_bytes()
}

fn unescape(encoded: &str) -> Vec<u8> {
    let mut text = Vec::with_capacity(encoded.len());
    let mut rest = encoded.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        let hex = after.get(..2).filter(|_| *byte == b'%');
        let hex = hex.and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(escaped) => {
                text.push(escaped);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                text.push(*byte);
                rest = after;
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_goes_both_ways_as_text() {
        let key = SingleKey::Field("h".into());
        let metadata = key.decode("a%2Fb%ZZ%");
        assert_eq!(key.encode(&metadata), "a%2Fb%25ZZ%25");
        let number = Metadata {
            variables: Some(vec![("h".into(), [0x2a].as_slice().into())]),
            ..Metadata::EMPTY
        };
        assert_eq!(key.encode(&number), "42");
        assert_eq!(key.encode(&Metadata::EMPTY), "");
    }
}
