//! A validating reader of msgpack values over borrowed bytes.

use thiserror::Error;

use crate::time::EventTime;

/// How deep arrays and maps may nest. Deeper input is refused, so that whoever walks a value
/// recursively has a bounded stack.
pub const MAX_DEPTH: usize = 128;

/// Why bytes are not the msgpack they claim to be. Offsets count from the start of the slice the
/// cursor was made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Malformed {
    /// The value goes on behind the last byte. On a stream this means "wait for more".
    #[error("the value that begins at byte {at} is cut off")]
    Truncated {
        /// Where the unfinished value begins.
        at: usize,
    },
    /// The byte `c1`, which the format never uses.
    #[error("byte {at} is 0xc1, which msgpack never uses")]
    Reserved {
        /// Where the byte stands.
        at: usize,
    },
    /// Containers nest deeper than [`MAX_DEPTH`].
    #[error("arrays and maps nest deeper than {MAX_DEPTH} levels at byte {at}")]
    TooDeep {
        /// Where the container one too deep begins.
        at: usize,
    },
    /// A sound value of another type than the format has in this place.
    #[error("expected {expected} at byte {at}")]
    Unexpected {
        /// What should stand here, in words.
        expected: &'static str,
        /// Where the other value begins.
        at: usize,
    },
}

