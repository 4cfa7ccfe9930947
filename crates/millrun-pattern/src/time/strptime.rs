//! Time formats for reading: Ruby's dialect of strptime, compiled to a list of steps.
//!
//! White space in a format stands for any white space or none; text after the end of the format is not looked at.

use super::{
    TimeFormatError,
    offset::take_offset,
    parts::{MONTHS, Parts, WEEKDAYS, Week, of_century, take_fraction, take_name, take_number},
};

/// The longest format accepted, in bytes.
pub(super) const FORMAT_BYTES_MAX: usize = 1024;

/// A compiled format.
#[derive(Clone, Debug)]
pub(super) struct Strptime {
    steps: Vec<Step>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Literal(u8),
    Space,
    /// Years of any length, or of four digits where more digits follow.
    Year {
        digits_max: usize,
    },
    YearOfCentury,
    Century,
    Month,
    MonthName,
    Day,
    DayOfYear,
    WeekdayName,
    WeekdayNumber,
    WeekFromSunday,
    WeekFromMonday,
    IsoWeek,
    IsoYear,
    IsoYearOfCentury,
    Hour,
    Hour12,
    Meridian,
    Minute,
    Second,
    /// A fraction of a second, of up to so many digits.
    Fraction {
        digits_max: usize,
    },
    Offset,
    Epoch,
    EpochMillis,
}

impl Strptime {
    pub(super) fn compile(format: &str) -> Result<Self, TimeFormatError> {
        if format.len() > FORMAT_BYTES_MAX {
            return Err(TimeFormatError::TooLong {
                length: format.len(),
            });
        }
        let mut steps = Vec::new();
        compile_into(format, &mut steps)?;
        limit_digits(&mut steps);
        Ok(Strptime { steps })
    }

    /// Reads a text; nothing if it does not fit.
    pub(super) fn parse(&self, text: &[u8]) -> Option<Parts> {
        let mut parts = Parts::default();
        let mut rest = text;
        for step in &self.steps {
            rest = step.take(rest, &mut parts)?;
        }
        parts.is_possible().then_some(parts)
    }
}

fn compile_into(format: &str, steps: &mut Vec<Step>) -> Result<(), TimeFormatError> {
    let bytes = format.as_bytes();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let start = at;
        at += 1;
        if byte.is_ascii_whitespace() {
            steps.push(Step::Space);
            continue;
        }
        if byte != b'%' {
            steps.push(Step::Literal(byte));
            continue;
        }
        // Flags, colons and widths say how to write a time; only the width of a fraction matters for reading.
        let flags = bytes.get(at..).unwrap_or_default().iter();
        at += flags
            .take_while(|byte| matches!(byte, b'-' | b'0'..=b'9' | b':' | b'_' | b'^' | b'#'))
            .count();
        let width = bytes.get(start + 1..at).unwrap_or_default();
        // Other calendars and digits, which there are none of.
        if let Some([b'E', b'c' | b'C' | b'x' | b'X' | b'y' | b'Y'])
        | Some(
            [
                b'O',
                b'd' | b'e' | b'H' | b'I' | b'k' | b'l' | b'm' | b'M' | b'S' | b'u' | b'U' | b'V'
                | b'w' | b'W' | b'y',
            ],
        ) = bytes.get(at..at + 2)
        {
            at += 1;
        }
        let directive = bytes.get(at).copied().unwrap_or(b' ');
        at += 1;
        steps.push(match directive {
            b'Y' => Step::Year { digits_max: 9 },
            b'y' => Step::YearOfCentury,
            b'C' => Step::Century,
            b'm' => Step::Month,
            b'b' | b'B' | b'h' => Step::MonthName,
            b'd' | b'e' => Step::Day,
            b'j' => Step::DayOfYear,
            b'a' | b'A' => Step::WeekdayName,
            b'u' | b'w' => Step::WeekdayNumber,
            b'U' => Step::WeekFromSunday,
            b'W' => Step::WeekFromMonday,
            b'V' => Step::IsoWeek,
            b'G' => Step::IsoYear,
            b'g' => Step::IsoYearOfCentury,
            b'H' | b'k' => Step::Hour,
            b'I' | b'l' => Step::Hour12,
            b'p' | b'P' => Step::Meridian,
            b'M' => Step::Minute,
            b'S' => Step::Second,
            b'L' | b'N' => Step::Fraction {
                digits_max: take_number(width, 2).map_or(usize::MAX, digits),
            },
            b'z' | b'Z' => Step::Offset,
            b's' => Step::Epoch,
            b'Q' => Step::EpochMillis,
            b'n' | b't' => Step::Space,
            b'%' => Step::Literal(b'%'),
            composite => {
                let expansion = match composite {
                    b'F' => "%Y-%m-%d",
                    b'T' | b'X' => "%H:%M:%S",
                    b'D' | b'x' => "%m/%d/%y",
                    b'R' => "%H:%M",
                    b'r' => "%I:%M:%S %p",
                    b'c' => "%a %b %e %H:%M:%S %Y",
                    b'v' => "%e-%b-%Y",
                    b'+' => "%a %b %e %H:%M:%S %Z %Y",
                    _ => {
                        let end = (at..=format.len()).find(|&end| format.is_char_boundary(end));
                        let directive = format
                            .get(start..end.unwrap_or(format.len()))
                            .unwrap_or("%")
                            .to_owned();
                        return Err(TimeFormatError::Directive {
                            offset: start,
                            directive,
                        });
                    }
                };
                compile_into(expansion, steps)?;
                continue;
            }
        });
    }
    Ok(())
}

fn digits((width, _): (u32, &[u8])) -> usize {
    usize::try_from(width).unwrap_or(usize::MAX)
}

