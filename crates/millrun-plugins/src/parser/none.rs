//! The `none` parser: the line as it is.

use millrun_event::{EventTime, write};

use super::{LineParser, ParseError, Parsed, Settings, TextKind, conversion::write_text};

/// Makes `{message_key: line}` of each line.
#[derive(Clone, Debug)]
pub struct NoneParser {
    /// The map's header and its key, as msgpack.
    head: Vec<u8>,
    text: TextKind,
    estimate_current_event: bool,
}

impl NoneParser {
    /// A parser that writes the line under `message_key`; types, times and nulls of the settings have no meaning here,
    /// as in Fluentd.
    #[must_use]
    pub fn new(message_key: &str, settings: &Settings) -> Self {
        let mut head = Vec::new();
        write::map(&mut head, 1);
        write::str(&mut head, message_key.as_bytes());
        NoneParser {
            head,
            text: settings.text,
            estimate_current_event: settings.estimate_current_event,
        }
    }
}

impl LineParser for NoneParser {
    fn parse(
        &mut self,
        line: &[u8],
        now: EventTime,
        record: &mut Vec<u8>,
    ) -> Result<Parsed, ParseError> {
        record.extend_from_slice(&self.head);
        write_text(line, self.text, record);
        Ok(Parsed::Event {
            time: self.estimate_current_event.then_some(now),
        })
    }
}
