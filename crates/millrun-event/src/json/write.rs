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
    let plain = plain_len(text);
    if plain == text.len() {
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

/// How many bytes stand before the first that needs an escape. Blocks are tested whole, which
/// compiles to vector instructions.
#[inline]
fn plain_len(text: &[u8]) -> usize {
    let (blocks, tail) = text.as_chunks::<16>();
    let mut len = 0;
    for block in blocks {
        if block
            .iter()
            .fold(false, |any, byte| any | needs_escape(*byte))
        {
            return len
                + block
                    .iter()
                    .take_while(|byte| !needs_escape(**byte))
                    .count();
        }
        len += block.len();
    }
    len + tail.iter().take_while(|byte| !needs_escape(**byte)).count()
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
