//! Numbers as Ruby reads them: `to_i` and `to_f`, which take what they can from the start of a
//! text, and `Integer()` and `Float()`, which take the whole or nothing.

/// A number does not fit into 64 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooLarge;

/// A text of nothing but a few decimal digits, which all ways to read it read alike: nearly every number that is written,
/// and all defaults. A zero before others makes it octal for one of them.
pub(crate) fn plain_integer(text: &str) -> Option<i64> {
    let is_plain = match text.as_bytes() {
        [b'0'] => true,
        [b'1'..=b'9', rest @ ..] => {
            rest.len() < PLAIN_DIGITS_MAX && rest.iter().all(u8::is_ascii_digit)
        }
        _ => false,
    };
    if is_plain { text.parse().ok() } else { None }
}

/// The same of a float: digits, perhaps with a point among them.
pub(crate) fn plain_float(text: &str) -> Option<f64> {
    let (whole, fraction) = match text.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (text, None),
    };
    plain_integer(whole)?;
    let is_plain = fraction.is_none_or(|digits| {
        let length = digits.len();
        (1..=PLAIN_DIGITS_MAX).contains(&length) && digits.bytes().all(|it| it.is_ascii_digit())
    });
    if is_plain { text.parse().ok() } else { None }
}

/// Most digits of a number that is read without a second look; it fits into 64 bits.
const PLAIN_DIGITS_MAX: usize = 15;

/// Ruby's `String#to_i`: blanks, a sign, perhaps `0d`, decimal digits with single underscores between them;
/// 0 when there is none.
pub(crate) fn leading_integer(text: &str) -> Result<i64, TooLarge> {
    let text = text.trim_start_matches(is_blank);
    let (sign, digits) = split_sign(text);
    // The prefix of decimal digits is read here, too, if there are some.
    let behind = digits.strip_prefix("0d").or(digits.strip_prefix("0D"));
    let behind = behind
        .map(leading_digits)
        .filter(|digits| !digits.is_empty());
    let digits = behind.unwrap_or(leading_digits(digits));
    if digits.is_empty() {
        return Ok(0);
    }
    format!("{sign}{}", digits.replace('_', ""))
        .parse()
        .map_err(|_| TooLarge)
}

/// Ruby's `Integer()`: also `0x`, `0b`, `0o`, `0d` and a leading `0` for octal.
pub(crate) fn strict_integer(text: &str) -> Option<Result<i64, TooLarge>> {
    let (sign, unsigned) = split_sign(text.trim_matches(is_blank));
    let lower = unsigned.to_ascii_lowercase();
    let (radix, digits) = match lower.get(..2) {
        Some("0x") => (16, lower.get(2..)?),
        Some("0b") => (2, lower.get(2..)?),
        Some("0o") => (8, lower.get(2..)?),
        Some("0d") => (10, lower.get(2..)?),
        Some(two) if two.starts_with('0') => (8, lower.get(1..)?),
        _ => (10, lower.as_str()),
    };
    // `0_7` is octal too: the underscore after the leading zero belongs to the prefix.
    let digits = if radix == 8 {
        digits.strip_prefix('_').unwrap_or(digits)
    } else {
        digits
    };
    if !has_single_underscores(digits) || !digits.chars().all(|c| c == '_' || c.is_digit(radix)) {
        return None;
    }
    let digits = format!("{sign}{}", digits.replace('_', ""));
    Some(i64::from_str_radix(&digits, radix).map_err(|_| TooLarge))
}

