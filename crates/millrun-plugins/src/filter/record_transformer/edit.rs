//! What is done to a record, in one walk over it.

use std::ops::Range;

use millrun_event::{
    Cursor, Entry, EntryTime, EventBuffer, EventTime, Record, Token, Value, write,
};
use millrun_pattern::Segment;

use crate::filter::delete::delete;
use crate::filter::each_record::skip_to_record;
use crate::filter::tag_parts::TagParts;
use crate::filter::template::{Changes, Context, Scratch, Template};
use crate::parser::leading_float;

/// A field that is set.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) key: Template,
    pub(super) value: Template,
}

/// All that is done to each record.
#[derive(Debug)]
pub(super) struct Edit {
    fields: Vec<Field>,
    /// Keys that are taken out of the record itself.
    removed: Vec<Vec<u8>>,
    /// Paths that lead further in.
    removed_within: Vec<Vec<Segment>>,
    kept: Option<Vec<Vec<u8>>>,
    renew_time_key: Option<Vec<u8>>,
}

/// Why an entry is not rewritten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unusable {
    /// It is no entry; nor is what follows.
    Malformed,
    /// The time key holds something that is no time.
    Time(&'static str),
}

/// What one thread uses for all events.
#[derive(Debug, Default)]
pub(super) struct Workspace {
    tag: TagParts,
    scratch: Scratch,
    /// The keys of the fields of this batch, and whole pairs where they are the same for all its events.
    bytes: Vec<u8>,
    fields: Vec<BatchField>,
    /// Of the entry at hand: the pairs that do not stay as they are.
    hits: Vec<Hit>,
}

#[derive(Clone, Debug)]
struct BatchField {
    /// The text of the key.
    name: Range<usize>,
    /// The key and, if it is known, the value.
    pair: Range<usize>,
    is_whole: bool,
    /// It is taken out again.
    is_removed: bool,
    /// A later one of the same name counts.
    is_replaced: bool,
}

#[derive(Clone, Copy, Debug)]
struct Hit {
    start: usize,
    end: usize,
    /// The field that stands there now.
    field: Option<usize>,
}

impl Edit {
    pub(super) fn new(
        fields: Vec<Field>,
        paths: Vec<Vec<Segment>>,
        kept: Option<Vec<String>>,
        is_renewed: bool,
        renew_time_key: Option<String>,
    ) -> Self {
        let (mut removed, mut removed_within) = (Vec::new(), Vec::new());
        for path in paths {
            match path.as_slice() {
                [Segment::Key(key)] => removed.push(key.as_bytes().to_vec()),
                _ => removed_within.push(path),
            }
        }
        Edit {
            fields,
            removed,
            removed_within,
            // What is kept is named; to begin with nothing and to keep nothing is the same.
            kept: match kept {
                Some(keys) => Some(keys.into_iter().map(String::into_bytes).collect()),
                None => is_renewed.then(Vec::new),
            },
            renew_time_key: renew_time_key.map(String::into_bytes),
        }
    }

    /// Begins a batch: what is the same for all its events is written now.
    pub(super) fn begin(&self, tag: &str, workspace: &mut Workspace) {
        workspace.tag.set(tag);
        workspace.bytes.clear();
        workspace.fields.clear();
        let nothing = Context {
            tag: &workspace.tag,
            time: EventTime::default(),
            record: Record::new(&[0x80]),
        };
        let (bytes, scratch) = (&mut workspace.bytes, &mut workspace.scratch);
        for field in &self.fields {
            let start = bytes.len();
            field.key.write(&nothing, scratch, bytes);
            let end = bytes.len();
            let length = match Cursor::at(bytes, start).token() {
                Ok(Token::Str(name)) => name.len(),
                _ => 0,
            };
            let name = end - length..end;
            let is_whole = field.value.changes() < Changes::WithRecord;
            if is_whole {
                field.value.write(&nothing, scratch, bytes);
            }
            let text = bytes.get(name.clone()).unwrap_or_default();
            // Of two fields of one name the last counts.
            for known in &mut workspace.fields {
                known.is_replaced |= bytes.get(known.name.clone()) == Some(text);
            }
            workspace.fields.push(BatchField {
                is_removed: self.removed.iter().any(|removed| removed == text),
                is_replaced: false,
                pair: start..bytes.len(),
                is_whole,
                name,
            });
        }
    }

