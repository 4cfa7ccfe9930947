//! What is done to a record, in one walk over it.

use std::ops::Range;

use millrun_event::{
    Cursor, Entry, EntryTime, EventBuffer, EventTime, Record, Token, Value, write,
};
use millrun_pattern::Segment;
use millrun_ruby::{Evaluator, RubyError, SystemWorld, leading_float};

use crate::filter::delete::delete;
use crate::filter::each_record::skip_to_record;
use crate::filter::tag_parts::TagParts;
use crate::filter::template::{Changes, Context, Expressions, Scratch, Template};

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
    /// A key hangs on the record, or a value is an expression: all fields are written before the record is walked.
    is_dynamic: bool,
    /// The keys do not hang on the record.
    has_fixed_keys: bool,
    /// Keys that are taken out of the record itself.
    removed: Vec<Vec<u8>>,
    removed_lengths: Lengths,
    /// Paths that lead further in.
    removed_within: Vec<Vec<Segment>>,
    kept: Option<Vec<Vec<u8>>>,
    renew_time_key: Option<Vec<u8>>,
}

/// Why an entry is not rewritten.
#[derive(Debug)]
pub(super) enum Unusable {
    /// It is no entry; nor is what follows.
    Malformed,
    /// The time key holds something that is no time.
    Time(&'static str),
    /// An expression raised or ran into a limit.
    Expression(RubyError),
}

impl std::fmt::Display for Unusable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Unusable::Malformed => f.write_str("not an event"),
            Unusable::Time(found) => {
                write!(
                    f,
                    "renew_time_key: expected a number or text, found {found}"
                )
            }
            Unusable::Expression(error) => write!(f, "failed to expand an expression: {error}"),
        }
    }
}

/// What one thread uses for all events.
#[derive(Debug, Default)]
pub(super) struct Workspace {
    /// Of filters with expressions.
    evaluator: Option<Evaluator<SystemWorld>>,
    /// The record with what expressions did to its values.
    changed: Vec<u8>,
    tag: TagParts,
    scratch: Scratch,
    /// The keys of the fields of this batch, and whole pairs where they are the same for all its events.
    bytes: Vec<u8>,
    fields: Vec<BatchField>,
    /// What is appended to every record in which nothing else changes, if that is so for the whole batch.
    appendix: Option<Appendix>,
    /// The pairs of the appendix.
    appended: Vec<u8>,
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

/// Pairs that are the same for all events of a batch.
#[derive(Clone, Copy, Debug)]
struct Appendix {
    pairs: u32,
}

/// A set of lengths, those of 63 and more as one: what is not in it needs no comparison.
#[derive(Clone, Copy, Debug, Default)]
struct Lengths(u64);

impl Lengths {
    fn add(&mut self, length: usize) {
        self.0 |= 1 << length.min(63);
    }

    #[inline]
    fn has(self, length: usize) -> bool {
        self.0 >> length.min(63) & 1 == 1
    }
}

impl BatchField {
    /// It stands in the new record.
    fn is_live(&self) -> bool {
        !self.is_removed && !self.is_replaced
    }
}

#[derive(Clone, Copy, Debug)]
struct Hit {
    start: usize,
    end: usize,
    /// The field that stands there now.
    field: Option<usize>,
}

impl Workspace {
    /// A workspace with the evaluator of a filter that has expressions.
    pub(super) fn new(evaluator: Option<Evaluator<SystemWorld>>) -> Self {
        Workspace {
            evaluator,
            ..Workspace::default()
        }
    }
}

/// An entry's head, and where its record lies.
struct Place {
    time: EventTime,
    record: Range<usize>,
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
        let mut removed_lengths = Lengths::default();
        for key in &removed {
            removed_lengths.add(key.len());
        }
        let is_dynamic = fields.iter().any(|field| {
            let mut programs = Vec::new();
            field.value.programs(&mut programs);
            field.key.changes() == Changes::WithRecord || !programs.is_empty()
        });
        let has_fixed_keys = fields
            .iter()
            .all(|field| field.key.changes() < Changes::WithRecord);
        Edit {
            fields,
            is_dynamic,
            has_fixed_keys,
            removed,
            removed_lengths,
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
        self.name_fields(workspace);
        if !self.is_dynamic {
            workspace.appendix = self.write_appendix(workspace);
        }
    }

