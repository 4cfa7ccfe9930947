//! Numbers: integers of 64 bits stay integers, all others become doubles.

use crate::json::JsonError;
use crate::json::scan::Reader;
use crate::write;

impl Reader<'_, '_> {
    pub(super) fn number(&mut self) -> Result<(), JsonError> {
        const DIGIT: &str = "a digit";
        let start = self.at;
        let negative = self.peek() == Some(b'-');
        self.at += usize::from(negative);
        if negative && self.peek() == Some(b'I') {
            self.word("Infinity")?;
            write::float(self.out, f64::NEG_INFINITY);
            return Ok(());
        }
        let first = self.at;
        let mut magnitude = Some(0u64);
        while let Some(byte @ b'0'..=b'9') = self.peek() {
            magnitude = magnitude
                .and_then(|number| number.checked_mul(10))
                .and_then(|number| number.checked_add(u64::from(byte - b'0')));
            self.at += 1;
        }
        let digits = self.text.get(first..self.at).unwrap_or_default();
        match (digits, self.peek()) {
            ([], None) => return Err(self.truncated(DIGIT)),
            ([], Some(found)) => return Err(self.unexpected(DIGIT, found)),
            ([b'0', second, ..], _) => {
                self.at = first + 1;
                return Err(self.unexpected("no digit behind a leading zero", *second));
            }
            (_, Some(b'.' | b'e' | b'E')) => return self.float(start),
            _ => {}
        }
        match magnitude {
            Some(number) if !negative => write::uint(self.out, number),
            Some(number) if number <= i64::MIN.unsigned_abs() => {
                write::int(self.out, 0i64.wrapping_sub_unsigned(number));
            }
            // Beyond 64 bits msgpack has no integer: the nearest double is what there is.
            _ => self.double(start),
        }
        Ok(())
    }

    /// Fraction and exponent of a number that began at `start`.
    fn float(&mut self, start: usize) -> Result<(), JsonError> {
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits("a digit behind the decimal point")?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.digits("a digit of the exponent")?;
        }
        self.double(start);
        Ok(())
    }

    fn digits(&mut self, expected: &'static str) -> Result<(), JsonError> {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        match self.peek() {
            _ if self.at > start => Ok(()),
            Some(found) => Err(self.unexpected(expected, found)),
            None => Err(self.truncated(expected)),
        }
    }

    /// Writes the number from `start` to here, whose grammar is proved, as a double; one beyond
    /// its range becomes infinite.
    fn double(&mut self, start: usize) {
        let text = self.text.get(start..self.at).unwrap_or_default();
        let number = std::str::from_utf8(text)
            .ok()
            .and_then(|text| text.parse().ok())
            .unwrap_or(f64::NAN);
        write::float(self.out, number);
    }
}
