//! Characters of byte strings. Bytes that are no UTF-8 count as a character each, as in Ruby.

/// The length of the character that begins `bytes`; at least 1 unless it is empty.
pub(crate) fn char_len(bytes: &[u8]) -> usize {
    let Some(&first) = bytes.first() else {
        return 0;
    };
    let len = match first {
        0..=0x7f => return 1,
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf4 => 4,
        _ => return 1,
    };
    match bytes.get(..len) {
        Some(letter) if std::str::from_utf8(letter).is_ok() => len,
        _ => 1,
    }
}

pub(crate) fn chars(bytes: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = bytes.get(at..)?;
        let letter = rest
            .get(..char_len(rest))
            .filter(|letter| !letter.is_empty())?;
        let start = at;
        at += letter.len();
        Some((start, letter))
    })
}

pub(crate) fn char_count(bytes: &[u8]) -> usize {
    if bytes.is_ascii() {
        return bytes.len();
    }
    chars(bytes).count()
}

/// Where character `index` begins; the end for the one behind the last.
pub(crate) fn char_offset(bytes: &[u8], index: usize) -> Option<usize> {
    if bytes.is_ascii() {
        return (index <= bytes.len()).then_some(index);
    }
    let mut left = index;
    for (start, _) in chars(bytes) {
        if left == 0 {
            return Some(start);
        }
        left -= 1;
    }
    (left == 0).then_some(bytes.len())
}

/// `start, length` of Ruby as a range of `count` things; none where Ruby gives nil.
pub(crate) fn window(start: i64, length: i64, count: usize) -> Option<(usize, usize)> {
    let count = i64::try_from(count).ok()?;
    let start = if start < 0 {
        start.checked_add(count)?
    } else {
        start
    };
    if start < 0 || start > count || length < 0 {
        return None;
    }
    let end = start.saturating_add(length).min(count);
    Some((usize::try_from(start).ok()?, usize::try_from(end).ok()?))
}

pub(crate) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

pub(crate) fn strip_start(bytes: &[u8]) -> usize {
    bytes
        .iter()
        .take_while(|byte| is_space(**byte) || **byte == 0)
        .count()
}

pub(crate) fn strip_end(bytes: &[u8]) -> usize {
    let spaces = bytes
        .iter()
        .rev()
        .take_while(|byte| is_space(**byte) || **byte == 0)
        .count();
    bytes.len() - spaces
}

/// Maps letters; `change` is Unicode's, bytes that are no text stay.
pub(crate) fn map_case(bytes: &[u8], out: &mut Vec<u8>, change: impl Fn(char, bool, &mut String)) {
    let mut letters = String::new();
    let mut first = true;
    for (_, letter) in chars(bytes) {
        match std::str::from_utf8(letter)
            .ok()
            .and_then(|text| text.chars().next())
        {
            Some(letter) => {
                letters.clear();
                change(letter, first, &mut letters);
                out.extend_from_slice(letters.as_bytes());
            }
            None => out.extend_from_slice(letter),
        }
        first = false;
    }
}

pub(crate) fn upcase(bytes: &[u8], out: &mut Vec<u8>) {
    if bytes.is_ascii() {
        out.extend(bytes.iter().map(u8::to_ascii_uppercase));
        return;
    }
    map_case(bytes, out, |letter, _, out| {
        out.extend(letter.to_uppercase());
    });
}

pub(crate) fn downcase(bytes: &[u8], out: &mut Vec<u8>) {
    if bytes.is_ascii() {
        out.extend(bytes.iter().map(u8::to_ascii_lowercase));
        return;
    }
    map_case(bytes, out, |letter, _, out| {
        out.extend(letter.to_lowercase());
    });
}

pub(crate) fn capitalize(bytes: &[u8], out: &mut Vec<u8>) {
    map_case(bytes, out, |letter, first, out| {
        if first {
            out.extend(letter.to_uppercase());
        } else {
            out.extend(letter.to_lowercase());
        }
    });
}

