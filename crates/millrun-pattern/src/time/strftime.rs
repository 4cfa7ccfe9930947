//! Time formats for writing: Ruby's strftime, compiled to a list of steps.
//!
//! ```text
//! % flags width directive      flags: - no padding, _ spaces, 0 zeros, ^ capitals, # changed case, : colons in %z;
//!                              E and O before some directives change nothing
//! ```
//! What is no directive is written as it stands, as Ruby does.

use super::{
    TimeFormatError,
    civil::{DAY_SECONDS, civil_from_days, days_from_civil, weekday},
    parts::{MONTHS, WEEKDAYS},
    strptime::FORMAT_BYTES_MAX,
    zone::Zone,
};

/// The widest field written, in characters.
const WIDTH_MAX: usize = 255;

/// A compiled format.
#[derive(Clone, Debug)]
pub struct TimeFormat {
    steps: Vec<Step>,
}

#[derive(Clone, Debug)]
enum Step {
    Literal(String),
    Field(Field),
    /// A directive that stands for several, as one field.
    Group(Field, Vec<Step>),
}

#[derive(Clone, Copy, Debug, Default)]
struct Field {
    directive: u8,
    padding: Option<u8>,
    width: Option<usize>,
    upper: bool,
    swap: bool,
    colons: usize,
}

impl TimeFormat {
    /// Compiles a format; unknown directives stand for themselves.
    ///
    /// # Errors
    /// A format of more than 1024 bytes.
    pub fn compile(format: &str) -> Result<Self, TimeFormatError> {
        if format.len() > FORMAT_BYTES_MAX {
            return Err(TimeFormatError::TooLong {
                length: format.len(),
            });
        }
        let mut steps = Vec::new();
        compile_into(format, &mut steps);
        Ok(TimeFormat { steps })
    }

    /// The format without one: ISO 8601 to the second, `Z` for UTC and an offset otherwise.
    #[must_use]
    pub fn iso8601() -> Self {
        let mut steps = Vec::new();
        compile_into("%Y-%m-%dT%H:%M:%S", &mut steps);
        steps.push(Step::Field(Field {
            directive: ISO_OFFSET,
            ..Field::default()
        }));
        TimeFormat { steps }
    }

    /// Appends a time as text to `out`.
    pub fn write(&self, seconds: i64, nanoseconds: u32, zone: &Zone, out: &mut String) {
        let moment = Moment::new(seconds, nanoseconds, zone);
        moment.write_steps(&self.steps, out);
    }

    /// The time as a text of its own.
    #[must_use]
    pub fn to_string(&self, seconds: i64, nanoseconds: u32, zone: &Zone) -> String {
        let mut out = String::new();
        self.write(seconds, nanoseconds, zone, &mut out);
        out
    }
}

/// The offset of [`TimeFormat::iso8601`], which no letter writes.
const ISO_OFFSET: u8 = 0;

fn compile_into(format: &str, steps: &mut Vec<Step>) {
    let mut literal = String::new();
    let mut rest = format;
    while let Some((before, after)) = rest.split_once('%') {
        literal.push_str(before);
        let Some((field, length)) = read_field(after.as_bytes()) else {
            literal.push('%');
            rest = after;
            continue;
        };
        rest = after.get(length..).unwrap_or_default();
        let expansion = match field.directive {
            b'%' => "%",
            b'n' => "\n",
            b't' => "\t",
            b'F' => "%Y-%m-%d",
            b'T' | b'X' => "%H:%M:%S",
            b'D' | b'x' => "%m/%d/%y",
            b'R' => "%H:%M",
            b'r' => "%I:%M:%S %p",
            b'c' => "%a %b %e %H:%M:%S %Y",
            b'v' => "%e-%^b-%Y",
            _ => {
                if !literal.is_empty() {
                    steps.push(Step::Literal(std::mem::take(&mut literal)));
                }
                steps.push(Step::Field(field));
                continue;
            }
        };
        let is_plain = field.width.is_none() && !field.upper;
        if is_plain && expansion.len() == 1 {
            literal.push_str(expansion);
            continue;
        }
        if !literal.is_empty() {
            steps.push(Step::Literal(std::mem::take(&mut literal)));
        }
        if is_plain {
            compile_into(expansion, steps);
        } else {
            let mut group = Vec::new();
            if expansion.len() == 1 {
                group.push(Step::Literal(expansion.to_owned()));
            } else {
                compile_into(expansion, &mut group);
            }
            // Only text changes its case, and within a group all of it goes to capitals or none.
            let field = Field {
                swap: false,
                ..field
            };
            steps.push(Step::Group(field, group));
        }
    }
    literal.push_str(rest);
    if !literal.is_empty() {
        steps.push(Step::Literal(literal));
    }
}

