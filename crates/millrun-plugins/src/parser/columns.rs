//! Keys whose values come in an order, as those of csv and tsv do.

use millrun_event::{EventTime, write};

use super::{ParseError, Parsed, rules::Rules};

/// The keys, compiled.
#[derive(Debug)]
pub(super) struct Columns {
    columns: Vec<Column>,
    /// The column that tells the time.
    time: Option<usize>,
}

#[derive(Debug)]
struct Column {
    /// The key, as msgpack.
    key: Vec<u8>,
    conversion: Option<usize>,
    /// Whether the value goes to the record: not the time, nor what a later column of the same name replaces.
    is_kept: bool,
}

/// A value: nothing, or where its text stands.
#[derive(Clone, Copy, Debug)]
pub(super) enum Cell {
    Null,
    /// From here to there in the line.
    Line(usize, usize),
    /// From here to there in the text beside it, of which escapes are taken off.
    Beside(usize, usize),
}

impl Columns {
    pub(super) fn new(keys: &[String], rules: &Rules) -> Self {
        let mut columns = Vec::with_capacity(keys.len());
        let mut time = None;
        for (index, key) in keys.iter().enumerate() {
            let is_replaced = keys.iter().skip(index + 1).any(|later| later == key);
            let is_time = rules.is_time_key(key.as_bytes()) && !is_replaced;
            if is_time {
                time = Some(index);
            }
            let mut name = Vec::new();
            write::str(&mut name, key.as_bytes());
            columns.push(Column {
                key: name,
                conversion: rules.conversion(key.as_bytes()),
                is_kept: !is_replaced && (!is_time || rules.keep_time_key),
            });
        }
        Columns { columns, time }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.columns.len()
    }

    /// Appends the record of `cells`. Columns without a cell have no value; cells without a column are left out.
    pub(super) fn write(
        &self,
        rules: &mut Rules,
        cells: &[Cell],
        (line, beside): (&[u8], &[u8]),
        now: EventTime,
        record: &mut Vec<u8>,
    ) -> Result<Parsed, ParseError> {
        let text = |cell: &Cell| match *cell {
            Cell::Null => None,
            Cell::Line(start, end) => line.get(start..end),
            Cell::Beside(start, end) => beside.get(start..end),
        };
        let time = match self.time.and_then(|column| cells.get(column)) {
            None => rules.time_untold(now),
            Some(cell) => Some(match text(cell) {
                Some(text) => rules.time_of_text(text, now)?,
                None => return Err(ParseError::TimeValue { found: "null" }),
            }),
        };
        let pairs = || {
            let pairs = self.columns.iter().zip(cells);
            pairs.filter(|(column, _)| column.is_kept)
        };
        write::map(record, u32::try_from(pairs().count()).unwrap_or(u32::MAX));
        for (column, cell) in pairs() {
            record.extend_from_slice(&column.key);
            match text(cell) {
                Some(text) => rules.write_text(text, column.conversion, now, record),
                None => write::nil(record),
            }
        }
        Ok(Parsed::Event { time })
    }
}
