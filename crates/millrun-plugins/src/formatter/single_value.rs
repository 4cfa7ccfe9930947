//! The `single_value` formatter: one field's text.

use millrun_event::Entry;

use super::ruby_text::write_text;
use super::{EventFormatter, FormatError, LineEnd, Scratch};

/// A record without the field gives an empty line.
///
/// ```text
/// <format>
///   @type single_value
///   message_key message
///   newline lf          # lf, crlf
///   add_newline true
/// </format>
/// ```
#[derive(Clone, Debug)]
pub(crate) struct SingleValue {
    /// The field's key.
    pub(crate) message_key: String,
    /// What ends the line.
    pub(crate) line_end: LineEnd,
}

impl Default for SingleValue {
    fn default() -> Self {
        Self {
            message_key: "message".to_owned(),
            line_end: LineEnd::Lf,
        }
    }
}

impl EventFormatter for SingleValue {
    fn format(
        &self,
        _tag: &str,
        entry: &Entry<'_>,
        _scratch: &mut Scratch,
        out: &mut Vec<u8>,
    ) -> Result<(), FormatError> {
        if let Some(value) = entry.record().field(self.message_key.as_bytes()) {
            write_text(value, out)?;
        }
        out.extend_from_slice(self.line_end.bytes());
        Ok(())
    }
}
