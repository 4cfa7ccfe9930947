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

use crate::cursor::{Cursor, MAX_DEPTH};
use crate::json::JsonError;
use crate::json::scan::Reader;
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
    read(text, out, None, at_end).map(|_| ())
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
    read(text, out, None, |_| Ok(()))
}

/// As [`transcode`], and leaves in `wanted` what an object has under the key that it names: one that is not taken out
/// is copied. Saves a walk over what was written.
///
/// # Errors
/// As [`transcode`].
pub fn transcode_wanting(
    text: &[u8],
    wanted: &mut Wanted,
    out: &mut Vec<u8>,
) -> Result<(), JsonError> {
    wanted.value.clear();
    read(text, out, Some(wanted), at_end).map(|_| ())
}

/// A key of the document's object whose value is wanted; objects within it do not count.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The key as msgpack.
    key: Vec<u8>,
    /// The pair stays in the object, too.
    keep: bool,
    value: Vec<u8>,
}

impl Wanted {
    /// The value under `key`, which stays where it is if `keep`.
    #[must_use]
    pub fn new(key: &[u8], keep: bool) -> Self {
        let mut encoded = Vec::new();
        write::str(&mut encoded, key);
        Self {
            key: encoded,
            keep,
            value: Vec::new(),
        }
    }

    /// The value found last, as msgpack. Of several under the key it is the last.
    #[must_use]
    pub fn value(&self) -> Option<&[u8]> {
        (!self.value.is_empty()).then_some(self.value.as_slice())
    }
}

fn read<'o>(
    text: &[u8],
    out: &'o mut Vec<u8>,
    wanted: Option<&'o mut Wanted>,
    end: impl FnOnce(&mut Reader<'_, 'o>) -> Result<(), JsonError>,
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
        wanted,
        duplicates: 0,
    };
    let read = reader.value(0).and_then(|()| end(&mut reader));
    let at = reader.at;
    if read.is_err() {
        reader.out.truncate(len);
    }
    read.map(|()| at)
}

/// Nothing but space is left.
fn at_end(reader: &mut Reader<'_, '_>) -> Result<(), JsonError> {
    reader.space()?;
    match reader.peek() {
        None => Ok(()),
        Some(found) => Err(reader.unexpected("the end of the text", found)),
    }
}

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

impl Reader<'_, '_> {
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
        let mut seen = [0u64; 2];
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
                    let [one, other] = key_bits(self.out.get(key_at..).unwrap_or_default());
                    let maybe = seen[0] & one != 0 && seen[1] & other != 0;
                    seen = [seen[0] | one, seen[1] | other];
                    maybe.then(|| self.earlier(header, key_at)).flatten()
                } else {
                    None
                };
                let is_wanted = depth == 1 && self.is_wanted(key_at);
                match earlier {
                    None => {
                        let value_at = self.out.len();
                        self.value(depth)?;
                        let is_gone = is_wanted && self.take(key_at, value_at);
                        len += u32::from(!is_gone);
                    }
                    Some(old) => {
                        self.duplicates += 1;
                        self.out.truncate(key_at);
                        self.value(depth)?;
                        if is_wanted {
                            self.take(key_at, key_at);
                        }
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

    /// Whether the key written last is the wanted one.
    #[inline]
    fn is_wanted(&self, key_at: usize) -> bool {
        match &self.wanted {
            Some(wanted) => self.out.get(key_at..) == Some(wanted.key.as_slice()),
            None => false,
        }
    }

    /// Notes the value written last; true if its pair was taken out.
    fn take(&mut self, key_at: usize, value_at: usize) -> bool {
        let Some(wanted) = &mut self.wanted else {
            return false;
        };
        wanted.value.clear();
        wanted
            .value
            .extend_from_slice(self.out.get(value_at..).unwrap_or_default());
        if !wanted.keep {
            self.out.truncate(key_at);
        }
        !wanted.keep
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

/// A bit of each word that is the same for equal keys; both are seldom so for others.
#[inline]
fn key_bits(key: &[u8]) -> [u64; 2] {
    // The header holds the length of a short key.
    let [header, first, .., last] = key else {
        return [1, 1];
    };
    let middle = key.get(key.len() / 2).copied().unwrap_or(0);
    let mixed = u64::from(u32::from_le_bytes([*last, middle, *first, *header]));
    let mixed = mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    [1 << (mixed >> 58), 1 << (mixed >> 52 & 0x3f)]
}
