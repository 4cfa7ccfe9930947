//! The time of a parser: types, formats and fallbacks of a `<parse>` section.

use std::io::Write;

use super::{
    TimeError, TimeFormatError, Timestamp, free_form, iso8601, number, parts::Parts,
    strptime::Strptime, zone::Zone,
};

/// The longest text taken for a time, in bytes.
pub const TIME_TEXT_BYTES_MAX: usize = 256;

/// How many texts are remembered: lines of one second come in rows, and two sources may alternate.
const REMEMBERED: usize = 2;

/// The `time_type` parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeType {
    /// `string`: text in a format, or the usual forms without one.
    Text,
    /// `unixtime`: whole seconds.
    Unixtime,
    /// `float`: seconds with a fraction.
    Float,
    /// `mixed`: the format, then each of the fallbacks.
    Mixed,
}

/// Reads times; remembers the last ones.
#[derive(Clone, Debug)]
pub struct TimeParser {
    rules: Vec<Rule>,
    zone: Zone,
    remembered: [(Vec<u8>, Timestamp); REMEMBERED],
    oldest: usize,
}

#[derive(Clone, Debug)]
enum Rule {
    FreeForm,
    Iso8601,
    Format { text: Box<str>, compiled: Strptime },
    Unixtime,
    Float,
}

impl TimeParser {
    /// Compiles the parameters `time_type`, `time_format`, `time_format_fallbacks` and the zone for times that name
    /// none. Formats are of Ruby's strptime, or `%iso8601`; a fallback may also be `unixtime` or `float`.
    ///
    /// # Errors
    /// A format that cannot be read from text.
    pub fn new(
        time_type: TimeType,
        format: Option<&str>,
        fallbacks: &[&str],
        zone: Zone,
    ) -> Result<Self, TimeFormatError> {
        let rules = match time_type {
            TimeType::Unixtime => vec![Rule::Unixtime],
            TimeType::Float => vec![Rule::Float],
            TimeType::Text => vec![format.map_or(Ok(Rule::FreeForm), Rule::compile)?],
            TimeType::Mixed => format
                .iter()
                .chain(fallbacks)
                .map(|format| Rule::compile(format))
                .collect::<Result<_, _>>()?,
        };
        Ok(TimeParser {
            rules,
            zone,
            remembered: Default::default(),
            oldest: 0,
        })
    }

    /// Reads a time; `now`, in seconds since 1970, gives the parts of the date that the format lacks.
    ///
    /// # Errors
    /// A text that fits no rule.
    pub fn parse_text(&mut self, text: &[u8], now: i64) -> Result<Timestamp, TimeError> {
        if let Some((_, time)) = self
            .remembered
            .iter()
            .find(|(known, _)| known == text && !text.is_empty())
        {
            return Ok(*time);
        }
        if text.len() > TIME_TEXT_BYTES_MAX {
            return Err(self.error(text));
        }
        for rule in &self.rules {
            let parts = match rule {
                Rule::Unixtime => return Ok(number::unixtime(text)),
                Rule::Float if self.rules.len() == 1 || starts_like_number(text) => {
                    return Ok(number::float(text));
                }
                Rule::Float => None,
                Rule::FreeForm => free_form::parse(text),
                Rule::Iso8601 => iso8601::parse(text),
                Rule::Format { compiled, .. } => compiled.parse(text),
            };
            if let Some(parts) = parts {
                return Ok(self.remember(text, parts, now));
            }
        }
        Err(self.error(text))
    }

    /// Reads a time that is a whole number in the record.
    ///
    /// # Errors
    /// The rules expect text.
    pub fn parse_integer(&mut self, seconds: i64) -> Result<Timestamp, TimeError> {
        if self.takes_numbers() {
            return Ok(Timestamp {
                seconds,
                nanoseconds: 0,
            });
        }
        Err(self.error(seconds.to_string().as_bytes()))
    }

    /// Reads a time that is a fraction in the record, by the digits its shortest form shows.
    ///
    /// # Errors
    /// The rules expect text.
    pub fn parse_float(&mut self, seconds: f64) -> Result<Timestamp, TimeError> {
        if let (Some(rule), Some(mut time)) = (
            self.rules.iter().find(|rule| rule.takes_numbers()),
            microseconds(seconds),
        ) {
            if matches!(rule, Rule::Unixtime) {
                time.nanoseconds = 0;
            }
            return Ok(time);
        }
        // The longest number of this kind has 327 characters; those that do not fit are no times.
        let mut digits = [0; 352];
        let mut rest = &mut digits[..];
        let written = write!(rest, "{seconds}").is_ok();
        let unused = rest.len();
        let text = digits
            .get(..digits.len() - unused)
            .filter(|_| written)
            .unwrap_or_default();
        match self.rules.iter().find(|rule| rule.takes_numbers()) {
            Some(Rule::Unixtime) => Ok(number::unixtime(text)),
            Some(_) => Ok(number::float(text)),
            None => Err(self.error(text)),
        }
    }