    /// Rewrites the entry of `stream` at the cursor to the end of `out`.
    pub(super) fn rewrite<'s>(
        &self,
        stream: &'s [u8],
        cursor: &mut Cursor<'s>,
        workspace: &mut Workspace,
        out: &mut EventBuffer,
    ) -> Result<(), Unusable> {
        let start = cursor.position();
        let time = skip_to_record(stream, cursor).ok_or(Unusable::Malformed)?;
        let record_at = cursor.position();
        let (Some(time), Ok(Token::Map(pairs))) = (time, cursor.token()) else {
            // What is no event has no fields to change; the outputs say what is wrong with it.
            *cursor = Cursor::at(stream, start);
            let entry = Entry::read(cursor).map_err(|_| Unusable::Malformed)?;
            out.extend(entry.bytes, 1);
            return Ok(());
        };
        let pairs_at = cursor.position();
        self.find_hits(cursor, pairs, workspace)
            .ok_or(Unusable::Malformed)?;
        let end = cursor.position();
        let record = Record::new(stream.get(record_at..end).unwrap_or_default());
        let time = self.renewed_time(record, time, workspace)?;
        let Workspace {
            tag,
            scratch,
            bytes,
            fields,
            hits,
        } = workspace;
        let context = Context { tag, time, record };
        let live = |field: &&BatchField| !field.is_removed && !field.is_replaced;
        let set = fields.iter().filter(live).count();
        let count = pairs as usize - hits.len() + set;
        let mut write_field = |index: usize, out: &mut Vec<u8>| {
            let Some((field, template)) = fields.get(index).zip(self.fields.get(index)) else {
                return;
            };
            out.extend_from_slice(bytes.get(field.pair.clone()).unwrap_or_default());
            if !field.is_whole {
                template.value.write(&context, scratch, out);
            }
        };
        out.push(time, |out| {
            let record = out.len();
            write::map(out, u32::try_from(count).unwrap_or(u32::MAX));
            let mut from = pairs_at;
            for hit in hits.iter() {
                out.extend_from_slice(stream.get(from..hit.start).unwrap_or_default());
                if let Some(field) = hit.field {
                    write_field(field, out);
                }
                from = hit.end;
            }
            out.extend_from_slice(stream.get(from..end).unwrap_or_default());
            for (index, field) in fields.iter().enumerate().filter(|(_, field)| live(field)) {
                let _ = field;
                if !hits.iter().any(|hit| hit.field == Some(index)) {
                    write_field(index, out);
                }
            }
            for path in &self.removed_within {
                delete(out, record, path);
            }
        });
        Ok(())
    }

    /// Walks the pairs and notes those that do not stay as they are.
    #[inline]
    fn find_hits(
        &self,
        cursor: &mut Cursor<'_>,
        pairs: u32,
        workspace: &mut Workspace,
    ) -> Option<()> {
        let (bytes, fields, hits) = (&workspace.bytes, &workspace.fields, &mut workspace.hits);
        hits.clear();
        for _ in 0..pairs {
            let start = cursor.position();
            let key = match cursor.token().ok()? {
                Token::Str(key) | Token::Bin(key) => key,
                other => {
                    cursor.skip_values(other.children()).ok()?;
                    // No key of ours, and nothing that keep_keys names.
                    b""
                }
            };
            cursor.skip().ok()?;
            let end = cursor.position();
            let field = fields
                .iter()
                .position(|field| bytes.get(field.name.clone()) == Some(key) && !field.is_replaced);
            let is_kept = self
                .kept
                .as_ref()
                .is_none_or(|kept| kept.iter().any(|name| name == key));
            let is_removed = !is_kept || self.removed.iter().any(|name| name == key);
            if is_removed || field.is_some() {
                let field = field.filter(|index| {
                    !is_removed && !hits.iter().any(|hit: &Hit| hit.field == Some(*index))
                });
                hits.push(Hit { start, end, field });
            }
        }
        Some(())
    }

    /// The time that the new record's time key tells, before anything is taken out.
    fn renewed_time(
        &self,
        record: Record<'_>,
        time: EventTime,
        workspace: &mut Workspace,
    ) -> Result<EventTime, Unusable> {
        let Some(key) = &self.renew_time_key else {
            return Ok(time);
        };
        let (bytes, fields) = (&workspace.bytes, &workspace.fields);
        let named = |field: &BatchField| bytes.get(field.name.clone()) == Some(key.as_slice());
        let mut written = Vec::new();
        let value = if let Some(index) = fields.iter().rposition(named) {
            let context = Context {
                tag: &workspace.tag,
                time,
                record,
            };
            if let Some(field) = self.fields.get(index) {
                field
                    .value
                    .write(&context, &mut workspace.scratch, &mut written);
            }
            Some(Value::new(&written))
        } else {
            let is_kept = self.kept.as_ref().is_none_or(|kept| kept.contains(key));
            record.field(key).filter(|_| is_kept)
        };
        let seconds = match value.map(|value| value.token()) {
            None => return Ok(time),
            Some(Some(Token::Nil)) => 0.0,
            Some(Some(Token::Uint(seconds))) => seconds as f64,
            Some(Some(Token::Int(seconds))) => seconds as f64,
            Some(Some(Token::Float(seconds))) => seconds,
            Some(Some(Token::Str(text) | Token::Bin(text))) => leading_float(text),
            Some(Some(Token::Bool(_))) => return Err(Unusable::Time("true or false")),
            Some(Some(Token::Array(_))) => return Err(Unusable::Time("an array")),
            Some(Some(Token::Map(_))) => return Err(Unusable::Time("a map")),
            Some(None | Some(Token::Ext(..))) => return Err(Unusable::Time("something else")),
        };
        Ok(EntryTime::Float(seconds).to_event_time().unwrap_or(time))
    }
}
