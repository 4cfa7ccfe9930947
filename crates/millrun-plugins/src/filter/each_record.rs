//! The loop of filters that write every record again.

use millrun_core::{Batch, LossReason, Report};
use millrun_event::{Entries, EventBuffer, Record};

/// Writes each event of `batch` to `out` with the record that `write` makes of its own. What is no event stays as it
/// is; the outputs say what is wrong with it.
pub(super) fn each_record(
    plugin: &str,
    batch: Batch<'_>,
    out: &mut EventBuffer,
    report: &mut Report<'_>,
    mut write: impl FnMut(Record<'_>, &mut Vec<u8>),
) {
    for (seen, entry) in (0..).zip(Entries::new(batch.events.bytes)) {
        let Ok(entry) = entry else {
            let left = batch.events.count.saturating_sub(seen);
            report.lose(plugin, LossReason::Invalid, u64::from(left));
            return;
        };
        match entry.time.to_event_time().filter(|_| !entry.has_metadata) {
            Some(time) if entry.record_is_map() => {
                out.push(time, |out| write(entry.record(), out));
            }
            _ => out.extend(entry.bytes, 1),
        }
    }
}