/// Ruby's `String#to_f`; 0 when there is no number at the start. A quirk of it: whole hexadecimal digits are read, but only
/// behind a sign.
pub(crate) fn leading_float(text: &str) -> f64 {
    let text = text.trim_start_matches(is_blank);
    let (sign, unsigned) = split_sign(text);
    let hexadecimal = unsigned.strip_prefix("0x").or(unsigned.strip_prefix("0X"));
    if let Some(digits) = hexadecimal.filter(|_| text.starts_with(['-', '+'])) {
        let (whole, rest) = digits.split_at(leading_run(digits, 16).len());
        // What goes on as a fraction or an exponent is no whole number, and then none at all.
        let is_whole = !whole.is_empty() && !rest.starts_with(['.', 'p', 'P']);
        let value = hexadecimal_digits(whole).filter(|_| is_whole);
        return value.map_or(0.0, |value| if sign == "-" { -value } else { value });
    }
    let integer = leading_digits(unsigned);
    let mut rest = unsigned.get(integer.len()..).unwrap_or("");
    let mut number = format!("{sign}0{}", integer.replace('_', ""));
    if let Some(fraction) = rest
        .strip_prefix('.')
        .map(leading_digits)
        .filter(|d| !d.is_empty())
    {
        number.push('.');
        number.push_str(&fraction.replace('_', ""));
        rest = rest.get(1 + fraction.len()..).unwrap_or("");
    } else if integer.is_empty() {
        return 0.0;
    }
    if let Some(exponent) = rest.strip_prefix(['e', 'E']) {
        let (sign, digits) = split_sign(exponent);
        let digits = leading_digits(digits);
        if !digits.is_empty() {
            number.push('e');
            number.push_str(sign);
            number.push_str(&digits.replace('_', ""));
        }
    }
    number.parse().unwrap_or(0.0)
}

/// Ruby's `Float()`; of its hexadecimal form only whole numbers.
pub(crate) fn strict_float(text: &str) -> Option<f64> {
    let text = text.trim_matches(is_blank);
    let (sign, unsigned) = split_sign(text);
    if unsigned.starts_with("0x") || unsigned.starts_with("0X") {
        let whole = strict_integer(text)?.ok()?;
        return Some(whole as f64);
    }
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(split_sign(exponent))),
        None => (unsigned, None),
    };
    let (integer, fraction) = match mantissa.split_once('.') {
        Some((integer, fraction)) => (integer, Some(fraction)),
        None => (mantissa, None),
    };
    let is_number = |digits: &str| {
        has_single_underscores(digits) && digits.chars().all(|c| c == '_' || c.is_ascii_digit())
    };
    let integer_fits = is_number(integer) || (integer.is_empty() && fraction.is_some());
    let fits = integer_fits
        && fraction.is_none_or(is_number)
        && exponent.is_none_or(|(_, digits)| is_number(digits));
    if !fits {
        return None;
    }
    format!("{sign}0{}", unsigned.replace('_', "")).parse().ok()
}

fn split_sign(text: &str) -> (&str, &str) {
    match text.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    }
}

/// What Ruby takes for white space around a number or the item of a list.
pub(crate) fn is_blank(character: char) -> bool {
    matches!(character, ' ' | '\t'..='\r')
}

/// The longest run of decimal digits at the start, single underscores between them allowed.
fn leading_digits(text: &str) -> &str {
    leading_run(text, 10)
}

/// The same of digits of another radix.
fn leading_run(text: &str, radix: u32) -> &str {
    let mut end = 0;
    let mut previous = '_';
    for (index, character) in text.char_indices() {
        match character {
            digit if digit.is_digit(radix) => end = index + 1,
            '_' if previous != '_' => {}
            _ => break,
        }
        previous = character;
    }
    text.get(..end).unwrap_or("")
}

/// The value of hexadecimal digits.
fn hexadecimal_digits(digits: &str) -> Option<f64> {
    let digits = digits.chars().filter(|character| *character != '_');
    let mut value = 0.0;
    for digit in digits {
        value = value * 16.0 + f64::from(digit.to_digit(16)?);
    }
    Some(value)
}

