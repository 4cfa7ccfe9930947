//! The `csv` formatter: chosen fields, quoted.

use millrun_core::lookup;
use millrun_event::Entry;
use millrun_pattern::Accessor;

use super::ruby_text::write_text;
use super::{EventFormatter, FormatError, LineEnd, Scratch};

/// ```text
/// <format>
///   @type csv
///   fields host,$.request.path
///   delimiter ,         # any text; TAB for a tabulator
///   force_quotes true
///   add_newline true
/// </format>
/// ```
#[derive(Clone, Debug)]
pub(crate) struct Csv {
    /// Which fields, in this order; a missing one is empty.
    pub(crate) fields: Vec<Accessor>,
    /// What stands between them.
    pub(crate) delimiter: String,
    /// Quotes around all fields, or only where they are needed.
    pub(crate) force_quotes: bool,
    /// What ends the line.
    pub(crate) line_end: LineEnd,
}

impl Csv {
    /// A formatter of `fields` with the defaults of all else.
    pub(crate) fn new(fields: Vec<Accessor>) -> Self {
        Self {
            fields,
            delimiter: ",".to_owned(),
            force_quotes: true,
            line_end: LineEnd::Lf,
        }
    }

    /// The text that the parameter `delimiter` stands for.
    pub(crate) fn delimiter_named(name: &str) -> &str {
        match name {
            "TAB" | "\\t" => "\t",
            text => text,
        }
    }

    /// Without force, quotes stand where a reader would otherwise see something else. Nil and the
    /// empty text differ in them.
    fn needs_quotes(&self, text: &[u8], is_nil: bool) -> bool {
        let edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_whitespace);
        self.force_quotes
            || (text.is_empty() && !is_nil)
            || edge(text.first())
            || edge(text.last())
            || text.iter().any(|byte| b"\"\r\n".contains(byte))
            || (!self.delimiter.is_empty()
                && text
                    .windows(self.delimiter.len())
                    .any(|window| window == self.delimiter.as_bytes()))
    }
}

impl EventFormatter for Csv {
    fn format(
        &self,
        _tag: &str,
        entry: &Entry<'_>,
        scratch: &mut Scratch,
        out: &mut Vec<u8>,
    ) -> Result<(), FormatError> {
        for (index, field) in self.fields.iter().enumerate() {
            if index > 0 {
                out.extend_from_slice(self.delimiter.as_bytes());
            }
            let value = lookup(entry.record_bytes(), field.segments());
            scratch.text.clear();
            if let Some(value) = value {
                write_text(value, &mut scratch.text)?;
            }
            let is_nil = value.is_none_or(|value| value.bytes() == [NIL]);
            if self.needs_quotes(&scratch.text, is_nil) {
                write_quoted(out, &scratch.text);
            } else {
                out.extend_from_slice(&scratch.text);
            }
        }
        out.extend_from_slice(self.line_end.bytes());
        Ok(())
    }
}

const NIL: u8 = 0xc0;

fn write_quoted(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    for (index, part) in text.split(|byte| *byte == b'"').enumerate() {
        if index > 0 {
            out.extend_from_slice(b"\"\"");
        }
        out.extend_from_slice(part);
    }
    out.push(b'"');
}
