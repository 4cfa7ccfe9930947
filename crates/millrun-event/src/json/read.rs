//! The reader: JSON text to one msgpack value, in one pass.
//!
//! ```text
//! value     = object | array | string | number | word
//! word      = "true" | "false" | "null" | "NaN" | "Infinity" | "-Infinity"
//! string    = '"' (any byte but '"' and '\' | escape)* '"'        raw control bytes and non-UTF-8 pass
//! number    = as RFC 8259; integers of 64 bits stay integers, all others become doubles
//! space     = " " | TAB | LF | CR | "/*" … "*/" | "//" … LF
//! ```
//!
//! A key that stands twice in an object keeps its place and takes the later value, as a reader
//! that builds a hash would have it.

use memchr::{memchr, memchr2};

use crate::cursor::{Cursor, MAX_DEPTH};
use crate::json::JsonError;
use crate::write;

/// Among how many keys of one object a repeated one is looked for. Behind them it is kept beside
/// the first; readers of records then take the later one. The limit bounds what a hostile object
/// costs.
pub const DUPLICATE_SCAN_KEYS: u32 = 128;

/// How many repeated keys of one text are merged; those that follow are kept beside the first.
pub const MAX_DUPLICATES: u32 = 128;

/// Appends the one value that `text` holds to `out`, as msgpack. On an error `out` is as it was.
///
/// ```
/// let mut out = Vec::new();
/// millrun_event::json::transcode(br#"{"a": [1, null]}"#, &mut out)?;
/// assert_eq!(out, b"\x81\xa1a\x92\x01\xc0");
/// # Ok::<(), millrun_event::json::JsonError>(())
/// ```
///
/// # Errors
/// [`JsonError`] where the text is no value, or is one with something behind it.
pub fn transcode(text: &[u8], out: &mut Vec<u8>) -> Result<(), JsonError> {
    read(text, out, |reader| {
        reader.space()?;
        match reader.peek() {
            None => Ok(()),
            Some(found) => Err(reader.unexpected("the end of the text", found)),
        }
    })
    .map(|_| ())
}

/// Appends the first value of `text` to `out`, as msgpack, and answers how many bytes of `text`
/// it took. For values that stand back to back. On an error `out` is as it was.
///
/// A number that ends with the text is taken as whole.
///
/// # Errors
/// [`JsonError`] where the text does not begin with a value; [`JsonError::Truncated`] where it may
/// still become one, as empty text and white space may.
pub fn transcode_prefix(text: &[u8], out: &mut Vec<u8>) -> Result<usize, JsonError> {
    read(text, out, |_| Ok(()))
}

fn read(
    text: &[u8],
    out: &mut Vec<u8>,
    end: impl FnOnce(&mut Reader<'_, '_>) -> Result<(), JsonError>,
) -> Result<usize, JsonError> {
    if u32::try_from(text.len()).is_err() {
        return Err(JsonError::TooLong { len: text.len() });
    }
    let len = out.len();
    let mut reader = Reader {
        text,
        at: if text.starts_with(BYTE_ORDER_MARK) {
            BYTE_ORDER_MARK.len()
        } else {
            0
        },
        out,
        duplicates: 0,
    };
    let read = reader.value(0).and_then(|()| end(&mut reader));
    let at = reader.at;
    if read.is_err() {
        out.truncate(len);
    }
    read.map(|()| at)
}

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

struct Reader<'t, 'o> {
    text: &'t [u8],
    at: usize,
    out: &'o mut Vec<u8>,
    /// Repeated keys met so far.
    duplicates: u32,
}

