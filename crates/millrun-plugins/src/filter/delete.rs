//! Taking a value out of a record, where it stands.

use std::ops::Range;

use millrun_event::{Cursor, Token};
use millrun_pattern::Segment;

/// Takes what `path` leads to out of the record that begins at `start` and ends with `record`; elements of arrays go by
/// their index. Answers whether there was such a value. The header of what held it keeps its form.
pub(super) fn delete(record: &mut Vec<u8>, start: usize, path: &[Segment]) -> bool {
    let Some((last, holders)) = path.split_last() else {
        return false;
    };
    let mut at = start;
    for segment in holders {
        match find(record, at, segment) {
            Some(found) => at = found.value,
            None => return false,
        }
    }
    let Some(found) = find(record, at, last) else {
        return false;
    };
    shorten_header(record, at);
    record.drain(found.whole);
    true
}

struct Found {
    /// The pair or the element.
    whole: Range<usize>,
    /// Where its value begins.
    value: usize,
}

/// The last pair of a key, or an element, of the container at `at`.
fn find(record: &[u8], at: usize, segment: &Segment) -> Option<Found> {
    let mut cursor = Cursor::at(record, at);
    match (cursor.token().ok()?, segment) {
        (Token::Map(pairs), Segment::Key(key)) => {
            let mut found = None;
            for _ in 0..pairs {
                let pair = cursor.position();
                let is_key = match cursor.token().ok()? {
                    Token::Str(name) | Token::Bin(name) => name == key.as_bytes(),
                    other => {
                        cursor.skip_values(other.children()).ok()?;
                        false
                    }
                };
                let value = cursor.position();
                cursor.skip().ok()?;
                if is_key {
                    found = Some(Found {
                        whole: pair..cursor.position(),
                        value,
                    });
                }
            }
            found
        }
        (Token::Array(length), Segment::Index(index)) => {
            let index = if *index < 0 {
                index.checked_add(i64::from(length))?
            } else {
                *index
            };
            let index = u32::try_from(index).ok().filter(|&index| index < length)?;
            cursor.skip_values(u64::from(index)).ok()?;
            let value = cursor.position();
            cursor.skip().ok()?;
            Some(Found {
                whole: value..cursor.position(),
                value,
            })
        }
        _ => None,
    }
}

/// Makes the container at `at` one pair or element shorter.
fn shorten_header(record: &mut [u8], at: usize) {
    match record.get_mut(at..).unwrap_or_default() {
        [0xdc | 0xde, length @ ..] => {
            if let Some(length) = length.first_chunk_mut::<2>() {
                *length = u16::from_be_bytes(*length).saturating_sub(1).to_be_bytes();
            }
        }
        [0xdd | 0xdf, length @ ..] => {
            if let Some(length) = length.first_chunk_mut::<4>() {
                *length = u32::from_be_bytes(*length).saturating_sub(1).to_be_bytes();
            }
        }
        // The length is in the low bits, and not zero.
        [header, ..] => *header = header.wrapping_sub(1),
        [] => {}
    }
}
