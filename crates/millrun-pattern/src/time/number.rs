//! Times that are numbers of seconds.

use super::{Timestamp, parts::take_fraction};

/// `unixtime`: the leading integer of a text, 0 without one.
pub(super) fn unixtime(text: &[u8]) -> Timestamp {
    Timestamp {
        seconds: leading_integer(text),
        nanoseconds: 0,
    }
}

/// `float`: the text is taken apart at the first dot; no digit is lost to a binary fraction.
pub(super) fn float(text: &[u8]) -> Timestamp {
    let dot = text.iter().position(|&byte| byte == b'.');
    let (seconds, fraction) = text
        .split_at_checked(dot.unwrap_or(text.len()))
        .unwrap_or_default();
    let nanoseconds = take_fraction(fraction.get(1..).unwrap_or_default(), usize::MAX)
        .map_or(0, |(value, _)| value);
    Timestamp {
        seconds: leading_integer(seconds),
        nanoseconds,
    }
}

fn leading_integer(text: &[u8]) -> i64 {
    let text = text.trim_ascii_start();
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    let value =
        digits
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .fold(0_i64, |value, byte| {
                value
                    .saturating_mul(10)
                    .saturating_add(i64::from(byte - b'0'))
            });
    if negative { -value } else { value }
}

/// Writes a time as `seconds.fraction`, as Fluentd's `time_type float` does.
///
/// Fluentd's quirk is kept: a fraction of fewer than nine digits is printed as zeros of the missing length (5 ns are
/// `1.00000000`), because consumers compare texts.
#[must_use]
pub fn float_seconds(seconds: i64, nanoseconds: u32) -> String {
    let digits = nanoseconds.to_string();
    match 9_usize.checked_sub(digits.len()) {
        None | Some(0) => format!("{seconds}.{digits}"),
        Some(missing) => format!("{seconds}.{}", "0".repeat(missing)),
    }
}
