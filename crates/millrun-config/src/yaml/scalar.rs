//! Which type a plain scalar has: the rules of Ruby's YAML parser, which are those of YAML 1.1
//! with a few of its own.
//!
//! ```text
//! ~ null, nothing        null
//! yes true on no …       bool
//! 10 1_000 1,000 -5      integer     0x1f 0b11 0o17 no, 017 octal
//! 1.5 .5 1.5e+3 .inf     float       1e3 is text
//! 1:30                   integer     5400: Ruby counts two parts as hours and minutes
//! :name                  text "name" (a symbol)
//! ```

use crate::Json;

/// The value of a plain scalar.
pub(super) fn resolve(text: &str) -> Json {
    word(text)
        .or_else(|| special_float(text))
        .or_else(|| symbol(text))
        .or_else(|| sexagesimal(text))
        .or_else(|| float(text))
        .or_else(|| integer(text))
        .unwrap_or_else(|| Json::String(text.to_owned()))
}

fn word(text: &str) -> Option<Json> {
    let is = |words: &[&str]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
    if text.is_empty() || text == "~" || is(&["null"]) {
        Some(Json::Null)
    } else if is(&["yes", "true", "on"]) {
        Some(Json::Bool(true))
    } else if is(&["no", "false", "off"]) {
        Some(Json::Bool(false))
    } else {
        None
    }
}

fn special_float(text: &str) -> Option<Json> {
    match text.to_ascii_lowercase().as_str() {
        ".inf" | "+.inf" => Some(Json::Float(f64::INFINITY)),
        "-.inf" => Some(Json::Float(f64::NEG_INFINITY)),
        ".nan" => Some(Json::Float(f64::NAN)),
        _ => None,
    }
}

fn symbol(text: &str) -> Option<Json> {
    let name = text.strip_prefix(':').filter(|name| !name.is_empty())?;
    let quoted = ['"', '\''].iter().find_map(|quote| {
        let name = name.strip_prefix(*quote)?;
        name.strip_suffix(['"', '\''])
    });
    Some(Json::String(quoted.unwrap_or(name).to_owned()))
}

/// `H:M` and `H:M:S`; the last part may have a fraction.
fn sexagesimal(text: &str) -> Option<Json> {
    let (_, digits) = sign(text);
    let parts: Vec<_> = digits.split(':').collect();
    let (first, rest) = parts.split_first()?;
    let is_number = |part: &str| part.starts_with(|c: char| c.is_ascii_digit());
    if !(1..=2).contains(&rest.len()) || !is_number(first) {
        return None;
    }
    if !first.bytes().all(|b| b.is_ascii_digit() || b == b'_') {
        return None;
    }
    let (last, fraction) = match rest.last()?.split_once('.') {
        Some((last, fraction)) => (last, Some(fraction)),
        None => (*rest.last()?, None),
    };
    let is_minutes = |part: &str| match part.as_bytes() {
        [digit] => digit.is_ascii_digit(),
        [tens, digit] => (b'0'..=b'5').contains(tens) && digit.is_ascii_digit(),
        _ => false,
    };
    let inner = rest.iter().rev().skip(1);
    let is_fraction = |text: &str| text.bytes().all(|b| b.is_ascii_digit() || b == b'_');
    if !is_minutes(last)
        || !inner.clone().all(|part| is_minutes(part))
        || !fraction.is_none_or(is_fraction)
    {
        return None;
    }
    // Ruby gives the first part its sign and no other one.
    let (negative, _) = sign(text);
    let mut sum = 0_i64;
    for (index, part) in parts.iter().enumerate() {
        let whole = part.split('.').next().unwrap_or(part).replace('_', "");
        let factor = [3600, 60, 1].get(index)?;
        let value: i64 = whole.parse::<i64>().ok()?.checked_mul(*factor)?;
        let value = if index == 0 && negative {
            -value
        } else {
            value
        };
        sum = sum.checked_add(value)?;
    }
    match fraction {
        None => Some(Json::Integer(sum)),
        Some(_) => None,
    }
}