impl<'t> Reader<'t, '_> {
    fn value(&mut self, depth: usize) -> Result<(), JsonError> {
        const VALUE: &str = "a value";
        self.space()?;
        let Some(byte) = self.peek() else {
            return Err(self.truncated(VALUE));
        };
        match byte {
            b'"' => self.string(),
            b'0'..=b'9' | b'-' => self.number(),
            b'{' | b'[' if depth == MAX_DEPTH => Err(JsonError::TooDeep { at: self.at }),
            b'{' => self.object(depth + 1),
            b'[' => self.array(depth + 1),
            b't' => self.word("true").map(|()| write::bool(self.out, true)),
            b'f' => self.word("false").map(|()| write::bool(self.out, false)),
            b'n' => self.word("null").map(|()| write::nil(self.out)),
            b'N' => self.word("NaN").map(|()| write::float(self.out, f64::NAN)),
            b'I' => self
                .word("Infinity")
                .map(|()| write::float(self.out, f64::INFINITY)),
            found => Err(self.unexpected(VALUE, found)),
        }
    }

    fn array(&mut self, depth: usize) -> Result<(), JsonError> {
        let header = self.open();
        let mut len = 0u32;
        if !self.closes(b']')? {
            loop {
                self.value(depth)?;
                len += 1;
                if self.ends(b']', "`,` or `]`")? {
                    break;
                }
            }
        }
        close(self.out, header, len, write::array);
        Ok(())
    }

    fn object(&mut self, depth: usize) -> Result<(), JsonError> {
        const KEY: &str = "a key in quotes";
        let header = self.open();
        let mut len = 0u32;
        let mut seen = 0u128;
        if !self.closes(b'}')? {
            loop {
                self.space()?;
                match self.peek() {
                    Some(b'"') => {}
                    Some(found) => return Err(self.unexpected(KEY, found)),
                    None => return Err(self.truncated(KEY)),
                }
                let key_at = self.out.len();
                self.string()?;
                self.space()?;
                self.expect(b':', "`:`")?;
                let earlier = if len < DUPLICATE_SCAN_KEYS && self.duplicates < MAX_DUPLICATES {
                    let bit = key_bit(self.out.get(key_at..).unwrap_or_default());
                    let maybe = seen & bit != 0;
                    seen |= bit;
                    maybe.then(|| self.earlier(header, key_at)).flatten()
                } else {
                    None
                };
                match earlier {
                    None => {
                        self.value(depth)?;
                        len += 1;
                    }
                    Some(old) => {
                        self.duplicates += 1;
                        self.out.truncate(key_at);
                        self.value(depth)?;
                        replace(self.out, old, key_at);
                    }
                }
                if self.ends(b'}', "`,` or `}`")? {
                    break;
                }
            }
        }
        close(self.out, header, len, write::map);
        Ok(())
    }

    /// Steps into a container: room for the short form of its header, which most keep.
    fn open(&mut self) -> usize {
        self.at += 1;
        self.out.push(0);
        self.out.len() - 1
    }

    /// True, and past it, if the container closes before its first value.
    fn closes(&mut self, close: u8) -> Result<bool, JsonError> {
        self.space()?;
        let closes = self.peek() == Some(close);
        self.at += usize::from(closes);
        Ok(closes)
    }

    /// Steps over what follows a value: a comma, or the end of the container, which answers true.
    #[inline]
    fn ends(&mut self, close: u8, expected: &'static str) -> Result<bool, JsonError> {
        self.space()?;
        match self.peek() {
            Some(b',') => {
                self.at += 1;
                Ok(false)
            }
            Some(byte) if byte == close => {
                self.at += 1;
                Ok(true)
            }
            Some(found) => Err(self.unexpected(expected, found)),
            None => Err(self.truncated(expected)),
        }
    }

    /// Where the value stands that the key written at `key_at` already has in the object whose
    /// header is at `header`.
    fn earlier(&self, header: usize, key_at: usize) -> Option<std::ops::Range<usize>> {
        let key = self.out.get(key_at..)?;
        let first = header + 1;
        let mut pairs = Cursor::new(self.out.get(first..key_at)?);
        while !pairs.is_at_end() {
            let found = pairs.value().ok()? == key;
            let start = pairs.position();
            pairs.skip().ok()?;
            if found {
                return Some(first + start..first + pairs.position());
            }
        }
        None
    }

    #[inline]
    fn string(&mut self) -> Result<(), JsonError> {
        const END: &str = "the closing quote of a string";
        let rest = self.text.get(self.at + 1..).unwrap_or_default();
        let end = memchr2(b'"', b'\\', rest);
        let text = end.and_then(|end| rest.get(..end));
        match (text, end.and_then(|end| rest.get(end))) {
            (Some(text), Some(b'"')) => {
                write::str(self.out, text);
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

    fn number(&mut self) -> Result<(), JsonError> {
        const DIGIT: &str = "a digit";
        let start = self.at;
        let negative = self.peek() == Some(b'-');
        self.at += usize::from(negative);
        if negative && self.peek() == Some(b'I') {
            self.word("Infinity")?;
            write::float(self.out, f64::NEG_INFINITY);
            return Ok(());
        }
        let first = self.at;
        let mut magnitude = Some(0u64);
        while let Some(byte @ b'0'..=b'9') = self.peek() {
            magnitude = magnitude
                .and_then(|number| number.checked_mul(10))
                .and_then(|number| number.checked_add(u64::from(byte - b'0')));
            self.at += 1;
        }
        let digits = self.text.get(first..self.at).unwrap_or_default();
        match (digits, self.peek()) {
            ([], None) => return Err(self.truncated(DIGIT)),
            ([], Some(found)) => return Err(self.unexpected(DIGIT, found)),
            ([b'0', second, ..], _) => {
                self.at = first + 1;
                return Err(self.unexpected("no digit behind a leading zero", *second));
            }
            (_, Some(b'.' | b'e' | b'E')) => return self.float(start),
            _ => {}
        }
        match magnitude {
            Some(number) if !negative => write::uint(self.out, number),
            Some(number) if number <= i64::MIN.unsigned_abs() => {
                write::int(self.out, 0i64.wrapping_sub_unsigned(number));
            }
            // Beyond 64 bits msgpack has no integer: the nearest double is what there is.
            _ => self.double(start),
        }
        Ok(())
    }

    /// Fraction and exponent of a number that began at `start`.
    fn float(&mut self, start: usize) -> Result<(), JsonError> {
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits("a digit behind the decimal point")?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.digits("a digit of the exponent")?;
        }
        self.double(start);
        Ok(())
    }

    fn digits(&mut self, expected: &'static str) -> Result<(), JsonError> {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        match self.peek() {
            _ if self.at > start => Ok(()),
            Some(found) => Err(self.unexpected(expected, found)),
            None => Err(self.truncated(expected)),
        }
    }

    /// Writes the number from `start` to here, whose grammar is proved, as a double; one beyond
    /// its range becomes infinite.
    fn double(&mut self, start: usize) {
        let text = self.text.get(start..self.at).unwrap_or_default();
        let number = std::str::from_utf8(text)
            .ok()
            .and_then(|text| text.parse().ok())
            .unwrap_or(f64::NAN);
        write::float(self.out, number);
    }

    fn word(&mut self, word: &'static str) -> Result<(), JsonError> {
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
    fn space(&mut self) -> Result<(), JsonError> {
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
    fn expect(&mut self, byte: u8, expected: &'static str) -> Result<(), JsonError> {
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
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    #[cold]
    fn unexpected(&self, expected: &'static str, found: u8) -> JsonError {
        JsonError::Unexpected {
            expected,
            found,
            at: self.at,
        }
    }

    #[cold]
    fn truncated(&self, expected: &'static str) -> JsonError {
        JsonError::Truncated {
            expected,
            at: self.at,
        }
    }
}

/// Writes the header of a container into the byte kept for it at `header`, moving its values where
/// the long form is needed.
#[inline]
fn close(out: &mut Vec<u8>, header: usize, len: u32, form: fn(&mut Vec<u8>, u32)) {
    let values = out.len();
    form(out, len);
    let written = out.len() - values;
    if written == 1 {
        if let (Some(byte), Some(slot)) = (out.pop(), out.get_mut(header)) {
            *slot = byte;
        }
        return;
    }
    // … kept | values | long header  →  … long header | values
    if let Some(container) = out.get_mut(header..) {
        container.rotate_right(written);
        container.copy_within(written + 1.., written);
    }
    out.truncate(out.len() - 1);
}

/// Puts the value that was written at `new` in the place of the value at `old`.
fn replace(out: &mut Vec<u8>, old: std::ops::Range<usize>, new: usize) {
    let len = out.len() - new;
    if let Some(values) = out.get_mut(old.start..) {
        values.rotate_right(len);
        let from = len + old.len();
        if from <= values.len() {
            values.copy_within(from.., len);
        }
    }
    out.truncate(out.len() - old.len());
}

/// A bit that is the same for equal keys and seldom so for others.
#[inline]
fn key_bit(key: &[u8]) -> u128 {
    let [.., last] = key else { return 1 };
    let middle = key.get(key.len() / 2).copied().unwrap_or(0);
    let mixed = (key.len() as u32) << 16 ^ u32::from(middle) << 8 ^ u32::from(*last);
    1 << (mixed.wrapping_mul(0x9e37_79b1) >> 25)
}
