//! Entries for servers that know no event times (`time_as_integer`).

use millrun_event::{Entries, Malformed, write};

/// Writes `entries` into `out`, which is cleared before, with the whole seconds of each time as an integer.
pub(super) fn whole_seconds(entries: &[u8], out: &mut Vec<u8>) -> Result<(), Malformed> {
    out.clear();
    for entry in Entries::new(entries) {
        let entry = entry?;
        match entry.time.to_event_time() {
            Some(time) => {
                write::array(out, 2);
                write::uint(out, u64::from(time.seconds));
                out.extend_from_slice(entry.record_bytes());
            }
            // What has no time is the server's to judge.
            None => out.extend_from_slice(entry.bytes),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use millrun_event::{EventBuffer, EventTime};

    use super::*;

    #[test]
    fn records_stay_and_times_lose_their_fraction() {
        let mut events = EventBuffer::default();
        for (seconds, nanoseconds) in [(1_700_000_000, 999_999_999), (5, 0)] {
            events.push(EventTime::new(seconds, nanoseconds), |record| {
                write::map(record, 1);
                write::str(record, b"k");
                write::str(record, b"v");
            });
        }
        let mut out = b"old".to_vec();
        whole_seconds(events.as_events().bytes, &mut out).unwrap();
        assert_eq!(
            out,
            b"\x92\xce\x65\x53\xf1\x00\x81\xa1k\xa1v\x92\x05\x81\xa1k\xa1v"
        );
        // Again, nothing is left to do.
        let again = out.clone();
        whole_seconds(&again, &mut out).unwrap();
        assert_eq!(out, again);
        assert!(whole_seconds(b"\x92", &mut out).is_err());
    }
}
