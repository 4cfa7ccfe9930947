//! What the chunks of this output hold, and what a request carries of them.
//!
//! ```text
//! format json              {"a":1} LF {"a":2} LF        as it is
//! format json, json_array  {"a":1},{"a":2},             [{"a":1},{"a":2}]
//! format msgpack           value value                  as it is
//! any other                its text                     as it is
//! ```
//!
//! That is also how Fluentd keeps them, so that either program can send the other's chunks.

use memchr::memchr;
use millrun_core::BatchFormatter;
use millrun_event::{Cursor, Entry, EntryHead, Events};

use crate::formatter::{Batches, EventFormatter, FormatError, Scratch};

/// How events follow each other in a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Each on a line of its own, without a line end inside.
    Lines,
    /// Each with a comma behind.
    Array,
    /// Msgpack values.
    Values,
    /// Nothing that could be told apart.
    Whole,
}

/// Formats batches for chunks of a form.
pub(super) struct Formatter {
    form: Form,
    batches: Batches,
}

impl Formatter {
    pub(super) fn new(form: Form, formatter: Box<dyn EventFormatter>) -> Self {
        let formatter = match form {
            Form::Array => Box::new(CommaBehind(formatter)),
            Form::Lines | Form::Values | Form::Whole => formatter,
        };
        Self {
            form,
            batches: Batches::new(formatter),
        }
    }
}

impl BatchFormatter for Formatter {
    fn format(
        &self,
        tag: &str,
        events: Events<'_>,
        out: &mut Vec<u8>,
        ends: &mut Vec<usize>,
    ) -> u64 {
        self.batches.format(tag, events, out, ends)
    }

    fn first_event(&self, bytes: &[u8]) -> Option<usize> {
        match self.form {
            Form::Lines => memchr(b'\n', bytes).map(|end| end + 1),
            Form::Values => {
                let mut cursor = Cursor::new(bytes);
                cursor.skip().ok()?;
                bytes.len().checked_sub(cursor.rest().len())
            }
            Form::Array | Form::Whole => None,
        }
    }
}

/// A formatter of lines whose line ends become commas.
struct CommaBehind(Box<dyn EventFormatter>);

impl EventFormatter for CommaBehind {
    fn format(
        &self,
        tag: &str,
        entry: &Entry<'_>,
        scratch: &mut Scratch,
        out: &mut Vec<u8>,
    ) -> Result<(), FormatError> {
        self.0.format(tag, entry, scratch, out)?;
        Self::comma(out);
        Ok(())
    }

    fn format_next(
        &self,
        tag: &str,
        head: EntryHead,
        cursor: &mut Cursor<'_>,
        scratch: &mut Scratch,
        out: &mut Vec<u8>,
    ) -> Result<(), FormatError> {
        self.0.format_next(tag, head, cursor, scratch, out)?;
        Self::comma(out);
        Ok(())
    }
}

impl CommaBehind {
    /// Puts the comma in the place of the line end.
    fn comma(out: &mut Vec<u8>) {
        while out.last().is_some_and(|byte| matches!(byte, b'\n' | b'\r')) {
            out.pop();
        }
        out.push(b',');
    }
}

/// The content of a request: the bytes of a chunk, or the array they are the inside of, made in `scratch`.
pub(super) fn body<'a>(form: Form, chunk: &'a [u8], scratch: &'a mut Vec<u8>) -> &'a [u8] {
    if form != Form::Array {
        return chunk;
    }
    scratch.clear();
    scratch.push(b'[');
    scratch.extend_from_slice(chunk.strip_suffix(b",").unwrap_or(chunk));
    scratch.push(b']');
    scratch
}

#[cfg(test)]
mod tests {
    use millrun_event::json::FloatText;
    use millrun_event::{EventBuffer, EventTime, write};

    use super::*;
    use crate::formatter::{Json, LineEnd, Msgpack};

    fn chunk(form: Form, formatter: Box<dyn EventFormatter>) -> (Formatter, Vec<u8>) {
        let mut events = EventBuffer::default();
        for number in 1..3 {
            events.push(EventTime::new(1, 0), |record| {
                write::map(record, 1);
                write::str(record, b"k");
                write::uint(record, number);
            });
        }
        let formatter = Formatter::new(form, formatter);
        let (mut out, mut ends) = (Vec::new(), Vec::new());
        assert_eq!(
            formatter.format("t", events.as_events(), &mut out, &mut ends),
            0
        );
        assert_eq!(ends.len(), 2);
        (formatter, out)
    }

    fn json(form: Form) -> (Formatter, Vec<u8>) {
        let formatter = Json {
            floats: FloatText::Oj,
            line_end: LineEnd::Lf,
        };
        chunk(form, Box::new(formatter))
    }

    #[test]
    fn an_array_is_made_of_what_stands_in_the_chunk() {
        let (_, lines) = json(Form::Lines);
        assert_eq!(
            body(Form::Lines, &lines, &mut Vec::new()),
            b"{\"k\":1}\n{\"k\":2}\n"
        );
        let (_, array) = json(Form::Array);
        assert_eq!(array, b"{\"k\":1},{\"k\":2},");
        assert_eq!(
            body(Form::Array, &array, &mut Vec::new()),
            b"[{\"k\":1},{\"k\":2}]"
        );
        assert_eq!(body(Form::Array, b"", &mut Vec::new()), b"[]");
    }

    #[test]
    fn a_refused_chunk_can_be_cut_where_events_can_be_told_apart() {
        let (lines, text) = json(Form::Lines);
        assert_eq!(lines.first_event(&text), Some(8));
        let (values, bytes) = chunk(Form::Values, Box::new(Msgpack));
        assert_eq!(values.first_event(&bytes), Some(bytes.len() / 2));
        let (array, text) = json(Form::Array);
        assert_eq!(array.first_event(&text), None);
    }
}
