//! The `syslog` parser: RFC 3164 as programs write it, and RFC 5424.
//!
//! ```text
//! rfc3164   <6>Feb  1 03:04:05 web1 sshd[12]: accepted        the priority with with_priority only
//!              time            host ident pid message
//! rfc5424   <16>1 2024-02-01T03:04:05.678Z web1 app 12 ID7 [e@1 k="v"] accepted
//!                 time                     host ident pid msgid extradata message
//! auto      rfc5424 where a version follows the priority, else rfc3164
//! ```
//! The engines `regexp` and `string` read alike what is written as usual and differ in what is not: see
//! [`rfc3164`] and [`rfc5424`]. A field without a value is a dash in RFC 5424 and stays one. Times of RFC 3164 name no
//! year: it is the one in which the line is nearly now ([`YEAR_AHEAD_SECONDS_MAX`]).

mod rfc3164;
mod rfc5424;
#[cfg(test)]
mod tests;

use millrun_event::{EventTime, write};
use millrun_pattern::{Flags, Level, Regex, Spans, TimeParser, TimeType};

use super::{
    LineParser, ParseError, Parsed, Settings, SetupError, TextKind, conversion::write_text,
    rules::event_time,
};

/// How far in the future a time without a year may lie before it is taken for one of the last year: lines of December
/// are read in January, and clocks differ by hours at most. (Fluentd takes the current year, always.)
pub const YEAR_AHEAD_SECONDS_MAX: i64 = 7 * 24 * 3600;

/// What a year has at most.
const YEAR_SECONDS: i64 = 366 * 24 * 3600;

/// From a day of a year's first 51 weeks this far back lies in the year before; from its last week this far on, in the
/// next.
const OTHER_YEAR_SECONDS: i64 = 360 * 24 * 3600;

/// The time format of RFC 3164.
const RFC3164_TIME_FORMAT: &str = "%b %d %H:%M:%S";

/// The time format of RFC 5424.
pub(crate) const RFC5424_TIME_FORMAT: &str = "%Y-%m-%dT%H:%M:%S.%L%z";

/// The same for times without a fraction.
const RFC5424_TIME_FORMAT_WITHOUT_FRACTION: &str = "%Y-%m-%dT%H:%M:%S%z";

/// Which form lines have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SyslogFormat {
    /// RFC 3164.
    #[default]
    Rfc3164,
    /// RFC 5424.
    Rfc5424,
    /// Either, told by the line.
    Auto,
}

/// How lines that are not quite of the form are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SyslogEngine {
    /// As Fluentd's expressions read them.
    #[default]
    Regexp,
    /// As Fluentd's hand-written code reads them.
    String,
}

/// What the `syslog` parser has beyond [`Settings`].
#[derive(Clone, Debug)]
pub struct SyslogOptions {
    /// `message_format`.
    pub format: SyslogFormat,
    /// `parser_engine`.
    pub engine: SyslogEngine,
    /// `with_priority`: lines begin with one.
    pub with_priority: bool,
    /// `rfc5424_time_format`; without one that of the RFC.
    pub rfc5424_time_format: Option<String>,
    /// `support_colonless_ident`: without a colon the first word is the ident, too. For the engine `string`.
    pub support_colonless_ident: bool,
}

impl Default for SyslogOptions {
    fn default() -> Self {
        SyslogOptions {
            format: SyslogFormat::default(),
            engine: SyslogEngine::default(),
            with_priority: false,
            rfc5424_time_format: None,
            support_colonless_ident: true,
        }
    }
}

/// Makes records of syslog lines.
#[derive(Debug)]
pub struct SyslogParser {
    options: SyslogOptions,
    text: TextKind,
    keep_time_key: bool,
    rfc3164: Form,
    rfc5424: Form,
    /// How many words the time of RFC 3164 has.
    time_words: usize,
    /// The time with its runs of spaces squeezed.
    squeezed: Vec<u8>,
    /// Structured data without its backslashes.
    data: Vec<u8>,
}

