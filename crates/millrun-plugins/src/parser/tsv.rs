//! The `tsv` parser: values between tabs, by the keys of the configuration.
//!
//! The last key has whatever is left of the line, tabs included; keys that the line is too short for are null.

use memchr::memmem;
use millrun_event::EventTime;
use millrun_pattern::TimeType;

use super::{
    LineParser, ParseError, Parsed, Settings, SetupError,
    columns::{Cell, Columns},
    rules::Rules,
};

/// Makes records of values between tabs.
#[derive(Debug)]
pub struct TsvParser {
    rules: Rules,
    columns: Columns,
    delimiter: memmem::Finder<'static>,
    cells: Vec<Cell>,
}

impl TsvParser {
    /// A parser of values between `delimiter`, for `keys` in this order. No key tells the time unless the settings
    /// name one.
    ///
    /// # Errors
    /// No keys or no delimiter; settings that contradict each other or do not compile.
    pub fn new(keys: &[String], delimiter: &str, settings: Settings) -> Result<Self, SetupError> {
        if keys.is_empty() {
            return Err(SetupError::NoKeys);
        }
        if delimiter.is_empty() {
            return Err(SetupError::NoDelimiter);
        }
        let rules = Rules::new(settings, TimeType::Text, None)?;
        Ok(TsvParser {
            columns: Columns::new(keys, &rules),
            rules,
            delimiter: memmem::Finder::new(delimiter).into_owned(),
            cells: Vec::new(),
        })
    }
}

impl LineParser for TsvParser {
    fn parse(
        &mut self,
        line: &[u8],
        now: EventTime,
        record: &mut Vec<u8>,
    ) -> Result<Parsed, ParseError> {
        self.cells.clear();
        let mut start = 0;
        // Ruby's split makes no part of an empty text.
        if !line.is_empty() {
            let ends = self.delimiter.find_iter(line).take(self.columns.len() - 1);
            for end in ends {
                self.cells.push(Cell::Line(start, end));
                start = end + self.delimiter.needle().len();
            }
            self.cells.push(Cell::Line(start, line.len()));
        }
        self.cells.resize(self.columns.len(), Cell::Null);
        self.columns
            .write(&mut self.rules, &self.cells, (line, b""), now, record)
    }
}
