//! `%iso8601`: the profile of ISO 8601 that XML Schema calls dateTime.

use super::{
    offset::take_offset,
    parts::{Parts, take_fraction, take_number},
};

/// Reads `YYYY-MM-DDThh:mm:ss(.fraction)(Z|±hh:mm|±hhmm|±hh)` and nothing else; without an offset the time is one of the
/// configured zone.
pub(super) fn parse(text: &[u8]) -> Option<Parts> {
    let text = text.trim_ascii();
    let (year, rest) = fixed(text, 4)?;
    let (month, rest) = fixed(rest.strip_prefix(b"-")?, 2)?;
    let (day, rest) = fixed(rest.strip_prefix(b"-")?, 2)?;
    let (hour, rest) = fixed(
        rest.strip_prefix(b"T")
            .or_else(|| rest.strip_prefix(b"t"))?,
        2,
    )?;
    let (minute, rest) = fixed(rest.strip_prefix(b":")?, 2)?;
    let (second, mut rest) = fixed(rest.strip_prefix(b":")?, 2)?;
    let mut nanoseconds = 0;
    if let Some(fraction) = rest.strip_prefix(b".") {
        (nanoseconds, rest) = take_fraction(fraction, usize::MAX)?;
    }
    let offset = match rest {
        [] => None,
        [b'Z' | b'z'] => Some(0),
        [b'+' | b'-', _, _] | [b'+' | b'-', _, _, _, _] | [b'+' | b'-', _, _, b':', _, _] => {
            Some(take_offset(rest).filter(|(_, rest)| rest.is_empty())?.0)
        }
        _ => return None,
    };
    let valid = (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && hour <= 24
        && minute <= 59
        && second <= 60;
    let parts = Parts {
        year: Some(i64::from(year)),
        month: Some(month),
        day: Some(day),
        hour: Some(hour),
        minute: Some(minute),
        second: Some(second),
        nanoseconds,
        offset,
        ..Parts::default()
    };
    (valid && parts.is_possible()).then_some(parts)
}

fn fixed(text: &[u8], digits: usize) -> Option<(u32, &[u8])> {
    take_number(text, digits).filter(|(_, rest)| rest.len() + digits == text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_profile_is_read() {
        for (text, offset) in [
            ("2024-01-01T00:00:00Z", Some(Some(0))),
            ("2024-01-01T00:00:00.5+09:00", Some(Some(32_400))),
            ("2024-01-01T00:00:00-0330", Some(Some(-12_600))),
            ("2024-01-01t00:00:00+09", Some(Some(32_400))),
            (" 2024-01-01T00:00:00 ", Some(None)),
            ("2024-01-01T00:00:00 Z", None),
            ("2024-01-01T00:00Z", None),
            ("2024-1-1T00:00:00Z", None),
            ("2024-13-01T00:00:00Z", None),
            ("2024-01-01", None),
            ("2024-01-01T24:00:00Z", Some(Some(0))),
            ("2024-01-01T24:00:01Z", None),
        ] {
            assert_eq!(
                parse(text.as_bytes()).map(|parts| parts.offset),
                offset,
                "{text}"
            );
        }
    }
}
