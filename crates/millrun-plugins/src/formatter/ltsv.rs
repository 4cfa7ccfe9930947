//! The `ltsv` formatter: every field with its label.

use millrun_event::Entry;

use super::ruby_text::write_text;
use super::{EventFormatter, FormatError, LineEnd, Scratch};

/// ```text
/// <format>
///   @type ltsv
///   delimiter "\t"
///   label_delimiter ":"
///   replacement " "     # in the place of a delimiter within a value
///   newline lf          # lf, crlf
///   add_newline true
/// </format>
/// ```
#[derive(Clone, Debug)]
pub(crate) struct Ltsv {
    /// What stands between fields.
    pub(crate) delimiter: String,
    /// What stands between label and value.
    pub(crate) label_delimiter: String,
    /// What a delimiter within a value becomes.
    pub(crate) replacement: String,
    /// What ends the line.
    pub(crate) line_end: LineEnd,
}

impl Default for Ltsv {
    fn default() -> Self {
        Self {
            delimiter: "\t".to_owned(),
            label_delimiter: ":".to_owned(),
            replacement: " ".to_owned(),
            line_end: LineEnd::Lf,
        }
    }
}

impl EventFormatter for Ltsv {
    fn format(
        &self,
        _tag: &str,
        entry: &Entry<'_>,
        scratch: &mut Scratch,
        out: &mut Vec<u8>,
    ) -> Result<(), FormatError> {
        for (index, field) in entry.record().fields()?.enumerate() {
            let (label, value) = field?;
            if index > 0 {
                out.extend_from_slice(self.delimiter.as_bytes());
            }
            write_text(label, out)?;
            out.extend_from_slice(self.label_delimiter.as_bytes());
            scratch.text.clear();
            write_text(value, &mut scratch.text)?;
            self.write_clean(&scratch.text, out);
        }
        out.extend_from_slice(self.line_end.bytes());
        Ok(())
    }
}

impl Ltsv {
    fn write_clean(&self, text: &[u8], out: &mut Vec<u8>) {
        let delimiter = self.delimiter.as_bytes();
        let mut rest = text;
        while let Some(at) = find(rest, delimiter) {
            let (before, behind) = rest.split_at(at);
            out.extend_from_slice(before);
            out.extend_from_slice(self.replacement.as_bytes());
            rest = behind.get(delimiter.len()..).unwrap_or_default();
        }
        out.extend_from_slice(rest);
    }
}

/// Delimiters are a byte or two: a search by the first one will do.
fn find(text: &[u8], delimiter: &[u8]) -> Option<usize> {
    let first = delimiter.first()?;
    let mut from = 0;
    loop {
        let rest = text.get(from..)?;
        let at = from + rest.iter().position(|byte| byte == first)?;
        if text.get(at..)?.starts_with(delimiter) {
            return Some(at);
        }
        from = at + 1;
    }
}
