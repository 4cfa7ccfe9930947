//! The `regexp` parser: the named captures of an expression.
//!
//! ```text
//! <parse>
//!   @type regexp
//!   expression /^\[(?<time>[^\]]*)\] (?<level>\w+) (?<message>.*)$/
//!   time_format %Y-%m-%d %H:%M:%S
//! </parse>
//! ```
//! A group that took no part in the match leaves no key behind.

use std::sync::Arc;

use millrun_event::{EventTime, write};
use millrun_pattern::{CaptureName, Level, Regex, Spans, TimeType};

use super::{LineParser, ParseError, Parsed, Settings, SetupError, rules::Rules};

/// Makes a record of what an expression captures.
#[derive(Debug)]
pub struct RegexpParser {
    regex: Arc<Regex>,
    spans: Spans,
    fields: Vec<Field>,
    /// The capture that tells the time.
    time: Option<CaptureName>,
    rules: Rules,
}

/// A capture that goes to the record.
#[derive(Debug)]
struct Field {
    name: CaptureName,
    /// The key, as msgpack.
    key: Vec<u8>,
    conversion: Option<usize>,
}

impl RegexpParser {
    /// A parser with the named captures of `regex`; `time_key` is `time` where the settings name none.
    ///
    /// # Errors
    /// An expression without named captures; settings that contradict each other or do not compile.
    pub fn new(regex: impl Into<Arc<Regex>>, settings: Settings) -> Result<Self, SetupError> {
        let regex = regex.into();
        if regex.capture_names().is_empty() {
            return Err(SetupError::NoNamedCaptures);
        }
        let rules = Rules::new(settings, TimeType::Text, Some("time"))?;
        let (times, others): (Vec<_>, Vec<_>) = regex
            .capture_names()
            .iter()
            .cloned()
            .partition(|name| rules.is_time_key(name.as_str().as_bytes()));
        let time = times.into_iter().next();
        let kept = time.iter().filter(|_| rules.keep_time_key).cloned();
        let mut fields: Vec<Field> = others
            .into_iter()
            .chain(kept)
            .map(|name| {
                // Names are shorter than what has a longer header than this.
                let mut key = Vec::with_capacity(3 + name.as_str().len());
                write::str(&mut key, name.as_str().as_bytes());
                Field {
                    conversion: rules.conversion(name.as_str().as_bytes()),
                    name,
                    key,
                }
            })
            .collect();
        // A time that is kept stands where the expression has it.
        fields.sort_by_key(|field| field.name.numbers().first().copied());
        Ok(RegexpParser {
            spans: regex.spans(),
            regex,
            fields,
            time,
            rules,
        })
    }
}

impl LineParser for RegexpParser {
    fn parse(
        &mut self,
        line: &[u8],
        now: EventTime,
        record: &mut Vec<u8>,
    ) -> Result<Parsed, ParseError> {
        if !self.regex.captures_into(line, &mut self.spans)? {
            return Ok(Parsed::Unmatched);
        }
        self.write(line, now, record)
    }

    fn patterns(&self) -> Vec<(&'static str, Level)> {
        vec![("expression", self.regex.level())]
    }
}

impl RegexpParser {
    /// As [`parse`](LineParser::parse), and tells where the match lies.
    pub(super) fn parse_match(
        &mut self,
        text: &[u8],
        now: EventTime,
        record: &mut Vec<u8>,
    ) -> Result<(Parsed, (usize, usize)), ParseError> {
        let parsed = self.parse(text, now, record)?;
        Ok((parsed, self.spans.get(0).unwrap_or_default()))
    }

    /// Writes the record of the captures found last.
    fn write(
        &mut self,
        line: &[u8],
        now: EventTime,
        record: &mut Vec<u8>,
    ) -> Result<Parsed, ParseError> {
        let spans = &self.spans;
        let told = self
            .time
            .as_ref()
            .and_then(|name| text_of(line, spans.named(name)));
        let time = match told {
            Some(text) => Some(self.rules.time_of_text(text, now)?),
            None => self.rules.time_untold(now),
        };

        let present = self
            .fields
            .iter()
            .filter(|field| spans.named(&field.name).is_some())
            .count();
        write::map(record, u32::try_from(present).unwrap_or(u32::MAX));
        for field in &self.fields {
            if let Some((start, end)) = spans.named(&field.name)
                && let Some(rest) = line.get(start..)
            {
                record.extend_from_slice(&field.key);
                self.rules.write_head(
                    rest,
                    end.saturating_sub(start),
                    field.conversion,
                    now,
                    record,
                );
            }
        }
        Ok(Parsed::Event { time })
    }
}

#[inline]
fn text_of(line: &[u8], span: Option<(usize, usize)>) -> Option<&[u8]> {
    let (start, end) = span?;
    line.get(start..end)
}
