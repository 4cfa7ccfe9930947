//! The `msgpack` formatter: the record's bytes as they are.

use millrun_event::Entry;

use super::{EventFormatter, FormatError, Scratch};

/// The record alone, without its time. (An event time within the record stays one; Fluentd cuts
/// its fraction off here.)
///
/// ```text
/// <format>
///   @type msgpack
/// </format>
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Msgpack;

impl EventFormatter for Msgpack {
    fn format(
        &self,
        _tag: &str,
        entry: &Entry<'_>,
        _scratch: &mut Scratch,
        out: &mut Vec<u8>,
    ) -> Result<(), FormatError> {
        out.extend_from_slice(entry.record_bytes());
        Ok(())
    }
}