    /// Writes what is known of the fields without a record: their names, if these are fixed.
    fn name_fields(&self, workspace: &mut Workspace) {
        if !self.has_fixed_keys {
            return;
        }
        let nothing = Context {
            tag: &workspace.tag,
            time: EventTime::default(),
            record: Record::new(&[0x80]),
        };
        let (bytes, scratch) = (&mut workspace.bytes, &mut workspace.scratch);
        // Only expressions fail.
        let _ = self.fill(
            &nothing,
            false,
            scratch,
            &mut None,
            bytes,
            &mut workspace.fields,
        );
    }

    /// Writes the pairs that every record of the batch gets; `None`: more than that is to be done.
    fn write_appendix(&self, workspace: &mut Workspace) -> Option<Appendix> {
        if self.renew_time_key.is_some() || !self.removed_within.is_empty() {
            return None;
        }
        workspace.appended.clear();
        let mut pairs = 0_u32;
        for field in workspace.fields.iter().filter(|field| field.is_live()) {
            if !field.is_whole {
                return None;
            }
            let pair = workspace.bytes.get(field.pair.clone())?;
            workspace.appended.extend_from_slice(pair);
            pairs = pairs.checked_add(1)?;
        }
        Some(Appendix { pairs })
    }

    /// Writes the keys of the fields, and the values that are known by now: all of them once there `is_event`.
    fn fill(
        &self,
        context: &Context<'_>,
        is_event: bool,
        scratch: &mut Scratch,
        expressions: &mut Expressions<'_>,
        bytes: &mut Vec<u8>,
        fields: &mut Vec<BatchField>,
    ) -> Result<(), RubyError> {
        bytes.clear();
        fields.clear();
        for field in &self.fields {
            let start = bytes.len();
            field.key.write(context, scratch, expressions, bytes)?;
            let end = bytes.len();
            let length = match Cursor::at(bytes, start).token() {
                Ok(Token::Str(name)) => name.len(),
                _ => 0,
            };
            let name = end - length..end;
            let is_whole = is_event || field.value.changes() < Changes::WithRecord;
            if is_whole {
                field.value.write(context, scratch, expressions, bytes)?;
            }
            let text = bytes.get(name.clone()).unwrap_or_default();
            // Of two fields of one name the last counts.
            for known in fields.iter_mut() {
                known.is_replaced |= bytes.get(known.name.clone()) == Some(text);
            }
            fields.push(BatchField {
                is_removed: self.removed.iter().any(|removed| removed == text),
                is_replaced: false,
                pair: start..bytes.len(),
                is_whole,
                name,
            });
        }
        Ok(())
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
        if self.is_dynamic && !self.has_fixed_keys {
            cursor
                .skip_values(u64::from(pairs) * 2)
                .map_err(|_| Unusable::Malformed)?;
            let record = record_at..cursor.position();
            let place = Place { time, record };
            return self.rewrite_dynamic(stream, place, None, workspace, out);
        }
        self.find_hits(cursor, pairs, workspace)
            .ok_or(Unusable::Malformed)?;
        if self.is_dynamic {
            let record = record_at..cursor.position();
            let place = Place { time, record };
            return self.rewrite_dynamic(stream, place, Some((pairs, pairs_at)), workspace, out);
        }
        if let (Some(appendix), []) = (workspace.appendix, workspace.hits.as_slice()) {
            let kept = cursor.since(pairs_at);
            out.push(time, |out| {
                write::map(out, pairs.saturating_add(appendix.pairs));
                out.extend_from_slice(kept);
                out.extend_from_slice(&workspace.appended);
            });
            return Ok(());
        }
        let record = record_at..cursor.position();
        self.write_entry(
            stream,
            Place { time, record },
            (pairs, pairs_at),
            workspace,
            out,
        )
    }

