//! The `msgpack` parser: maps, or arrays of maps, back to back.
//!
//! Everything is validated before any of it becomes an event. A record is copied as it stands, except where its time is
//! taken out or values change type.

use millrun_event::{Cursor, EventTime, Token};
use millrun_pattern::TimeType;

use super::{LineParser, ParseError, Parsed, Settings, SetupError, document::Shaper, rules::Rules};

/// Makes records of msgpack values.
#[derive(Debug)]
pub struct MsgpackParser {
    shaper: Shaper,
    /// The values of which events are still to come, and where the next one is.
    values: Vec<u8>,
    next: usize,
    /// How many elements of an array come next.
    elements: u32,
}

impl MsgpackParser {
    /// A parser; no key tells the time unless the settings name one.
    ///
    /// # Errors
    /// Settings that contradict each other or do not compile.
    pub fn new(settings: Settings) -> Result<Self, SetupError> {
        Ok(MsgpackParser {
            shaper: Shaper::new(Rules::new(settings, TimeType::Text, None)?),
            values: Vec::new(),
            next: 0,
            elements: 0,
        })
    }
}

impl LineParser for MsgpackParser {
    fn parse(
        &mut self,
        line: &[u8],
        now: EventTime,
        record: &mut Vec<u8>,
    ) -> Result<Parsed, ParseError> {
        self.values.clear();
        (self.next, self.elements) = (0, 0);
        let mut cursor = Cursor::new(line);
        while !cursor.is_at_end() {
            if cursor.skip().is_err() {
                return Ok(Parsed::Unmatched);
            }
        }
        self.values.extend_from_slice(line);
        self.parse_next(now, record)
            .unwrap_or(Ok(Parsed::Unmatched))
    }

    fn parse_next(
        &mut self,
        now: EventTime,
        record: &mut Vec<u8>,
    ) -> Option<Result<Parsed, ParseError>> {
        let mut cursor = Cursor::at(&self.values, self.next);
        while self.elements == 0 {
            if cursor.is_at_end() {
                return None;
            }
            match cursor.clone().token().ok()? {
                Token::Array(length) => {
                    cursor.token().ok()?;
                    self.elements = length;
                    self.next = cursor.position();
                }
                _ => self.elements = 1,
            }
        }
        self.elements -= 1;
        let start = record.len();
        record.extend_from_slice(cursor.value().ok()?);
        self.next = cursor.position();
        Some(self.shaper.finish(start, now, record))
    }
}
