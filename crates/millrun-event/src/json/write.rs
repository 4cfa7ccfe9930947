//! The writer: one msgpack value to JSON text, as Fluentd's json formatter prints it.
//!
//! ```text
//! nil, booleans, integers   as JSON has them
//! float                     see `FloatText`; NaN and the infinities are null
//! string, byte string       in quotes; `"`, `\` and control characters escaped, all else as it is:
//!                           `/` and U+2028 plain, bytes that are not UTF-8 raw
//! event time                its seconds, an integer
//! other extension           {"type":5,"data":"…hexadecimal…"}  (ours; Fluentd prints a Ruby struct)
//! map key of another type   its text in quotes
//! ```

use crate::cursor::{Cursor, MAX_DEPTH, Malformed, Token};
use crate::json::float::{FloatText, write_float};

/// Appends the first value of `value` to `out` as compact JSON text. On an error `out` is as it
/// was.
///
/// ```
/// use millrun_event::json::{FloatText, write_value};
///
/// let mut out = Vec::new();
/// write_value(b"\x81\xa1a\x92\x01\xc0", FloatText::Oj, &mut out)?;
/// assert_eq!(out, br#"{"a":[1,null]}"#);
/// # Ok::<(), millrun_event::Malformed>(())
/// ```
///
/// # Errors
/// [`Malformed`] where the bytes are no sound value.
pub fn write_value(value: &[u8], floats: FloatText, out: &mut Vec<u8>) -> Result<(), Malformed> {
    let start = out.len();
    let written = write_next(&mut Cursor::new(value), floats, 0, out);
    if written.is_err() {
        out.truncate(start);
    }
    written
}

fn write_next(
    cursor: &mut Cursor<'_>,
    floats: FloatText,
    depth: usize,
    out: &mut Vec<u8>,
) -> Result<(), Malformed> {
    let at = cursor.position();
    let token = cursor.token()?;
    if depth >= MAX_DEPTH && token.children() > 0 {
        return Err(Malformed::TooDeep { at });
    }
    match token {
        Token::Nil => out.extend_from_slice(b"null"),
        Token::Bool(true) => out.extend_from_slice(b"true"),
        Token::Bool(false) => out.extend_from_slice(b"false"),
        Token::Uint(number) => write_integer(out, number),
        Token::Int(number) => write_integer(out, number),
        Token::Float(number) => write_float(out, number, floats),
        Token::Str(text) | Token::Bin(text) => write_str(out, text),
        Token::Array(len) => {
            out.push(b'[');
            for index in 0..len {
                if index > 0 {
                    out.push(b',');
                }
                write_next(cursor, floats, depth + 1, out)?;
            }
            out.push(b']');
        }
        Token::Map(len) => {
            out.push(b'{');
            for index in 0..len {
                if index > 0 {
                    out.push(b',');
                }
                write_key(cursor, floats, depth + 1, out)?;
                out.push(b':');
                write_next(cursor, floats, depth + 1, out)?;
            }
            out.push(b'}');
        }
        Token::Ext(kind, payload) => match token.event_time() {
            Some(time) => write_integer(out, time.seconds),
            None => write_extension(out, kind, payload),
        },
    }
    Ok(())
}

#[inline]
fn write_key(
    cursor: &mut Cursor<'_>,
    floats: FloatText,
    depth: usize,
    out: &mut Vec<u8>,
) -> Result<(), Malformed> {
    let at = cursor.position();
    match cursor.token()? {
        Token::Str(text) | Token::Bin(text) => {
            write_str(out, text);
            Ok(())
        }
        _ => {
            cursor.rewind(at);
            write_odd_key(cursor, floats, depth, out)
        }
    }
}

/// A key that is no string. By the format there is none, so this may allocate.
#[cold]
fn write_odd_key(
    cursor: &mut Cursor<'_>,
    floats: FloatText,
    depth: usize,
    out: &mut Vec<u8>,
) -> Result<(), Malformed> {
    let mut text = Vec::new();
    let at = cursor.position();
    if cursor.token()? != Token::Nil {
        cursor.rewind(at);
        write_next(cursor, floats, depth, &mut text)?;
    }
    write_str(out, &text);
    Ok(())
}

