//! Values as Ruby's `to_s` and `inspect` write them, which the plain-text formatters show.
//!
//! ```text
//!           nil    "a\n"     1.0   [1, nil]    {"a" => 1}   event time
//! to_s             a LF      1.0   [1, nil]    {"a"=>1}     its seconds
//! inspect   nil    "a\n"     1.0   [1, nil]    {"a"=>1}     its seconds
//! ```
//!
//! Within quotes, text beyond ASCII is escaped, as Ruby does in the locale that services run in; the bytes of byte
//! strings each alone.

use std::io::Write as _;

use millrun_event::json::{FloatText, write_float};
use millrun_event::{Cursor, MAX_DEPTH, Malformed, Token, Value};

/// Appends `value` as `to_s` writes it.
pub(crate) fn write_text(value: Value<'_>, out: &mut Vec<u8>) -> Result<(), Malformed> {
    let mut cursor = Cursor::new(value.bytes());
    match cursor.token()? {
        Token::Nil => {}
        Token::Str(text) | Token::Bin(text) => out.extend_from_slice(text),
        _ => write_inspect(value.bytes(), out)?,
    }
    Ok(())
}

/// Appends the first value of `bytes` as `inspect` writes it.
pub(super) fn write_inspect(bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Malformed> {
    inspect_next(&mut Cursor::new(bytes), 0, out)
}

fn inspect_next(cursor: &mut Cursor<'_>, depth: usize, out: &mut Vec<u8>) -> Result<(), Malformed> {
    let at = cursor.position();
    let token = cursor.token()?;
    if depth >= MAX_DEPTH && token.children() > 0 {
        return Err(Malformed::TooDeep { at });
    }
    match token {
        Token::Nil => out.extend_from_slice(b"nil"),
        Token::Bool(true) => out.extend_from_slice(b"true"),
        Token::Bool(false) => out.extend_from_slice(b"false"),
        Token::Uint(number) => print(out, format_args!("{number}")),
        Token::Int(number) => print(out, format_args!("{number}")),
        Token::Float(number) => write_float(out, number, FloatText::Ruby),
        Token::Str(text) => inspect_str(text, out),
        Token::Bin(bytes) => inspect_bytes(bytes, out),
        Token::Array(len) => {
            out.push(b'[');
            for index in 0..len {
                if index > 0 {
                    out.extend_from_slice(b", ");
                }
                inspect_next(cursor, depth + 1, out)?;
            }
            out.push(b']');
        }
        Token::Map(len) => {
            out.push(b'{');
            for index in 0..len {
                if index > 0 {
                    out.extend_from_slice(b", ");
                }
                inspect_next(cursor, depth + 1, out)?;
                out.extend_from_slice(b"=>");
                inspect_next(cursor, depth + 1, out)?;
            }
            out.push(b'}');
        }
        Token::Ext(kind, payload) => match token.event_time() {
            Some(time) => print(out, format_args!("{}", time.seconds)),
            None => {
                print(out, format_args!("#<ext {kind} "));
                inspect_bytes(payload, out);
                out.push(b'>');
            }
        },
    }
    Ok(())
}

fn inspect_str(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    for chunk in text.utf8_chunks() {
        escape(chunk.valid(), out);
        for byte in chunk.invalid() {
            print(out, format_args!("\\x{byte:02X}"));
        }
    }
    out.push(b'"');
}

/// The characters of a text between quotes.
fn escape(text: &str, out: &mut Vec<u8>) {
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        let escape = match character {
            '"' => "\\\"",
            '\\' => "\\\\",
            '\n' => "\\n",
            '\r' => "\\r",
            '\t' => "\\t",
            '\u{c}' => "\\f",
            '\u{b}' => "\\v",
            '\u{8}' => "\\b",
            '\u{7}' => "\\a",
            '\u{1b}' => "\\e",
            // What would begin an interpolation if the text were source.
            '#' if characters.peek().is_some_and(|next| "{$@".contains(*next)) => "\\#",
            ' '..='~' => {
                out.push(character as u8);
                continue;
            }
            _ => {
                let code = u32::from(character);
                match code {
                    0..=0xffff => print(out, format_args!("\\u{code:04X}")),
                    _ => print(out, format_args!("\\u{{{code:X}}}")),
                }
                continue;
            }
        };
        out.extend_from_slice(escape.as_bytes());
    }
}

/// A byte string, which has no letters beyond ASCII.
fn inspect_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    let mut rest = bytes;
    while let Some(byte) = rest.first() {
        let ascii = rest.iter().take_while(|byte| **byte < 0x7f).count();
        let (text, behind) = rest.split_at(ascii);
        escape(&String::from_utf8_lossy(text), out);
        rest = behind;
        if ascii == 0 {
            print(out, format_args!("\\x{byte:02X}"));
            rest = rest.get(1..).unwrap_or_default();
        }
    }
    out.push(b'"');
}

fn print(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    // Writing to a vector does not fail.
    let _ = out.write_fmt(text);
}
