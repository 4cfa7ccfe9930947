//! The JSON in which the recordings write values that JSON has no word for.
//!
//! ```text
//! {"$et": [seconds, nanoseconds]}     an event time
//! {"$b64": "…"}                       bytes that are not UTF-8
//! {"$pairs": [[key, value] …]}        a map whose keys are not all texts
//! {"$float": "NaN" | "Infinity" …}    a float without digits
//! ```

use millrun_event::{Cursor, EventTime, Malformed, Token, write};
use serde_json::{Map, Value, json};

use crate::case::Unplayable;

/// Appends a value as msgpack.
pub(crate) fn encode(value: &Value, out: &mut Vec<u8>) -> Result<(), Unplayable> {
    match value {
        Value::Null => write::nil(out),
        Value::Bool(flag) => write::bool(out, *flag),
        Value::Number(number) => match (number.as_u64(), number.as_i64(), number.as_f64()) {
            (Some(integer), _, _) => write::uint(out, integer),
            (None, Some(integer), _) => write::int(out, integer),
            (None, None, float) => write::float(out, float.unwrap_or(f64::NAN)),
        },
        Value::String(text) => write::str(out, text.as_bytes()),
        Value::Array(items) => {
            write::array(out, length(items.len())?);
            for item in items {
                encode(item, out)?;
            }
        }
        Value::Object(members) => {
            if members.len() == 1
                && let Some((mark, inner)) = members.iter().next()
                && mark.starts_with('$')
                && encode_marked(mark, inner, out)?
            {
                return Ok(());
            }
            write::map(out, length(members.len())?);
            for (key, member) in members {
                write::str(out, key.as_bytes());
                encode(member, out)?;
            }
        }
    }
    Ok(())
}

/// Appends what a mark stands for; false where it is none.
fn encode_marked(mark: &str, inner: &Value, out: &mut Vec<u8>) -> Result<bool, Unplayable> {
    match (mark, inner) {
        ("$et", inner) => write::time(out, event_time(inner)?),
        ("$b64", Value::String(text)) => write::bin(out, &decode_base64(text)),
        ("$float", Value::String(text)) => {
            let float = text.parse();
            write::float(
                out,
                float.map_err(|_| Unplayable::new("a `$float` of no float"))?,
            );
        }
        ("$pairs", Value::Array(pairs)) => {
            write::map(out, length(pairs.len())?);
            for half in pairs.iter().filter_map(Value::as_array).flatten() {
                encode(half, out)?;
            }
        }
        _ => return Ok(false),
    }
    Ok(true)
}

/// `[seconds, nanoseconds]`, in their mark or without.
pub(crate) fn event_time(value: &Value) -> Result<EventTime, Unplayable> {
    let parts = value.get("$et").unwrap_or(value);
    let part = |index: usize| u32::try_from(parts.get(index)?.as_u64()?).ok();
    match (part(0), part(1)) {
        (Some(seconds), Some(nanoseconds)) => Ok(EventTime::new(seconds, nanoseconds)),
        _ => Err(Unplayable::new(format!("{value} is no event time"))),
    }
}

/// The text of a value, or the bytes where it is none.
pub(crate) fn bytes(value: &Value) -> Option<Vec<u8>> {
    match value {
        Value::String(text) => Some(text.as_bytes().to_vec()),
        other => other.get("$b64")?.as_str().map(decode_base64),
    }
}

/// Bytes as their text, or in their mark.
pub(crate) fn text(bytes: &[u8]) -> Value {
    match str::from_utf8(bytes) {
        Ok(text) => json!(text),
        Err(_) => json!({"$b64": encode_base64(bytes)}),
    }
}

/// Reads one msgpack value.
pub(crate) fn decode(bytes: &[u8]) -> Result<Value, Malformed> {
    read(&mut Cursor::new(bytes))
}

