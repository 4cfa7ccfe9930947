//! The `apache`, `apache2` and `apache_error` parsers: the logs of Apache's httpd.
//!
//! ```text
//! 10.0.0.1 - bob [28/Feb/2013:12:00:00 +0900] "GET / HTTP/1.1" 200 777 "http://r/" "Opera \"12\""
//! host       user time                         method path      code size referer   agent
//!
//! [Thu Feb 01 03:04:05 2024] [error] [pid 7] [client 10.1.2.3] denied
//!      time                   level       pid         client    message
//! ```
//! `apache2` knows escaped quotes and always makes its eight keys: `code` and `size` are numbers, a dash is null.
//! `apache` is the same as a plain expression, without escapes, and all values are text.

use std::sync::Arc;

use millrun_event::{EventTime, write};
use millrun_pattern::{Level, Regex, Spans, TimeType};
use millrun_ruby::leading_integer;

use super::{
    LineParser, ParseError, Parsed, RegexpParser, Settings, SetupError, TextKind,
    built_in::built_in, conversion::write_text, rules::Rules,
};

/// What `apache` takes a line apart with.
pub const APACHE_EXPRESSION: &str = concat!(
    r#"^(?<host>[^ ]*) [^ ]* (?<user>[^ ]*) \[(?<time>[^\]]*)\]"#,
    r#" "(?<method>\S+)(?: +(?<path>[^ ]*) +\S*)?" (?<code>[^ ]*) (?<size>[^ ]*)"#,
    r#"(?: "(?<referer>[^"]*)" "(?<agent>[^"]*)")?$"#,
);

/// What `apache_error` takes a line apart with.
pub const APACHE_ERROR_EXPRESSION: &str = concat!(
    r"^\[[^ ]* (?<time>[^\]]*)\] \[(?<level>[^\]]*)\]",
    r"(?: \[pid (?<pid>[^\]]*)\])?(?: \[client (?<client>[^\]]*)\])? (?<message>.*)$",
);

/// The time format of access logs.
pub const APACHE_TIME_FORMAT: &str = "%d/%b/%Y:%H:%M:%S %z";

/// The captures of both expressions of [`Apache2Parser`], by number.
const HOST: usize = 1;
const USER: usize = 2;
const TIME: usize = 3;
const METHOD: usize = 4;
const PATH: usize = 5;
const CODE: usize = 6;
const SIZE: usize = 7;
const REFERER: usize = 8;
const AGENT: usize = 9;

/// A text between quotes in which a backslash takes a quote in.
const QUOTED_ESCAPED: &str = r#"(?:[^"]|\\.)*"#;

/// A parser of `apache`'s plain expression.
///
/// # Errors
/// Settings that contradict each other or do not compile.
pub fn apache_parser(mut settings: Settings) -> Result<RegexpParser, SetupError> {
    settings
        .time_format
        .get_or_insert_with(|| APACHE_TIME_FORMAT.to_owned());
    let regex = built_in(APACHE_EXPRESSION)?;
    RegexpParser::new(regex, settings)
}

/// A parser of error logs; times are read in the usual forms where the settings name no format.
///
/// # Errors
/// Settings that contradict each other or do not compile.
pub fn apache_error_parser(settings: Settings) -> Result<RegexpParser, SetupError> {
    let regex = built_in(APACHE_ERROR_EXPRESSION)?;
    RegexpParser::new(regex, settings)
}

/// Makes records of access logs with escaped quotes.
///
/// The expression that knows escapes cannot be split at delimiters. A line without a backslash has no escapes, so that
/// one without them says the same of it.
#[derive(Debug)]
pub struct Apache2Parser {
    plain: Form,
    escaped: Form,
    rules: Rules,
    text: TextKind,
}

#[derive(Debug)]
struct Form {
    regex: Arc<Regex>,
    spans: Spans,
}

impl Form {
    /// The expression with the given form of a text between quotes.
    fn compile(quoted: &str) -> Result<Self, SetupError> {
        let source = format!(
            r#"^([^ ]*) [^ ]* ([^ ]*) \[([^\]]*)\] "(\S+)(?: +({quoted}?)(?: +\S*)?)?" ([^ ]*) ([^ ]*)(?: "({quoted})" "({quoted})")?$"#
        );
        let regex = built_in(&source)?;
        Ok(Form {
            spans: regex.spans(),
            regex,
        })
    }
}

impl Apache2Parser {
    /// A parser; of the settings only the time's zone, `keep_time_key` and the kind of text have a meaning, as in
    /// Fluentd.
    ///
    /// # Errors
    /// Settings that contradict each other or do not compile.
    pub fn new(mut settings: Settings) -> Result<Self, SetupError> {
        settings.time_format = Some(APACHE_TIME_FORMAT.to_owned());
        let text = settings.text;
        Ok(Apache2Parser {
            plain: Form::compile(r#"[^"]*"#)?,
            escaped: Form::compile(QUOTED_ESCAPED)?,
            rules: Rules::new(settings, TimeType::Text, Some("time"))?,
            text,
        })
    }
}

#[cfg(test)]
impl Apache2Parser {
    /// Takes every line for one with escapes.
    pub(super) fn use_escaped_only(&mut self) {
        self.plain = Form::compile(QUOTED_ESCAPED).unwrap();
    }
}

impl LineParser for Apache2Parser {
    fn patterns(&self) -> Vec<(&'static str, Level)> {
        vec![
            ("lines without a backslash", self.plain.regex.level()),
            ("lines with a backslash", self.escaped.regex.level()),
        ]
    }

    fn parse(
        &mut self,
        line: &[u8],
        now: EventTime,
        record: &mut Vec<u8>,
    ) -> Result<Parsed, ParseError> {
        let Form { regex, spans } = match memchr::memchr(b'\\', line) {
            None => &mut self.plain,
            Some(_) => &mut self.escaped,
        };
        if !regex.captures_into(line, spans)? {
            return Ok(Parsed::Unmatched);
        }
        let text = |number| {
            let (start, end) = spans.get(number)?;
            line.get(start..end)
        };
        let told = text(TIME).unwrap_or_default();
        let time = Some(self.rules.time_of_text(told, now)?);
        let keeps_time = self.rules.keep_time_key;
        write::map(record, 8 + u32::from(keeps_time));
        let kind = self.text;
        let mut put = |key: &[u8], number, dash_is_null: bool| {
            write::str(record, key);
            match text(number) {
                Some(b"-") if dash_is_null => write::nil(record),
                Some(value) => write_text(value, kind, record),
                None => write::nil(record),
            }
        };
        put(b"host", HOST, true);
        put(b"user", USER, true);
        put(b"method", METHOD, false);
        put(b"path", PATH, false);
        write::str(record, b"code");
        match leading_integer(text(CODE).unwrap_or_default()) {
            0 => write::nil(record),
            code => write::int(record, code),
        }
        write::str(record, b"size");
        match text(SIZE) {
            Some(b"-") | None => write::nil(record),
            Some(size) => write::int(record, leading_integer(size)),
        }
        let mut put = |key: &[u8], number| {
            write::str(record, key);
            match text(number) {
                Some(b"-") | None => write::nil(record),
                Some(value) => write_text(value, kind, record),
            }
        };
        put(b"referer", REFERER);
        put(b"agent", AGENT);
        if keeps_time {
            write::str(record, b"time");
            write_text(told, kind, record);
        }
        Ok(Parsed::Event { time })
    }
}
