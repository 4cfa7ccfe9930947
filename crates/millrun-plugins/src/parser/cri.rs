//! The `cri` parser: lines as container runtimes write them.
//!
//! ```text
//! 2020-10-10T00:10:00.333333333Z stdout F Hello        {"stream": "stdout", "logtag": "F", "message": "Hello", "time": …}
//! time                           stream logtag message
//! ```
//! With a `<parse>` section of its own the message is parsed by that, and `merge_cri_fields` adds stream and logtag to
//! its record; then the event's time is the message's. (The plugin of this name takes the time of reading where the
//! message tells none; here it is the time of the line.)

use millrun_event::{Cursor, EventTime, Token, write};
use millrun_pattern::{Level, TimeType};

use super::{
    LineParser, ParseError, Parsed, Settings, SetupError, TextKind, conversion::write_text,
    rules::Rules,
};

/// The time format of container runtimes.
pub const CRI_TIME_FORMAT: &str = "%Y-%m-%dT%H:%M:%S.%L%z";

/// Makes records of the lines of container runtimes.
pub struct CriParser {
    rules: Rules,
    time_key: Vec<u8>,
    text: TextKind,
    merge_cri_fields: bool,
    message: Option<Box<dyn LineParser>>,
}

impl CriParser {
    /// A parser; `message`, if there is one, parses the messages, and should leave times that they do not tell untold
    /// ([`Settings::estimate_current_event`] off).
    ///
    /// # Errors
    /// Settings that contradict each other or do not compile.
    pub fn new(
        message: Option<Box<dyn LineParser>>,
        merge_cri_fields: bool,
        mut settings: Settings,
    ) -> Result<Self, SetupError> {
        settings
            .time_format
            .get_or_insert_with(|| CRI_TIME_FORMAT.to_owned());
        let mut time_key = Vec::new();
        let name = settings.time_key.as_deref().unwrap_or("time");
        write::str(&mut time_key, name.as_bytes());
        Ok(CriParser {
            text: settings.text,
            rules: Rules::new(settings, TimeType::Text, Some("time"))?,
            time_key,
            merge_cri_fields,
            message,
        })
    }
}

impl LineParser for CriParser {
    fn patterns(&self) -> Vec<(&'static str, Level)> {
        let message = self.message.as_ref();
        message.map_or_else(Vec::new, |message| message.patterns())
    }

    fn parse(
        &mut self,
        line: &[u8],
        now: EventTime,
        record: &mut Vec<u8>,
    ) -> Result<Parsed, ParseError> {
        let Some([told, stream, logtag, message]) = parts(line) else {
            return Ok(Parsed::Unmatched);
        };
        let pair = |record: &mut Vec<u8>, key: &[u8], value: &[u8]| {
            record.extend_from_slice(key);
            write_text(value, self.text, record);
        };
        let Some(parser) = &mut self.message else {
            let time = Some(self.rules.time_of_text(told, now)?);
            write::map(record, 3 + u32::from(self.rules.keep_time_key));
            pair(record, b"\xa6stream", stream);
            pair(record, b"\xa6logtag", logtag);
            pair(record, b"\xa7message", message);
            if self.rules.keep_time_key {
                pair(record, &self.time_key, told);
            }
            return Ok(Parsed::Event { time });
        };
        let start = record.len();
        let parsed = parser.parse(message, now, record)?;
        let Parsed::Event { time } = parsed else {
            return Ok(parsed);
        };
        let time = match time {
            Some(time) => time,
            None => match self.rules.time_of_text(told, now) {
                Ok(time) => time,
                Err(error) => {
                    record.truncate(start);
                    return Err(error);
                }
            },
        };
        if self.merge_cri_fields {
            add_pairs(record, start, 2);
            pair(record, b"\xa6stream", stream);
            pair(record, b"\xa6logtag", logtag);
        }
        Ok(Parsed::Event { time: Some(time) })
    }
}

/// The four parts of a line, between single white-space characters.
fn parts(line: &[u8]) -> Option<[&[u8]; 4]> {
    let mut rest = line;
    let mut next = || {
        let end = rest.iter().position(u8::is_ascii_whitespace)?;
        let part = rest.get(..end)?;
        rest = rest.get(end + 1..)?;
        Some(part)
    };
    let (time, stream, logtag) = (next()?, next()?, next()?);
    Some([time, stream, logtag, rest])
}

/// Makes room in the header of the map that begins at `start` for `more` pairs behind its own.
pub(super) fn add_pairs(record: &mut Vec<u8>, start: usize, more: u32) {
    let mut cursor = Cursor::at(record, start);
    let Ok(Token::Map(pairs)) = cursor.token() else {
        return;
    };
    let header = start..cursor.position();
    let end = record.len();
    write::map(record, pairs.saturating_add(more));
    let mut longer = [0; 5];
    let written = record.get(end..).unwrap_or_default();
    let length = written.len().min(longer.len());
    for (slot, byte) in longer.iter_mut().zip(written) {
        *slot = *byte;
    }
    record.truncate(end);
    record.splice(header, longer.into_iter().take(length));
}
