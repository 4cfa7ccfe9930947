//! What a size or a time was probably meant to be, where it is read as something else.
//!
//! ```text
//! amount = part { part }          part = digits [ "." digits ] [ unit ]
//! ```
//!
//! Units add up: `1h30m` means 5400 seconds to whoever writes it.

/// Units of time, in seconds.
const TIME: [(&str, f64); 14] = [
    ("ms", 0.001),
    ("msec", 0.001),
    ("s", 1.0),
    ("sec", 1.0),
    ("secs", 1.0),
    ("second", 1.0),
    ("seconds", 1.0),
    ("m", 60.0),
    ("min", 60.0),
    ("mins", 60.0),
    ("minutes", 60.0),
    ("h", 3_600.0),
    ("d", 86_400.0),
    ("w", 604_800.0),
];

/// Units of size, in bytes.
const SIZE: [(&str, f64); 13] = [
    ("b", 1.0),
    ("k", 1_024.0),
    ("kb", 1_024.0),
    ("kib", 1_024.0),
    ("m", 1_048_576.0),
    ("mb", 1_048_576.0),
    ("mib", 1_048_576.0),
    ("g", 1_073_741_824.0),
    ("gb", 1_073_741_824.0),
    ("gib", 1_073_741_824.0),
    ("t", 1_099_511_627_776.0),
    ("tb", 1_099_511_627_776.0),
    ("tib", 1_099_511_627_776.0),
];

/// The seconds that were probably meant, as they can be written.
pub(crate) fn time(text: &str) -> Option<String> {
    amount(text, &TIME).map(|seconds| seconds.to_string())
}

/// The bytes that were probably meant, as they can be written.
pub(crate) fn size(text: &str) -> Option<String> {
    amount(text, &SIZE).map(|bytes| format!("{:.0}", bytes.trunc()))
}

/// The sum of the parts; `None` where anything is not understood.
fn amount(text: &str, units: &[(&str, f64)]) -> Option<f64> {
    let mut rest = text.trim();
    if rest.is_empty() {
        return None;
    }
    let mut sum = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.');
        let (number, behind) = rest.split_at_checked(digits.unwrap_or(rest.len()))?;
        let number: f64 = number.parse().ok()?;
        let behind = behind.trim_start();
        let letters = behind.find(|c: char| !c.is_ascii_alphabetic());
        let (unit, behind) = behind.split_at_checked(letters.unwrap_or(behind.len()))?;
        let unit = unit.to_ascii_lowercase();
        let known = units.iter().find(|(name, _)| *name == unit);
        let factor = match known {
            Some((_, factor)) => *factor,
            None if unit.is_empty() => 1.0,
            None => return None,
        };
        sum += number * factor;
        rest = behind.trim_start();
    }
    Some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_meant_can_be_written() {
        for (text, meant) in [
            ("1.5s", "1.5"),
            ("100ms", "0.1"),
            ("1h30m", "5400"),
            ("10sec", "10"),
            ("1w", "604800"),
            ("5M", "300"),
        ] {
            assert_eq!(time(text).as_deref(), Some(meant), "{text}");
        }
        for (text, meant) in [("1.5m", "1572864"), ("10kb", "10240"), ("1 k", "1024")] {
            assert_eq!(size(text).as_deref(), Some(meant), "{text}");
        }
    }

    #[test]
    fn what_is_not_understood_has_no_meaning() {
        for text in ["", "abc", "-1k", "k5m", "1..2m", "10 apples"] {
            assert_eq!((time(text), size(text)), (None, None), "{text}");
        }
    }
}
