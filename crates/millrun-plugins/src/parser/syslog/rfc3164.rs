//! RFC 3164, as far as programs keep to it.
//!
//! ```text
//! engine regexp   time      as many words as its format has, over runs of spaces
//!                 host      up to the next space
//!                 ident     up to a space, a colon or a bracket
//!                 pid       digits in brackets
//!                 message   behind the next colon of the line, if there is one, and the spaces that follow it;
//!                           to the end of the line
//! engine string   time      15 characters, or more with a fraction
//!                 host      up to the next space
//!                 ident     the word that follows, without its colon and with what it has in brackets as the pid
//!                 message   all the rest; with a single word left that word, without an ident
//! ```

use millrun_event::EventTime;

use super::{Form, Pairs, ParseError, SyslogParser, chomp, key, priority, priority_by_hand, word};

/// What follows the time: host, ident, pid, message. Wherever else in the text it could match, it matches here, too.
pub(super) const EXPRESSION: &str = r"\A([^ ]*) ([^ :\[]*)(?:\[([0-9]+)\])?(?:[^:]*:)? *(.*)$";

/// The length of a time without a fraction.
const TIME_BYTES: usize = 15;

pub(super) fn parse(
    parser: &mut SyslogParser,
    line: &[u8],
    now: EventTime,
    record: &mut Vec<u8>,
) -> Result<Option<EventTime>, ParseError> {
    let (priority, line) = if parser.options.with_priority {
        let Some((number, rest)) = priority(line) else {
            return Ok(None);
        };
        (Some(number), rest)
    } else {
        (None, line)
    };
    let Some((time_length, is_spaced)) = time_length(line, parser.time_words) else {
        return Ok(None);
    };
    let written = line.get(..time_length).unwrap_or_default();
    let rest = line.get(time_length + 1..).unwrap_or_default();
    // Taken out and put back, so that the rest of the parser stays at hand.
    let mut squeezed = std::mem::take(&mut parser.squeezed);
    let told = if is_spaced {
        squeeze(written, &mut squeezed);
        &squeezed
    } else {
        written
    };
    let found = parse_rest(parser, priority, told, rest, now, record);
    parser.squeezed = squeezed;
    found
}

fn parse_rest(
    parser: &mut SyslogParser,
    priority: Option<i64>,
    told: &[u8],
    rest: &[u8],
    now: EventTime,
    record: &mut Vec<u8>,
) -> Result<Option<EventTime>, ParseError> {
    let time = parser.time_without_year(told, now)?;
    let Form { regex, spans, .. } = &mut parser.rfc3164;
    if !regex.captures_into(rest, spans)? {
        return Ok(None);
    }
    let text = |number| {
        let (start, end) = spans.get(number)?;
        rest.get(start..end)
    };
    let mut pairs = Pairs::new(record, parser.text);
    pairs.priority(priority);
    if parser.keep_time_key {
        pairs.text(key::TIME, told);
    }
    pairs.text(key::HOST, text(1).unwrap_or_default());
    pairs.text(key::IDENT, text(2).unwrap_or_default());
    if let Some(pid) = text(3) {
        pairs.text(key::PID, pid);
    }
    pairs.text(key::MESSAGE, chomp(text(4).unwrap_or_default()));
    pairs.end();
    Ok(Some(time))
}

/// How long the first `words` words are with what stands between them, and whether spaces come in runs there.
fn time_length(line: &[u8], words: usize) -> Option<(usize, bool)> {
    let mut at = 0;
    let mut is_spaced = false;
    for number in 0..words {
        at += usize::from(number > 0);
        let spaces = line.get(at..)?.iter().take_while(|byte| **byte == b' ');
        let spaces = spaces.count();
        is_spaced |= spaces > 0;
        at += spaces;
        at += memchr::memchr(b' ', line.get(at..)?)?;
    }
    Some((at, is_spaced))
}

/// One space for each run of them.
fn squeeze(text: &[u8], out: &mut Vec<u8>) {
    out.clear();
    for &byte in text {
        if byte != b' ' || out.last() != Some(&b' ') {
            out.push(byte);
        }
    }
}

pub(super) fn parse_by_hand(
    parser: &mut SyslogParser,
    line: &[u8],
    now: EventTime,
    record: &mut Vec<u8>,
) -> Result<Option<EventTime>, ParseError> {
    let (priority, line) = if parser.options.with_priority {
        let Some((number, rest)) = priority_by_hand(line) else {
            return Ok(None);
        };
        (Some(number), rest)
    } else {
        (None, line)
    };
    let time_length = match line.get(TIME_BYTES) {
        Some(b' ') => TIME_BYTES,
        Some(b'.') => {
            let rest = line.get(TIME_BYTES..).unwrap_or_default();
            match memchr::memchr(b' ', rest) {
                Some(length) => TIME_BYTES + length,
                None => return Ok(None),
            }
        }
        _ => return Ok(None),
    };
    let told = line.get(..time_length).unwrap_or_default();
    let Some((host, rest)) = word(line.get(time_length + 1..).unwrap_or_default()) else {
        return Ok(None);
    };
    let time = parser.time_without_year(told, now)?;
    let mut pairs = Pairs::new(record, parser.text);
    pairs.text(key::HOST, host);
    pairs.priority(priority);
    let message = match word(rest) {
        None => rest,
        Some((ident, message)) => {
            let name = ident.strip_suffix(b":");
            if name.is_none() && !parser.options.support_colonless_ident {
                rest
            } else {
                let name = name.unwrap_or(ident);
                let bracket = memchr::memchr(b'[', name);
                match (name.strip_suffix(b"]"), bracket) {
                    (Some(inside), Some(bracket)) => {
                        pairs.text(key::IDENT, name.get(..bracket).unwrap_or_default());
                        pairs.text(key::PID, inside.get(bracket + 1..).unwrap_or_default());
                    }
                    _ => pairs.text(key::IDENT, name),
                }
                message
            }
        }
    };
    pairs.text(key::MESSAGE, chomp(message));
    if parser.keep_time_key {
        pairs.text(key::TIME, told);
    }
    pairs.end();
    Ok(Some(time))
}
