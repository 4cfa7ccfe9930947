//! From the entries a client sent to a sound event stream.
//!
//! ```text
//! accepted         [time, record, …]          as fluentd.md sections 3.2 and 5.2 have it
//!                  [[time, metadata…], record]
//! time             ext 0 of 8 bytes | integer; second 0 means now
//! record           map
//! plain            92 (d7 00 seconds≠0 nanoseconds | integer≠0) map
//! ```
//!
//! Entries are plain from nearly every client, and then the stream is the client's own bytes after
//! one walk that proves them sound. From the first other entry on, the stream is written anew,
//! with runs of plain entries copied as one slice.

use millrun_event::{Cursor, EventTime, Malformed, Record, Token, Value, write};

/// A pair that is set in every record: key and value, both text.
pub(crate) type Field = (Vec<u8>, Vec<u8>);

/// What became of a client's entries.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Normalised {
    /// True when the sound stream stands in the buffer given, false when it is the first
    /// `plain_len` bytes of the input.
    pub(crate) rewritten: bool,
    /// Length in bytes of the input up to where an entry is cut off, or to its end.
    pub(crate) plain_len: usize,
    /// Entries in the sound stream.
    pub(crate) count: u32,
    /// Entries that were left out.
    pub(crate) invalid: u32,
}

/// Checks `entries`, and writes them anew into `out` where they are not plain. An entry cut off at
/// the end is left out without being counted, as Fluentd does. An error means that the bytes are
/// not msgpack, and nothing of them may be used.
pub(crate) fn normalise(
    entries: &[u8],
    now: EventTime,
    fields: &[Field],
    out: &mut Vec<u8>,
) -> Result<Normalised, Malformed> {
    out.clear();
    let mut cursor = Cursor::new(entries);
    let (mut count, mut invalid) = (0u32, 0u32);
    // Where the run of plain entries began that is not in `out` yet.
    let mut run = 0;
    let mut rewritten = false;
    let mut end = 0;
    while !cursor.is_at_end() {
        let read = match plain_record(cursor.rest()) {
            Some(record_at) if fields.is_empty() => {
                cursor = Cursor::at(entries, cursor.position() + record_at);
                match cursor.skip() {
                    Ok(()) => {
                        let start = end;
                        end = cursor.position();
                        count = count.saturating_add(1);
                        let entry = entries.get(start..end).unwrap_or_default();
                        if let Some(head) = text_head(entry) {
                            let (further, more) = pass_alike(entries, end, head);
                            end = further;
                            count = count.saturating_add(more);
                            cursor = Cursor::at(entries, end);
                        }
                        continue;
                    }
                    Err(error) => Err(error),
                }
            }
            _ => read_entry(&mut cursor),
        };
        let entry = match read {
            Ok(entry) => entry,
            Err(Malformed::Truncated { .. }) => break,
            Err(error) => return Err(error),
        };
        let start = end;
        end = cursor.position();
        match entry {
            Some(entry) if entry.plain && fields.is_empty() => {
                count = count.saturating_add(1);
                continue;
            }
            Some(entry) => {
                out.extend_from_slice(entries.get(run..start).unwrap_or_default());
                write_entry(entry, now, fields, out);
                count = count.saturating_add(1);
            }
            None => {
                out.extend_from_slice(entries.get(run..start).unwrap_or_default());
                invalid = invalid.saturating_add(1);
            }
        }
        rewritten = true;
        run = end;
    }
    if rewritten {
        out.extend_from_slice(entries.get(run..end).unwrap_or_default());
    }
    Ok(Normalised {
        rewritten,
        plain_len: end,
        count,
        invalid,
    })
}

/// Writes the entry of a time and a record that stand apart (Message mode); false where the two do
/// not make an entry.
pub(crate) fn assemble(
    time: &[u8],
    record: &[u8],
    now: EventTime,
    fields: &[Field],
    out: &mut Vec<u8>,
) -> bool {
    out.clear();
    let token = Cursor::new(time).token();
    let Some((time, _)) = token.ok().and_then(|token| classify_time(token, time)) else {
        return false;
    };
    if !is_map(record) {
        return false;
    }
    let plain = false;
    write_entry(
        Entry {
            time,
            record,
            plain,
        },
        now,
        fields,
        out,
    );
    true
}

/// Where the record begins of an entry that starts as nearly all do: with an event time that is
/// not 0 before a map.
#[inline]
fn plain_record(entry: &[u8]) -> Option<usize> {
    match entry {
        [0x92, 0xd7, 0x00, s0, s1, s2, s3, _, _, _, _, map, ..]
            if s0 | s1 | s2 | s3 != 0 && matches!(map, 0x80..=0x8f | 0xde | 0xdf) =>
        {
            Some(RECORD_AT)
        }
        _ => None,
    }
}

