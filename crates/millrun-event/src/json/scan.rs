//! The reader's place in the text: single bytes, words, white space, comments.

use memchr::memchr;

use crate::json::JsonError;
use crate::json::read::Wanted;

/// A text being read and the msgpack being written.
pub(super) struct Reader<'t, 'o> {
    pub(super) text: &'t [u8],
    /// Bytes read so far.
    pub(super) at: usize,
    pub(super) out: &'o mut Vec<u8>,
    pub(super) wanted: Option<&'o mut Wanted>,
    /// Repeated keys met so far.
    pub(super) duplicates: u32,
}

impl Reader<'_, '_> {
    pub(super) fn word(&mut self, word: &'static str) -> Result<(), JsonError> {
        for expected in word.bytes() {
            match self.peek() {
                Some(byte) if byte == expected => self.at += 1,
                Some(found) => return Err(self.unexpected(word, found)),
                None => return Err(self.truncated(word)),
            }
        }
        Ok(())
    }

    /// Steps over white space and comments.
    #[inline]
    pub(super) fn space(&mut self) -> Result<(), JsonError> {
        match self.peek() {
            Some(b' ' | b'\t' | b'\n' | b'\r' | b'/') => self.long_space(),
            _ => Ok(()),
        }
    }

    fn long_space(&mut self) -> Result<(), JsonError> {
        while let Some(byte) = self.peek() {
            match byte {
                b' ' | b'\t' | b'\n' | b'\r' => self.at += 1,
                b'/' => self.comment()?,
                _ => break,
            }
        }
        Ok(())
    }

    fn comment(&mut self) -> Result<(), JsonError> {
        const STAR: &str = "`/` or `*` of a comment";
        self.at += 1;
        match self.peek() {
            Some(b'/') => {
                let rest = self.text.get(self.at..).unwrap_or_default();
                self.at += memchr(b'\n', rest).unwrap_or(rest.len());
                Ok(())
            }
            Some(b'*') => {
                self.at += 1;
                loop {
                    let rest = self.text.get(self.at..).unwrap_or_default();
                    let Some(star) = memchr(b'*', rest) else {
                        self.at = self.text.len();
                        return Err(self.truncated("the `*/` that ends a comment"));
                    };
                    self.at += star + 1;
                    if self.peek() == Some(b'/') {
                        self.at += 1;
                        return Ok(());
                    }
                }
            }
            Some(found) => Err(self.unexpected(STAR, found)),
            None => Err(self.truncated(STAR)),
        }
    }

    #[inline]
    pub(super) fn expect(&mut self, byte: u8, expected: &'static str) -> Result<(), JsonError> {
        match self.peek() {
            Some(found) if found == byte => {
                self.at += 1;
                Ok(())
            }
            Some(found) => Err(self.unexpected(expected, found)),
            None => Err(self.truncated(expected)),
        }
    }

    #[inline]
    pub(super) fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    #[cold]
    pub(super) fn unexpected(&self, expected: &'static str, found: u8) -> JsonError {
        JsonError::Unexpected {
            expected,
            found,
            at: self.at,
        }
    }

    #[cold]
    pub(super) fn truncated(&self, expected: &'static str) -> JsonError {
        JsonError::Truncated {
            expected,
            at: self.at,
        }
    }
}