    fn takes_numbers(&self) -> bool {
        self.rules.iter().any(Rule::takes_numbers)
    }

    fn remember(&mut self, text: &[u8], parts: Parts, now: i64) -> Timestamp {
        let time = parts.resolve(now, &self.zone);
        // What depends on today must be read again tomorrow.
        if parts.is_absolute() {
            if let Some((known, value)) = self.remembered.get_mut(self.oldest) {
                known.clear();
                known.extend_from_slice(text);
                *value = time;
            }
            self.oldest = (self.oldest + 1) % REMEMBERED;
        }
        time
    }

    fn error(&self, text: &[u8]) -> TimeError {
        let shown = text.get(..TIME_TEXT_BYTES_MAX).unwrap_or(text);
        let rules: Vec<String> = self.rules.iter().map(Rule::describe).collect();
        TimeError {
            value: String::from_utf8_lossy(shown).into_owned(),
            expected: rules.join(" or "),
        }
    }
}

/// The time that a float's shortest form shows, if that has six decimals at most.
///
/// Below 2³² floats lie closer together than millionths, so no two millionths are nearest to one float; if one of them
/// is, it is what the shortest form shows.
fn microseconds(seconds: f64) -> Option<Timestamp> {
    const SECONDS_END: f64 = 4_294_967_296.0;
    if !(0.0..SECONDS_END).contains(&seconds) {
        return None;
    }
    let millionths = (seconds * 1e6).round();
    // Exact: both are whole numbers below 2⁵³.
    let whole = millionths as u64;
    (millionths / 1e6 == seconds).then_some(Timestamp {
        seconds: (whole / 1_000_000) as i64,
        nanoseconds: (whole % 1_000_000) as u32 * 1_000,
    })
}

impl Rule {
    fn compile(format: &str) -> Result<Rule, TimeFormatError> {
        Ok(match format {
            "%iso8601" => Rule::Iso8601,
            // In a list of fallbacks `unixtime` keeps the fraction, too.
            "unixtime" | "float" => Rule::Float,
            _ => Rule::Format {
                text: format.into(),
                compiled: Strptime::compile(format)?,
            },
        })
    }

    fn takes_numbers(&self) -> bool {
        matches!(self, Rule::Unixtime | Rule::Float)
    }

    fn describe(&self) -> String {
        match self {
            Rule::FreeForm => {
                "a date and a time in a usual form; a time_format tells others".to_owned()
            }
            Rule::Iso8601 => "%iso8601, such as 2024-01-01T00:00:00Z".to_owned(),
            Rule::Format { text, .. } => text.to_string(),
            Rule::Unixtime | Rule::Float => "a number of seconds".to_owned(),
        }
    }
}