/// What one of the two forms is read with.
#[derive(Debug)]
struct Form {
    time: TimeParser,
    regex: Regex,
    spans: Spans,
}

impl SyslogParser {
    /// A parser; of the settings those about types and nulls have no meaning, as in Fluentd.
    ///
    /// # Errors
    /// Settings that contradict each other or do not compile.
    pub fn new(options: SyslogOptions, settings: Settings) -> Result<Self, SetupError> {
        let zone = settings.zone()?;
        let rfc3164_format = match options.format {
            SyslogFormat::Rfc5424 => RFC3164_TIME_FORMAT,
            _ => settings
                .time_format
                .as_deref()
                .unwrap_or(RFC3164_TIME_FORMAT),
        };
        let own = options
            .rfc5424_time_format
            .as_deref()
            .unwrap_or(RFC5424_TIME_FORMAT);
        let rfc5424_format = match options.format {
            SyslogFormat::Rfc5424 => settings.time_format.as_deref().unwrap_or(own),
            _ => own,
        };
        let words = rfc3164_format.split(' ').filter(|word| !word.is_empty());
        let form = |time, expression| {
            let regex = Regex::compile(expression, Flags::default())?;
            Ok::<_, SetupError>(Form {
                time,
                spans: regex.spans(),
                regex,
            })
        };
        let time3164 = TimeParser::new(TimeType::Text, Some(rfc3164_format), &[], zone.clone())?;
        let fallback = [RFC5424_TIME_FORMAT_WITHOUT_FRACTION];
        let time5424 = TimeParser::new(TimeType::Mixed, Some(rfc5424_format), &fallback, zone)?;
        Ok(SyslogParser {
            time_words: words.count(),
            rfc3164: form(time3164, rfc3164::EXPRESSION)?,
            rfc5424: form(time5424, rfc5424::EXPRESSION)?,
            options,
            text: settings.text,
            keep_time_key: settings.keep_time_key,
            squeezed: Vec::new(),
            data: Vec::new(),
        })
    }

    /// Reads the time of RFC 3164, whose year is the one in which it is nearly `now`.
    fn time_without_year(&mut self, text: &[u8], now: EventTime) -> Result<EventTime, ParseError> {
        let now = i64::from(now.seconds);
        let time = self.rfc3164.time.parse_text(text, now)?;
        let ahead = time.seconds.saturating_sub(now);
        let other_year = if ahead > YEAR_AHEAD_SECONDS_MAX {
            now - OTHER_YEAR_SECONDS
        } else if ahead < YEAR_AHEAD_SECONDS_MAX - YEAR_SECONDS {
            now + OTHER_YEAR_SECONDS
        } else {
            return Ok(event_time(time));
        };
        // The 29th of February may not be in the other year; and a time that does have a year stays as it is.
        let other = self.rfc3164.time.parse_text(text, other_year);
        Ok(event_time(other.unwrap_or(time)))
    }
}

impl LineParser for SyslogParser {
    fn patterns(&self) -> Vec<(&'static str, Level)> {
        let (one, other) = (self.rfc3164.regex.level(), self.rfc5424.regex.level());
        let (one, other) = (("rfc3164", one), ("rfc5424", other));
        match (self.options.engine, self.options.format) {
            // It reads by hand.
            (SyslogEngine::String, _) => Vec::new(),
            (SyslogEngine::Regexp, SyslogFormat::Rfc3164) => vec![one],
            (SyslogEngine::Regexp, SyslogFormat::Rfc5424) => vec![other],
            (SyslogEngine::Regexp, SyslogFormat::Auto) => vec![one, other],
        }
    }

