//! Finding the first byte of a set.

use wide::u8x16;

use super::set::ByteSet;

/// How many bytes are looked at in registers before the call of a vector search pays.
const NEAR_BYTES: usize = 32;
const HALF: usize = NEAR_BYTES / 2;

/// Finds the first `byte` in `text`, quickly where it is near: the fields of lines are short, and their lengths differ, so
/// that a loop over words would be guessed wrong for each.
///
/// ```
/// assert_eq!(millrun_pattern::find_byte(b' ', b"GET / HTTP/1.1"), Some(3));
/// ```
#[must_use]
#[inline]
pub fn find_byte(byte: u8, text: &[u8]) -> Option<usize> {
    let Some((near, far)) = text.split_first_chunk::<NEAR_BYTES>() else {
        return find_in_words(byte, text);
    };
    let (first, second) = near.split_at(HALF);
    let marks = marks(byte, first) | marks(byte, second) << HALF;
    match marks {
        0 => memchr::memchr(byte, far).map(|found| NEAR_BYTES + found),
        _ => Some(marks.trailing_zeros() as usize),
    }
}

/// A bit for each byte that is the one looked for, the first one lowest.
#[inline]
fn marks(byte: u8, half: &[u8]) -> u32 {
    let mut lanes = [0; HALF];
    lanes.copy_from_slice(half);
    u8x16::new(lanes).simd_eq(u8x16::splat(byte)).to_bitmask()
}

/// The same in what is shorter, eight bytes at a time.
fn find_in_words(byte: u8, text: &[u8]) -> Option<usize> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    let pattern = u64::from(byte) * ONES;
    let mut at = 0;
    let mut rest = text;
    while let Some((word, tail)) = rest.split_first_chunk::<8>() {
        // A byte of the difference is zero where the byte stands. Borrows go upwards only, so the lowest mark is right.
        let difference = u64::from_le_bytes(*word) ^ pattern;
        let marks = difference.wrapping_sub(ONES) & !difference & HIGHS;
        if marks != 0 {
            return Some(at + marks.trailing_zeros() as usize / 8);
        }
        at += 8;
        rest = tail;
    }
    rest.iter()
        .position(|other| *other == byte)
        .map(|found| at + found)
}

/// A search for the first of some bytes.
#[derive(Debug)]
pub(super) struct Scan {
    ends: ByteSet,
    kind: Kind,
}

/// Searches for up to three bytes have vector instructions.
#[derive(Debug)]
enum Kind {
    Nothing,
    One(u8),
    Two(u8, u8),
    Three(u8, u8, u8),
    Many,
}

impl Scan {
    pub(super) fn to(ends: ByteSet) -> Self {
        let bytes: Vec<u8> = ends.iter().collect();
        let kind = match *bytes {
            [] => Kind::Nothing,
            [one] => Kind::One(one),
            [one, two] => Kind::Two(one, two),
            [one, two, three] => Kind::Three(one, two, three),
            _ => Kind::Many,
        };
        Scan { ends, kind }
    }

    /// The byte that ends the search, if there is only one.
    pub(super) fn only_end(&self) -> Option<u8> {
        match self.kind {
            Kind::One(byte) => Some(byte),
            _ => None,
        }
    }

    /// How many bytes stand before the first one that ends the search.
    #[inline]
    pub(super) fn length(&self, text: &[u8]) -> usize {
        let found = match self.kind {
            Kind::Nothing => None,
            Kind::One(one) => find_byte(one, text),
            Kind::Two(one, two) => memchr::memchr2(one, two, text),
            Kind::Three(one, two, three) => memchr::memchr3(one, two, three, text),
            Kind::Many => text.iter().position(|&byte| self.ends.contains(byte)),
        };
        found.unwrap_or(text.len())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::find_byte;

    proptest! {
        #[test]
        fn find_byte_finds_what_a_loop_finds(byte: u8, mut text in proptest::collection::vec(any::<u8>(), 0..80), at in 0..80usize) {
            let near = byte ^ 1;
            if let Some(slot) = text.get_mut(at) {
                *slot = byte;
            }
            prop_assert_eq!(find_byte(byte, &text), text.iter().position(|other| *other == byte));
            // What differs in a bit only must not borrow into a mark.
            text.iter_mut().filter(|other| **other != byte).for_each(|other| *other = near);
            prop_assert_eq!(find_byte(byte, &text), text.iter().position(|other| *other == byte));
        }
    }
}