/// Reads flags, width and directive behind a percent sign; their length in bytes.
fn read_field(text: &[u8]) -> Option<(Field, usize)> {
    let mut field = Field::default();
    let mut length = 0;
    let mut modifier = None;
    for &byte in text {
        length += 1;
        match byte {
            b'-' | b'_' => field.padding = Some(byte),
            b'0' if field.width.is_none() => field.padding = Some(byte),
            b'^' => field.upper = true,
            b'#' => field.swap = true,
            b':' => field.colons += 1,
            b'0'..=b'9' => {
                let width = field.width.unwrap_or(0) * 10 + usize::from(byte - b'0');
                field.width = Some(width).filter(|&width| width <= WIDTH_MAX);
                field.width?;
            }
            b'E' | b'O' if modifier.is_none() => modifier = Some(byte),
            _ => {
                field.directive = byte;
                let known: &[u8] = match modifier {
                    None => b"aAbBcCdDeFgGhHIjklLmMnNpPrRsStTuUvVwWxXyYzZ%",
                    Some(b'E') => b"cCxXyY",
                    Some(_) => b"deHkIlmMSuUVwWy",
                };
                let colons_max = if byte == b'z' { 3 } else { 0 };
                return (known.contains(&byte) && field.colons <= colons_max)
                    .then_some((field, length));
            }
        }
    }
    None
}

/// A point in time, taken apart in its zone.
struct Moment<'z> {
    seconds: i64,
    nanoseconds: u32,
    zone: &'z Zone,
    offset: i32,
    days: i64,
    second_of_day: i64,
    year: i64,
    month: u32,
    day: u32,
}

impl<'z> Moment<'z> {
    fn new(seconds: i64, nanoseconds: u32, zone: &'z Zone) -> Self {
        let offset = zone.offset_at(seconds);
        let local = seconds.saturating_add(i64::from(offset));
        let days = local.div_euclid(DAY_SECONDS);
        let (year, month, day) = civil_from_days(days);
        let second_of_day = local.rem_euclid(DAY_SECONDS);
        Moment {
            seconds,
            nanoseconds,
            zone,
            offset,
            days,
            second_of_day,
            year,
            month,
            day,
        }
    }

    fn write_steps(&self, steps: &[Step], out: &mut String) {
        for step in steps {
            match step {
                Step::Literal(text) => out.push_str(text),
                Step::Field(field) => self.write(*field, out),
                Step::Group(field, steps) => {
                    let mut group = String::new();
                    self.write_steps(steps, &mut group);
                    text(*field, group, out);
                }
            }
        }
    }

    fn write(&self, field: Field, out: &mut String) {
        let hour = self.second_of_day / 3600;
        let hour12 = (hour + 11) % 12 + 1;
        let name = |names: &[&str], index: usize, length| {
            let name = names.get(index).copied().unwrap_or_default();
            name.get(..length).unwrap_or(name).to_owned()
        };
        let weekday = weekday(self.days);
        let weekday_index = usize::try_from(weekday).unwrap_or(0);
        let month_index = usize::try_from(self.month).unwrap_or(1) - 1;
        let day_of_year = self.days - days_from_civil(self.year, 1, 1);
        match field.directive {
            b'Y' => pad(
                field,
                self.year,
                b'0',
                if self.year < 0 { 5 } else { 4 },
                out,
            ),
            b'C' => pad(field, self.year.div_euclid(100), b'0', 2, out),
            b'y' => pad(field, self.year.rem_euclid(100), b'0', 2, out),
            b'm' => pad(field, i64::from(self.month), b'0', 2, out),
            b'd' => pad(field, i64::from(self.day), b'0', 2, out),
            b'e' => pad(field, i64::from(self.day), b' ', 2, out),
            b'j' => pad(field, day_of_year + 1, b'0', 3, out),
            b'H' => pad(field, hour, b'0', 2, out),
            b'k' => pad(field, hour, b' ', 2, out),
            b'I' => pad(field, hour12, b'0', 2, out),
            b'l' => pad(field, hour12, b' ', 2, out),
            b'M' => pad(field, self.second_of_day / 60 % 60, b'0', 2, out),
            b'S' => pad(field, self.second_of_day % 60, b'0', 2, out),
            b's' => pad(field, self.seconds, b'0', 1, out),
            b'u' => pad(field, if weekday == 0 { 7 } else { weekday }, b'0', 1, out),
            b'w' => pad(field, weekday, b'0', 1, out),
            b'U' => pad(field, (day_of_year + 7 - weekday) / 7, b'0', 2, out),
            b'W' => pad(
                field,
                (day_of_year + 7 - (weekday + 6) % 7) / 7,
                b'0',
                2,
                out,
            ),
            b'V' => pad(field, self.iso_week().1, b'0', 2, out),
            b'G' => pad(field, self.iso_week().0, b'0', 4, out),
            b'g' => pad(field, self.iso_week().0.rem_euclid(100), b'0', 2, out),
            b'L' => self.fraction(field.width.unwrap_or(3), out),
            b'N' => self.fraction(field.width.unwrap_or(9), out),
            b'b' | b'h' => text(field, name(&MONTHS, month_index, 3), out),
            b'B' => text(field, name(&MONTHS, month_index, usize::MAX), out),
            b'a' => text(field, name(&WEEKDAYS, weekday_index, 3), out),
            b'A' => text(field, name(&WEEKDAYS, weekday_index, usize::MAX), out),
            b'p' if field.swap => text(
                Field {
                    swap: false,
                    ..field
                },
                meridian(hour).to_lowercase(),
                out,
            ),
            b'p' => text(field, meridian(hour).to_owned(), out),
            b'P' => text(field, meridian(hour).to_lowercase(), out),
            b'Z' => {
                let mut name = self.zone.abbreviation_at(self.seconds);
                if field.swap {
                    name.make_ascii_lowercase();
                }
                let field = Field {
                    swap: false,
                    ..field
                };
                text(field, name, out);
            }
            b'z' => self.offset(field, out),
            ISO_OFFSET if self.zone.is_utc() => out.push('Z'),
            ISO_OFFSET => self.offset(Field { colons: 1, ..field }, out),
            _ => {}
        }
    }