    /// The same where the fields hang on the record: they are written first, and what expressions did to the record's
    /// values on the way shows in the record. `walked` tells of the pairs, if they were walked for hits already.
    fn rewrite_dynamic(
        &self,
        stream: &[u8],
        place: Place,
        walked: Option<(u32, usize)>,
        workspace: &mut Workspace,
        out: &mut EventBuffer,
    ) -> Result<(), Unusable> {
        let bytes = stream.get(place.record.clone()).unwrap_or_default();
        let context = Context {
            tag: &workspace.tag,
            time: place.time,
            record: Record::new(bytes),
        };
        let mut changed = std::mem::take(&mut workspace.changed);
        changed.clear();
        let evaluator = workspace.evaluator.as_mut();
        let mut expressions = evaluator
            .map(|evaluator| evaluator.event(context.record, context.tag.tag(), context.time));
        let filled = self.fill(
            &context,
            true,
            &mut workspace.scratch,
            &mut expressions,
            &mut workspace.bytes,
            &mut workspace.fields,
        );
        let filled = filled.and_then(|()| match expressions {
            Some(mut event) if event.may_have_changed() => event.record_as_it_came(&mut changed),
            _ => Ok(()),
        });
        if filled.is_err() {
            // What the next event is walked for.
            self.name_fields(workspace);
        }
        let written = filled.map_err(Unusable::Expression).and_then(|()| {
            if let (Some(pairs), true) = (walked, changed.is_empty()) {
                return self.write_entry(stream, place, pairs, workspace, out);
            }
            let (source, record) = match changed.is_empty() {
                true => (stream, place.record),
                false => (changed.as_slice(), 0..changed.len()),
            };
            let mut cursor = Cursor::at(source, record.start);
            let Ok(Token::Map(pairs)) = cursor.token() else {
                return Err(Unusable::Malformed);
            };
            let pairs_at = cursor.position();
            self.find_hits(&mut cursor, pairs, workspace)
                .ok_or(Unusable::Malformed)?;
            let time = place.time;
            self.write_entry(
                source,
                Place { time, record },
                (pairs, pairs_at),
                workspace,
                out,
            )
        });
        workspace.changed = changed;
        written
    }

    /// Writes the entry whose record, `pairs` of them from `pairs_at` on, was walked for hits.
    fn write_entry(
        &self,
        source: &[u8],
        place: Place,
        (pairs, pairs_at): (u32, usize),
        workspace: &mut Workspace,
        out: &mut EventBuffer,
    ) -> Result<(), Unusable> {
        let end = place.record.end;
        let record = Record::new(source.get(place.record).unwrap_or_default());
        let time = self.renewed_time(record, place.time, workspace)?;
        let Workspace {
            tag,
            scratch,
            bytes,
            fields,
            hits,
            ..
        } = workspace;
        let context = Context { tag, time, record };
        let set = fields.iter().filter(|field| field.is_live()).count();
        let count = pairs as usize - hits.len() + set;
        let mut write_field = |index: usize, out: &mut Vec<u8>| {
            let Some((field, template)) = fields.get(index).zip(self.fields.get(index)) else {
                return;
            };
            out.extend_from_slice(bytes.get(field.pair.clone()).unwrap_or_default());
            if !field.is_whole {
                // Only expressions fail, and their fields are whole by now.
                let _ = template.value.write(&context, scratch, &mut None, out);
            }
        };
        out.push(time, |out| {
            let record = out.len();
            write::map(out, u32::try_from(count).unwrap_or(u32::MAX));
            let mut from = pairs_at;
            for hit in hits.iter() {
                out.extend_from_slice(source.get(from..hit.start).unwrap_or_default());
                if let Some(field) = hit.field {
                    write_field(field, out);
                }
                from = hit.end;
            }
            out.extend_from_slice(source.get(from..end).unwrap_or_default());
            for (index, _) in (0..)
                .zip(fields.iter())
                .filter(|(_, field)| field.is_live())
            {
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
        let mut lengths = self.removed_lengths;
        for field in fields {
            lengths.add(field.name.len());
        }
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
            if self.kept.is_none() && !lengths.has(key.len()) {
                continue;
            }
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
            match (self.fields.get(index), fields.get(index)) {
                (Some(_), Some(known)) if known.is_whole => {
                    let value = known.name.end..known.pair.end;
                    written.extend_from_slice(bytes.get(value).unwrap_or_default());
                }
                (Some(field), _) => {
                    let scratch = &mut workspace.scratch;
                    // Only expressions fail, and their fields are whole.
                    let _ = field
                        .value
                        .write(&context, scratch, &mut None, &mut written);
                }
                (None, _) => {}
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
