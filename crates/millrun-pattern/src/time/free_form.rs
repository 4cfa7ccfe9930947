//! Times without a format: what `Time.parse` of Ruby makes of the usual forms.
//!
//! ```text
//! 2024-01-01 00:00:00 UTC        2024/01/01 1:02 pm        20240101T000000Z
//! Thu Feb 01 03:04:05 2024       Thu, 01 Feb 2024 03:04:05 +0900      2 Jan 24 3pm
//! 2024-060 (day of the year)     24-01-02 and 24/01/02 (year first)   2024.01.02
//! 01/Feb/2024:03:04:05 +0900     01/02/2024 (day first)    12:34
//! ```

use super::{
    offset::take_offset,
    parts::{MONTHS, Parts, WEEKDAYS, of_century, take_fraction, take_name, take_number},
};

/// Reads a text; nothing if there is no date and no time in it, or one that cannot be.
pub(super) fn parse(text: &[u8]) -> Option<Parts> {
    let mut parts = Parts::default();
    let mut rest = text;
    let mut previous = b' ';
    while let Some((&first, tail)) = rest.split_first() {
        let taken = match first {
            b'0'..=b'9' => Some(take_digits(rest, &mut parts)?),
            // A sign is that of an offset only behind a time of day.
            b'+' | b'-' if parts.hour.is_some() && parts.offset.is_none() => {
                take_zone(rest, &mut parts)
            }
            _ if first.is_ascii_alphabetic() && !previous.is_ascii_alphabetic() => {
                take_word(rest, &mut parts)
            }
            _ => None,
        };
        previous = first;
        rest = taken.unwrap_or(tail);
    }
    let found = parts.year.is_some()
        || parts.month.is_some()
        || parts.day.is_some()
        || parts.hour.is_some();
    (found && parts.is_possible()).then_some(parts)
}

fn take_digits<'t>(text: &'t [u8], parts: &mut Parts) -> Option<&'t [u8]> {
    let length = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (number, rest) = text.split_at_checked(length)?;
    match (length, rest) {
        (1 | 2, [b':', b'0'..=b'9', ..]) if parts.hour.is_none() => take_time(text, parts),
        (1 | 2, _) if parts.hour.is_none() && meridian(rest).is_some() => {
            let (afternoon, rest) = meridian(rest)?;
            let (hour, _) = take_number(number, 2)?;
            set_time(parts, hour, 0, 0)?;
            parts.afternoon = Some(afternoon);
            Some(rest)
        }
        (4, [b'-', b'0'..=b'9', b'0'..=b'9', b'0'..=b'9', tail @ ..])
            if !tail.first().is_some_and(u8::is_ascii_digit) =>
        {
            let (year, _) = take_number(number, 4)?;
            let (day, rest) = take_number(rest.get(1..)?, 3)?;
            (parts.year, parts.day_of_year) = (Some(i64::from(year)), Some(day));
            (1..=366).contains(&day).then_some(rest)
        }
        (4, [b'-' | b'/', ..]) | (4, [b'.', b'0'..=b'9', ..]) => {
            let (year, _) = take_number(number, 4)?;
            let (month, rest) = take_number(rest.get(1..)?, 2)?;
            set_date(parts, i64::from(year), month, 1)?;
            match rest {
                [b'-' | b'/' | b'.', rest @ ..] => {
                    let (day, rest) = take_number(rest, 2)?;
                    set_date(parts, i64::from(year), month, day)?;
                    Some(rest)
                }
                _ => Some(rest),
            }
        }
        (1 | 2, [b'/' | b'-' | b'.', b'0'..=b'9', ..]) if parts.day.is_none() => {
            let (day, _) = take_number(number, 2)?;
            let (month, rest) = take_number(rest.get(1..)?, 2)?;
            let [b'/' | b'-' | b'.', rest @ ..] = rest else {
                return None;
            };
            let (year, behind) = take_number(rest, 4)?;
            if rest.len() - behind.len() > 2 {
                set_date(parts, i64::from(year), month, day)?;
            } else {
                // Without a long number the first one is the year.
                set_date(parts, of_century(day), month, year)?;
            }
            Some(behind)
        }
        (8 | 14, _) => {
            let (year, after) = take_number(number, 4)?;
            let (month, after) = take_number(after, 2)?;
            let (day, after) = take_number(after, 2)?;
            set_date(parts, i64::from(year), month, day)?;
            if length == 14 {
                take_compact_time(after, parts)?;
            }
            Some(rest)
        }
        (6, _) if parts.day.is_some() && parts.hour.is_none() => {
            take_compact_time(number, parts)?;
            Some(rest)
        }
        (4, _) if parts.year.is_none() => {
            parts.year = Some(i64::from(take_number(number, 4)?.0));
            Some(rest)
        }
        (1 | 2, _) if parts.day.is_none() => {
            parts.day = Some(take_number(number, 2)?.0).filter(|day| (1..=31).contains(day));
            parts.day?;
            Some(rest)
        }
        (2, _) if parts.month.is_some() && parts.year.is_none() => {
            parts.year = Some(of_century(take_number(number, 2)?.0));
            Some(rest)
        }
        _ => None,
    }
}