pub(crate) fn swapcase(bytes: &[u8], out: &mut Vec<u8>) {
    map_case(bytes, out, |letter, _, out| {
        if letter.is_uppercase() {
            out.extend(letter.to_lowercase());
        } else {
            out.extend(letter.to_uppercase());
        }
    });
}

/// The leading integer of a text, as `to_i` reads it; none where it does not fit 64 bits.
pub(crate) fn leading_integer(bytes: &[u8], radix: u32) -> Option<i64> {
    let text = bytes.get(strip_start(bytes)..).unwrap_or_default();
    let (negative, mut digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    let prefix: &[u8] = match radix {
        16 => b"0x",
        2 => b"0b",
        8 => b"0o",
        _ => b"",
    };
    if !prefix.is_empty()
        && digits
            .get(..2)
            .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
    {
        digits = digits.get(2..).unwrap_or_default();
    }
    let mut number = 0i128;
    let mut underscore = true;
    for &byte in digits {
        if byte == b'_' && !underscore {
            underscore = true;
            continue;
        }
        let Some(digit) = char::from(byte).to_digit(radix) else {
            break;
        };
        underscore = false;
        number = number * i128::from(radix) + i128::from(digit);
        if number > i128::from(u64::MAX) {
            return None;
        }
    }
    i64::try_from(if negative { -number } else { number }).ok()
}

/// A float as Ruby prints it.
pub(crate) fn float_text(number: f64) -> String {
    if number.is_nan() {
        return "NaN".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 {
            "Infinity"
        } else {
            "-Infinity"
        }
        .to_owned();
    }
    if number == 0.0 {
        return if number.is_sign_negative() {
            "-0.0"
        } else {
            "0.0"
        }
        .to_owned();
    }
    let scientific = format!("{number:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if (-4..15).contains(&exponent) {
        let plain = format!("{number}");
        return if plain.contains('.') {
            plain
        } else {
            plain + ".0"
        };
    }
    let mantissa = if mantissa.contains('.') {
        mantissa.to_owned()
    } else {
        format!("{mantissa}.0")
    };
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.abs())
}

/// The letters of a `tr` list, ranges written out; none if it is absurdly long.
pub(crate) struct LetterSet {
    pub(crate) letters: Vec<char>,
    pub(crate) negated: bool,
}

impl LetterSet {
    pub(crate) fn parse(bytes: &[u8]) -> LetterSet {
        let text = String::from_utf8_lossy(bytes);
        let negated = text.len() > 1 && text.starts_with('^');
        let mut source = text.chars().skip(usize::from(negated)).peekable();
        let mut letters = Vec::new();
        while let Some(letter) = source.next() {
            let letter = if letter == '\\' {
                source.next().unwrap_or('\\')
            } else {
                letter
            };
            if source.peek() == Some(&'-') {
                let mut ahead = source.clone();
                ahead.next();
                if let Some(last) = ahead.next() {
                    source = ahead;
                    letters.extend((letter..=last).take(0x1_0000));
                    continue;
                }
            }
            letters.push(letter);
        }
        LetterSet { letters, negated }
    }

    pub(crate) fn contains(&self, letter: char) -> bool {
        self.letters.contains(&letter) != self.negated
    }
}

/// The next text in Ruby's order of successors, for letters and digits.
pub(crate) fn successor(bytes: &[u8]) -> Vec<u8> {
    let mut out = bytes.to_vec();
    let has_alphanumeric = out.iter().any(u8::is_ascii_alphanumeric);
    let mut last = None;
    for at in (0..out.len()).rev() {
        let Some(byte) = out.get_mut(at) else { break };
        if has_alphanumeric && !byte.is_ascii_alphanumeric() {
            if last.is_some() {
                break;
            }
            continue;
        }
        let (next, carry) = match *byte {
            b'z' => (b'a', true),
            b'Z' => (b'A', true),
            b'9' => (b'0', true),
            other => (other.wrapping_add(1), false),
        };
        *byte = next;
        last = Some((at, next));
        if !carry {
            return out;
        }
    }
    if let Some((at, first)) = last {
        out.insert(at, if first == b'0' { b'1' } else { first });
    }
    out
}
