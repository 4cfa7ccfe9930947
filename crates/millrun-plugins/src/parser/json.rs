//! The `json` parser: an object is an event, an array one for each object in it.
//!
//! The text becomes msgpack in one pass, straight into the record. The time is taken out of it where it stands; only
//! where values change type is the map written again.

use millrun_event::json::{Wanted, transcode, transcode_wanting};
use millrun_event::{Cursor, EventTime, Token};
use millrun_pattern::TimeType;

use super::{LineParser, ParseError, Parsed, Settings, SetupError, document::Shaper, rules::Rules};

/// Makes records of JSON documents.
///
/// `time_type` is `float` without a `time_format`, and `string` with one; `time_key` is `time`.
#[derive(Debug)]
pub struct JsonParser {
    shaper: Shaper,
    /// The time, which is found on the way.
    told: Option<Wanted>,
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
        let shaper = Shaper::new(rules);
        Ok(JsonParser {
            told: shaper.wanted(),
            shaper,
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
        let read = match &mut self.told {
            Some(told) => transcode_wanting(line, told, record),
            None => transcode(line, record),
        };
        if read.is_err() {
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
        let told = self.told.as_ref().and_then(Wanted::value);
        self.shaper.finish_told(start, told, now, record)
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: EventTime = EventTime::new(1_795_264_496, 0);

    /// The same by a walk over the document when it is written.
    fn walked(settings: Settings, line: &[u8], record: &mut Vec<u8>) -> Result<Parsed, ParseError> {
        let time_type = match settings.time_format {
            Some(_) => TimeType::Text,
            None => TimeType::Float,
        };
        let mut shaper = Shaper::new(Rules::new(settings, time_type, Some("time")).unwrap());
        match transcode(line, record) {
            Ok(()) => shaper.finish(0, NOW, record),
            Err(_) => Ok(Parsed::Unmatched),
        }
    }

    proptest! {
        #[test]
        fn a_time_found_on_the_way_is_the_one_a_walk_finds(
            pairs in prop::collection::vec(
                (prop::sample::select(vec!["time", "tim", "a", "b", "c"]),
                 prop::sample::select(vec!["1700000000", "1700000000.25", "\"x\"", "null", "{\"time\":5}", "[1,{\"time\":2}]"])),
                0..20,
            ),
            keep_time_key: bool,
            typed: bool,
            end in prop::sample::select(vec!["}", "} ", "", "}x"]),
        ) {
            let body: Vec<String> = pairs.iter().map(|(key, value)| format!("\"{key}\": {value}")).collect();
            let line = format!("{{{}{end}", body.join(","));
            let settings = || Settings {
                keep_time_key,
                types: match typed {
                    true => vec![("a".to_owned(), "string".to_owned())],
                    false => Vec::new(),
                },
                ..Settings::default()
            };
            let (mut one, mut other) = (Vec::new(), Vec::new());
            let mut parser = JsonParser::new(settings()).unwrap();
            for _ in 0..2 {
                one.clear();
                other.clear();
                let found = parser.parse(line.as_bytes(), NOW, &mut one);
                let expected = walked(settings(), line.as_bytes(), &mut other);
                prop_assert_eq!(format!("{found:?}"), format!("{expected:?}"), "{}", line);
                prop_assert_eq!(&one, &other, "{}", line);
            }
        }
    }
}