/// A point is required, and an exponent needs a sign.
fn float(text: &str) -> Option<Json> {
    let (_, digits) = sign(text);
    let (mantissa, exponent) = match digits.find(['e', 'E']) {
        Some(at) => (digits.get(..at)?, Some(digits.get(at + 1..)?)),
        None => (digits, None),
    };
    let (whole, fraction) = mantissa.split_once('.')?;
    let is_whole = whole.is_empty()
        || (whole.starts_with(|c: char| c.is_ascii_digit())
            && whole
                .bytes()
                .all(|b| b.is_ascii_digit() || matches!(b, b'_' | b',')));
    let is_digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let is_exponent = exponent.is_none_or(|exponent| {
        let digits = exponent.strip_prefix(['+', '-']);
        digits.is_some_and(|digits| !digits.is_empty() && is_digits(digits))
    });
    if !is_whole
        || !is_digits(fraction)
        || !is_exponent
        || (whole.is_empty() && fraction.is_empty())
    {
        return None;
    }
    text.replace([',', '_'], "").parse().ok().map(Json::Float)
}

fn integer(text: &str) -> Option<Json> {
    let (negative, digits) = sign(text);
    let (radix, digits) = if let Some(digits) = digits.strip_prefix("0x") {
        (16, digits)
    } else if let Some(digits) = digits.strip_prefix("0b") {
        (2, digits)
    } else if digits.len() > 1 && digits.starts_with('0') {
        (8, digits)
    } else {
        (10, digits)
    };
    let is_grouped = digits
        .bytes()
        .all(|b| (b as char).is_digit(radix) || matches!(b, b'_' | b','));
    let begins = radix != 10 || digits.starts_with(|c: char| c.is_ascii_digit());
    // A separator stands between two digits of a decimal number.
    let ends = radix != 10 || (digits.ends_with(|c: char| c.is_ascii_digit()) && !doubled(digits));
    if digits.is_empty() || !is_grouped || !begins || !ends {
        return None;
    }
    let plain = digits.replace([',', '_'], "");
    let signed = if negative { format!("-{plain}") } else { plain };
    match i64::from_str_radix(&signed, radix) {
        Ok(value) => Some(Json::Integer(value)),
        Err(_) if radix == 10 => Some(Json::BigInteger(signed)),
        Err(_) => None,
    }
}

fn doubled(digits: &str) -> bool {
    digits
        .as_bytes()
        .windows(2)
        .any(|pair| pair.iter().all(|b| matches!(b, b'_' | b',')))
}

/// Whether a minus stands before a number, and the rest.
fn sign(text: &str) -> (bool, &str) {
    match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_of_plain_scalars() {
        for (text, expected) in [
            ("", "null"),
            ("~", "null"),
            ("NULL", "null"),
            ("yes", "true"),
            ("Off", "false"),
            ("y", "\"y\""),
            ("10", "10"),
            ("-5", "-5"),
            ("1_000", "1000"),
            ("1,000", "1000"),
            ("1__0", "\"1__0\""),
            ("0644", "420"),
            ("089", "\"089\""),
            ("0x1f", "31"),
            ("0b11", "3"),
            ("0", "0"),
            ("1.5", "1.5"),
            (".5", "0.5"),
            ("1.", "1.0"),
            (".", "\".\""),
            ("1e3", "\"1e3\""),
            ("1.0e+3", "1000.0"),
            ("1.0e3", "\"1.0e3\""),
            ("1:30", "5400"),
            ("1:30:05", "5405"),
            ("1:75", "\"1:75\""),
            ("10m", "\"10m\""),
            ("app.**", "\"app.**\""),
            (":name", "\"name\""),
            ("2026-01-01", "\"2026-01-01\""),
            ("99999999999999999999", "99999999999999999999"),
            ("+3", "3"),
            ("-", "\"-\""),
        ] {
            assert_eq!(resolve(text).to_string(), expected, "{text}");
        }
    }
}