fn read(cursor: &mut Cursor<'_>) -> Result<Value, Malformed> {
    Ok(match cursor.token()? {
        Token::Nil => Value::Null,
        Token::Bool(flag) => json!(flag),
        Token::Uint(number) => json!(number),
        Token::Int(number) => json!(number),
        Token::Float(number) if number.is_finite() => json!(number),
        Token::Float(number) if number.is_nan() => json!({"$float": "NaN"}),
        Token::Float(number) if number > 0.0 => json!({"$float": "Infinity"}),
        Token::Float(_) => json!({"$float": "-Infinity"}),
        Token::Str(bytes) | Token::Bin(bytes) => text(bytes),
        Token::Array(count) => (0..count)
            .map(|_| read(cursor))
            .collect::<Result<Vec<_>, _>>()?
            .into(),
        Token::Map(count) => {
            let mut pairs = Vec::new();
            for _ in 0..count {
                pairs.push((read(cursor)?, read(cursor)?));
            }
            map(pairs)
        }
        Token::Ext(_, payload) => match payload.try_into() {
            Ok(payload) => {
                let time = EventTime::from_payload(payload);
                json!({"$et": [time.seconds, time.nanoseconds]})
            }
            Err(_) => json!({"$ext": encode_base64(payload)}),
        },
    })
}

fn map(pairs: Vec<(Value, Value)>) -> Value {
    let named = |(key, value): &(Value, Value)| Some((key.as_str()?.to_owned(), value.clone()));
    let members: Option<Map<String, Value>> = pairs.iter().map(named).collect();
    members.map_or_else(
        || {
            let pairs = pairs.into_iter().map(|(key, value)| json!([key, value]));
            json!({"$pairs": pairs.collect::<Vec<_>>()})
        },
        Value::Object,
    )
}

fn length(length: usize) -> Result<u32, Unplayable> {
    u32::try_from(length).map_err(|_| Unplayable::new("a list that is too long"))
}

/// Characters of the standard alphabet; all others are passed over.
pub(crate) fn decode_base64(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut held, mut bits) = (0_u32, 0_u32);
    for character in text.bytes() {
        let digit = match character {
            b'A'..=b'Z' => character - b'A',
            b'a'..=b'z' => character - b'a' + 26,
            b'0'..=b'9' => character - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => continue,
        };
        held = (held << 6 | u32::from(digit)) & 0xFF_FFFF;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from(held >> bits & 0xFF).unwrap_or_default());
        }
    }
    bytes
}

/// The standard alphabet with padding.
pub(crate) fn encode_base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digit = |value: u32| {
        DIGITS
            .get((value & 63) as usize)
            .map_or('=', |d| char::from(*d))
    };
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let byte = |index: usize| u32::from(group.get(index).copied().unwrap_or_default());
        let value = byte(0) << 16 | byte(1) << 8 | byte(2);
        for (index, shift) in [18, 12, 6, 0].into_iter().enumerate() {
            text.push(if index <= group.len() {
                digit(value >> shift)
            } else {
                '='
            });
        }
    }
    text
}

/// The bytes that hex digits stand for.
pub(crate) fn decode_hex(hex: &str) -> Option<Vec<u8>> {
    let digits = hex.as_bytes().chunks(2);
    digits
        .map(|pair| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok())
        .collect()
}

/// Bytes as lower-case hex digits.
pub(crate) fn encode_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_reads_back_as_it_was() {
        let value = json!({
            "a": [1, -1, 1.5, null, true, {"$et": [5, 6]}, {"$float": "NaN"}],
            "b": {"$b64": "//4="}, "c": {"$pairs": [["k", 1], [null, 2]]}
        });
        let mut bytes = Vec::new();
        encode(&value, &mut bytes).unwrap();
        assert_eq!(decode(&bytes), Ok(value));
    }

    #[test]
    fn base64_goes_there_and_back() {
        for length in 0..9_u8 {
            let bytes: Vec<u8> = (0..length).map(|byte| byte.wrapping_mul(89)).collect();
            assert_eq!(decode_base64(&encode_base64(&bytes)), bytes);
        }
        assert_eq!(encode_base64(b"ab"), "YWI=");
    }

    #[test]
    fn hex_goes_there_and_back() {
        assert_eq!(
            decode_hex("00ff7a").map(|b| encode_hex(&b)).as_deref(),
            Some("00ff7a")
        );
        assert_eq!(decode_hex("0x"), None);
    }
}