/// The head of one value: a scalar whole, a container as its length.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Token<'a> {
    /// nil.
    Nil,
    /// true or false.
    Bool(bool),
    /// A positive integer, or one written in an unsigned form.
    Uint(u64),
    /// A negative integer, or a positive one written in a signed form.
    Int(i64),
    /// A single or double float.
    Float(f64),
    /// A string; UTF-8 is usual and not promised.
    Str(&'a [u8]),
    /// A byte string.
    Bin(&'a [u8]),
    /// An array: this many values follow.
    Array(u32),
    /// A map: this many pairs follow.
    Map(u32),
    /// An extension: type and payload.
    Ext(i8, &'a [u8]),
}

impl<'a> Token<'a> {
    /// How many values follow this head and belong to it.
    #[inline]
    pub fn children(&self) -> u64 {
        match *self {
            Token::Array(len) => u64::from(len),
            Token::Map(len) => u64::from(len) * 2,
            _ => 0,
        }
    }

    /// The event time, where the value is extension 0 with eight bytes.
    #[inline]
    pub fn event_time(&self) -> Option<EventTime> {
        match *self {
            Token::Ext(0, payload) => {
                Some(EventTime::from_payload(<[u8; 8]>::try_from(payload).ok()?))
            }
            _ => None,
        }
    }
}

/// A position in borrowed msgpack bytes.
#[derive(Clone, Debug)]
pub struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    /// A cursor at the first byte.
    #[inline]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// A cursor `at` bytes into `bytes`; behind the end it reads nothing.
    #[inline]
    pub fn at(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at }
    }

    /// Bytes read so far.
    #[inline]
    pub fn position(&self) -> usize {
        self.at
    }

    /// True at the end of the bytes.
    #[inline]
    pub fn is_at_end(&self) -> bool {
        self.at >= self.bytes.len()
    }

    /// The bytes from `start` to the cursor; empty if `start` lies behind it.
    #[inline]
    pub fn since(&self, start: usize) -> &'a [u8] {
        self.bytes.get(start..self.at).unwrap_or_default()
    }

    /// Goes back to `at`, a position this cursor had before.
    #[inline]
    pub fn rewind(&mut self, at: usize) {
        self.at = at.min(self.at);
    }

    /// Steps over `count` bytes that were looked at.
    #[inline]
    pub(crate) fn advance(&mut self, count: usize) {
        self.at += count;
    }

    /// What is not read yet.
    #[inline]
    pub fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// Reads the head of the next value; its children, if any, are the next values. On an error
    /// the cursor stays before the value.
    #[inline]
    pub fn token(&mut self) -> Result<Token<'a>, Malformed> {
        // Short strings are most of what records hold, and each record is a map; all else takes the
        // long way.
        let text = match self.rest() {
            [marker @ 0xa0..=0xbf, tail @ ..] => tail.get(..usize::from(marker & 0x1f)),
            [marker @ 0x80..=0x8f, ..] => {
                self.at += 1;
                return Ok(Token::Map(u32::from(marker & 0x0f)));
            }
            _ => None,
        };
        let Some(text) = text else {
            return self.any_token();
        };
        self.at += 1 + text.len();
        Ok(Token::Str(text))
    }

    fn any_token(&mut self) -> Result<Token<'a>, Malformed> {
        let start = self.at;
        let token = self.read_token(start);
        if token.is_err() {
            self.at = start;
        }
        token
    }

    /// Reads one value with all it holds and returns its bytes. On an error the cursor stays
    /// before the value.
    #[inline]
    pub fn value(&mut self) -> Result<&'a [u8], Malformed> {
        let start = self.at;
        self.skip()?;
        Ok(self.since(start))
    }

    /// Passes over one value with all it holds, validating it. On an error the cursor stays before
    /// the value.
    #[inline]
    pub fn skip(&mut self) -> Result<(), Malformed> {
        let start = self.at;
        match self.skip_head()? {
            0 => Ok(()),
            children => self.skip_all(start, children),
        }
    }

    /// Passes over the `count` values that follow. On an error the cursor stays before them.
    pub fn skip_values(&mut self, count: u64) -> Result<(), Malformed> {
        self.skip_all(self.at, count)
    }

    #[inline]
    fn skip_all(&mut self, start: usize, count: u64) -> Result<(), Malformed> {
        let skipped = self.skip_children(count, 1);
        if skipped.is_err() {
            self.at = start;
        }
        skipped
    }

    /// Passes over `left` values that lie in a container `depth` levels deep. The depth is what
    /// bounds the recursion: bytes from outside must not decide how much of our stack it takes.
    fn skip_children(&mut self, mut left: u64, depth: usize) -> Result<(), Malformed> {
        while left > 0 {
            let start = self.at;
            let inner = self.skip_head()?;
            if inner > 0 {
                if depth == MAX_DEPTH {
                    return Err(Malformed::TooDeep { at: start });
                }
                self.skip_children(inner, depth + 1)?;
            }
            left -= 1;
        }
        Ok(())
    }

    /// Steps over one head with its payload and answers how many values follow that belong to it.
    ///
    /// Where the next value begins hangs on this one's length, so the walk is a chain of loads. The
    /// usual forms compute their length from the first byte; a table of lengths makes the chain
    /// half as long again.
    #[inline]
    fn skip_head(&mut self) -> Result<u64, Malformed> {
        let rest = self.rest();
        let (len, children) = match rest.first() {
            Some(marker @ 0xa0..=0xbf) => (1 + usize::from(marker & 0x1f), 0),
            Some(0x00..=0x7f | 0xc0 | 0xc2 | 0xc3 | 0xe0..=0xff) => (1, 0),
            Some(0xd9 | 0xc4) if let Some(len) = rest.get(1) => (2 + usize::from(*len), 0),
            Some(0xda | 0xc5) if let Some([_, high, low]) = rest.first_chunk() => {
                (3 + usize::from(u16::from_be_bytes([*high, *low])), 0)
            }
            Some(marker @ 0x80..=0x8f) => (1, u64::from(marker & 0x0f) * 2),
            Some(marker @ 0x90..=0x9f) => (1, u64::from(marker & 0x0f)),
            Some(0xcc | 0xd0) => (2, 0),
            Some(0xcd | 0xd1) => (3, 0),
            Some(0xca | 0xce | 0xd2) => (5, 0),
            Some(0xcb | 0xcf | 0xd3) => (9, 0),
            _ => return Ok(self.any_token()?.children()),
        };
        if len > rest.len() {
            return Err(Malformed::Truncated { at: self.at });
        }
        self.at += len;
        Ok(children)
    }

    #[inline]
    fn read_token(&mut self, start: usize) -> Result<Token<'a>, Malformed> {
        let [marker] = self.array::<1>(start)?;
        Ok(match marker {
            0x00..=0x7f => Token::Uint(u64::from(marker)),
            0x80..=0x8f => Token::Map(u32::from(marker & 0x0f)),
            0x90..=0x9f => Token::Array(u32::from(marker & 0x0f)),
            0xa0..=0xbf => Token::Str(self.slice(usize::from(marker & 0x1f), start)?),
            0xc0 => Token::Nil,
            0xc1 => return Err(Malformed::Reserved { at: start }),
            0xc2 => Token::Bool(false),
            0xc3 => Token::Bool(true),
            0xc4 => Token::Bin(self.counted::<1>(start)?),
            0xc5 => Token::Bin(self.counted::<2>(start)?),
            0xc6 => Token::Bin(self.counted::<4>(start)?),
            0xc7 => self.counted_extension::<1>(start)?,
            0xc8 => self.counted_extension::<2>(start)?,
            0xc9 => self.counted_extension::<4>(start)?,
            0xca => Token::Float(f64::from(f32::from_be_bytes(self.array(start)?))),
            0xcb => Token::Float(f64::from_be_bytes(self.array(start)?)),
            0xcc => Token::Uint(self.number::<1>(start)?),
            0xcd => Token::Uint(self.number::<2>(start)?),
            0xce => Token::Uint(self.number::<4>(start)?),
            0xcf => Token::Uint(self.number::<8>(start)?),
            0xd0 => Token::Int(i64::from(i8::from_be_bytes(self.array(start)?))),
            0xd1 => Token::Int(i64::from(i16::from_be_bytes(self.array(start)?))),
            0xd2 => Token::Int(i64::from(i32::from_be_bytes(self.array(start)?))),
            0xd3 => Token::Int(i64::from_be_bytes(self.array(start)?)),
            0xd4 => self.extension(1, start)?,
            0xd5 => self.extension(2, start)?,
            0xd6 => self.extension(4, start)?,
            0xd7 => self.extension(8, start)?,
            0xd8 => self.extension(16, start)?,
            0xd9 => Token::Str(self.counted::<1>(start)?),
            0xda => Token::Str(self.counted::<2>(start)?),
            0xdb => Token::Str(self.counted::<4>(start)?),
            0xdc => Token::Array(self.number::<2>(start)? as u32),
            0xdd => Token::Array(self.number::<4>(start)? as u32),
            0xde => Token::Map(self.number::<2>(start)? as u32),
            0xdf => Token::Map(self.number::<4>(start)? as u32),
            0xe0..=0xff => Token::Int(i64::from(marker as i8)),
        })
    }

    #[inline]
    fn slice(&mut self, len: usize, start: usize) -> Result<&'a [u8], Malformed> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let slice = rest.get(..len).ok_or(Malformed::Truncated { at: start })?;
        self.at += len;
        Ok(slice)
    }

    #[inline]
    fn array<const N: usize>(&mut self, start: usize) -> Result<[u8; N], Malformed> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let array = rest
            .first_chunk::<N>()
            .ok_or(Malformed::Truncated { at: start })?;
        self.at += N;
        Ok(*array)
    }

    #[inline]
    fn number<const N: usize>(&mut self, start: usize) -> Result<u64, Malformed> {
        let bytes = self.array::<N>(start)?;
        Ok(bytes
            .iter()
            .fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    #[inline]
    fn counted<const N: usize>(&mut self, start: usize) -> Result<&'a [u8], Malformed> {
        let len = self.number::<N>(start)? as usize;
        self.slice(len, start)
    }

    #[inline]
    fn extension(&mut self, len: usize, start: usize) -> Result<Token<'a>, Malformed> {
        let kind = i8::from_be_bytes(self.array(start)?);
        Ok(Token::Ext(kind, self.slice(len, start)?))
    }

    #[inline]
    fn counted_extension<const N: usize>(&mut self, start: usize) -> Result<Token<'a>, Malformed> {
        let len = self.number::<N>(start)? as usize;
        self.extension(len, start)
    }
}
