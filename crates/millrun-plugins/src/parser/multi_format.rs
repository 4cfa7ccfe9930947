//! The `multi_format` parser: the first of several that makes an event of the line.
//!
//! ```text
//! <parse>
//!   @type multi_format
//!   <pattern>
//!     format nginx
//!   </pattern>
//!   <pattern>
//!     format none
//!   </pattern>
//! </parse>
//! ```
//! A parser that takes the line for its own and finds its content wrong is passed over, too.

use millrun_event::EventTime;
use millrun_pattern::Level;

use super::{LineParser, ParseError, Parsed};

/// Tries parsers in order.
pub struct MultiFormatParser {
    parsers: Vec<Box<dyn LineParser>>,
    /// The one that made the event of the last line.
    last: usize,
}

impl MultiFormatParser {
    /// A parser that tries these, in order.
    #[must_use]
    pub fn new(parsers: Vec<Box<dyn LineParser>>) -> Self {
        MultiFormatParser { parsers, last: 0 }
    }
}

impl LineParser for MultiFormatParser {
    fn parse(
        &mut self,
        line: &[u8],
        now: EventTime,
        record: &mut Vec<u8>,
    ) -> Result<Parsed, ParseError> {
        let start = record.len();
        for (index, parser) in self.parsers.iter_mut().enumerate() {
            if let Ok(event @ Parsed::Event { .. }) = parser.parse(line, now, record) {
                self.last = index;
                return Ok(event);
            }
            record.truncate(start);
        }
        self.last = self.parsers.len();
        Ok(Parsed::Unmatched)
    }

    fn parse_next(
        &mut self,
        now: EventTime,
        record: &mut Vec<u8>,
    ) -> Option<Result<Parsed, ParseError>> {
        self.parsers.get_mut(self.last)?.parse_next(now, record)
    }

    fn patterns(&self) -> Vec<(&'static str, Level)> {
        let parsers = self.parsers.iter();
        parsers.flat_map(|parser| parser.patterns()).collect()
    }
}