fn starts_like_number(text: &[u8]) -> bool {
    let text = text.strip_prefix(b"-").unwrap_or(text);
    // All digits but for one dot: a date must not be taken for its year.
    let mut dots = 0;
    !text.is_empty()
        && text.iter().all(|&byte| {
            dots += usize::from(byte == b'.');
            byte.is_ascii_digit() || byte == b'.'
        })
        && dots <= 1
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// 2026-11-21T12:34:56Z
    const NOW: i64 = 1_795_264_496;

    fn parse(format: &str, text: &str) -> Option<(i64, u32)> {
        let mut parser = TimeParser::new(TimeType::Text, Some(format), &[], Zone::UTC).unwrap();
        parser
            .parse_text(text.as_bytes(), NOW)
            .ok()
            .map(|time| (time.seconds, time.nanoseconds))
    }

    #[test]
    fn missing_parts_come_from_today_in_front_and_are_the_first_behind() {
        assert_eq!(parse("%H:%M", "01:02"), Some((1_795_219_200 + 3720, 0)));
        assert_eq!(
            parse("%b %d %H:%M:%S", "Feb  1 03:04:05"),
            Some((1_769_915_045, 0))
        );
        assert_eq!(parse("%Y", "2024"), Some((1_704_067_200, 0)));
        assert_eq!(parse("%Y %j", "2024 60"), Some((1_709_164_800, 0)));
    }

    /// What Ruby 3.1 answered.
    #[test]
    fn weeks_centuries_and_other_calendars_are_read_as_ruby_does() {
        for (format, text, seconds) in [
            ("%G-W%V-%u", "2024-W05-4", Some(1_706_745_600)),
            ("%G-W%V-%u", "2020-W53-7", Some(1_609_632_000)),
            ("%Y %U %w", "2024 05 4", Some(1_707_350_400)),
            ("%Y %W %u", "2024 05 4", Some(1_706_745_600)),
            ("%Y W%W", "2024 W05", Some(1_706_486_400)),
            ("%C%y-%m-%d", "2024-01-02", Some(1_704_153_600)),
            ("%Ey-%Om-%Od", "24-01-02", Some(1_704_153_600)),
            ("%Y-%j", "2024-366", Some(1_735_603_200)),
            ("%Y-%j", "2023-366", None),
            ("%F %T", "2024-01-01 24:00:00", Some(1_704_153_600)),
            ("%F %T", "2024-01-01 24:00:01", None),
            ("%F %z", "2024-01-01 +25:00", None),
        ] {
            assert_eq!(
                parse(format, text),
                seconds.map(|seconds| (seconds, 0)),
                "{format} {text}"
            );
        }
    }

    /// What Ruby 3.1 answered.
    #[test]
    fn times_without_a_format_have_days_of_years_and_short_forms() {
        let mut parser = TimeParser::new(TimeType::Text, None, &[], Zone::UTC).unwrap();
        for (text, seconds) in [
            ("2024-01-01 3pm", Some(1_704_121_200)),
            ("2024-01-01 12am", Some(1_704_067_200)),
            ("2024-060", Some(1_709_164_800)),
            ("2024.01.02", Some(1_704_153_600)),
            ("99-01-02", Some(915_235_200)),
            ("Mon, 02 Jan 06 15:04:05 -0700", Some(1_136_239_445)),
            ("02/01/2024", Some(1_706_745_600 - 30 * 86_400)),
            ("5/23/1999 12:00", None),
            ("2024-01-01 24:00:01", None),
        ] {
            let read = parser.parse_text(text.as_bytes(), NOW).ok();
            assert_eq!(read.map(|time| time.seconds), seconds, "{text}");
        }
    }

    /// What Ruby 3.1 answered.
    #[test]
    fn rare_directives_are_written_as_ruby_does() {
        let utc = [
            (
                "%:::z|%_z|%_10z|%_:z|%-z",
                "+00| +000|      +000| +0:00|-0000",
            ),
            ("%#Z %#p %5p %-10a|", "utc pm    PM Tue|"),
            (
                "%10n|%3t|%10%|%10D|%^c",
                "         \n|  \t|         %|  11/14/23|TUE NOV 14 22:13:20 2023",
            ),
            ("%Ey %EY %Od %Om %Ed %OY %E", "23 2023 14 11 %Ed %OY %E"),
            ("%+ %Q %:S %+z %::::z", "%+ %Q %:S %+z %::::z"),
        ];
        let east = [(
            "%:::z|%_z|%_10::z|%-z|%10z",
            "+05:45| +545|  +5:45:00|+0545|+000000545",
        )];
        for (zone, table) in [
            (Zone::UTC, &utc[..]),
            (Zone::parse("+05:45").unwrap(), &east[..]),
        ] {
            for (format, text) in table {
                let format = crate::TimeFormat::compile(format).unwrap();
                assert_eq!(format.to_string(1_700_000_000, 0, &zone), *text);
            }
        }
    }

    #[test]
    fn what_depends_on_today_is_not_remembered() {
        let mut parser = TimeParser::new(TimeType::Text, Some("%H:%M"), &[], Zone::UTC).unwrap();
        let today = parser.parse_text(b"01:02", NOW).unwrap();
        let tomorrow = parser.parse_text(b"01:02", NOW + 86_400).unwrap();
        assert_eq!(tomorrow.seconds - today.seconds, 86_400);
    }

    #[test]
    fn fractions_have_the_digits_they_have() {
        assert_eq!(
            parse("%s.%L", "1700000000.25"),
            Some((1_700_000_000, 250_000_000))
        );
        assert_eq!(
            parse("%s.%6N", "1700000000.123456789"),
            Some((1_700_000_000, 123_456_000))
        );
        assert_eq!(
            parse("%Q", "1700000000123"),
            Some((1_700_000_000, 123_000_000))
        );
        assert_eq!(
            parse("%Y%m%d%H%M%S%L", "20240101000102003"),
            Some((1_704_067_262, 3_000_000))
        );
    }

    #[test]
    fn the_usual_forms_need_no_format() {
        let mut parser = TimeParser::new(TimeType::Text, None, &[], Zone::UTC).unwrap();
        for (text, expected) in [
            ("Thu Feb 01 03:04:05 2024", Some(1_706_756_645)),
            ("Thu, 01 Feb 2024 03:04:05 +0900", Some(1_706_724_245)),
            ("01/Feb/2024:03:04:05 +0900", Some(1_706_724_245)),
            ("2024/02/01 3:04:05 pm", Some(1_706_799_845)),
            ("20240201T030405Z", Some(1_706_756_645)),
            ("20240201030405", Some(1_706_756_645)),
            ("2024-02-01T03:04:05.5-01:00", Some(1_706_760_245)),
            ("12:34", Some(1_795_264_440)),
            ("2024-02", Some(1_706_745_600)),
            ("2024-13-01", None),
            ("nothing", None),
            ("", None),
        ] {
            let time = parser
                .parse_text(text.as_bytes(), NOW)
                .ok()
                .map(|time| time.seconds);
            assert_eq!(time, expected, "{text}");
        }
    }

    #[test]
    fn mixed_rules_are_tried_in_order() {
        let fallbacks = ["unixtime", "%iso8601"];
        let mut parser =
            TimeParser::new(TimeType::Mixed, Some("%d/%b/%Y"), &fallbacks, Zone::UTC).unwrap();
        assert_eq!(
            parser.parse_text(b"01/Jan/2024", NOW).unwrap().seconds,
            1_704_067_200
        );
        assert_eq!(
            parser.parse_text(b"5.5", NOW).unwrap().nanoseconds,
            500_000_000
        );
        assert_eq!(
            parser
                .parse_text(b"2024-01-01T00:00:00Z", NOW)
                .unwrap()
                .seconds,
            1_704_067_200
        );
        assert_eq!(
            parser.parse_text(b"x", NOW).unwrap_err().to_string(),
            "invalid time format: value = x, expected %d/%b/%Y or a number of seconds or %iso8601, such as \
             2024-01-01T00:00:00Z"
        );
    }

    #[test]
    fn an_unknown_directive_is_refused_with_its_place() {
        let error = TimeParser::new(TimeType::Text, Some("%Y %é"), &[], Zone::UTC).unwrap_err();
        assert!(
            error.to_string().starts_with(
                "at byte 3: the time format has `%é`, which cannot be parsed; known are"
            )
        );
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(seconds in 0_i64..4_294_967_296, nanoseconds in 0_u32..1_000_000_000) {
            let zone = Zone::parse("Asia/Kathmandu").unwrap();
            for format in ["%Y-%m-%dT%H:%M:%S.%N%z", "%d/%b/%Y:%I:%M:%S.%9N %p %:z", "%j %Y %T.%N %z", "%s.%N"] {
                let text = crate::TimeFormat::compile(format).unwrap().to_string(seconds, nanoseconds, &zone);
                let mut parser = TimeParser::new(TimeType::Text, Some(format), &[], Zone::UTC).unwrap();
                let time = parser.parse_text(text.as_bytes(), NOW).unwrap();
                prop_assert_eq!((time.seconds, time.nanoseconds), (seconds, nanoseconds), "{}", text);
            }
        }

        #[test]
        fn no_text_panics(format in r"([ -/a-zA-Z0-9é]|%[a-zA-Z0-9:]){0,8}", text in r"[0-9a-zA-Z:/+. -]{0,20}", now: i32) {
            for format in [Some(format.as_str()), Some("%iso8601"), None] {
                if let Ok(mut parser) = TimeParser::new(TimeType::Text, format, &[], Zone::UTC) {
                    let _ = parser.parse_text(text.as_bytes(), now.into());
                }
            }
        }
    }

    proptest! {
        #[test]
        fn the_digits_of_a_float_are_those_it_shows(
            whole in 0..(1u64 << 32) * 1_000_000,
            decimals in 0..=9u32,
            any in any::<f64>(),
        ) {
            let rounded = (whole as f64 / 1e6 * 10f64.powi(decimals as i32)).round() / 10f64.powi(decimals as i32);
            for seconds in [whole as f64 / 1e6, rounded, any, whole as f64] {
                if let Some(time) = microseconds(seconds) {
                    prop_assert_eq!(time, number::float(seconds.to_string().as_bytes()), "{}", seconds);
                }
            }
            prop_assert!(microseconds(whole as f64 / 1e6).is_some());
        }
    }
}
