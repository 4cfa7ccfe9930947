//! Offsets and zone names inside a time text.

/// Names that Ruby reads, with their hours east of Greenwich in quarters.
const NAMES: &[(&str, i32)] = &[
    ("utc", 0),
    ("gmt", 0),
    ("z", 0),
    ("wet", 0),
    ("bst", 4),
    ("west", 4),
    ("cet", 4),
    ("met", 4),
    ("cest", 8),
    ("mest", 8),
    ("eet", 8),
    ("sast", 8),
    ("eest", 12),
    ("msk", 12),
    ("msd", 16),
    ("ist", 22),
    ("sgt", 32),
    ("jst", 36),
    ("kst", 36),
    ("brt", -12),
    ("ast", -16),
    ("adt", -12),
    ("est", -20),
    ("edt", -16),
    ("cst", -24),
    ("cdt", -20),
    ("mst", -28),
    ("mdt", -24),
    ("pst", -32),
    ("pdt", -28),
    ("akst", -36),
    ("akdt", -32),
    ("hst", -40),
];

/// Reads `Z`, `UTC`, `EST`, `+9`, `+09`, `+0900`, `+09:00`, `+09:00:00`, `GMT+9` from the start of a text: seconds east
/// of Greenwich, and what follows.
pub(super) fn take_offset(text: &[u8]) -> Option<(i32, &[u8])> {
    let letters = text
        .iter()
        .take_while(|byte| byte.is_ascii_alphabetic())
        .count();
    if letters == 0 {
        return take_signed(text);
    }
    let (name, rest) = text.split_at_checked(letters)?;
    let quarters = NAMES
        .iter()
        .find(|(known, _)| known.as_bytes().eq_ignore_ascii_case(name))?
        .1;
    if name.len() == 3
        && quarters == 0
        && let Some(signed) = take_signed(rest)
    {
        return Some(signed);
    }
    Some((quarters * 900, rest))
}

fn take_signed(text: &[u8]) -> Option<(i32, &[u8])> {
    let (sign, rest) = match text.split_first()? {
        (b'+', rest) => (1, rest),
        (b'-', rest) => (-1, rest),
        _ => return None,
    };
    let digits = rest
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .count()
        .min(6);
    let (number, mut rest) = rest.split_at_checked(digits)?;
    let value = number
        .iter()
        .fold(0, |value, byte| value * 10 + i32::from(byte - b'0'));
    let (hours, mut minutes, mut seconds) = match digits {
        1 | 2 => (value, 0, 0),
        3 | 4 => (value / 100, value % 100, 0),
        5 | 6 => (value / 10_000, value / 100 % 100, value % 100),
        _ => return None,
    };
    if digits <= 2 {
        for part in [&mut minutes, &mut seconds] {
            if let [b':', tens @ b'0'..=b'9', ones @ b'0'..=b'9', tail @ ..] = rest {
                *part = i32::from(tens - b'0') * 10 + i32::from(ones - b'0');
                rest = tail;
            }
        }
    }
    Some((sign * (hours * 3600 + minutes * 60 + seconds), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_forms_are_read() {
        for (text, seconds, rest) in [
            ("Z", 0, ""),
            ("utc x", 0, " x"),
            ("EST", -18_000, ""),
            ("+9", 32_400, ""),
            ("+0900]", 32_400, "]"),
            ("-03:30", -12_600, ""),
            ("+01:02:03", 3723, ""),
            ("GMT+2", 7200, ""),
        ] {
            assert_eq!(
                take_offset(text.as_bytes()),
                Some((seconds, rest.as_bytes())),
                "{text}"
            );
        }
        assert_eq!(take_offset(b"nowhere"), None);
        assert_eq!(take_offset(b"+"), None);
    }
}