    fn fraction(&self, digits: usize, out: &mut String) {
        let text = format!("{:09}", self.nanoseconds);
        out.extend(text.chars().chain(std::iter::repeat('0')).take(digits));
    }

    fn offset(&self, field: Field, out: &mut String) {
        // RFC 3339 writes an unknown place that way, and Ruby UTC where no padding is asked for.
        let is_unknown = self.zone.is_utc() && field.padding == Some(b'-');
        let sign = if self.offset < 0 || is_unknown {
            '-'
        } else {
            '+'
        };
        let seconds = self.offset.unsigned_abs();
        let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        let behind = match field.colons {
            0 => format!("{minutes:02}"),
            1 => format!(":{minutes:02}"),
            2 => format!(":{minutes:02}:{seconds:02}"),
            _ if seconds > 0 => format!(":{minutes:02}:{seconds:02}"),
            _ if minutes > 0 => format!(":{minutes:02}"),
            _ => String::new(),
        };
        let spaces = field.padding == Some(b'_');
        let hours = if spaces {
            hours.to_string()
        } else {
            format!("{hours:02}")
        };
        // Two digits of hours always have their place.
        let width = field.width.unwrap_or(0).max(behind.len() + 3);
        let missing = width.saturating_sub(1 + hours.len() + behind.len());
        if spaces {
            out.extend(std::iter::repeat_n(' ', missing));
            out.push(sign);
        } else {
            out.push(sign);
            out.extend(std::iter::repeat_n('0', missing));
        }
        out.push_str(&hours);
        out.push_str(&behind);
    }

    /// Year and week of ISO 8601: weeks begin on Monday, the first has the first Thursday.
    fn iso_week(&self) -> (i64, i64) {
        let monday = self.days - (weekday(self.days) + 6) % 7;
        let (year, ..) = civil_from_days(monday + 3);
        let day_of_thursday = monday + 3 - days_from_civil(year, 1, 1);
        (year, day_of_thursday / 7 + 1)
    }
}

fn meridian(hour: i64) -> &'static str {
    if hour < 12 { "AM" } else { "PM" }
}

fn pad(field: Field, value: i64, padding: u8, width: usize, out: &mut String) {
    let padding = field.padding.unwrap_or(padding);
    let digits = value.unsigned_abs().to_string();
    let sign = if value < 0 { "-" } else { "" };
    let width = field.width.unwrap_or(width);
    let missing = if padding == b'-' {
        0
    } else {
        width.saturating_sub(digits.len() + sign.len())
    };
    if padding == b'_' || padding == b' ' {
        out.extend(std::iter::repeat_n(' ', missing));
        out.push_str(sign);
    } else {
        out.push_str(sign);
        out.extend(std::iter::repeat_n('0', missing));
    }
    out.push_str(&digits);
}

fn text(field: Field, value: String, out: &mut String) {
    let value = if field.upper || field.swap {
        value.to_uppercase()
    } else {
        value
    };
    let width = field.width.filter(|_| field.padding != Some(b'-'));
    let missing = width.unwrap_or(0).saturating_sub(value.len());
    let padding = if field.padding == Some(b'0') {
        '0'
    } else {
        ' '
    };
    out.extend(std::iter::repeat_n(padding, missing));
    out.push_str(&value);
}
