//! The `csv` parser: values between commas, by the keys of the configuration.
//!
//! ```text
//! engine normal   a,"b ""q"" c",,""     RFC 4180: a   b "q" c   null   empty text
//! engine fast     the same where quotes stand around whole values; otherwise they stay as they are
//! ```
//! With the engine `normal` keys that the line is too short for are null and a quote out of place is an error; with
//! `fast` they are absent and there are no errors. Values without a key are left out. Only the first row of a text
//! counts.

use memchr::{memchr3, memmem};
use millrun_event::EventTime;
use millrun_pattern::TimeType;

use super::{
    LineParser, ParseError, Parsed, Settings, SetupError,
    columns::{Cell, Columns},
    rules::Rules,
};

/// How quotes are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CsvEngine {
    /// By RFC 4180, strictly.
    #[default]
    Normal,
    /// As far as they go.
    Fast,
}

/// Makes records of values between commas.
#[derive(Debug)]
pub struct CsvParser {
    rules: Rules,
    columns: Columns,
    delimiter: memmem::Finder<'static>,
    engine: CsvEngine,
    cells: Vec<Cell>,
    /// Values without their escapes.
    beside: Vec<u8>,
}

impl CsvParser {
    /// A parser of values between `delimiter`, for `keys` in this order. No key tells the time unless the settings
    /// name one.
    ///
    /// # Errors
    /// No keys or no delimiter; settings that contradict each other or do not compile.
    pub fn new(
        keys: &[String],
        delimiter: &str,
        engine: CsvEngine,
        settings: Settings,
    ) -> Result<Self, SetupError> {
        if keys.is_empty() {
            return Err(SetupError::NoKeys);
        }
        if delimiter.is_empty() {
            return Err(SetupError::NoDelimiter);
        }
        let rules = Rules::new(settings, TimeType::Text, None)?;
        Ok(CsvParser {
            columns: Columns::new(keys, &rules),
            rules,
            delimiter: memmem::Finder::new(delimiter).into_owned(),
            engine,
            cells: Vec::new(),
            beside: Vec::new(),
        })
    }

    /// A line without quotes and line ends.
    fn split_plain(&mut self, line: &[u8]) {
        let mut start = 0;
        if let [delimiter] = *self.delimiter.needle() {
            for end in memchr::memchr_iter(delimiter, line) {
                self.cells.push(plain(start, end));
                start = end + 1;
            }
        } else {
            for end in self.delimiter.find_iter(line) {
                self.cells.push(plain(start, end));
                start = end + self.delimiter.needle().len();
            }
        }
        self.cells.push(plain(start, line.len()));
    }

    /// The first row by RFC 4180.
    fn split_strictly(&mut self, line: &[u8]) -> Result<(), ParseError> {
        let mut start = 0;
        loop {
            let rest = line.get(start..).unwrap_or_default();
            let end = if let [b'"', quoted @ ..] = rest {
                let length = self.unquote(start + 1, quoted)?;
                start + 1 + length
            } else {
                let length = self.delimiter.find(rest).unwrap_or(rest.len());
                let text = rest.get(..length).unwrap_or_default();
                let length = match memchr3(b'"', b'\n', b'\r', text) {
                    Some(at) if text.get(at) == Some(&b'"') => {
                        return Err(ParseError::Quote {
                            fault: "a quote stands within a value without quotes",
                            at: start + at,
                        });
                    }
                    Some(row) => row,
                    None => length,
                };
                self.cells.push(plain(start, start + length));
                start + length
            };
            let rest = line.get(end..).unwrap_or_default();
            if rest.starts_with(self.delimiter.needle()) {
                start = end + self.delimiter.needle().len();
            } else if matches!(rest.first(), None | Some(b'\n' | b'\r')) {
                return Ok(());
            } else {
                return Err(ParseError::Quote {
                    fault: "something follows a value in quotes",
                    at: end,
                });
            }
        }
    }