/// `am` or `pm`, maybe behind a blank: whether it is afternoon, and what follows.
fn meridian(text: &[u8]) -> Option<(bool, &[u8])> {
    match text.trim_ascii_start() {
        [first @ (b'a' | b'A' | b'p' | b'P'), b'm' | b'M', rest @ ..]
            if !rest.first().is_some_and(u8::is_ascii_alphanumeric) =>
        {
            Some((matches!(first, b'p' | b'P'), rest))
        }
        _ => None,
    }
}

fn set_date(parts: &mut Parts, year: i64, month: u32, day: u32) -> Option<()> {
    ((1..=12).contains(&month) && (1..=31).contains(&day)).then(|| {
        (parts.year, parts.month, parts.day) = (Some(year), Some(month), Some(day));
    })
}

fn take_compact_time(text: &[u8], parts: &mut Parts) -> Option<()> {
    let (hour, rest) = take_number(text, 2)?;
    let (minute, rest) = take_number(rest, 2)?;
    let (second, _) = take_number(rest, 2)?;
    set_time(parts, hour, minute, second)
}

fn set_time(parts: &mut Parts, hour: u32, minute: u32, second: u32) -> Option<()> {
    (hour <= 24 && minute <= 59 && second <= 60).then(|| {
        (parts.hour, parts.minute, parts.second) = (Some(hour), Some(minute), Some(second));
    })
}

fn take_time<'t>(text: &'t [u8], parts: &mut Parts) -> Option<&'t [u8]> {
    let (hour, rest) = take_number(text, 2)?;
    let (minute, mut rest) = take_number(rest.strip_prefix(b":")?, 2)?;
    let mut second = 0;
    if let [b':', b'0'..=b'9', ..] = rest {
        (second, rest) = take_number(rest.get(1..)?, 2)?;
        if let [b'.' | b',', b'0'..=b'9', ..] = rest {
            (parts.nanoseconds, rest) = take_fraction(rest.get(1..)?, usize::MAX)?;
        }
    }
    set_time(parts, hour, minute, second)?;
    Some(rest)
}

fn take_zone<'t>(text: &'t [u8], parts: &mut Parts) -> Option<&'t [u8]> {
    let (offset, rest) = take_offset(text)?;
    parts.offset = Some(offset);
    Some(rest)
}

fn take_word<'t>(text: &'t [u8], parts: &mut Parts) -> Option<&'t [u8]> {
    let length = text
        .iter()
        .take_while(|byte| byte.is_ascii_alphabetic())
        .count();
    let word = text.get(..length)?;
    let rest = text.get(length..)?;
    if let (Some(_), b"am" | b"AM" | b"pm" | b"PM") = (parts.hour, word) {
        parts.afternoon = Some(matches!(word, b"pm" | b"PM"));
        return Some(rest);
    }
    if take_name(word, &WEEKDAYS).is_some() {
        return Some(rest);
    }
    if let (Some((month, _)), None) = (take_name(word, &MONTHS), parts.month) {
        parts.month = u32::try_from(month + 1).ok();
        // `01/Feb/2024:03:04:05`: the colon is that of the date.
        if let [b'/' | b'-', tail @ ..] = rest
            && let Some((year, tail)) = take_number(tail, 4)
        {
            parts.year = Some(i64::from(year));
            return Some(tail.strip_prefix(b":").unwrap_or(tail));
        }
        return Some(rest);
    }
    if parts.hour.is_some() && parts.offset.is_none() {
        return take_zone(text, parts);
    }
    Some(rest).filter(|_| length > 1)
}
