//! Numbers from text, as far as they go: Ruby's `to_i` and `to_f`.

use crate::text::is_space;

/// The longest float that is read without a copy of its text on the heap, in bytes. Hardly any is longer.
const FLOAT_BYTES: usize = 64;

/// The integer that `text` begins with, 0 without one; underscores between digits are skipped, what exceeds 64 bits
/// ends at their limit.
pub fn leading_integer(text: &[u8]) -> i64 {
    let text = without_spaces(text);
    let (negative, digits) = sign(text);
    let mut value = 0_i64;
    for digit in grouped_digits(digits) {
        let digit = i64::from(digit - b'0');
        value = value.saturating_mul(10);
        value = if negative {
            value.saturating_sub(digit)
        } else {
            value.saturating_add(digit)
        };
    }
    value
}

/// The float that `text` begins with, 0 without one.
pub fn leading_float(text: &[u8]) -> f64 {
    let text = without_spaces(text);
    let (negative, unsigned) = sign(text);
    let whole = digits_length(unsigned);
    let mut length = whole;
    let after = |length: usize| unsigned.get(length..).unwrap_or_default();
    if let [b'.', fraction @ ..] = after(length) {
        let digits = digits_length(fraction);
        length += if digits > 0 { digits + 1 } else { 0 };
    }
    if length == 0 {
        return 0.0;
    }
    if let [b'e' | b'E', exponent @ ..] = after(length) {
        let signed = usize::from(matches!(exponent.first(), Some(b'+' | b'-')));
        let digits = digits_length(exponent.get(signed..).unwrap_or_default());
        length += if digits > 0 { digits + signed + 1 } else { 0 };
    }
    let found = unsigned.get(..length).unwrap_or_default();
    let value = match found.len() <= FLOAT_BYTES {
        true => parsed(found, &mut [0; FLOAT_BYTES]),
        false => parsed(found, &mut vec![0; found.len()]),
    };
    if negative { -value } else { value }
}

/// The value of digits with underscores between them; `room` has room for all.
fn parsed(found: &[u8], room: &mut [u8]) -> f64 {
    let digits = found.iter().filter(|byte| **byte != b'_');
    let mut used = 0;
    for (slot, byte) in room.iter_mut().zip(digits) {
        *slot = *byte;
        used += 1;
    }
    let number = room.get(..used).map(std::str::from_utf8);
    let number = number.and_then(Result::ok).map(str::parse::<f64>);
    number.and_then(Result::ok).unwrap_or(0.0)
}

fn without_spaces(text: &[u8]) -> &[u8] {
    let spaces = text.iter().take_while(|byte| is_space(**byte)).count();
    text.get(spaces..).unwrap_or_default()
}

fn sign(text: &[u8]) -> (bool, &[u8]) {
    match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    }
}

fn grouped_digits(text: &[u8]) -> impl Iterator<Item = u8> + '_ {
    let length = digits_length(text);
    text.iter()
        .take(length)
        .copied()
        .filter(|byte| *byte != b'_')
}

/// How many bytes of digits, with single underscores between them, a text begins with.
fn digits_length(text: &[u8]) -> usize {
    let mut length = 0;
    let mut after_digit = false;
    for (index, byte) in text.iter().enumerate() {
        match byte {
            b'0'..=b'9' => {
                after_digit = true;
                length = index + 1;
            }
            b'_' if after_digit => after_digit = false,
            _ => break,
        }
    }
    length
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_go_as_far_as_they_go() {
        for (text, value) in [
            ("12x", 12),
            ("\u{b} -7", -7),
            ("+1_000_", 1000),
            ("1__0", 1),
            ("_1", 0),
            ("", 0),
            ("99999999999999999999", i64::MAX),
            ("-99999999999999999999", i64::MIN),
        ] {
            assert_eq!(leading_integer(text.as_bytes()), value, "{text}");
        }
    }

    #[test]
    fn floats_go_as_far_as_they_go() {
        for (text, value) in [
            ("1.5x", 1.5),
            ("-2.", -2.0),
            ("1_0.2_5e1_0x", 10.25e10),
            ("3e", 3.0),
            (".5", 0.5),
            ("-.5e1x", -5.0),
            (".e1", 0.0),
            (".", 0.0),
            ("x", 0.0),
            ("1e-2", 0.01),
        ] {
            assert_eq!(
                leading_float(text.as_bytes()).to_bits(),
                f64::to_bits(value),
                "{text}"
            );
        }
    }

    /// Digits behind the sixty-fourth were not read, and the number was a million times too small.
    #[test]
    fn a_float_of_many_digits_keeps_its_size() {
        let text = format!("1{}", "0".repeat(69));
        assert_eq!(leading_float(text.as_bytes()).to_bits(), 1e69_f64.to_bits());
        let text = format!("0.{}1", "0".repeat(99));
        assert_eq!(
            leading_float(text.as_bytes()).to_bits(),
            1e-100_f64.to_bits()
        );
    }
}
