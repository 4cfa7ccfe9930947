//! Finding the first byte of a set.

use super::set::ByteSet;

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

    /// How many bytes stand before the first one that ends the search.
    #[inline]
    pub(super) fn length(&self, text: &[u8]) -> usize {
        let found = match self.kind {
            Kind::Nothing => None,
            Kind::One(one) => memchr::memchr(one, text),
            Kind::Two(one, two) => memchr::memchr2(one, two, text),
            Kind::Three(one, two, three) => memchr::memchr3(one, two, three, text),
            Kind::Many => text.iter().position(|&byte| self.ends.contains(byte)),
        };
        found.unwrap_or(text.len())
    }
}
