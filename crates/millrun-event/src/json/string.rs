//! Strings: found with one search and copied once; escapes take a slower way.

use memchr::memchr2;

use crate::json::JsonError;
use crate::json::lanes::{LANES, ends};
use crate::json::scan::Reader;
use crate::write;

/// How many bytes stand before the first quote or backslash. The search of long strings has to be
/// called, and most are over before it would begin.
#[inline]
fn plain_len(text: &[u8]) -> Option<usize> {
    let mut before = 0;
    if let Some(head) = text.first_chunk::<LANES>() {
        let bits = ends(*head);
        if bits != 0 {
            return Some(bits.trailing_zeros() as usize);
        }
        before = LANES;
    }
    let rest = text.get(before..)?;
    memchr2(b'"', b'\\', rest).map(|len| before + len)
}

impl Reader<'_, '_> {
    #[inline]
    pub(super) fn string(&mut self) -> Result<(), JsonError> {
        const END: &str = "the closing quote of a string";
        let rest = self.text.get(self.at + 1..).unwrap_or_default();
        let end = plain_len(rest);
        let text = end.and_then(|end| rest.get(..end));
        match (text, end.and_then(|end| rest.get(end))) {
            (Some(text), Some(b'"')) => {
                write::str_head(self.out, rest, text.len());
                self.at += text.len() + 2;
                Ok(())
            }
            (Some(_), _) => self.escaped_string(),
            (None, _) => {
                self.at = self.text.len();
                Err(self.truncated(END))
            }
        }
    }

    /// A string with escapes: decoded behind `out`, then moved to make room for its header.
    #[cold]
    fn escaped_string(&mut self) -> Result<(), JsonError> {
        const END: &str = "the closing quote of a string";
        let start = self.out.len();
        self.at += 1;
        loop {
            let rest = self.text.get(self.at..).unwrap_or_default();
            let Some(run) = memchr2(b'"', b'\\', rest).and_then(|run| rest.get(..run)) else {
                self.at = self.text.len();
                return Err(self.truncated(END));
            };
            self.out.extend_from_slice(run);
            self.at += run.len() + 1;
            if rest.get(run.len()) == Some(&b'"') {
                break;
            }
            self.escape()?;
        }
        let len = self.out.len() - start;
        write::str_header(self.out, len as u32);
        let header = self.out.len() - start - len;
        if let Some(string) = self.out.get_mut(start..) {
            string.rotate_right(header);
        }
        Ok(())
    }

    /// One escape, behind its backslash.
    fn escape(&mut self) -> Result<(), JsonError> {
        const ESCAPE: &str = "one of `\"\\/bfnrtu` behind a backslash";
        let Some(byte) = self.peek() else {
            return Err(self.truncated(ESCAPE));
        };
        let plain = match byte {
            b'"' | b'\\' | b'/' => byte,
            b'b' => 0x08,
            b'f' => 0x0c,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => {
                self.at += 1;
                return self.unicode_escape();
            }
            found => return Err(self.unexpected(ESCAPE, found)),
        };
        self.at += 1;
        self.out.push(plain);
        Ok(())
    }

    /// The digits of `\uXXXX`, and the second half of a pair. Half a pair alone becomes U+FFFD.
    fn unicode_escape(&mut self) -> Result<(), JsonError> {
        let first = self.hex4()?;
        let mut code = u32::from(first);
        if (0xd800..0xdc00).contains(&first) && self.text.get(self.at..self.at + 2) == Some(b"\\u")
        {
            let pair_at = self.at;
            self.at += 2;
            let second = self.hex4()?;
            if (0xdc00..0xe000).contains(&second) {
                code = 0x1_0000 + ((code - 0xd800) << 10) + (u32::from(second) - 0xdc00);
            } else {
                self.at = pair_at;
            }
        }
        let character = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
        let mut utf8 = [0; 4];
        self.out
            .extend_from_slice(character.encode_utf8(&mut utf8).as_bytes());
        Ok(())
    }

    fn hex4(&mut self) -> Result<u16, JsonError> {
        const HEX: &str = "four hexadecimal digits behind `\\u`";
        let mut code = 0;
        for _ in 0..4 {
            let Some(byte) = self.peek() else {
                return Err(self.truncated(HEX));
            };
            let Some(digit) = char::from(byte).to_digit(16) else {
                return Err(self.unexpected(HEX, byte));
            };
            code = code << 4 | digit as u16;
            self.at += 1;
        }
        Ok(code)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn words_find_what_single_bytes_do(
            text in prop::collection::vec(prop::sample::select(&b"ab\"\\\x21\x23\x5b\x5d\x00\xa2\xdc"[..]), 0..40),
        ) {
            let first = text.iter().position(|byte| matches!(byte, b'"' | b'\\'));
            prop_assert_eq!(plain_len(&text), first);
        }
    }
}
