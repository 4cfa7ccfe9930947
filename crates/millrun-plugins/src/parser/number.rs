//! Numbers from text, as far as they go: Ruby's `to_i` and `to_f`.

/// The longest float read, in bytes of text; more digits change nothing.
const FLOAT_BYTES_MAX: usize = 64;

/// The integer that `text` begins with, 0 without one; underscores between digits are skipped, what exceeds 64 bits
/// ends at their limit.
pub(super) fn leading_integer(text: &[u8]) -> i64 {
    let (negative, digits) = sign(text.trim_ascii_start());
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
pub(crate) fn leading_float(text: &[u8]) -> f64 {
    let text = text.trim_ascii_start();
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
    let mut number = [0; FLOAT_BYTES_MAX];
    let mut used = 0;
    let found = unsigned.get(..length).unwrap_or_default();
    for (slot, byte) in number
        .iter_mut()
        .zip(found.iter().filter(|byte| **byte != b'_'))
    {
        *slot = *byte;
        used += 1;
    }
    let number = number
        .get(..used)
        .and_then(|number| std::str::from_utf8(number).ok());
    let value = number
        .and_then(|number| number.parse::<f64>().ok())
        .unwrap_or(0.0);
    if negative { -value } else { value }
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
            (" -7", -7),
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
}