/// Where digits follow a year or a fraction at once, its own number of digits is fixed.
fn limit_digits(steps: &mut [Step]) {
    let mut digits_follow = false;
    for step in steps.iter_mut().rev() {
        match step {
            Step::Year { digits_max } if digits_follow => *digits_max = 4,
            Step::Fraction { digits_max } if digits_follow && *digits_max == usize::MAX => {
                *digits_max = 3;
            }
            _ => {}
        }
        digits_follow = match step {
            Step::Literal(byte) => byte.is_ascii_digit(),
            Step::Space | Step::MonthName | Step::WeekdayName | Step::Meridian | Step::Offset => {
                false
            }
            _ => true,
        };
    }
}

impl Step {
    #[inline]
    fn take<'t>(self, text: &'t [u8], parts: &mut Parts) -> Option<&'t [u8]> {
        let number = |digits_max, range: std::ops::RangeInclusive<u32>| {
            take_number(text, digits_max).filter(|(value, _)| range.contains(value))
        };
        // Days and hours may be padded with a space.
        let padded = |range: std::ops::RangeInclusive<u32>| match text {
            [b' ', rest @ ..] => take_number(rest, 1).filter(|(value, _)| range.contains(value)),
            _ => take_number(text, 2).filter(|(value, _)| range.contains(value)),
        };
        Some(match self {
            Step::Literal(byte) => text.strip_prefix(&[byte])?,
            Step::Space => text.trim_ascii_start(),
            Step::Year { digits_max } => {
                let (sign, digits) = take_sign(text);
                let (value, rest) = take_number(digits, digits_max)?;
                parts.year = Some(sign * i64::from(value));
                rest
            }
            Step::YearOfCentury => {
                let (value, rest) = number(2, 0..=99)?;
                parts.year = Some(of_century(value));
                rest
            }
            Step::Century => {
                let (value, rest) = number(2, 0..=99)?;
                parts.century = Some(i64::from(value));
                rest
            }
            Step::Month => {
                let (value, rest) = number(2, 1..=12)?;
                parts.month = Some(value);
                rest
            }
            Step::MonthName => {
                let (index, rest) = take_name(text, &MONTHS)?;
                parts.month = Some(u32::try_from(index + 1).ok()?);
                rest
            }
            Step::Day => {
                let (value, rest) = padded(1..=31)?;
                parts.day = Some(value);
                rest
            }
            Step::DayOfYear => {
                let (value, rest) = number(3, 1..=366)?;
                parts.day_of_year = Some(value);
                rest
            }
            Step::WeekdayName => {
                let (index, rest) = take_name(text, &WEEKDAYS)?;
                parts.weekday = u32::try_from(index).ok();
                rest
            }
            Step::WeekdayNumber => {
                let (value, rest) = number(1, 0..=7)?;
                parts.weekday = Some(value % 7);
                rest
            }
            Step::WeekFromSunday => {
                let (value, rest) = number(2, 0..=53)?;
                parts.week = Some(Week::Sunday(value));
                rest
            }
            Step::WeekFromMonday => {
                let (value, rest) = number(2, 0..=53)?;
                parts.week = Some(Week::Monday(value));
                rest
            }
            Step::IsoWeek => {
                let (value, rest) = number(2, 1..=53)?;
                parts.week = Some(Week::Iso(value));
                rest
            }
            Step::IsoYear => {
                let (value, rest) = take_number(text, 4)?;
                parts.week_year = Some(i64::from(value));
                rest
            }
            Step::IsoYearOfCentury => {
                let (value, rest) = number(2, 0..=99)?;
                parts.week_year = Some(of_century(value));
                rest
            }
            Step::Hour => {
                let (value, rest) = padded(0..=24)?;
                parts.hour = Some(value);
                rest
            }
            Step::Hour12 => {
                let (value, rest) = padded(1..=12)?;
                parts.hour = Some(value);
                rest
            }
            Step::Meridian => {
                let (&first, tail) = text.split_first()?;
                parts.afternoon = Some(match first {
                    b'p' | b'P' => true,
                    b'a' | b'A' => false,
                    _ => return None,
                });
                match tail {
                    [b'm' | b'M', rest @ ..] | [b'.', b'm' | b'M', b'.', rest @ ..] => rest,
                    _ => return None,
                }
            }
            Step::Minute => {
                let (value, rest) = number(2, 0..=59)?;
                parts.minute = Some(value);
                rest
            }
            Step::Second => {
                let (value, rest) = number(2, 0..=60)?;
                parts.second = Some(value);
                rest
            }
            Step::Fraction { digits_max } => {
                let (value, rest) = take_fraction(text, digits_max)?;
                parts.nanoseconds = value;
                rest
            }
            Step::Offset => {
                let (offset, rest) = take_offset(text)?;
                parts.offset = Some(offset);
                rest
            }
            Step::Epoch | Step::EpochMillis => {
                let (sign, digits) = take_sign(text);
                let length = digits
                    .iter()
                    .take(18)
                    .take_while(|byte| byte.is_ascii_digit())
                    .count();
                let (number, rest) = digits
                    .split_at_checked(length)
                    .filter(|(number, _)| !number.is_empty())?;
                let value = sign
                    * number
                        .iter()
                        .fold(0, |value, byte| value * 10 + i64::from(byte - b'0'));
                if self == Step::Epoch {
                    parts.epoch = Some(value);
                } else {
                    parts.epoch = Some(value.div_euclid(1000));
                    parts.nanoseconds = u32::try_from(value.rem_euclid(1000)).ok()? * 1_000_000;
                }
                rest
            }
        })
    }
}

fn take_sign(text: &[u8]) -> (i64, &[u8]) {
    match text {
        [b'-', rest @ ..] => (-1, rest),
        [b'+', rest @ ..] => (1, rest),
        _ => (1, text),
    }
}
