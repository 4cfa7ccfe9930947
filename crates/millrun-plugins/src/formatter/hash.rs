//! The `hash` formatter: the record as Ruby shows it.

use millrun_event::Entry;

use super::ruby_text::write_inspect;
use super::{EventFormatter, FormatError, LineEnd, Scratch};

/// The form of Ruby before 3.4, `{"a"=>1}`.
///
/// ```text
/// <format>
///   @type hash
///   newline lf          # lf, crlf
///   add_newline true
/// </format>
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Hash {
    /// What ends the line.
    pub(crate) line_end: LineEnd,
}

impl EventFormatter for Hash {
    fn format(
        &self,
        _tag: &str,
        entry: &Entry<'_>,
        _scratch: &mut Scratch,
        out: &mut Vec<u8>,
    ) -> Result<(), FormatError> {
        write_inspect(entry.record_bytes(), out)?;
        out.extend_from_slice(self.line_end.bytes());
        Ok(())
    }
}
