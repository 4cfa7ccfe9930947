//! The `json` parser: an object is an event, an array one for each object in it.
//!
//! The text becomes msgpack in one pass, straight into the record. The time is taken out of it where it stands; only
//! where values change type is the map written again.

use millrun_event::{Cursor, EventTime, Token, json::transcode};
use millrun_pattern::TimeType;

use super::{LineParser, ParseError, Parsed, Settings, SetupError, document::Shaper, rules::Rules};

/// Makes records of JSON documents.
///
/// `time_type` is `float` without a `time_format`, and `string` with one; `time_key` is `time`.
#[derive(Debug)]
pub struct JsonParser {
    shaper: Shaper,
    /// The array of which elements are still to come, as msgpack, and where the next one is.
    array: Vec<u8>,
    next: usize,
    left: u32,
}

impl JsonParser {
    /// A parser with the given settings.
    ///
    /// # Errors
    /// Settings that contradict each other or do not compile.
    pub fn new(settings: Settings) -> Result<Self, SetupError> {
        let time_type = if settings.time_format.is_some() {
            TimeType::Text
        } else {
            TimeType::Float
        };
        let rules = Rules::new(settings, time_type, Some("time"))?;
        Ok(JsonParser {
            shaper: Shaper::new(rules),
            array: Vec::new(),
            next: 0,
            left: 0,
        })
    }
}

impl LineParser for JsonParser {
    fn parse(
        &mut self,
        line: &[u8],
        now: EventTime,
        record: &mut Vec<u8>,
    ) -> Result<Parsed, ParseError> {
        self.left = 0;
        let start = record.len();
        if transcode(line, record).is_err() {
            return Ok(Parsed::Unmatched);
        }
        let document = record.get(start..).unwrap_or_default();
        let mut cursor = Cursor::new(document);
        if let Ok(Token::Array(length)) = cursor.token() {
            self.array.clear();
            self.array.extend_from_slice(document);
            (self.next, self.left) = (cursor.position(), length);
            record.truncate(start);
            return self
                .parse_next(now, record)
                .unwrap_or(Ok(Parsed::Unmatched));
        }
        self.shaper.finish(start, now, record)
    }

    fn parse_next(
        &mut self,
        now: EventTime,
        record: &mut Vec<u8>,
    ) -> Option<Result<Parsed, ParseError>> {
        self.left = self.left.checked_sub(1)?;
        let start = record.len();
        let mut cursor = Cursor::at(&self.array, self.next);
        record.extend_from_slice(cursor.value().ok()?);
        self.next = cursor.position();
        Some(self.shaper.finish(start, now, record))
    }
}
