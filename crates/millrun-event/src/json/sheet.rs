//! The text being printed: a vector that is longer than what is written on it.
//!
//! Most strings and numbers of a record are shorter than a vector register, and a call that copies
//! so few bytes costs more than the bytes. So room is made for many of them at once, and strings are
//! copied here, in words of which the last lies over those before, and looked through on the way. The
//! shortest are copied with what stands behind them ([`Window`]), which is written over afterwards: one way for
//! all lengths, and nothing to guess for the processor.
//!
//! ```text
//!   {"code":200,"pa……………………        written   room, zeros
//!   └── at ────────┘
//! ```

use crate::json::lanes::{LANES, escapes, needs_escape};

/// Room that is made at a time, in bytes. It is filled with zeros, so more of it would cost more than it spares.
const STEP: usize = 256;

/// A string of less than `N` bytes, or that many, and what stands behind it. `N` is one or two registers.
#[derive(Clone, Copy)]
pub(super) struct Window<'a, const N: usize> {
    bytes: &'a [u8; N],
    len: usize,
}

impl<'a, const N: usize> Window<'a, N> {
    /// The string of `len` bytes at the head of `bytes`; `None` if it is longer, or too little stands behind it.
    #[inline(always)]
    pub(super) fn new(bytes: &'a [u8], len: usize) -> Option<Self> {
        let bytes = bytes.first_chunk().filter(|_| len <= N)?;
        Some(Self { bytes, len })
    }

    /// True if no byte of the string needs an escape.
    #[inline(always)]
    fn is_plain(self) -> bool {
        let (registers, _) = self.bytes.as_chunks::<LANES>();
        let marks = registers.iter().rev().fold(0, |marks, register| {
            marks << LANES | u64::from(escapes(*register))
        });
        // What is marked behind the string does not count.
        marks & ((1 << self.len) - 1) == 0
    }
}

pub(super) struct Sheet<'o> {
    out: &'o mut Vec<u8>,
    /// Where the next byte goes; what is behind is room.
    at: usize,
}

impl<'o> Sheet<'o> {
    /// Goes on behind what is in `out`.
    #[inline]
    pub(super) fn new(out: &'o mut Vec<u8>) -> Self {
        let at = out.len();
        Self { out, at }
    }

    /// Leaves in the vector what was written.
    #[inline]
    pub(super) fn finish(self) {
        self.out.truncate(self.at);
    }

    /// Has what follows written by somebody who appends.
    pub(super) fn append<T>(&mut self, write: impl FnOnce(&mut Vec<u8>) -> T) -> T {
        self.out.truncate(self.at);
        let written = write(self.out);
        self.at = self.out.len();
        written
    }

    /// The room for `count` bytes.
    #[inline]
    fn room(&mut self, count: usize) -> &mut [u8] {
        let end = self.at + count;
        if self.out.len() < end {
            self.grow(end);
        }
        self.out.get_mut(self.at..end).unwrap_or_default()
    }

    #[cold]
    fn grow(&mut self, end: usize) {
        self.out.resize(end + STEP, 0);
    }

    #[inline]
    pub(super) fn byte(&mut self, byte: u8) {
        if let Some(place) = self.room(1).first_mut() {
            *place = byte;
        }
        self.at += 1;
    }

    /// Writes a word of at most eight letters.
    #[inline]
    pub(super) fn word<const N: usize>(&mut self, word: &[u8; N]) {
        if let Some(place) = self.room(N).first_chunk_mut() {
            *place = *word;
        }
        self.at += N;
    }

    /// Writes a number: its digits are made side by side in one register.
    #[inline]
    pub(super) fn number(&mut self, number: u32) {
        if number > DIGITS_MAX {
            return self.plain(itoa::Buffer::new().format(number).as_bytes());
        }
        let digits = eight_digits(number);
        // The last one is written also where it is a zero.
        let leading = (digits.trailing_zeros() / 8).min(7);
        let text = (digits | u64::from_ne_bytes([b'0'; 8])) >> (leading * 8);
        if let Some(place) = self.room(8).first_chunk_mut() {
            *place = text.to_le_bytes();
        }
        self.at += 8 - leading as usize;
    }

    /// Writes digits and the like, which need no look.
    #[inline]
    pub(super) fn plain(&mut self, text: &[u8]) {
        let _ = copy(text, self.room(text.len()));
        self.at += text.len();
    }

    /// Writes a string in quotes. False, and nothing is written, if a byte in it needs an escape.
    #[inline]
    pub(super) fn quoted(&mut self, text: &[u8]) -> bool {
        self.between([b'"'], text, [b'"'])
    }

    /// Writes a key: what is before it, the string in quotes, a colon. False as [`Sheet::quoted`].
    #[inline]
    pub(super) fn key(&mut self, before: u8, text: &[u8]) -> bool {
        self.between([before, b'"'], text, [b'"', b':'])
    }

    /// [`Sheet::quoted`] of a short one.
    #[inline]
    pub(super) fn quoted_window<const N: usize>(&mut self, text: Window<'_, N>) -> bool {
        self.window_between([b'"'], text, [b'"'])
    }

    /// [`Sheet::key`] of a short one.
    #[inline]
    pub(super) fn key_window<const N: usize>(&mut self, before: u8, text: Window<'_, N>) -> bool {
        self.window_between([before, b'"'], text, [b'"', b':'])
    }

