//! The loop of filters that write every record again, and the head of an entry for those with a loop of their own.

use millrun_core::{Batch, LossReason, Report};
use millrun_event::{Cursor, Entries, Entry, EventBuffer, EventTime, Record};

/// Writes each event of `batch` to `out` with the record that `write` makes of its time and
/// its own. What is no event stays as it
/// is; the outputs say what is wrong with it.
pub(super) fn each_record(
    plugin: &str,
    batch: Batch<'_>,
    out: &mut EventBuffer,
    report: &mut Report<'_>,
    mut write: impl FnMut(EventTime, Record<'_>, &mut Vec<u8>),
) {
    for (seen, entry) in (0..).zip(Entries::new(batch.events.bytes)) {
        let Ok(entry) = entry else {
            let left = batch.events.count.saturating_sub(seen);
            report.lose(plugin, LossReason::Invalid, u64::from(left));
            return;
        };
        match entry.time.to_event_time().filter(|_| !entry.has_metadata) {
            Some(time) if entry.record_is_map() => {
                out.push(time, |out| write(time, entry.record(), out));
            }
            _ => out.extend(entry.bytes, 1),
        }
    }
}

/// An array of two, and an event time.
const HEAD: usize = 3 + 8;

/// Reads the head of an entry: its time, if it has one an event can have. The cursor is then at the record.
#[inline]
pub(super) fn skip_to_record<'a>(
    stream: &'a [u8],
    cursor: &mut Cursor<'a>,
) -> Option<Option<EventTime>> {
    let start = cursor.position();
    let rest = stream.get(start..)?;
    // What every current client writes.
    if let Some([0x92, 0xd7, 0x00, payload @ ..]) = rest.first_chunk::<HEAD>() {
        *cursor = Cursor::at(stream, start + HEAD);
        return Some(Some(EventTime::from_payload(*payload)));
    }
    let mut whole = cursor.clone();
    let entry = Entry::read(&mut whole).ok()?;
    let head = entry.bytes.len() - entry.record_bytes().len();
    *cursor = whole;
    cursor.rewind(start + head);
    // A time with metadata stays with it.
    let time = entry.time.to_event_time().filter(|_| !entry.has_metadata);
    Some(time)
}
