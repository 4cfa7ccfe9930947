//! From a value of a document, msgpack already, to a record: the time taken out, types given.

use millrun_event::json::Wanted;
use millrun_event::{Cursor, EventTime, Record, Token, Value, write};

use super::{ParseError, Parsed, rules::Rules};

/// Shapes records in the buffer they were written to.
#[derive(Debug)]
pub(super) struct Shaper {
    rules: Rules,
    /// A record that is written again.
    scratch: Vec<u8>,
}

impl Shaper {
    pub(super) fn new(rules: Rules) -> Self {
        Shaper {
            rules,
            scratch: Vec::new(),
        }
    }

    /// What a document's reader should leave the time in, where a key tells it.
    pub(super) fn wanted(&self) -> Option<Wanted> {
        let key = self.rules.time_key()?;
        Some(Wanted::new(key, self.rules.keep_time_key))
    }

    /// As [`finish`](Self::finish), where the time was told by `told` and was taken out unless it stays.
    pub(super) fn finish_told(
        &mut self,
        start: usize,
        told: Option<&[u8]>,
        now: EventTime,
        record: &mut Vec<u8>,
    ) -> Result<Parsed, ParseError> {
        let value = record.get(start..).unwrap_or_default();
        if !matches!(Cursor::new(value).token(), Ok(Token::Map(_))) {
            record.truncate(start);
            return Ok(Parsed::Unmatched);
        }
        let time = match told {
            None => self.rules.time_untold(now),
            Some(told) => match self.rules.time_of_value(Value::new(told), now) {
                Ok(time) => Some(time),
                Err(error) => {
                    record.truncate(start);
                    return Err(error);
                }
            },
        };
        if !self.rules.leave_values() {
            self.write_again(start, false, now, record);
        }
        Ok(Parsed::Event { time })
    }

    /// Makes an event of the value that stands at the end of `record`, from `start`. Nothing of it is left there unless
    /// it is one.
    pub(super) fn finish(
        &mut self,
        start: usize,
        now: EventTime,
        record: &mut Vec<u8>,
    ) -> Result<Parsed, ParseError> {
        let finished = self.shape(start, now, record);
        if !matches!(finished, Ok(Parsed::Event { .. })) {
            record.truncate(start);
        }
        finished
    }

    fn shape(
        &mut self,
        start: usize,
        now: EventTime,
        record: &mut Vec<u8>,
    ) -> Result<Parsed, ParseError> {
        let value = record.get(start..).unwrap_or_default();
        let mut cursor = Cursor::new(value);
        let Ok(Token::Map(pairs)) = cursor.token() else {
            return Ok(Parsed::Unmatched);
        };
        let mut time = None;
        let mut found = None;
        for _ in 0..pairs {
            let pair = cursor.position();
            let key = cursor.token();
            let is_time = match key {
                Ok(Token::Str(key) | Token::Bin(key)) => self.rules.is_time_key(key),
                Ok(other) => cursor
                    .skip_values(other.children())
                    .map(|()| false)
                    .unwrap_or(false),
                Err(_) => return Ok(Parsed::Unmatched),
            };
            let value_at = cursor.position();
            if cursor.skip().is_err() {
                return Ok(Parsed::Unmatched);
            }
            if is_time {
                let value = millrun_event::Value::new(cursor.since(value_at));
                time = Some(self.rules.time_of_value(value, now)?);
                found = Some(pair..cursor.position());
            }
        }
        let event = Parsed::Event {
            time: time.or_else(|| self.rules.time_untold(now)),
        };
        let removed = found.filter(|_| !self.rules.keep_time_key);
        if self.rules.leave_values() {
            if let Some(pair) = removed {
                take_out(record, start, pairs, start + pair.start..start + pair.end);
            }
            return Ok(event);
        }
        self.write_again(start, removed.is_some(), now, record);
        Ok(event)
    }

    /// Writes the record that begins at `start` again, with each value as its type wants it.
    fn write_again(
        &mut self,
        start: usize,
        removes_time: bool,
        now: EventTime,
        record: &mut Vec<u8>,
    ) {
        self.scratch.clear();
        let Ok(fields) = Record::new(record.get(start..).unwrap_or_default()).fields() else {
            return;
        };
        write::map(
            &mut self.scratch,
            fields.left().saturating_sub(u32::from(removes_time)),
        );
        for (key, value) in fields.flatten() {
            let name = key.text().unwrap_or_default();
            if !(removes_time && self.rules.is_time_key(name)) {
                self.scratch.extend_from_slice(key.bytes());
                self.rules.write_value(name, value, now, &mut self.scratch);
            }
        }
        record.truncate(start);
        record.extend_from_slice(&self.scratch);
    }
}

/// Takes one of `pairs` out of the map that begins at `start`, where it stands.
fn take_out(record: &mut Vec<u8>, start: usize, pairs: u32, pair: std::ops::Range<usize>) {
    let header = match record.get(start) {
        Some(0x80..=0x8f) => 1,
        Some(0xde) => 3,
        _ => 5,
    };
    let left = pairs.saturating_sub(1);
    record.drain(pair);
    match (header, record.get_mut(start..start + header)) {
        (1, Some([byte])) => *byte = 0x80 | (left & 0x0f) as u8,
        (3, Some([_, length @ ..])) => length.copy_from_slice(&(left as u16).to_be_bytes()),
        (_, Some([_, length @ ..])) => length.copy_from_slice(&left.to_be_bytes()),
        _ => {}
    }
}