/// The bytes of a plain entry before its text, where its record is one text of 16 bits of length under a short key: what a
/// tail without a parser makes of each line.
///
/// ```text
/// 92 d7 00 <time:8> 81 a7 "message" da <length:2>
/// ```
#[inline]
fn text_head(entry: &[u8]) -> Option<&[u8]> {
    let &[marker, key @ 0xa0..=0xbf, ..] = entry.get(RECORD_AT..)? else {
        return None;
    };
    let text_at = RECORD_AT + 2 + usize::from(key & 0x1f);
    let is_text = marker == 0x81 && entry.get(text_at) == Some(&STR16);
    is_text.then(|| entry.get(..text_at + 3)).flatten()
}

/// Passes over the entries from `at` on that differ from one with this head in their time and text alone. Answers where
/// they end and how many they are.
///
/// Where an entry ends hangs on one number in it then; a walk from value to value waits for several, one after the other.
#[inline]
fn pass_alike(entries: &[u8], mut at: usize, head: &[u8]) -> (usize, u32) {
    let mut count = 0u32;
    let (Some(start), Some((record, _))) = (
        head.get(..TIME_AT),
        head.get(RECORD_AT..)
            .and_then(<[u8]>::split_last_chunk::<2>),
    ) else {
        return (at, 0);
    };
    while let Some(next) = entries.get(at..).and_then(|rest| rest.get(..head.len())) {
        let [high, low] = match next.split_last_chunk::<2>() {
            Some((before, length))
                if before.starts_with(start)
                    && before.ends_with(record)
                    && before.get(TIME_AT..TIME_AT + 4) != Some(&[0; 4]) =>
            {
                *length
            }
            _ => break,
        };
        let end = at + head.len() + usize::from(u16::from_be_bytes([high, low]));
        if end > entries.len() {
            break;
        }
        at = end;
        count = count.saturating_add(1);
    }
    (at, count)
}

/// Where the seconds stand in a plain entry, and its record.
const TIME_AT: usize = 3;
const RECORD_AT: usize = 1 + EventTime::ENCODED_LEN;
const STR16: u8 = 0xda;

/// An acceptable entry.
#[derive(Clone, Copy)]
struct Entry<'a> {
    time: Time<'a>,
    record: &'a [u8],
    plain: bool,
}

#[derive(Clone, Copy)]
enum Time<'a> {
    /// To be kept as it is written.
    Bytes(&'a [u8]),
    /// An event time in another than the usual form.
    Event(EventTime),
    /// Second 0.
    Now,
}

/// Reads one value of the stream; `None` where it is no acceptable entry.
#[inline]
fn read_entry<'a>(cursor: &mut Cursor<'a>) -> Result<Option<Entry<'a>>, Malformed> {
    let len = match cursor.token()? {
        Token::Array(len) => len,
        other => return cursor.skip_values(other.children()).map(|()| None),
    };
    if len < 2 {
        return cursor.skip_values(u64::from(len)).map(|()| None);
    }

    let mut start = cursor.position();
    let mut token = cursor.token()?;
    let mut metadata = None;
    if let Token::Array(header @ 1..) = token {
        start = cursor.position();
        token = cursor.token()?;
        metadata = Some(u64::from(header) - 1);
    }
    let time = classify_time(token, cursor.since(start));
    // What belongs to an unacceptable time, then the metadata behind an acceptable one.
    cursor.skip_values(token.children())?;
    cursor.skip_values(metadata.unwrap_or(0))?;

    let record = cursor.value()?;
    cursor.skip_values(u64::from(len) - 2)?;
    Ok(match time {
        Some((time, usual)) if is_map(record) => Some(Entry {
            time,
            record,
            plain: usual && metadata.is_none() && len == 2,
        }),
        _ => None,
    })
}

/// The time to write, and whether it may stand as it is; `None` for what is no time.
#[inline]
fn classify_time<'a>(token: Token<'_>, bytes: &'a [u8]) -> Option<(Time<'a>, bool)> {
    match token {
        Token::Ext(..) => Some(match token.event_time()? {
            EventTime { seconds: 0, .. } => (Time::Now, false),
            _ if bytes.first() == Some(&0xd7) => (Time::Bytes(bytes), true),
            time => (Time::Event(time), false),
        }),
        Token::Uint(0) | Token::Int(0) => Some((Time::Now, false)),
        Token::Uint(_) | Token::Int(_) => Some((Time::Bytes(bytes), true)),
        _ => None,
    }
}

