//! The streams of one shard whose parts wait for more.
//!
//! ```text
//! checkpoint = stream…
//! stream = [tag, identity, text, first record, key, state, parts, time of first, time of last, since]
//! ```

use std::collections::HashMap;
use std::sync::Arc;

use millrun_core::{Batch, Due, Emissions, Fate, HELD_BYTES_MAX, Holder, LossReason, Report};
use millrun_event::{Cursor, Entries, EventBuffer, EventTime, Record, Token, write};
use millrun_pattern::MatchError;

use super::Joining;
use super::kinds::Step;

/// What a stream costs besides its bytes, about.
const STREAM_BYTES: usize = 128;

pub(crate) struct Streams {
    id: Arc<str>,
    rules: Arc<Joining>,
    streams: HashMap<Vec<u8>, Stream>,
    /// Bytes of all streams.
    bytes: usize,
    /// The identity of the event at hand: the tag, a zero, and the values that tell streams apart.
    identity: Vec<u8>,
    /// Streams that are done with, and their names, to be used again.
    spare: Vec<(Vec<u8>, Stream)>,
}

#[derive(Default)]
struct Stream {
    tag: String,
    /// The parts, joined.
    text: Vec<u8>,
    /// The record of the first part.
    record: Vec<u8>,
    /// Which of the keys they stand in.
    key: usize,
    parts: u32,
    /// What the kind remembers of them.
    state: u8,
    first: EventTime,
    last: EventTime,
    /// When the last part came.
    since: EventTime,
}

impl Streams {
    pub(crate) fn new(id: Arc<str>, rules: Arc<Joining>) -> Self {
        Self {
            id,
            rules,
            streams: HashMap::new(),
            bytes: 0,
            identity: Vec::new(),
            spare: Vec::new(),
        }
    }

    fn set_identity(&mut self, tag: &str, record: Record<'_>) {
        self.identity.clear();
        self.identity.extend_from_slice(tag.as_bytes());
        self.identity.push(0);
        let key = self.rules.identity_key.as_deref();
        let own = key.and_then(|key| record.field(key.as_bytes()));
        for value in [own, self.rules.kind.stream(record)].into_iter().flatten() {
            self.identity.extend_from_slice(value.bytes());
        }
    }

    /// Takes the part `text` that stands in the key of this number; answers what was done with its event.
    fn take(
        &mut self,
        batch: Batch<'_>,
        time: EventTime,
        record: Record<'_>,
        (key, text): (usize, &[u8]),
        out: &mut EventBuffer,
    ) -> Result<Step, MatchError> {
        self.set_identity(batch.tag, record);
        let known = self.streams.get(self.identity.as_slice());
        let (held, mut state) = known.map_or((0, 0), |stream| (stream.parts, stream.state));
        let step = self.rules.kind.step(record, text, held, &mut state)?;
        match step {
            Step::Pass => {}
            Step::EndAndPass => self.end(out),
            Step::Join {
                ends_before,
                ends_after,
            } => {
                if ends_before || !self.has_room(text) {
                    self.end(out);
                }
                self.push(batch, time, record, (key, text), state);
                if ends_after || self.bytes > HELD_BYTES_MAX {
                    self.end(out);
                }
            }
        }
        Ok(step)
    }

    /// Whether a part more fits into the stream of the identity at hand.
    fn has_room(&self, text: &[u8]) -> bool {
        self.streams
            .get(self.identity.as_slice())
            .is_none_or(|stream| {
                stream.parts < self.rules.parts_max
                    && stream.text.len().saturating_add(text.len()) <= self.rules.bytes_max
            })
    }

