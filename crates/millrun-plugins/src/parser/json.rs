//! The `json` parser: an object is an event, an array one for each object in it.
//!
//! The text becomes msgpack in one pass. Where nothing has to be taken out or changed, those bytes are the record; only
//! otherwise is the map gone through and written again.

use millrun_event::{Cursor, EventTime, Record, Token, json::transcode, write};
use millrun_pattern::TimeType;

use super::{LineParser, ParseError, Parsed, Settings, SetupError, rules::Rules};

/// Makes records of JSON documents.
///
/// `time_type` is `float` without a `time_format`, and `string` with one; `time_key` is `time`.
#[derive(Debug)]
pub struct JsonParser {
    rules: Rules,
    /// A record that is written again.
    scratch: Vec<u8>,
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
        let rules = Rules::new(settings, time_type)?;
        Ok(JsonParser {
            rules,
            scratch: Vec::new(),
            array: Vec::new(),
            next: 0,
            left: 0,
        })
    }

    /// Makes an event of the msgpack value that stands at the end of `record`, from `start`.
    fn finish(
        &mut self,
        start: usize,
        now: EventTime,
        record: &mut Vec<u8>,
    ) -> Result<Parsed, ParseError> {
        let finished = self.shape(record.get(start..).unwrap_or_default(), now);
        match finished {
            Ok((parsed, Shape::AsItIs)) => return Ok(parsed),
            Ok((parsed, Shape::Scratch)) => {
                record.truncate(start);
                record.extend_from_slice(&self.scratch);
                return Ok(parsed);
            }
            _ => record.truncate(start),
        }
        finished.map(|(parsed, _)| parsed)
    }

    fn shape(&mut self, value: &[u8], now: EventTime) -> Result<(Parsed, Shape), ParseError> {
        let Ok(fields) = Record::new(value).fields() else {
            return Ok((Parsed::Unmatched, Shape::Nothing));
        };
        let mut time = None;
        let mut pairs = 0;
        for (key, value) in fields.clone().flatten() {
            if key.text().is_some_and(|key| self.rules.is_time_key(key)) {
                time = Some(self.rules.time_of_value(value, now)?);
            } else {
                pairs += 1;
            }
        }
        let removes = time.is_some() && !self.rules.keep_time_key;
        let event = Parsed::Event {
            time: time.or_else(|| self.rules.time_untold(now)),
        };
        if !removes && self.rules.leave_values() {
            return Ok((event, Shape::AsItIs));
        }
        self.scratch.clear();
        write::map(
            &mut self.scratch,
            if removes { pairs } else { fields.left() },
        );
        for (key, value) in fields.flatten() {
            let name = key.text().unwrap_or_default();
            if !(removes && self.rules.is_time_key(name)) {
                self.scratch.extend_from_slice(key.bytes());
                self.rules.write_value(name, value, now, &mut self.scratch);
            }
        }
        Ok((event, Shape::Scratch))
    }
}

/// Where the bytes of a record are.
enum Shape {
    AsItIs,
    Scratch,
    Nothing,
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
        self.finish(start, now, record)
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
        Some(self.finish(start, now, record))
    }
}
