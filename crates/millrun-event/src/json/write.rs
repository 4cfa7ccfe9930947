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
    write_next(&mut Cursor::new(value), floats, out)
}

/// Appends the value at the cursor to `out` as compact JSON text, and steps over it: whoever prints
/// the values of a stream need not pass over them before. On an error `out` and the cursor are as
/// they were.
///
/// # Errors
/// [`Malformed`] where no sound value stands at the cursor.
pub fn write_next(
    cursor: &mut Cursor<'_>,
    floats: FloatText,
    out: &mut Vec<u8>,
) -> Result<(), Malformed> {
    let (start, at) = (out.len(), cursor.position());
    let mut sheet = Sheet::new(out);
    let written = write_any(cursor, floats, 0, &mut sheet);
    sheet.finish();
    if written.is_err() {
        out.truncate(start);
        cursor.rewind(at);
    }
    written
}

/// One value. The forms that most values have are told by their first byte and written without a
/// call; to build a token and take it apart again costs as much as to print it.
#[inline(always)]
fn write_any(
    cursor: &mut Cursor<'_>,
    floats: FloatText,
    depth: usize,
    out: &mut Sheet<'_>,
) -> Result<(), Malformed> {
    let len = match cursor.rest() {
        [marker @ 0xa0..=0xbf, behind @ ..] => {
            let len = usize::from(marker & 0x1f);
            match Window::<VALUE>::new(behind, len) {
                Some(text) if out.quoted_window(text) => 1 + len,
                _ => return write_other(cursor, floats, depth, out),
            }
        }
        [0xd9, len, behind @ ..] => {
            let len = usize::from(*len);
            match behind.get(..len) {
                Some(text) if out.quoted(text) => 2 + len,
                _ => return write_other(cursor, floats, depth, out),
            }
        }
        [number @ 0x00..=0x7f, ..] | [0xcc, number, ..] => {
            out.number(u32::from(*number));
            // The marker of the long form has its highest bit.
            1 + usize::from(cursor.rest().first() == Some(&0xcc))
        }
        [0xcd, a, b, ..] => {
            out.number(u32::from_be_bytes([0, 0, *a, *b]));
            3
        }
        [0xce, a, b, c, d, ..] => {
            out.number(u32::from_be_bytes([*a, *b, *c, *d]));
            5
        }
        [0xcb, a, b, c, d, e, f, g, h, ..] => {
            write_number(
                out,
                f64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h]),
                floats,
            );
            9
        }
        [0xc0, ..] => {
            out.word(b"null");
            1
        }
        [0xc2, ..] => {
            out.word(b"false");
            1
        }
        [0xc3, ..] => {
            out.word(b"true");
            1
        }
        _ => return write_other(cursor, floats, depth, out),
    };
    cursor.advance(len);
    Ok(())
}

/// The longest keys and values that are copied with what stands behind them: most keys, and all
/// strings of the shortest form.
const KEY: usize = LANES;
const VALUE: usize = 2 * LANES;

/// A value of a rarer form, a container, or a string that needs escapes.
#[inline(never)]
fn write_other(
    cursor: &mut Cursor<'_>,
    floats: FloatText,
    depth: usize,
    out: &mut Sheet<'_>,
) -> Result<(), Malformed> {
    let at = cursor.position();
    let token = cursor.token()?;
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
                write_any(cursor, floats, depth + 1, out)?;
            }
            out.byte(b']');
        }
        Token::Map(len) => {
            let mut before = b'{';
            for _ in 0..len {
                write_key(cursor, floats, depth + 1, before, out)?;
                write_any(cursor, floats, depth + 1, out)?;
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
#[inline(always)]
fn write_key(
    cursor: &mut Cursor<'_>,
    floats: FloatText,
    depth: usize,
    before: u8,
    out: &mut Sheet<'_>,
) -> Result<(), Malformed> {
    if let [marker @ 0xa0..=0xb0, behind @ ..] = cursor.rest() {
        let len = usize::from(marker & 0x1f);
        if Window::<KEY>::new(behind, len).is_some_and(|text| out.key_window(before, text)) {
            cursor.advance(1 + len);
            return Ok(());
        }
    }
    write_other_key(cursor, floats, depth, before, out)
}

/// A key that is longer, needs escapes or is no string.
#[inline(never)]
fn write_other_key(
    cursor: &mut Cursor<'_>,
    floats: FloatText,
    depth: usize,
    before: u8,
    out: &mut Sheet<'_>,
) -> Result<(), Malformed> {
    let at = cursor.position();
    if let Token::Str(text) | Token::Bin(text) = cursor.token()? {
        if !out.key(before, text) {
            out.byte(before);
            write_string(out, text);
            out.byte(b':');
        }
        return Ok(());
    }
    out.byte(before);
    cursor.rewind(at);
    write_odd_key(cursor, floats, depth, out)?;
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
        write_any(cursor, floats, depth + ODD_KEY_DEPTH, &mut sheet)?;
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
        write_with_escapes(out, text);
    }
}

fn write_with_escapes(out: &mut Sheet<'_>, text: &[u8]) {
    out.byte(b'"');
    let mut rest = text;
    loop {
        let (plain, tail) = rest.split_at(plain_len(rest));
        out.plain(plain);
        let Some((byte, tail)) = tail.split_first() else {
            break;
        };
        write_escape(out, *byte);
        rest = tail;
    }
    out.byte(b'"');
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

fn write_escape(out: &mut Sheet<'_>, byte: u8) {
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
            out.word(&[b'\\', b'u', b'0', b'0', b'0' + (byte >> 4), low]);
            return;
        }
    };
    out.word(&[b'\\', short]);
}