    /// Takes a value in quotes, of which the opening one stands before `start`; answers its length with the closing
    /// one.
    fn unquote(&mut self, start: usize, quoted: &[u8]) -> Result<usize, ParseError> {
        let beside = self.beside.len();
        let mut length = 0;
        let mut is_escaped = false;
        while let Some(found) = memchr::memchr(b'"', quoted.get(length..).unwrap_or_default()) {
            let quote = length + found;
            if quoted.get(quote + 1) == Some(&b'"') {
                let with_quote = quoted.get(length..=quote).unwrap_or_default();
                self.beside.extend_from_slice(with_quote);
                is_escaped = true;
                length = quote + 2;
                continue;
            }
            if is_escaped {
                let last = quoted.get(length..quote).unwrap_or_default();
                self.beside.extend_from_slice(last);
                self.cells.push(Cell::Beside(beside, self.beside.len()));
            } else {
                self.cells.push(Cell::Line(start, start + quote));
            }
            return Ok(quote + 1);
        }
        Err(ParseError::Quote {
            fault: "a quote is never closed",
            at: start - 1,
        })
    }

    /// Splits at every delimiter and puts together again what a quote at the start holds together.
    fn split_as_far_as_it_goes(&mut self, line: &[u8]) {
        let width = self.delimiter.needle().len();
        let mut start = 0;
        loop {
            let part_end = |from: usize| {
                let rest = line.get(from..).unwrap_or_default();
                self.delimiter.find(rest).map_or(line.len(), |at| from + at)
            };
            let mut end = part_end(start);
            let part = line.get(start..end).unwrap_or_default();
            let quotes = memchr::memchr_iter(b'"', part).count();
            let is_quoted = quotes > 1 && part.starts_with(b"\"") && part.ends_with(b"\"");
            let cell = match quotes {
                0 => plain(start, end),
                1 if part.starts_with(b"\"") => {
                    while end < line.len() {
                        let next = end + width;
                        end = part_end(next);
                        if line.get(next..end).unwrap_or_default().ends_with(b"\"") {
                            break;
                        }
                    }
                    // The last character goes, even if it is no quote.
                    Cell::Line(start + 1, start.max(end - 1).max(start + 1))
                }
                1 | 2 if !is_quoted => Cell::Line(start, end),
                2 => Cell::Line(start + 1, end - 1),
                _ => {
                    let skip = usize::from(is_quoted);
                    let part = part.get(skip..part.len() - skip).unwrap_or_default();
                    let beside = self.beside.len();
                    push_without_escapes(part, &mut self.beside);
                    Cell::Beside(beside, self.beside.len())
                }
            };
            self.cells.push(cell);
            if end >= line.len() {
                return;
            }
            start = end + width;
        }
    }
}

/// Appends `text` with every pair of quotes made one.
fn push_without_escapes(text: &[u8], out: &mut Vec<u8>) {
    let mut start = 0;
    for quote in memmem::find_iter(text, b"\"\"") {
        out.extend_from_slice(text.get(start..=quote).unwrap_or_default());
        start = quote + 2;
    }
    out.extend_from_slice(text.get(start..).unwrap_or_default());
}

/// A value without quotes: empty ones are null.
#[inline]
fn plain(start: usize, end: usize) -> Cell {
    if start == end {
        Cell::Null
    } else {
        Cell::Line(start, end)
    }
}

impl LineParser for CsvParser {
    fn parse(
        &mut self,
        line: &[u8],
        now: EventTime,
        record: &mut Vec<u8>,
    ) -> Result<Parsed, ParseError> {
        self.cells.clear();
        self.beside.clear();
        match (self.engine, line) {
            (CsvEngine::Normal, []) => return Ok(Parsed::Unmatched),
            (CsvEngine::Fast, []) => {}
            (engine, _) => match (memchr3(b'"', b'\n', b'\r', line), engine) {
                (None, _) => self.split_plain(line),
                (Some(_), CsvEngine::Normal) => self.split_strictly(line)?,
                (Some(_), CsvEngine::Fast) => self.split_as_far_as_it_goes(line),
            },
        }
        if self.engine == CsvEngine::Normal {
            self.cells.resize(self.columns.len(), Cell::Null);
        }
        let texts = (line, self.beside.as_slice());
        self.columns
            .write(&mut self.rules, &self.cells, texts, now, record)
    }
}