    /// Adds a part to the stream of the identity at hand.
    fn push(
        &mut self,
        batch: Batch<'_>,
        time: EventTime,
        record: Record<'_>,
        (key, text): (usize, &[u8]),
        state: u8,
    ) {
        if !self.streams.contains_key(self.identity.as_slice()) {
            let (mut identity, mut stream) = self.spare.pop().unwrap_or_default();
            identity.clear();
            identity.extend_from_slice(&self.identity);
            stream.tag.clear();
            stream.tag.push_str(batch.tag);
            stream.text.clear();
            stream.record.clear();
            stream.record.extend_from_slice(record.bytes());
            stream.key = key;
            stream.parts = 0;
            stream.first = time;
            self.bytes += stream.size();
            self.streams.insert(identity, stream);
        }
        let Some(stream) = self.streams.get_mut(self.identity.as_slice()) else {
            return;
        };
        let before = stream.text.len();
        if stream.parts > 0 {
            let separator = self.rules.separator.as_slice();
            let is_there = self.rules.has_own_breaks && stream.text.ends_with(separator);
            if !is_there {
                stream.text.extend_from_slice(separator);
            }
        }
        stream.text.extend_from_slice(text);
        self.bytes += stream.text.len() - before;
        stream.parts = stream.parts.saturating_add(1);
        stream.state = state;
        stream.last = time;
        stream.since = batch.now;
    }

    /// Gives out the stream of the identity at hand, if there is one.
    fn end(&mut self, out: &mut EventBuffer) {
        if let Some(ended) = self.streams.remove_entry(self.identity.as_slice()) {
            self.give_out(ended, out);
        }
    }

    fn give_out(&mut self, (identity, stream): (Vec<u8>, Stream), out: &mut EventBuffer) {
        let time = match self.rules.use_first_timestamp {
            true => stream.first,
            false => stream.last,
        };
        out.push(time, |out| self.rules.write_joined(&stream, out));
        self.bytes = self.bytes.saturating_sub(stream.size());
        if self.spare.len() < SPARE_MAX {
            self.spare.push((identity, stream));
        }
    }

    /// Gives out the streams that waited longest, where there is more than should be held.
    fn keep_limit(&mut self, tag: &str, out: &mut EventBuffer) {
        while self.bytes > HELD_BYTES_MAX {
            let own = self.streams.iter().filter(|(_, stream)| stream.tag == tag);
            let Some(oldest) = own
                .min_by_key(|(_, stream)| stream.since)
                .map(|(key, _)| key.clone())
            else {
                return;
            };
            if let Some(ended) = self.streams.remove_entry(&oldest) {
                self.give_out(ended, out);
            }
        }
    }

    fn due_of(&self, stream: &Stream) -> EventTime {
        let Some(wait) = self.rules.wait else {
            return EventTime::new(u32::MAX, 0);
        };
        let nanoseconds = u64::from(stream.since.nanoseconds) + u64::from(wait.subsec_nanos());
        let seconds = u64::from(stream.since.seconds)
            .saturating_add(wait.as_secs())
            .saturating_add(nanoseconds / 1_000_000_000);
        EventTime::new(
            u32::try_from(seconds).unwrap_or(u32::MAX),
            (nanoseconds % 1_000_000_000) as u32,
        )
    }
}

impl Stream {
    fn size(&self) -> usize {
        self.text.len() + self.record.len() + self.tag.len() + STREAM_BYTES
    }
}

/// How many streams are kept to be used again.
const SPARE_MAX: usize = 64;

impl Joining {
    /// The record of the first part, with the joined text and without what told the parts.
    fn write_joined(&self, stream: &Stream, out: &mut Vec<u8>) {
        let Ok(fields) = Record::new(&stream.record).fields() else {
            return out.extend_from_slice(&stream.record);
        };
        let stays = |key: Option<&[u8]>| {
            key.is_none_or(|key| !self.removed.iter().any(|removed| removed == key))
        };
        let count = fields
            .clone()
            .flatten()
            .filter(|(key, _)| stays(key.text()));
        write::map(out, u32::try_from(count.count()).unwrap_or(u32::MAX));
        let own = self.keys.get(stream.key).map(Vec::as_slice);
        for (key, value) in fields.flatten().filter(|(key, _)| stays(key.text())) {
            out.extend_from_slice(key.bytes());
            if key.text() == own {
                write::str(out, &stream.text);
            } else {
                out.extend_from_slice(value.bytes());
            }
        }
    }

    /// The part that a record holds, and the number of the key it stands in.
    fn part<'r>(&self, record: Record<'r>) -> Option<(usize, &'r [u8])> {
        self.keys.iter().enumerate().find_map(|(number, key)| {
            let text = record.field(key)?.text()?;
            Some((number, text))
        })
    }
}

