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
    /// The same for equal labels, seldom so for others.
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
fn split_at_bytes(line: &[u8], (tab, colon): (u8, u8), seen: &mut u64, pairs: &mut Vec<Pair>) {
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
    seen: &mut u64,
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

/// Notes a pair, or the value for a label that was there before. `seen` has a bit for some of a hash.
#[inline(always)]
fn push(
    line: &[u8],
    label: (usize, usize),
    value: (usize, usize),
    seen: &mut u64,
    pairs: &mut Vec<Pair>,
) {
    let hash = hash(line, label);
    let bit = 1 << (hash >> 26);
    if *seen & bit != 0
        && let Some(pair) = earlier(line, label, hash, pairs)
    {
        pair.value = value;
        return;
    }
    *seen |= bit;
    pairs.push(Pair { label, value, hash });
}

/// The pair that has this label already.
#[inline(never)]
fn earlier<'p>(
    line: &[u8],
    label: (usize, usize),
    hash: u32,
    pairs: &'p mut [Pair],
) -> Option<&'p mut Pair> {
    let name = line.get(label.0..label.1);
    let mut earlier = pairs.iter_mut().take(LTSV_UNIQUE_LABELS_MAX);
    earlier.find(|pair| pair.hash == hash && line.get(pair.label.0..pair.label.1) == name)
}

/// Mixes the first eight bytes of a label, its last one and its length.
#[inline(always)]
fn hash(line: &[u8], (start, end): (usize, usize)) -> u32 {
    let label = line.get(start..end).unwrap_or_default();
    let last = u64::from(label.last().copied().unwrap_or(0));
    let word = match line.get(start..).and_then(<[u8]>::first_chunk) {
        // What stands behind the label is shifted out.
        Some(word) if label.len() < 8 => u64::from_le_bytes(*word) & ((1 << (label.len() * 8)) - 1),
        Some(word) => u64::from_le_bytes(*word),
        None => {
            let bytes = label.iter().take(8).rev();
            bytes.fold(0, |word, byte| word << 8 | u64::from(*byte))
        }
    };
    let mixed = word ^ last << 40 ^ (label.len() as u64) << 56;
    (mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as u32
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
        if left_out.is_none() && rules.leaves_text() {
            let from = |start: usize| line.get(start..).unwrap_or_default();
            for Pair { label, value, .. } in &self.pairs {
                write::str_head(record, from(label.0), label.1 - label.0);
                write::str_head(record, from(value.0), value.1 - value.0);
            }
            return Ok(Parsed::Event { time });
        }
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

#[cfg(test)]
mod tests {
    use millrun_event::json::{FloatText, write_value};
    use proptest::prelude::*;

    use super::*;

    /// Part by part and label by label.
    fn naive(line: &str) -> String {
        let mut pairs: Vec<(&str, &str)> = Vec::new();
        for part in line.split('\t') {
            let Some((label, value)) = part.split_once(':') else {
                continue;
            };
            match pairs.iter_mut().find(|pair| pair.0 == label) {
                Some(pair) => pair.1 = value,
                None => pairs.push((label, value)),
            }
        }
        let text = |text| serde_json::to_string(text).unwrap();
        let pairs = pairs
            .iter()
            .map(|(label, value)| format!("{}:{}", text(label), text(value)));
        format!("{{{}}}", pairs.collect::<Vec<_>>().join(","))
    }

    proptest! {
        #[test]
        fn a_line_is_read_as_part_by_part(
            parts in prop::collection::vec("[a-c]{0,2}|[a-c]{0,9}:[a-z:é]{0,40}|commonpref[ab]?:x", 0..24),
        ) {
            let line = parts.join("\t");
            let tab = LtsvDelimiter::Text("\t".to_owned());
            let mut parser = LtsvParser::new(tab, ":", Settings::default()).unwrap();
            let (mut record, mut shown) = (Vec::new(), Vec::new());
            parser.parse(line.as_bytes(), EventTime::default(), &mut record).unwrap();
            write_value(&record, FloatText::Oj, &mut shown).unwrap();
            prop_assert_eq!(String::from_utf8(shown).unwrap(), naive(&line));
        }
    }
}
