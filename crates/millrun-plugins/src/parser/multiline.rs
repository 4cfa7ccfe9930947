//! The `multiline` parser: an expression in up to twenty parts, over several lines.
//!
//! ```text
//! <parse>
//!   @type multiline
//!   format_firstline /^\d{4}-\d\d-\d\d /         a line that begins the next event
//!   format1 /^(?<time>[^ ]* [^ ]*) (?<level>\w+)/
//!   format2 / (?<message>.*)/                    the parts make one expression; its dot matches newlines
//! </parse>
//! ```
//! Who reads lines makes blocks of them as [`Grouping`] says (fluentd.md section 3.1.4) and parses each as one text.
//! In a text every match is an event; with `unmatched_lines` what stands between matches is one, too, under that key.

use millrun_event::{EventTime, write};
use millrun_pattern::{Level, Matcher};

use super::{LineParser, ParseError, Parsed, RegexpParser, TextKind, conversion::write_text};

/// How lines become the texts that a parser takes.
#[derive(Clone, Copy, Debug)]
pub enum Grouping<'p> {
    /// Each line is one.
    Line,
    /// A line that begins an event closes the text before it; lines before the first such line belong to none.
    FirstLine(&'p FirstLine),
    /// Lines are added to the text until the parser makes an event of it.
    UntilParsed,
}

/// What the first line of an event looks like.
#[derive(Debug)]
pub struct FirstLine {
    matcher: Matcher,
}

impl FirstLine {
    /// Lines that match are first ones.
    #[must_use]
    pub fn new(matcher: Matcher) -> Self {
        FirstLine { matcher }
    }

    /// Which engine looks for first lines.
    #[must_use]
    pub fn level(&self) -> Level {
        self.matcher.level()
    }

    /// Whether an event begins with `line`. A match that runs into its step limit counts as none.
    #[must_use]
    pub fn begins(&self, line: &[u8]) -> bool {
        self.matcher.is_match(line).unwrap_or(false)
    }
}

/// Makes records of what an expression captures in blocks of lines.
#[derive(Debug)]
pub struct MultilineParser {
    parser: RegexpParser,
    first_line: Option<FirstLine>,
    /// The key of what stands between matches, as msgpack.
    unmatched_key: Option<Vec<u8>>,
    text: TextKind,
    estimate_current_event: bool,
    /// The text of which matches are still to come, and where they may begin.
    rest: Vec<u8>,
    from: usize,
    /// An event that comes after the text before it.
    waiting: Option<Waiting>,
}

/// An event and its record.
#[derive(Debug)]
struct Waiting {
    parsed: Parsed,
    record: Vec<u8>,
}

impl MultilineParser {
    /// A parser of what `parser`'s expression matches in a block.
    #[must_use]
    pub fn new(
        parser: RegexpParser,
        first_line: Option<FirstLine>,
        unmatched_key: Option<&str>,
        text: TextKind,
        estimate_current_event: bool,
    ) -> Self {
        let unmatched_key = unmatched_key.map(|key| {
            let mut out = Vec::new();
            write::str(&mut out, key.as_bytes());
            out
        });
        MultilineParser {
            parser,
            first_line,
            unmatched_key,
            text,
            estimate_current_event,
            rest: Vec::new(),
            from: 0,
            waiting: None,
        }
    }
}

impl LineParser for MultilineParser {
    fn patterns(&self) -> Vec<(&'static str, Level)> {
        let first = self.first_line.iter();
        let first = first.map(|line| ("format_firstline", line.level()));
        first.chain(self.parser.patterns()).collect()
    }

    fn grouping(&self) -> Grouping<'_> {
        match &self.first_line {
            Some(first_line) => Grouping::FirstLine(first_line),
            None => Grouping::UntilParsed,
        }
    }

    fn parse(
        &mut self,
        line: &[u8],
        now: EventTime,
        record: &mut Vec<u8>,
    ) -> Result<Parsed, ParseError> {
        self.rest.clear();
        self.rest.extend_from_slice(line);
        self.from = 0;
        self.waiting = None;
        self.parse_match(now, record)
    }

    fn parse_next(
        &mut self,
        now: EventTime,
        record: &mut Vec<u8>,
    ) -> Option<Result<Parsed, ParseError>> {
        if let Some(waiting) = self.waiting.take() {
            record.extend_from_slice(&waiting.record);
            return Some(Ok(waiting.parsed));
        }
        if self.from >= self.rest.len() {
            return None;
        }
        Some(self.parse_match(now, record))
    }
}

impl MultilineParser {
    fn parse_match(&mut self, now: EventTime, record: &mut Vec<u8>) -> Result<Parsed, ParseError> {
        let start = record.len();
        let text = self.rest.get(self.from..).unwrap_or_default();
        let from = self.from;
        // Whatever comes of it, this text has been looked at.
        self.from = self.rest.len();
        let (parsed, (at, end)) = self.parser.parse_match(text, now, record)?;
        if parsed == Parsed::Unmatched {
            return Ok(parsed);
        }
        let between = text.get(..at).unwrap_or_default();
        let newline = usize::from(text.get(end) == Some(&b'\n'));
        // A match of nothing at the start would come again for ever.
        if end + newline > 0 {
            self.from = from + end + newline;
        }
        let Some(key) = self.unmatched_key.as_ref().filter(|_| !between.is_empty()) else {
            return Ok(parsed);
        };
        self.waiting = Some(Waiting {
            parsed,
            record: record.get(start..).unwrap_or_default().to_vec(),
        });
        record.truncate(start);
        write::map(record, 1);
        record.extend_from_slice(key);
        write_text(between, self.text, record);
        Ok(Parsed::Event {
            time: self.estimate_current_event.then_some(now),
        })
    }
}
