//! The `stdout` formatter: what a person watches.

use millrun_event::{Cursor, Entry, EntryHead, EntryTime};
use millrun_pattern::{TimeFormatError, Zone};

use super::time_text::time_of;
use super::{EventFormatter, FormatError, Scratch, TimeText};

/// ```text
/// <format>
///   @type stdout
///   output_type json    # any other formatter, with its own parameters beside
/// </format>
/// ```
pub(crate) struct Stdout {
    head: TimeText,
    record: Box<dyn EventFormatter>,
}

/// The head of the line. Its times reach to the year 2106, so the fraction has a fixed place and
/// one text serves a whole second.
const HEAD: &str = "%Y-%m-%d %H:%M:%S. %z ";
const FRACTION_AT: usize = "2024-02-14 08:00:00.".len();

impl Stdout {
    /// A head with the time in `zone`, and what `record` makes of the event behind it. `record` is
    /// no `Stdout` itself.
    ///
    /// # Errors
    /// None in practice: the head's format is ours and compiles.
    pub(crate) fn new(
        zone: Zone,
        record: Box<dyn EventFormatter>,
    ) -> Result<Self, TimeFormatError> {
        Ok(Self {
            head: TimeText::strftime(HEAD, zone)?,
            record,
        })
    }
}

impl EventFormatter for Stdout {
    fn format(
        &self,
        tag: &str,
        entry: &Entry<'_>,
        scratch: &mut Scratch,
        out: &mut Vec<u8>,
    ) -> Result<(), FormatError> {
        self.before_record(tag, entry.time, scratch, out)?;
        self.record.format(tag, entry, scratch, out)
    }

    fn format_next(
        &self,
        tag: &str,
        head: EntryHead,
        cursor: &mut Cursor<'_>,
        scratch: &mut Scratch,
        out: &mut Vec<u8>,
    ) -> Result<(), FormatError> {
        self.before_record(tag, head.time, scratch, out)?;
        self.record.format_next(tag, head, cursor, scratch, out)
    }
}

impl Stdout {
    /// Time and tag.
    fn before_record(
        &self,
        tag: &str,
        time: EntryTime,
        scratch: &mut Scratch,
        out: &mut Vec<u8>,
    ) -> Result<(), FormatError> {
        let time = time_of(time)?;
        let head = self.head.text(time, &mut scratch.time).as_bytes();
        let (date, offset) = head.split_at_checked(FRACTION_AT).unwrap_or((head, b""));
        out.extend_from_slice(date);
        out.extend_from_slice(&nine_digits(time.nanoseconds));
        out.extend_from_slice(offset);
        out.extend_from_slice(tag.as_bytes());
        out.extend_from_slice(b": ");
        Ok(())
    }
}

fn nine_digits(nanoseconds: u32) -> [u8; 9] {
    let mut rest = nanoseconds.min(999_999_999);
    let mut digits = [b'0'; 9];
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    digits
}
