//! The `tsv` formatter: chosen fields, as they are.

use millrun_event::Entry;

use super::ruby_text::write_text;
use super::{EventFormatter, FormatError, LineEnd, Scratch};

/// Nothing is escaped: a delimiter within a field is for the reader to find.
///
/// ```text
/// <format>
///   @type tsv
///   keys host,path
///   delimiter "\t"
///   newline lf          # lf, crlf
///   add_newline true
/// </format>
/// ```
#[derive(Clone, Debug)]
pub(crate) struct Tsv {
    /// Which fields, in this order; a missing one is empty.
    pub(crate) keys: Vec<String>,
    /// What stands between them.
    pub(crate) delimiter: String,
    /// What ends the line.
    pub(crate) line_end: LineEnd,
}

impl Tsv {
    /// A formatter of `keys` with the defaults of all else.
    pub(crate) fn new(keys: Vec<String>) -> Self {
        Self {
            keys,
            delimiter: "\t".to_owned(),
            line_end: LineEnd::Lf,
        }
    }
}

impl EventFormatter for Tsv {
    fn format(
        &self,
        _tag: &str,
        entry: &Entry<'_>,
        _scratch: &mut Scratch,
        out: &mut Vec<u8>,
    ) -> Result<(), FormatError> {
        for (index, key) in self.keys.iter().enumerate() {
            if index > 0 {
                out.extend_from_slice(self.delimiter.as_bytes());
            }
            if let Some(value) = entry.record().field(key.as_bytes()) {
                write_text(value, out)?;
            }
        }
        out.extend_from_slice(self.line_end.bytes());
        Ok(())
    }
}