    fn parse(
        &mut self,
        line: &[u8],
        now: EventTime,
        record: &mut Vec<u8>,
    ) -> Result<Parsed, ParseError> {
        let is_rfc5424 = match self.options.format {
            SyslogFormat::Rfc3164 => false,
            SyslogFormat::Rfc5424 => true,
            SyslogFormat::Auto => rfc5424::begins(line),
        };
        let time = match (is_rfc5424, self.options.engine) {
            (false, SyslogEngine::Regexp) => rfc3164::parse(self, line, now, record)?,
            (false, SyslogEngine::String) => rfc3164::parse_by_hand(self, line, now, record)?,
            (true, SyslogEngine::Regexp) => rfc5424::parse(self, line, now, record)?,
            (true, SyslogEngine::String) => rfc5424::parse_by_hand(self, line, now, record)?,
        };
        Ok(match time {
            Some(time) => Parsed::Event { time: Some(time) },
            None => Parsed::Unmatched,
        })
    }
}

/// The number within the brackets a line begins with, and what follows them; of at most three digits.
fn priority(line: &[u8]) -> Option<(i64, &[u8])> {
    let rest = line.strip_prefix(b"<")?;
    let digits = rest.iter().take(3).take_while(|byte| byte.is_ascii_digit());
    let length = digits.count();
    let (digits, rest) = rest.split_at_checked(length).filter(|_| length > 0)?;
    let number = digits
        .iter()
        .fold(0, |number, digit| number * 10 + i64::from(digit - b'0'));
    Some((number, rest.strip_prefix(b">")?))
}

/// As [`priority`], for whatever stands between the brackets, if anything does: text that is no number counts as 0.
fn priority_by_hand(line: &[u8]) -> Option<(i64, &[u8])> {
    let inside = line.strip_prefix(b"<")?;
    let end = memchr::memchr(b'>', inside).filter(|&end| end > 0)?;
    let number = millrun_ruby::leading_integer(inside.get(..end)?);
    Some((number, inside.get(end + 1..)?))
}

/// The text before the first space and that behind it.
#[inline]
fn word(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = millrun_pattern::find_byte(b' ', text)?;
    Some((text.get(..end)?, text.get(end + 1..)?))
}

/// The text without the line end at its end, as Ruby's chomp takes it off.
fn chomp(text: &[u8]) -> &[u8] {
    match text {
        [text @ .., b'\r', b'\n'] | [text @ .., b'\n' | b'\r'] => text,
        _ => text,
    }
}

/// The keys, as msgpack.
mod key {
    pub(super) const PRIORITY: &[u8] = b"\xa3pri";
    pub(super) const TIME: &[u8] = b"\xa4time";
    pub(super) const HOST: &[u8] = b"\xa4host";
    pub(super) const IDENT: &[u8] = b"\xa5ident";
    pub(super) const PID: &[u8] = b"\xa3pid";
    pub(super) const MESSAGE_ID: &[u8] = b"\xa5msgid";
    pub(super) const EXTRA_DATA: &[u8] = b"\xa9extradata";
    pub(super) const MESSAGE: &[u8] = b"\xa7message";
}

/// Writes pairs and counts them; a record of syslog has fewer than 16.
struct Pairs<'o> {
    out: &'o mut Vec<u8>,
    header: usize,
    count: u8,
    kind: TextKind,
}

impl<'o> Pairs<'o> {
    fn new(out: &'o mut Vec<u8>, kind: TextKind) -> Self {
        out.push(0x80);
        Pairs {
            header: out.len() - 1,
            out,
            count: 0,
            kind,
        }
    }

    #[inline]
    fn text(&mut self, key: &[u8], value: &[u8]) {
        self.out.extend_from_slice(key);
        write_text(value, self.kind, self.out);
        self.count += 1;
    }

    #[inline]
    fn priority(&mut self, priority: Option<i64>) {
        if let Some(priority) = priority {
            self.out.extend_from_slice(key::PRIORITY);
            write::int(self.out, priority);
            self.count += 1;
        }
    }

    fn end(self) {
        if let Some(header) = self.out.get_mut(self.header) {
            *header |= self.count & 0x0f;
        }
    }
}
