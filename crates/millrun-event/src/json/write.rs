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
use crate::json::float::{FloatText, plain_float, write_float};
use crate::json::lanes::{LANES, escapes, needs_escape};
use crate::json::sheet::{Sheet, Window};

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
    let mut sheet = Sheet::new(out);
    let written = write_next(&mut Cursor::new(value), floats, 0, &mut sheet);
    sheet.finish();
    if written.is_err() {
        out.truncate(start);
    }
    written
}

/// One value. Strings are most of them, and written without a call.
#[inline(always)]
fn write_next(
    cursor: &mut Cursor<'_>,
    floats: FloatText,
    depth: usize,
    out: &mut Sheet<'_>,
) -> Result<(), Malformed> {
    let at = cursor.position();
    let behind = cursor.rest();
    match cursor.token()? {
        Token::Str(text) | Token::Bin(text) => {
            match window(behind, text) {
                Some(window) if out.quoted_window(window) => {}
                _ => write_string(out, text),
            }
            Ok(())
        }
        token => write_other(token, at, cursor, floats, depth, out),
    }
}

/// The string `text`, whose marker is the first byte of `at`, with what stands behind it, if it is short.
#[inline]
fn window<'a>(at: &'a [u8], text: &[u8]) -> Option<Window<'a>> {
    match at {
        [0xa0..=0xb0, behind @ ..] => Window::new(behind, text.len()),
        _ => None,
    }
}

/// A value that is no string, of which the head, at `at`, is read.
#[inline(never)]
fn write_other(
    token: Token<'_>,
    at: usize,
    cursor: &mut Cursor<'_>,
    floats: FloatText,
    depth: usize,
    out: &mut Sheet<'_>,
) -> Result<(), Malformed> {
    if depth >= MAX_DEPTH && token.children() > 0 {
        return Err(Malformed::TooDeep { at });
    }
    match token {
        Token::Nil => out.word(b"null"),
        Token::Bool(true) => out.word(b"true"),
        Token::Bool(false) => out.word(b"false"),
        Token::Uint(number) => write_integer(out, number),
        Token::Int(number) => write_integer(out, number),
        Token::Float(number) => write_number(out, number, floats),
        Token::Str(text) | Token::Bin(text) => write_string(out, text),
        Token::Array(len) => {
            out.byte(b'[');
            for index in 0..len {
                if index > 0 {
                    out.byte(b',');
                }
                write_next(cursor, floats, depth + 1, out)?;
            }
            out.byte(b']');
        }
        Token::Map(len) => {
            let mut before = b'{';
            for _ in 0..len {
                write_key(cursor, floats, depth + 1, before, out)?;
                write_next(cursor, floats, depth + 1, out)?;
                before = b',';
            }
            if len == 0 {
                out.byte(b'{');
            }
            out.byte(b'}');
        }
        Token::Ext(kind, payload) => match token.event_time() {
            Some(time) => write_integer(out, time.seconds),
            None => out.append(|out| write_extension(out, kind, payload)),
        },
    }
    Ok(())
}

/// A key with what is before it, and its colon.
#[inline]
fn write_key(
    cursor: &mut Cursor<'_>,
    floats: FloatText,
    depth: usize,
    before: u8,
    out: &mut Sheet<'_>,
) -> Result<(), Malformed> {
    let at = cursor.position();
    let behind = cursor.rest();
    let token = cursor.token()?;
    if let Token::Str(text) | Token::Bin(text) = token {
        let is_written = match window(behind, text) {
            Some(window) => out.key_window(before, window),
            None => out.key(before, text),
        };
        if is_written {
            return Ok(());
        }
    }
    out.byte(before);
    if let Token::Str(text) | Token::Bin(text) = token {
        write_string(out, text);
    } else {
        cursor.rewind(at);
        write_odd_key(cursor, floats, depth, out)?;
    }
    out.byte(b':');
    Ok(())
}

/// How much of the depth a key takes that is no string. Its text is put in quotes, and each level of quotes doubles the
/// backslashes of those within: without a limit, thirty bytes could ask for gigabytes.
const ODD_KEY_DEPTH: usize = MAX_DEPTH / 8;

/// A key that is no string. By the format there is none, so this may allocate.
#[cold]
fn write_odd_key(
    cursor: &mut Cursor<'_>,
    floats: FloatText,
    depth: usize,
    out: &mut Sheet<'_>,
) -> Result<(), Malformed> {
    let mut text = Vec::new();
    let at = cursor.position();
    if cursor.token()? != Token::Nil {
        cursor.rewind(at);
        let mut sheet = Sheet::new(&mut text);
        write_next(cursor, floats, depth + ODD_KEY_DEPTH, &mut sheet)?;
        sheet.finish();
    }
    write_string(out, &text);
    Ok(())
}

#[cold]
fn write_extension(out: &mut Vec<u8>, kind: i8, payload: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.extend_from_slice(b"{\"type\":");
    out.extend_from_slice(itoa::Buffer::new().format(kind).as_bytes());
    out.extend_from_slice(b",\"data\":\"");
    for byte in payload {
        for nibble in [byte >> 4, byte & 0x0f] {
            out.extend(DIGITS.get(usize::from(nibble)));
        }
    }
    out.extend_from_slice(b"\"}");
}

fn write_integer(out: &mut Sheet<'_>, number: impl itoa::Integer) {
    out.plain(itoa::Buffer::new().format(number).as_bytes());
}

fn write_number(out: &mut Sheet<'_>, number: f64, floats: FloatText) {
    if let Some(text) = plain_float(&mut zmij::Buffer::new(), number) {
        return out.plain(text);
    }
    out.append(|out| write_float(out, number, floats));
}

/// Appends `text` as a JSON string: in quotes, with the escapes JSON demands and no others.
pub fn write_str(out: &mut Vec<u8>, text: &[u8]) {
    let mut sheet = Sheet::new(out);
    write_string(&mut sheet, text);
    sheet.finish();
}

#[inline]
fn write_string(out: &mut Sheet<'_>, text: &[u8]) {
    if !out.quoted(text) {
        out.append(|out| write_with_escapes(out, text));
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

/// How many bytes stand before the first that needs an escape.
fn plain_len(text: &[u8]) -> usize {
    let (words, tail) = text.as_chunks::<LANES>();
    for (number, word) in words.iter().enumerate() {
        let marks = escapes(*word);
        if marks != 0 {
            return number * LANES + marks.trailing_zeros() as usize;
        }
    }
    let plain = tail.iter().take_while(|byte| !needs_escape(**byte));
    text.len() - tail.len() + plain.count()
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