fn is_map(value: &[u8]) -> bool {
    matches!(value.first(), Some(0x80..=0x8f | 0xde | 0xdf))
}

fn write_entry(entry: Entry<'_>, now: EventTime, fields: &[Field], out: &mut Vec<u8>) {
    write::array(out, 2);
    match entry.time {
        Time::Bytes(bytes) => out.extend_from_slice(bytes),
        Time::Event(time) => write::time(out, time),
        Time::Now => write::time(out, now),
    }
    if fields.is_empty() {
        out.extend_from_slice(entry.record);
    } else {
        write_record(entry.record, fields, out);
    }
}

/// Writes a sound record with `fields` appended, and without pairs it had under those names.
fn write_record(record: &[u8], fields: &[Field], out: &mut Vec<u8>) {
    let pairs = || Record::new(record).fields().into_iter().flatten().flatten();
    let is_kept = |key: &Value<'_>| !fields.iter().any(|(name, _)| key.text() == Some(name));
    let kept = pairs().filter(|(key, _)| is_kept(key)).count();
    write::map(out, (kept + fields.len()) as u32);
    for (key, value) in pairs().filter(|(key, _)| is_kept(key)) {
        out.extend_from_slice(key.bytes());
        out.extend_from_slice(value.bytes());
    }
    for (name, value) in fields {
        write::str(out, name);
        write::str(out, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: EventTime = EventTime::new(1_795_264_496, 5);

    /// The slow way: every entry is read value by value and written again.
    fn slowly(entries: &[u8]) -> Result<(Vec<u8>, u32, u32), Malformed> {
        let (mut cursor, mut out) = (Cursor::new(entries), Vec::new());
        let (mut count, mut invalid) = (0, 0);
        while !cursor.is_at_end() {
            match read_entry(&mut cursor) {
                Ok(Some(entry)) => {
                    write_entry(entry, NOW, &[], &mut out);
                    count += 1;
                }
                Ok(None) => invalid += 1,
                Err(Malformed::Truncated { .. }) => break,
                Err(error) => return Err(error),
            }
        }
        Ok((out, count, invalid))
    }

    /// An entry like those of a tail, and some that are nearly so.
    fn entry(kind: u8, length: u16, seed: u8) -> Vec<u8> {
        let mut entry = vec![0x92];
        let seconds = if kind == 1 { 0 } else { 1_700_000_000 };
        write::time(&mut entry, EventTime::new(seconds, 7));
        write::map(&mut entry, if kind == 2 { 2 } else { 1 });
        write::str(&mut entry, if kind == 3 { b"log" } else { b"message" });
        match kind {
            4 => write::str(&mut entry, b"short"),
            5 => entry.push(0xc1),
            _ => {
                entry.push(STR16);
                entry.extend_from_slice(&length.to_be_bytes());
                entry.extend((0..length).map(|at| at as u8 ^ seed));
            }
        }
        match kind {
            2 => entry.extend_from_slice(&[0xa1, b'k', 1]),
            6 => entry[0] = 0x93,
            7 => entry[1] = 0xc7,
            8 => entry[2] = 1,
            _ => {}
        }
        entry
    }

    proptest! {
        #[test]
        fn a_run_of_entries_alike_is_what_a_walk_finds(
            kinds in prop::collection::vec((0u8..60, 0u16..700, any::<u8>()), 0..60),
            cut in 0usize..900,
        ) {
            let mut entries = Vec::new();
            for (kind, length, seed) in kinds {
                entries.extend(entry(kind, length, seed));
            }
            entries.truncate(entries.len().saturating_sub(cut.saturating_sub(200)));
            let mut out = Vec::new();
            let found = normalise(&entries, NOW, &[], &mut out);
            match slowly(&entries) {
                Err(error) => prop_assert_eq!(found, Err(error)),
                Ok((expected, count, invalid)) => {
                    let found = found.unwrap();
                    let sound = if found.rewritten { &out } else { &entries[..found.plain_len] };
                    prop_assert_eq!(sound, &expected);
                    prop_assert_eq!((found.count, found.invalid), (count, invalid));
                }
            }
        }
    }

    #[test]
    fn the_entries_of_a_tail_are_passed_in_one_run() {
        let one = entry(0, 200, 1);
        let entries = one.repeat(50);
        let head = text_head(&one).unwrap();
        assert_eq!(pass_alike(&entries, one.len(), head), (entries.len(), 49));
        let cut = &entries[..entries.len() - 1];
        assert_eq!(
            pass_alike(cut, one.len(), head),
            (48 * one.len() + one.len(), 48)
        );
    }
}
