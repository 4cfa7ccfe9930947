//! The entries of an event stream: `[time, record]`, back to back.
//!
//! ```text
//! entry  = array(2) time record
//! time   = ext(0, 8 bytes) | integer | float | array(2) [time, metadata map]
//! record = map
//! ```
//!
//! Times are an event time from every current client, an integer from old ones, and
//! `[time, {metadata}]` from clients of protocol version 1.5 (fluentd.md sections 5.2 and 5.5).

use crate::cursor::{Cursor, Malformed, Token};
use crate::record::Record;
use crate::time::EventTime;

/// The time of an entry, as it was written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum EntryTime {
    /// Seconds and nanoseconds.
    Event(EventTime),
    /// Whole seconds since the epoch, any sign.
    Integer(i64),
    /// Seconds since the epoch with a fraction.
    Float(f64),
    /// Anything else: such an entry is invalid to Fluentd.
    Invalid,
}

impl EntryTime {
    /// The nearest event time; an integer or float outside the format's range is clamped, an
    /// invalid time is `None`.
    pub fn to_event_time(self) -> Option<EventTime> {
        match self {
            EntryTime::Event(time) => Some(time),
            EntryTime::Integer(seconds) => Some(EventTime::new(
                seconds.clamp(0, i64::from(u32::MAX)) as u32,
                0,
            )),
            EntryTime::Float(seconds) => {
                let whole = seconds.max(0.0).floor();
                // `as` saturates, which is the clamping wanted; NaN becomes 0.
                Some(EventTime::new(
                    whole as u32,
                    ((seconds - whole) * 1e9) as u32,
                ))
            }
            EntryTime::Invalid => None,
        }
    }
}

/// One entry of a stream, borrowed.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// When the event happened.
    pub time: EntryTime,
    /// True for the version 1.5 form, whose time carries a metadata map.
    pub has_metadata: bool,
    /// The whole entry as it stands in the stream.
    pub bytes: &'a [u8],
    record_at: usize,
}

/// An array of two, and an event time.
const HEAD: usize = 1 + EventTime::ENCODED_LEN;

impl<'a> Entry<'a> {
    /// The bytes of the record; by the format a map, which [`Record`] checks where it matters.
    #[inline]
    pub fn record_bytes(&self) -> &'a [u8] {
        self.bytes.get(self.record_at..).unwrap_or_default()
    }

    /// A cursor over the record.
    #[inline]
    pub fn record(&self) -> Record<'a> {
        Record::new(self.record_bytes())
    }

    /// True when the record is a map, as the format wants.
    #[inline]
    pub fn record_is_map(&self) -> bool {
        matches!(self.record_bytes().first(), Some(0x80..=0x8f | 0xde | 0xdf))
    }

    /// Reads one entry at the cursor. On an error the cursor stays before it.
    #[inline]
    pub fn read(cursor: &mut Cursor<'a>) -> Result<Self, Malformed> {
        let start = cursor.position();
        let entry = EntryHead::read(cursor).and_then(|head| head.entry(cursor));
        if entry.is_err() {
            cursor.rewind(start);
        }
        entry
    }
}

/// What stands before the record of an entry. Who reads the record to its end anyway, to print it,
/// begins with this and spares the walk that [`Entry::read`] takes.
#[derive(Clone, Copy, Debug)]
pub struct EntryHead {
    /// When the event happened.
    pub time: EntryTime,
    /// As [`Entry::has_metadata`].
    pub has_metadata: bool,
    /// Where in the cursor's bytes the entry begins.
    start: usize,
}

impl EntryHead {
    /// Reads the head of the entry at the cursor, which then stands before the record. On an error
    /// it may stand behind a part of the entry.
    #[inline]
    pub fn read(cursor: &mut Cursor<'_>) -> Result<Self, Malformed> {
        let start = cursor.position();
        // What every current client writes.
        if let Some([0x92, 0xd7, 0x00, payload @ ..]) = cursor.rest().first_chunk::<HEAD>() {
            cursor.advance(HEAD);
            return Ok(Self {
                time: EntryTime::Event(EventTime::from_payload(*payload)),
                has_metadata: false,
                start,
            });
        }
        Self::read_other(cursor, start)
    }

    fn read_other(cursor: &mut Cursor<'_>, start: usize) -> Result<Self, Malformed> {
        const SHAPE: &str = "an entry [time, record]";
        if cursor.token()? != Token::Array(2) {
            return Err(Malformed::Unexpected {
                expected: SHAPE,
                at: start,
            });
        }
        let mut token = cursor.token()?;
        let has_metadata = token == Token::Array(2);
        if has_metadata {
            token = cursor.token()?;
        }
        let time = match token {
            Token::Ext(..) => token
                .event_time()
                .map_or(EntryTime::Invalid, EntryTime::Event),
            Token::Uint(seconds) => EntryTime::Integer(i64::try_from(seconds).unwrap_or(i64::MAX)),
            Token::Int(seconds) => EntryTime::Integer(seconds),
            Token::Float(seconds) => EntryTime::Float(seconds),
            other => {
                cursor.skip_values(other.children())?;
                EntryTime::Invalid
            }
        };
        if has_metadata {
            cursor.skip()?;
        }
        Ok(Self {
            time,
            has_metadata,
            start,
        })
    }

    /// The whole entry, whose record stands at the cursor it was read with and is passed over.
    #[inline]
    pub fn entry<'a>(self, cursor: &mut Cursor<'a>) -> Result<Entry<'a>, Malformed> {
        let record_at = cursor.position().saturating_sub(self.start);
        cursor.skip()?;
        Ok(Entry {
            time: self.time,
            has_metadata: self.has_metadata,
            bytes: cursor.since(self.start),
            record_at,
        })
    }
}

/// The entries of a stream, in order. Ends after the first error, which says where it stands.
#[derive(Clone, Debug)]
pub struct Entries<'a> {
    cursor: Cursor<'a>,
    failed: bool,
}

impl<'a> Entries<'a> {
    /// Walks `bytes` from their start.
    #[inline]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self {
            cursor: Cursor::new(bytes),
            failed: false,
        }
    }

    /// Bytes of the entries given out so far.
    #[inline]
    pub fn position(&self) -> usize {
        self.cursor.position()
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = Result<Entry<'a>, Malformed>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.failed || self.cursor.is_at_end() {
            return None;
        }
        let entry = Entry::read(&mut self.cursor);
        self.failed = entry.is_err();
        Some(entry)
    }
}

/// Walks a whole stream and counts its entries; an error says where the stream stops being one.
pub fn count_entries(bytes: &[u8]) -> Result<u32, Malformed> {
    let mut count = 0u32;
    for entry in Entries::new(bytes) {
        entry?;
        count = count.saturating_add(1);
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_every_form_become_event_times_within_their_range() {
        for (time, expected) in [
            (EntryTime::Integer(-1), Some((0, 0))),
            (EntryTime::Integer(1 << 40), Some((u32::MAX, 0))),
            (EntryTime::Float(1.5), Some((1, 500_000_000))),
            (EntryTime::Float(-1.5), Some((0, 0))),
            (EntryTime::Float(1e300), Some((u32::MAX, 0))),
            (EntryTime::Float(f64::NAN), Some((0, 0))),
            (EntryTime::Float(f64::INFINITY), Some((u32::MAX, 0))),
            (EntryTime::Invalid, None),
        ] {
            let expected = expected.map(|(s, n)| EventTime::new(s, n));
            assert_eq!(time.to_event_time(), expected, "{time:?}");
        }
    }
}
