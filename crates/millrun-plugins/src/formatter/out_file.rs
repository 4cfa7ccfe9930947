//! The `out_file` formatter: time, tag and record, the default of files.

use millrun_event::json::{FloatText, write_next};
use millrun_event::{Cursor, Entry, EntryHead, EntryTime};
use millrun_pattern::Zone;

use super::time_text::time_of;
use super::{EventFormatter, FormatError, LineEnd, Scratch, TimeText};

/// ```text
/// <format>
///   @type out_file
///   output_time true
///   output_tag true
///   delimiter TAB       # TAB, SPACE, COMMA
///   time_format %F %T   # and the other time parameters; ISO 8601 without
///   newline lf          # lf, crlf
/// </format>
/// ```
#[derive(Clone, Debug)]
pub(crate) struct OutFile {
    /// How the time is written; `None` leaves it out (`output_time false`).
    pub(crate) time: Option<TimeText>,
    /// Whether the tag is written (`output_tag`).
    pub(crate) writes_tag: bool,
    /// What stands between the three parts.
    pub(crate) delimiter: u8,
    /// How floats are printed.
    pub(crate) floats: FloatText,
    /// What ends the line.
    pub(crate) line_end: LineEnd,
}

impl Default for OutFile {
    /// Local time as ISO 8601, tag, TAB between.
    fn default() -> Self {
        Self {
            time: Some(TimeText::iso8601(Zone::local())),
            writes_tag: true,
            delimiter: b'\t',
            floats: FloatText::Oj,
            line_end: LineEnd::Lf,
        }
    }
}

impl OutFile {
    /// The byte that the parameter `delimiter` names; whatever it does not know is a TAB, as in
    /// Fluentd.
    pub(crate) fn delimiter_named(name: &str) -> u8 {
        match name {
            "SPACE" => b' ',
            "COMMA" => b',',
            _ => b'\t',
        }
    }
}

impl EventFormatter for OutFile {
    fn format(
        &self,
        tag: &str,
        entry: &Entry<'_>,
        scratch: &mut Scratch,
        out: &mut Vec<u8>,
    ) -> Result<(), FormatError> {
        let mut record = Cursor::new(entry.record_bytes());
        self.line(tag, entry.time, &mut record, scratch, out)
    }

    fn format_next(
        &self,
        tag: &str,
        head: EntryHead,
        cursor: &mut Cursor<'_>,
        scratch: &mut Scratch,
        out: &mut Vec<u8>,
    ) -> Result<(), FormatError> {
        self.line(tag, head.time, cursor, scratch, out)
    }
}

impl OutFile {
    /// The line of an event whose record stands at the cursor.
    fn line(
        &self,
        tag: &str,
        time: EntryTime,
        record: &mut Cursor<'_>,
        scratch: &mut Scratch,
        out: &mut Vec<u8>,
    ) -> Result<(), FormatError> {
        if let Some(form) = &self.time {
            let text = form.text(time_of(time)?, &mut scratch.inner_time);
            out.extend_from_slice(text.as_bytes());
            out.push(self.delimiter);
        }
        if self.writes_tag {
            out.extend_from_slice(tag.as_bytes());
            out.push(self.delimiter);
        }
        write_next(record, self.floats, out)?;
        out.extend_from_slice(self.line_end.bytes());
        Ok(())
    }
}
