//! What can be wrong with a JSON text.

use thiserror::Error;

use crate::cursor::MAX_DEPTH;

/// Why a text is not JSON. Every variant is the sender's fault; offsets count bytes from the start
/// of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum JsonError {
    /// The text ends within a value. On a stream this means "wait for more".
    #[error("the JSON text ends at byte {at}, where {expected} should follow")]
    Truncated {
        /// What is missing, in words.
        expected: &'static str,
        /// The length of the text.
        at: usize,
    },
    /// A byte that cannot stand here.
    #[error("expected {expected} at byte {at} of the JSON text, found {}", Shown(*.found))]
    Unexpected {
        /// What could stand here, in words.
        expected: &'static str,
        /// The byte that does.
        found: u8,
        /// Where it stands.
        at: usize,
    },
    /// Arrays and objects nest deeper than [`MAX_DEPTH`].
    #[error("JSON arrays and objects nest deeper than {MAX_DEPTH} levels at byte {at}")]
    TooDeep {
        /// Where the container one too deep begins.
        at: usize,
    },
    /// The text is longer than a msgpack length can say.
    #[error(
        "the JSON text has {len} bytes, more than the {} that one value may have",
        u32::MAX
    )]
    TooLong {
        /// The length of the text.
        len: usize,
    },
}

impl JsonError {
    /// True where more bytes behind the text could make it sound.
    pub fn is_truncated(&self) -> bool {
        matches!(self, JsonError::Truncated { .. })
    }
}

/// A byte as a person reads it.
struct Shown(u8);

impl std::fmt::Display for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            byte @ b'!'..=b'~' => write!(f, "`{}`", char::from(byte)),
            byte => write!(f, "the byte 0x{byte:02x}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_stands_where() {
        let unexpected = |found| JsonError::Unexpected {
            expected: "a value",
            found,
            at: 7,
        };
        for (error, text) in [
            (
                JsonError::Truncated {
                    expected: "a value",
                    at: 4,
                },
                "the JSON text ends at byte 4, where a value should follow",
            ),
            (
                unexpected(b'}'),
                "expected a value at byte 7 of the JSON text, found `}`",
            ),
            (
                unexpected(0),
                "expected a value at byte 7 of the JSON text, found the byte 0x00",
            ),
            (
                JsonError::TooDeep { at: 128 },
                "JSON arrays and objects nest deeper than 128 levels at byte 128",
            ),
            (
                JsonError::TooLong { len: 5_000_000_000 },
                "the JSON text has 5000000000 bytes, more than the 4294967295 that one value may have",
            ),
        ] {
            assert_eq!(error.to_string(), text);
        }
    }
}