/// Whether there are digits, and underscores only between two of them.
fn has_single_underscores(digits: &str) -> bool {
    !digits.is_empty() && digits.split('_').all(|part| !part.is_empty())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// What is plain is read as all the other ways read it.
        #[test]
        fn plain_numbers_are_what_the_slow_ways_make_of_them(text in "[-+ _0]?[0-9_]{0,17}([.][0-9_]{0,17})?[e5m]?") {
            if let Some(plain) = plain_integer(&text) {
                prop_assert_eq!(leading_integer(&text), Ok(plain));
                prop_assert_eq!(strict_integer(&text), Some(Ok(plain)));
            }
            if let Some(plain) = plain_float(&text) {
                prop_assert_eq!(leading_float(&text), plain);
                prop_assert_eq!(strict_float(&text), Some(plain));
            }
        }
    }

    #[test]
    fn what_is_written_every_day_is_plain() {
        for text in ["0", "24224", "999999999999999"] {
            assert!(
                plain_integer(text).is_some() && plain_float(text).is_some(),
                "{text}"
            );
        }
        for text in ["0.5", "20.0", "1.25"] {
            assert!(
                plain_integer(text).is_none() && plain_float(text).is_some(),
                "{text}"
            );
        }
        for text in [
            "",
            "08",
            "-1",
            "1_0",
            ".5",
            "1.",
            "1e3",
            " 1",
            "9999999999999999",
        ] {
            assert!(
                plain_integer(text).is_none() && plain_float(text).is_none(),
                "{text}"
            );
        }
    }

    #[test]
    fn lax_numbers_take_what_they_can() {
        for (text, value) in [
            ("10abc", 10),
            ("abc", 0),
            (" -7 ", -7),
            ("1_000", 1000),
            ("1__0", 1),
            ("_1", 0),
        ] {
            assert_eq!(leading_integer(text), Ok(value), "{text}");
        }
        for (text, value) in [
            ("1.5x", 1.5),
            (".5", 0.5),
            ("1.", 1.0),
            ("1e", 1.0),
            ("-1e-2", -0.01),
            ("x", 0.0),
        ] {
            assert!((leading_float(text) - value).abs() < f64::EPSILON, "{text}");
        }
    }

    #[test]
    fn lax_integers_may_have_the_prefix_of_decimal_digits() {
        for (text, value) in [
            ("0d9", 9),
            ("-0D1_0x", -10),
            ("0d", 0),
            ("0d_9", 0),
            ("00d9", 0),
        ] {
            assert_eq!(leading_integer(text), Ok(value), "{text}");
        }
    }

    #[test]
    fn lax_floats_read_hexadecimal_digits_behind_a_sign_only() {
        for (text, value) in [
            ("0x1f", 0.0),
            ("-0x1f", -31.0),
            (" +0X1_0z", 16.0),
            ("-0x1.8", 0.0),
            ("-0xg", 0.0),
        ] {
            assert!((leading_float(text) - value).abs() < f64::EPSILON, "{text}");
        }
    }

    #[test]
    fn only_the_white_space_of_ascii_may_stand_around_a_number() {
        for text in ["\u{b}1", "\u{c}1\t", " 1\r\n"] {
            assert_eq!(strict_integer(text), Some(Ok(1)), "{text:?}");
            assert_eq!(strict_float(text), Some(1.0), "{text:?}");
        }
        for text in ["\u{a0}1", "\u{85}1", "\u{3000}1"] {
            assert_eq!(strict_integer(text), None, "{text:?}");
            assert_eq!(strict_float(text), None, "{text:?}");
            assert_eq!(leading_integer(text), Ok(0), "{text:?}");
            assert!(leading_float(text).abs() < f64::EPSILON, "{text:?}");
        }
    }

    #[test]
    fn strict_numbers_take_all_or_nothing() {
        for (text, value) in [
            ("0x1f", 31),
            ("0b11", 3),
            ("010", 8),
            ("0o17", 15),
            (" -0x10 ", -16),
            ("0", 0),
        ] {
            assert_eq!(strict_integer(text), Some(Ok(value)), "{text}");
        }
        for text in ["", "1.9", "08", "1__0", "_1", "1_", "0x", "--1", "é"] {
            assert_eq!(strict_integer(text), None, "{text}");
        }
        assert_eq!(strict_integer("9223372036854775808"), Some(Err(TooLarge)));
        for text in ["", "1.", "1e", "1 s", "nan", "inf", "1_", "."] {
            assert_eq!(strict_float(text), None, "{text}");
        }
        assert_eq!(strict_float("1_0.5"), Some(10.5));
        assert_eq!(strict_float("-0x1A"), Some(-26.0));
    }
}