#[cold]
fn write_extension(out: &mut Vec<u8>, kind: i8, payload: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.extend_from_slice(b"{\"type\":");
    write_integer(out, kind);
    out.extend_from_slice(b",\"data\":\"");
    for byte in payload {
        for nibble in [byte >> 4, byte & 0x0f] {
            out.extend(DIGITS.get(usize::from(nibble)));
        }
    }
    out.extend_from_slice(b"\"}");
}

fn write_integer(out: &mut Vec<u8>, number: impl itoa::Integer) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// Appends `text` as a JSON string: in quotes, with the escapes JSON demands and no others.
pub fn write_str(out: &mut Vec<u8>, text: &[u8]) {
    if is_plain(text) {
        out.reserve(text.len() + 2);
        out.push(b'"');
        out.extend_from_slice(text);
        out.push(b'"');
    } else {
        write_with_escapes(out, text);
    }
}

fn write_with_escapes(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    let mut rest = text;
    loop {
        let (plain, tail) = rest.split_at(plain_len(rest));
        out.extend_from_slice(plain);
        let Some((byte, tail)) = tail.split_first() else {
            break;
        };
        write_escape(out, *byte);
        rest = tail;
    }
    out.push(b'"');
}

/// Whether no byte needs an escape. Eight bytes are tested at a time, the last ones overlapping
/// those before: most strings of a record are shorter than a vector.
#[inline]
fn is_plain(text: &[u8]) -> bool {
    if let (Some(first), Some(last)) = (text.first_chunk::<8>(), text.last_chunk::<8>()) {
        let any = text
            .as_chunks::<8>()
            .0
            .iter()
            .fold(escape_bits(*first), |any, word| any | escape_bits(*word));
        return any | escape_bits(*last) == 0;
    }
    if let (Some([a, b, c, d]), Some([e, f, g, h])) =
        (text.first_chunk::<4>(), text.last_chunk::<4>())
    {
        return escape_bits([*a, *b, *c, *d, *e, *f, *g, *h]) == 0;
    }
    !text.iter().any(|byte| needs_escape(*byte))
}

/// How many bytes stand before the first that needs an escape.
fn plain_len(text: &[u8]) -> usize {
    let (words, _) = text.as_chunks::<8>();
    let plain = words.iter().take_while(|word| escape_bits(**word) == 0);
    let len = 8 * plain.count();
    let tail = text.get(len..).unwrap_or_default();
    len + tail.iter().take_while(|byte| !needs_escape(**byte)).count()
}

/// Not 0 where one of the bytes needs an escape. (A borrow may mark a byte above one that does; it
/// never marks the lowest wrongly.)
#[inline]
fn escape_bits(bytes: [u8; 8]) -> u64 {
    const EACH: u64 = 0x0101_0101_0101_0101;
    let word = u64::from_le_bytes(bytes);
    let is_zero = |word: u64| word.wrapping_sub(EACH) & !word;
    let control = word.wrapping_sub(EACH * 0x20) & !word;
    let quote = is_zero(word ^ (EACH * b'"' as u64));
    let backslash = is_zero(word ^ (EACH * b'\\' as u64));
    (control | quote | backslash) & (EACH * 0x80)
}

#[inline]
fn needs_escape(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

fn write_escape(out: &mut Vec<u8>, byte: u8) {
    let short = match byte {
        b'"' | b'\\' => byte,
        0x08 => b'b',
        0x0c => b'f',
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        _ => {
            const DIGITS: &[u8; 16] = b"0123456789abcdef";
            let low = DIGITS
                .get(usize::from(byte & 0x0f))
                .copied()
                .unwrap_or(b'0');
            out.extend_from_slice(&[b'\\', b'u', b'0', b'0', b'0' + (byte >> 4), low]);
            return;
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}