impl Holder for Streams {
    fn filter(&mut self, batch: Batch<'_>, out: &mut EventBuffer, report: &mut Report<'_>) {
        for (seen, entry) in (0..).zip(Entries::new(batch.events.bytes)) {
            let Ok(entry) = entry else {
                let left = batch.events.count.saturating_sub(seen);
                report.lose(&self.id, LossReason::Invalid, u64::from(left));
                break;
            };
            let time = entry.time.to_event_time();
            let record = entry.record();
            let step = match (time, self.rules.part(record)) {
                (Some(time), Some(part)) => self.take(batch, time, record, part, out),
                _ => Ok(Step::Pass),
            };
            match step {
                Ok(Step::Pass | Step::EndAndPass) => out.extend(entry.bytes, 1),
                Ok(Step::Join { .. }) => {}
                Err(error) => {
                    report.error_event(&self.id, batch.tag, &entry, Fate::Dropped, error);
                }
            }
        }
        self.keep_limit(batch.tag, out);
    }

    fn due(&self) -> Option<EventTime> {
        self.streams
            .values()
            .map(|stream| self.due_of(stream))
            .min()
    }

    fn release(&mut self, due: Due, out: &mut Emissions, _: &mut Report<'_>) {
        let mut ready: Vec<_> = self
            .streams
            .iter()
            .filter(|(_, stream)| due.includes(self.due_of(stream)))
            .map(|(key, stream)| (stream.since, key.clone()))
            .collect();
        ready.sort();
        for (_, key) in ready {
            if let Some(ended) = self.streams.remove_entry(&key) {
                let tag = ended.1.tag.clone();
                let label = match due {
                    Due::At(_) => self.rules.timeout_label,
                    Due::Now(_) => None,
                };
                self.give_out(ended, out.buffer(&tag, label));
            }
        }
    }

    fn checkpoint(&self, out: &mut Vec<u8>) {
        let mut order: Vec<_> = self.streams.iter().collect();
        order.sort_by(|one, other| one.0.cmp(other.0));
        for (identity, stream) in order {
            write::array(out, 10);
            write::str(out, stream.tag.as_bytes());
            write::bin(out, identity);
            write::bin(out, &stream.text);
            write::bin(out, &stream.record);
            write::uint(out, stream.key as u64);
            write::uint(out, u64::from(stream.state));
            write::uint(out, u64::from(stream.parts));
            for time in [stream.first, stream.last, stream.since] {
                write::time(out, time);
            }
        }
    }

    fn roll_back(&mut self, checkpoint: &[u8]) {
        self.streams.clear();
        self.bytes = 0;
        let mut cursor = Cursor::new(checkpoint);
        while let Some((identity, stream)) = read_stream(&mut cursor) {
            self.bytes += stream.size();
            self.streams.insert(identity, stream);
        }
    }
}

fn read_stream(cursor: &mut Cursor<'_>) -> Option<(Vec<u8>, Stream)> {
    let Ok(Token::Array(10)) = cursor.token() else {
        return None;
    };
    let mut bytes = || match cursor.token() {
        Ok(Token::Str(bytes) | Token::Bin(bytes)) => Some(bytes),
        _ => None,
    };
    let tag = String::from_utf8_lossy(bytes()?).into_owned();
    let (identity, text, record) = (bytes()?, bytes()?.to_vec(), bytes()?.to_vec());
    let mut number = || match cursor.token() {
        Ok(Token::Uint(number)) => Some(number),
        _ => None,
    };
    let (key, state, parts) = (number()?, number()?, number()?);
    let mut time = || cursor.token().ok()?.event_time();
    let (first, last, since) = (time()?, time()?, time()?);
    Some((
        identity.into(),
        Stream {
            tag,
            text,
            record,
            key: usize::try_from(key).ok()?,
            state: u8::try_from(state).ok()?,
            parts: u32::try_from(parts).unwrap_or(u32::MAX),
            first,
            last,
            since,
        },
    ))
}
