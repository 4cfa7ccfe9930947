//! As much msgpack as a meta file needs.

use crate::Variables;

/// Values nest no deeper in what is read.
const DEPTH_MAX: u32 = 64;

fn put_length(out: &mut Vec<u8>, length: usize, fix: u8, fix_below: usize, heads: [u8; 3]) {
    let [head8, head16, head32] = heads;
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short), _) if length < fix_below => out.push(fix | short),
        (Ok(short), _) if head8 != 0 => out.extend_from_slice(&[head8, short]),
        (_, Ok(medium)) => {
            out.push(head16);
            out.extend_from_slice(&medium.to_be_bytes());
        }
        _ => {
            out.push(head32);
            out.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
        }
    }
}

pub(super) fn put_map_head(out: &mut Vec<u8>, pairs: usize) {
    put_length(out, pairs, 0x80, 16, [0, 0xde, 0xdf]);
}

pub(super) fn put_str(out: &mut Vec<u8>, text: &str) {
    put_length(out, text.len(), 0xa0, 32, [0xd9, 0xda, 0xdb]);
    out.extend_from_slice(text.as_bytes());
}

pub(super) fn put_uint(out: &mut Vec<u8>, value: u64) {
    if let Ok(small @ 0..0x80) = u8::try_from(value) {
        out.push(small);
    } else if let Ok(value) = u8::try_from(value) {
        out.extend_from_slice(&[0xcc, value]);
    } else if let Ok(value) = u16::try_from(value) {
        out.push(0xcd);
        out.extend_from_slice(&value.to_be_bytes());
    } else if let Ok(value) = u32::try_from(value) {
        out.push(0xce);
        out.extend_from_slice(&value.to_be_bytes());
    } else {
        out.push(0xcf);
        out.extend_from_slice(&value.to_be_bytes());
    }
}

pub(super) fn put_int(out: &mut Vec<u8>, value: i64) {
    if let Ok(value) = u64::try_from(value) {
        return put_uint(out, value);
    }
    if let Ok(small @ -32..) = i8::try_from(value) {
        out.push(small.cast_unsigned());
    } else if let Ok(value) = i8::try_from(value) {
        out.extend_from_slice(&[0xd0, value.cast_unsigned()]);
    } else if let Ok(value) = i16::try_from(value) {
        out.push(0xd1);
        out.extend_from_slice(&value.to_be_bytes());
    } else if let Ok(value) = i32::try_from(value) {
        out.push(0xd2);
        out.extend_from_slice(&value.to_be_bytes());
    } else {
        out.push(0xd3);
        out.extend_from_slice(&value.to_be_bytes());
    }
}

/// The whole values at the start of `bytes`.
pub(crate) fn count_values(bytes: &[u8]) -> u64 {
    let mut cursor = Cursor(bytes);
    std::iter::from_fn(|| cursor.value()).count() as u64
}

/// The lines of `bytes`, with a last one that has no end.
pub(crate) fn count_lines(bytes: &[u8]) -> u64 {
    bytes.split_inclusive(|byte| *byte == b'\n').count() as u64
}

/// Msgpack that is left to read.
pub(super) struct Cursor<'a>(pub(super) &'a [u8]);

impl<'a> Cursor<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*byte)
    }

    /// A big-endian number of `width` bytes.
    fn number(&mut self, width: usize) -> Option<u64> {
        self.take(width).map(|bytes| {
            bytes
                .iter()
                .fold(0, |sum, byte| sum << 8 | u64::from(*byte))
        })
    }

    fn length(&mut self, width: usize) -> Option<usize> {
        self.number(width)
            .and_then(|length| usize::try_from(length).ok())
    }

    pub(super) fn map_length(&mut self) -> Option<usize> {
        match self.byte()? {
            head @ 0x80..=0x8f => Some(usize::from(head & 0x0f)),
            0xde => self.length(2),
            0xdf => self.length(4),
            _ => None,
        }
    }

    pub(super) fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = match self.byte()? {
            head @ 0xa0..=0xbf => usize::from(head & 0x1f),
            0xc4 | 0xd9 => self.length(1)?,
            0xc5 | 0xda => self.length(2)?,
            0xc6 | 0xdb => self.length(4)?,
            _ => return None,
        };
        self.take(length)
    }

    pub(super) fn str(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.bytes()?).ok()
    }

    pub(super) fn int(&mut self) -> Option<i64> {
        match self.byte()? {
            head @ 0x00..=0x7f => Some(head.into()),
            head @ 0xe0..=0xff => Some(head.cast_signed().into()),
            head @ 0xcc..=0xcf => self.number(1 << (head - 0xcc))?.try_into().ok(),
            0xd0 => self
                .take(1)?
                .try_into()
                .ok()
                .map(|bytes| i8::from_be_bytes(bytes).into()),
            0xd1 => self
                .take(2)?
                .try_into()
                .ok()
                .map(|bytes| i16::from_be_bytes(bytes).into()),
            0xd2 => self
                .take(4)?
                .try_into()
                .ok()
                .map(|bytes| i32::from_be_bytes(bytes).into()),
            0xd3 => self.take(8)?.try_into().ok().map(i64::from_be_bytes),
            _ => None,
        }
    }

    pub(super) fn uint(&mut self) -> Option<u64> {
        self.int()?.try_into().ok()
    }

    pub(super) fn variables(&mut self) -> Option<Variables> {
        let mut variables = Vec::new();
        for _ in 0..self.map_length()? {
            variables.push((self.str()?.into(), self.value()?.into()));
        }
        Some(variables)
    }

    /// The bytes of one whole value.
    pub(super) fn value(&mut self) -> Option<&'a [u8]> {
        let start = self.0;
        self.skip(DEPTH_MAX)?;
        start.get(..start.len() - self.0.len())
    }

    fn skip(&mut self, depth: u32) -> Option<()> {
        let depth = depth.checked_sub(1)?;
        let head = self.byte()?;
        let (bytes, values) = match head {
            0x00..=0x7f | 0xe0..=0xff | 0xc0 | 0xc2 | 0xc3 => (0, 0),
            0x80..=0x8f => (0, 2 * usize::from(head & 0x0f)),
            0x90..=0x9f => (0, usize::from(head & 0x0f)),
            0xa0..=0xbf => (usize::from(head & 0x1f), 0),
            0xc1 => return None,
            0xc4 | 0xd9 => (self.length(1)?, 0),
            0xc5 | 0xda => (self.length(2)?, 0),
            0xc6 | 0xdb => (self.length(4)?, 0),
            0xc7 => (self.length(1)? + 1, 0),
            0xc8 => (self.length(2)? + 1, 0),
            0xc9 => (self.length(4)?.checked_add(1)?, 0),
            0xca | 0xce | 0xd2 => (4, 0),
            0xcb | 0xcf | 0xd3 => (8, 0),
            0xcc | 0xd0 => (1, 0),
            0xcd | 0xd1 => (2, 0),
            0xd4..=0xd8 => ((1 << (head - 0xd4)) + 1, 0),
            0xdc => (0, self.length(2)?),
            0xdd => (0, self.length(4)?),
            0xde => (0, self.length(2)? * 2),
            0xdf => (0, self.length(4)?.checked_mul(2)?),
        };
        self.take(bytes)?;
        for _ in 0..values {
            self.skip(depth)?;
        }
        Some(())
    }
}
