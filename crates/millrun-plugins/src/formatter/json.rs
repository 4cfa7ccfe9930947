//! The `json` formatter: the record as one line of JSON.

use millrun_event::json::{FloatText, write_next};
use millrun_event::{Cursor, Entry, EntryHead};

use super::{EventFormatter, FormatError, LineEnd, Scratch};

/// ```text
/// <format>
///   @type json
///   json_parser oj      # how floats look: oj, or json and yajl
///   newline lf          # lf, crlf
///   add_newline true
/// </format>
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Json {
    /// How floats are printed.
    pub(crate) floats: FloatText,
    /// What ends the line.
    pub(crate) line_end: LineEnd,
}

impl EventFormatter for Json {
    fn format(
        &self,
        _tag: &str,
        entry: &Entry<'_>,
        _scratch: &mut Scratch,
        out: &mut Vec<u8>,
    ) -> Result<(), FormatError> {
        self.line(&mut Cursor::new(entry.record_bytes()), out)
    }

    fn format_next(
        &self,
        _tag: &str,
        _head: EntryHead,
        cursor: &mut Cursor<'_>,
        _scratch: &mut Scratch,
        out: &mut Vec<u8>,
    ) -> Result<(), FormatError> {
        self.line(cursor, out)
    }
}

impl Json {
    /// The line of the record at the cursor.
    fn line(&self, record: &mut Cursor<'_>, out: &mut Vec<u8>) -> Result<(), FormatError> {
        write_next(record, self.floats, out)?;
        out.extend_from_slice(self.line_end.bytes());
        Ok(())
    }
}
