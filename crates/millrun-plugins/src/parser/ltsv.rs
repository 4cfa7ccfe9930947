//! The `ltsv` parser: labelled values between tabs.
//!
//! ```text
//! host:h<TAB>status:200<TAB>junk      {"host": "h", "status": "200"}
//! ```
//! Parts without a label are left out; of a label that comes again the last value counts, in the place of the first.

use memchr::memmem;
use millrun_event::{EventTime, write};
use millrun_pattern::{Level, Regex, Spans, TimeType, find_byte};

use super::{LineParser, ParseError, Parsed, Settings, SetupError, rules::Rules};

/// The most labels of a line that are looked through for one that comes again; those that follow are kept as they
/// come.
pub const LTSV_UNIQUE_LABELS_MAX: usize = 256;

/// Makes records of labelled values.
#[derive(Debug)]
pub struct LtsvParser {
    rules: Rules,
    delimiter: LtsvDelimiter,
    label_delimiter: memmem::Finder<'static>,
    pairs: Vec<Pair>,
}

/// What stands between the parts of a line.
#[derive(Debug)]
pub enum LtsvDelimiter {
    /// This text.
    Text(String),
    /// What this expression matches.
    Pattern(Box<Regex>, Spans),
}

/// Where a label and its value stand.
#[derive(Clone, Copy, Debug)]
struct Pair {
    label: (usize, usize),
    value: (usize, usize),
    /// The same for equal labels.
    hash: u32,
}

impl LtsvParser {
    /// A parser of parts between `delimiter`, their labels ending with `label_delimiter`; `time_key` is `time` where
    /// the settings name none.
    ///
    /// # Errors
    /// An empty delimiter; settings that contradict each other or do not compile.
    pub fn new(
        delimiter: LtsvDelimiter,
        label_delimiter: &str,
        settings: Settings,
    ) -> Result<Self, SetupError> {
        let is_empty = matches!(&delimiter, LtsvDelimiter::Text(text) if text.is_empty());
        if is_empty || label_delimiter.is_empty() {
            return Err(SetupError::NoDelimiter);
        }
        Ok(LtsvParser {
            rules: Rules::new(settings, TimeType::Text, Some("time"))?,
            delimiter,
            label_delimiter: memmem::Finder::new(label_delimiter).into_owned(),
            pairs: Vec::new(),
        })
    }

    fn split(&mut self, line: &[u8]) -> Result<(), ParseError> {
        self.pairs.clear();
        let mut seen = 0;
        let pairs = &mut self.pairs;
        let labels = &self.label_delimiter;
        match &mut self.delimiter {
            LtsvDelimiter::Text(text) => match (text.as_bytes(), labels.needle()) {
                (&[tab], &[colon]) => split_at_bytes(line, (tab, colon), &mut seen, pairs),
                (delimiter, _) => {
                    let mut start = 0;
                    for end in memmem::find_iter(line, delimiter).chain([line.len()]) {
                        push_part(line, (start, end), labels, &mut seen, pairs);
                        start = end + delimiter.len();
                    }
                }
            },
            LtsvDelimiter::Pattern(regex, spans) => {
                let (mut start, mut from) = (0, 0);
                while let Some(rest) = line.get(from..).filter(|rest| !rest.is_empty()) {
                    if !regex.captures_into(rest, spans)? {
                        break;
                    }
                    let Some((at, end)) = spans.get(0) else { break };
                    if at == end {
                        // Between any two characters, as Ruby's split takes an expression that matches nothing.
                        from += at + 1;
                        push_part(line, (start, from), labels, &mut seen, pairs);
                        start = from;
                        continue;
                    }
                    push_part(line, (start, from + at), labels, &mut seen, pairs);
                    from += end;
                    start = from;
                }
                push_part(line, (start, line.len()), labels, &mut seen, pairs);
            }
        }
        Ok(())
    }
}

/// The usual form: single bytes between parts and behind labels.
fn split_at_bytes(line: &[u8], (tab, colon): (u8, u8), seen: &mut u128, pairs: &mut Vec<Pair>) {
    let mut start = 0;
    while let Some(rest) = line.get(start..) {
        let end = start + find_byte(tab, rest).unwrap_or(rest.len());
        let part = line.get(start..end).unwrap_or_default();
        if let Some(label) = find_byte(colon, part) {
            push(
                line,
                (start, start + label),
                (start + label + 1, end),
                seen,
                pairs,
            );
        }
        start = end + 1;
    }
}

fn push_part(
    line: &[u8],
    (start, end): (usize, usize),
    labels: &memmem::Finder<'_>,
    seen: &mut u128,
    pairs: &mut Vec<Pair>,
) {
    let part = line.get(start..end).unwrap_or_default();
    if let Some(at) = labels.find(part) {
        let label = start + at;
        push(
            line,
            (start, label),
            (label + labels.needle().len(), end),
            seen,
            pairs,
        );
    }
}

#[inline]
fn push(
    line: &[u8],
    label: (usize, usize),
    value: (usize, usize),
    seen: &mut u128,
    pairs: &mut Vec<Pair>,
) {
    let name = line.get(label.0..label.1).unwrap_or_default();
    let hash = hash(name);
    let bit = 1 << (hash >> 25);
    if *seen & bit != 0 {
        let mut earlier = pairs.iter_mut().take(LTSV_UNIQUE_LABELS_MAX);
        let same = |pair: &&mut Pair| {
            pair.hash == hash && line.get(pair.label.0..pair.label.1) == Some(name)
        };
        if let Some(pair) = earlier.find(same) {
            pair.value = value;
            return;
        }
    }
    *seen |= bit;
    pairs.push(Pair { label, value, hash });
}

/// The same for equal labels, and seldom so for others.
#[inline]
fn hash(label: &[u8]) -> u32 {
    let end = |byte: Option<&u8>| u32::from(byte.copied().unwrap_or(0));
    let middle = end(label.get(label.len() / 2));
    let mixed =
        (label.len() as u32) << 24 ^ end(label.first()) << 16 ^ middle << 8 ^ end(label.last());
    mixed.wrapping_mul(0x9e37_79b1)
}

impl LineParser for LtsvParser {
    fn patterns(&self) -> Vec<(&'static str, Level)> {
        match &self.delimiter {
            LtsvDelimiter::Text(_) => Vec::new(),
            LtsvDelimiter::Pattern(regex, _) => vec![("delimiter_pattern", regex.level())],
        }
    }

    fn parse(
        &mut self,
        line: &[u8],
        now: EventTime,
        record: &mut Vec<u8>,
    ) -> Result<Parsed, ParseError> {
        self.split(line)?;
        let text = |(start, end): (usize, usize)| line.get(start..end).unwrap_or_default();
        let rules = &mut self.rules;
        let time_pair = self
            .pairs
            .iter()
            .position(|pair| rules.is_time_key(text(pair.label)));
        let time = match time_pair.and_then(|at| self.pairs.get(at)) {
            Some(pair) => Some(rules.time_of_text(text(pair.value), now)?),
            None => rules.time_untold(now),
        };
        let left_out = time_pair.filter(|_| !rules.keep_time_key);
        let count = self.pairs.len() - usize::from(left_out.is_some());
        write::map(record, u32::try_from(count).unwrap_or(u32::MAX));
        for (index, pair) in self.pairs.iter().enumerate() {
            if Some(index) == left_out {
                continue;
            }
            let label = text(pair.label);
            write::str(record, label);
            let conversion = rules.conversion(label);
            rules.write_text(text(pair.value), conversion, now, record);
        }
        Ok(Parsed::Event { time })
    }
}
