//! RFC 5424.
//!
//! ```text
//! <PRI>VERSION TIME HOST IDENT PID MSGID DATA[ MESSAGE]
//!                                        DATA = - or [element]…; a bracket behind a backslash closes none
//! ```
//! Without `with_priority` the text begins with the time. The engine `string` takes data up to the last bracket of the
//! first `"] "`, drops every backslash in it, and does not mind the lengths and characters of the fields.
//!
//! A line of the usual form is taken apart by hand. Another one is left to the expression that is the definition: it
//! may match further behind, or let an element go on behind a bracket within its quotes.

use millrun_event::EventTime;

use super::{Form, Pairs, ParseError, SyslogParser, chomp, key, priority, priority_by_hand, word};

/// What follows the time: host, ident, pid, message id, data, message.
pub(super) const EXPRESSION: &str = concat!(
    r"([!-~]{1,255}) ([!-~]{1,48}) ([!-~]{1,128}) ([!-~]{1,32})",
    r" (-|(?:\[(?m:.*?)(?<!\\)\])+)(?: ((?m:.+)))?\z",
);

/// The most bytes of host, ident, pid and message id.
const FIELD_BYTES_MAX: [usize; 4] = [255, 48, 128, 32];

/// Whether the line begins as one of RFC 5424 does.
pub(super) fn begins(line: &[u8]) -> bool {
    priority(line).is_some_and(|(_, rest)| matches!(rest.first(), Some(b'1'..=b'9')))
}

/// What the fields of a line are.
pub(super) struct Fields<'l> {
    pub(super) header: [&'l [u8]; 4],
    pub(super) data: &'l [u8],
    pub(super) message: Option<&'l [u8]>,
}

pub(super) fn parse(
    parser: &mut SyslogParser,
    line: &[u8],
    now: EventTime,
    record: &mut Vec<u8>,
) -> Result<Option<EventTime>, ParseError> {
    let mut number = None;
    let mut text = line;
    if parser.options.with_priority {
        let Some((found, rest)) = priority(line).and_then(|(number, rest)| {
            let digits = rest.iter().take(3).take_while(|byte| byte.is_ascii_digit());
            let digits = digits.count();
            let is_space = rest
                .get(digits)
                .is_some_and(|&byte| byte.is_ascii_whitespace() || byte == 0x0b);
            (digits > 0 && is_space).then(|| (number, rest.get(digits + 1..).unwrap_or_default()))
        }) else {
            return Ok(None);
        };
        (number, text) = (Some(found), rest);
    }
    let spaces = text.iter().take_while(|byte| **byte == b' ').count();
    let text = text.get(spaces..).unwrap_or_default();
    let Some((told, rest)) = word(text) else {
        return Ok(None);
    };
    let time = parser.time_of_rfc5424(told, now)?;
    let Form { regex, spans, .. } = &mut parser.rfc5424;
    let fields = match usual(rest) {
        Some(fields) => fields,
        None => {
            if !regex.captures_into(rest, spans)? {
                return Ok(None);
            }
            let text = |number| {
                let (start, end) = spans.get(number)?;
                rest.get(start..end)
            };
            Fields {
                header: [1, 2, 3, 4].map(|number| text(number).unwrap_or_default()),
                data: text(5).unwrap_or_default(),
                message: text(6),
            }
        }
    };
    let mut pairs = Pairs::new(record, parser.text);
    pairs.priority(number);
    if parser.keep_time_key {
        pairs.text(key::TIME, told);
    }
    header(&mut pairs, &fields.header);
    pairs.text(key::EXTRA_DATA, fields.data);
    if let Some(message) = fields.message {
        pairs.text(key::MESSAGE, chomp(message));
    }
    pairs.end();
    Ok(Some(time))
}

fn header(pairs: &mut Pairs<'_>, [host, ident, pid, message_id]: &[&[u8]; 4]) {
    pairs.text(key::HOST, host);
    pairs.text(key::IDENT, ident);
    pairs.text(key::PID, pid);
    pairs.text(key::MESSAGE_ID, message_id);
}

/// The fields of a line of the usual form.
pub(super) fn usual(text: &[u8]) -> Option<Fields<'_>> {
    let mut header = [&b""[..]; 4];
    let mut rest = text;
    for (field, max) in header.iter_mut().zip(FIELD_BYTES_MAX) {
        (*field, rest) = word(rest)?;
        let is_sound = (1..=max).contains(&field.len()) && field.iter().all(u8::is_ascii_graphic);
        is_sound.then_some(())?;
    }
    let length = match rest.first()? {
        b'-' => 1,
        b'[' => elements(rest)?,
        _ => return None,
    };
    let (data, rest) = rest.split_at_checked(length)?;
    let message = match rest {
        [] => None,
        [b' ', message @ ..] if !message.is_empty() => Some(message),
        _ => return None,
    };
    Some(Fields {
        header,
        data,
        message,
    })
}

/// How long the elements are, each up to its first bracket that is not behind a backslash.
fn elements(text: &[u8]) -> Option<usize> {
    let mut length = 0;
    while text.get(length) == Some(&b'[') {
        let mut from = length + 1;
        loop {
            let bracket = from + memchr::memchr(b']', text.get(from..)?)?;
            from = bracket + 1;
            if text.get(bracket - 1) != Some(&b'\\') {
                break;
            }
        }
        length = from;
    }
    Some(length)
}

pub(super) fn parse_by_hand(
    parser: &mut SyslogParser,
    line: &[u8],
    now: EventTime,
    record: &mut Vec<u8>,
) -> Result<Option<EventTime>, ParseError> {
    let mut number = None;
    let mut text = line;
    if parser.options.with_priority {
        let Some((found, rest)) = priority_by_hand(line).and_then(|(number, rest)| {
            let (_, rest) = word(rest)?;
            Some((number, rest))
        }) else {
            return Ok(None);
        };
        (number, text) = (Some(found), rest);
    }
    let Some((told, fields)) = by_hand(text) else {
        return Ok(None);
    };
    let time = parser.time_of_rfc5424(told, now)?;
    let mut pairs = Pairs::new(record, parser.text);
    header(&mut pairs, &fields.header);
    pairs.priority(number);
    parser.data.clear();
    let kept = fields.data.iter().filter(|byte| **byte != b'\\');
    parser.data.extend(kept);
    pairs.text(key::EXTRA_DATA, &parser.data);
    if let Some(message) = fields.message {
        pairs.text(key::MESSAGE, chomp(message));
    }
    if parser.keep_time_key {
        pairs.text(key::TIME, told);
    }
    pairs.end();
    Ok(Some(time))
}

fn by_hand(text: &[u8]) -> Option<(&[u8], Fields<'_>)> {
    let (time, mut rest) = word(text)?;
    let mut header = [&b""[..]; 4];
    for field in &mut header {
        (*field, rest) = word(rest)?;
    }
    let length = match rest {
        [b'-', ..] => 1,
        _ => memchr::memmem::find(rest, b"] ").map_or(rest.len(), |at| at + 1),
    };
    let (data, rest) = rest.split_at_checked(length)?;
    let fields = Fields {
        header,
        data,
        // Whatever the next character is, the message is behind it.
        message: rest.split_first().map(|(_, message)| message),
    };
    Some((time, fields))
}

impl SyslogParser {
    fn time_of_rfc5424(&mut self, text: &[u8], now: EventTime) -> Result<EventTime, ParseError> {
        let time = self.rfc5424.time.parse_text(text, i64::from(now.seconds))?;
        Ok(super::event_time(time))
    }
}