    #[inline]
    fn window_between<const A: usize, const B: usize, const N: usize>(
        &mut self,
        before: [u8; A],
        text: Window<'_, N>,
        behind: [u8; B],
    ) -> bool {
        if !text.is_plain() {
            return false;
        }
        let room = self.room(A + N + B);
        let Some((first, rest)) = room.split_first_chunk_mut::<A>() else {
            return false;
        };
        *first = before;
        let Some(place) = rest.first_chunk_mut() else {
            return false;
        };
        *place = *text.bytes;
        if let Some(last) = rest.get_mut(text.len..).and_then(<[u8]>::first_chunk_mut) {
            *last = behind;
        }
        self.at += A + text.len + B;
        true
    }

    #[inline]
    fn between<const A: usize, const B: usize>(
        &mut self,
        before: [u8; A],
        text: &[u8],
        behind: [u8; B],
    ) -> bool {
        let count = A + text.len() + B;
        let room = self.room(count);
        let Some((first, rest)) = room.split_first_chunk_mut::<A>() else {
            return false;
        };
        *first = before;
        if !copy(text, rest) {
            return false;
        }
        if let Some(last) = rest.get_mut(text.len()..).and_then(<[u8]>::first_chunk_mut) {
            *last = behind;
        }
        self.at += count;
        true
    }
}

/// The greatest number of eight digits.
const DIGITS_MAX: u32 = 99_999_999;

/// The eight digits of a number, the first one in the lowest byte: halves, pairs and single digits are parted for
/// all at once, with a product instead of each division.
#[inline]
fn eight_digits(number: u32) -> u64 {
    let halves = u64::from(number / 10_000) | u64::from(number % 10_000) << 32;
    // 10486 / 2^20 is 1 / 100 up to 9999, and 103 / 2^10 is 1 / 10 up to 99.
    let hundreds = ((halves * 10_486) >> 20) & 0x0000_007f_0000_007f;
    let pairs = hundreds | (halves - hundreds * 100) << 16;
    let tens = ((pairs * 103) >> 10) & 0x000f_000f_000f_000f;
    tens | (pairs - tens * 10) << 8
}

/// Copies a text to where there is room for it. False if a byte of it needs an escape; the text is
/// there all the same.
#[inline]
fn copy(text: &[u8], room: &mut [u8]) -> bool {
    let Some(place) = room.get_mut(..text.len()) else {
        return false;
    };
    if let (Some(last), Some(end)) = (text.last_chunk::<LANES>(), place.last_chunk_mut::<LANES>()) {
        // The last ones lie over those before.
        let mut marks = escapes(*last);
        *end = *last;
        let (words, _) = text.as_chunks::<LANES>();
        let (places, _) = place.as_chunks_mut::<LANES>();
        for (word, place) in words.iter().zip(places) {
            marks |= escapes(*word);
            *place = *word;
        }
        return marks == 0;
    }
    if let (Some(first), Some(last)) = (text.first_chunk::<8>(), text.last_chunk::<8>()) {
        if let Some(place) = place.first_chunk_mut() {
            *place = *first;
        }
        if let Some(place) = place.last_chunk_mut() {
            *place = *last;
        }
        let both =
            u128::from(u64::from_ne_bytes(*first)) << 64 | u128::from(u64::from_ne_bytes(*last));
        return escapes(both.to_ne_bytes()) == 0;
    }
    let mut plain = true;
    for (byte, place) in text.iter().zip(place) {
        plain &= !needs_escape(*byte);
        *place = *byte;
    }
    plain
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_of_every_length_are_printed_as_the_library_does() {
        let edges = (0..10).flat_map(|power| {
            let power = 10_u32.pow(power);
            [power - 1, power, power + 1, power.saturating_mul(7)]
        });
        for number in (0..20_000).chain(edges).chain([u32::MAX]) {
            let mut out = b"x".to_vec();
            let mut sheet = Sheet::new(&mut out);
            sheet.number(number);
            sheet.finish();
            assert_eq!(String::from_utf8(out).unwrap(), format!("x{number}"));
        }
    }

    proptest! {
        #[test]
        fn digits_made_side_by_side_are_those_of_the_number(number in 0..=DIGITS_MAX) {
            let digits = (eight_digits(number) | u64::from_ne_bytes([b'0'; 8])).to_le_bytes();
            prop_assert_eq!(String::from_utf8_lossy(&digits), format!("{number:08}"));
        }

        #[test]
        fn a_sheet_holds_what_was_written_and_nothing_else(
            before in prop::collection::vec(any::<u8>(), 0..20),
            texts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..60),
        ) {
            let mut out = before.clone();
            let mut expected = before;
            let mut sheet = Sheet::new(&mut out);
            for text in &texts {
                let needs = text.iter().any(|byte| *byte < 0x20 || matches!(byte, b'"' | b'\\'));
                prop_assert_eq!(sheet.quoted(text), !needs);
                if !needs {
                    expected.push(b'"');
                    expected.extend_from_slice(text);
                    expected.push(b'"');
                }
                prop_assert_eq!(sheet.key(b',', text), !needs);
                if !needs {
                    expected.extend_from_slice(b",\"");
                    expected.extend_from_slice(text);
                    expected.extend_from_slice(b"\":");
                }
                sheet.plain(text);
                expected.extend_from_slice(text);
                sheet.byte(b',');
                expected.push(b',');
                sheet.append(|out| out.extend_from_slice(b"abc"));
                sheet.word(b"defg");
                expected.extend_from_slice(b"abcdefg");
            }
            sheet.finish();
            prop_assert_eq!(out, expected);
        }
    }
}
