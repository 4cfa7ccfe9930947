//! What a file's bytes are, as the recordings describe it.
//!
//! ```text
//! size, text | events | text_b64
//! gzip_members, gunzip | events | gunzip_b64; gzip_error if damaged
//! meta, meta_keys, meta_len, trailing
//! ```

use std::io::Read;

use flate2::bufread::GzDecoder;
use serde_json::{Map, Value, json};

use crate::notation::encode_base64;

/// Before a chunk's meta data: this, then their length in four bytes.
pub(crate) const META_MAGIC: [u8; 2] = [0xC1, 0x00];
/// The magic, then the length.
const META_HEADER: usize = 6;

/// The members that describe a file's bytes.
pub(crate) fn describe(path: &str, bytes: &[u8]) -> Map<String, Value> {
    let mut members = Map::new();
    if path.ends_with(".meta")
        && let Some(meta) = meta(bytes)
    {
        return meta;
    }
    if !bytes.starts_with(&[0x1F, 0x8B]) {
        members.insert("size".to_owned(), json!(bytes.len()));
        members.extend([data(bytes, "text")]);
        return members;
    }
    let (plain, count, error) = gunzip(bytes);
    if let Some(error) = error {
        members.insert("gzip_error".to_owned(), json!(error));
    }
    members.insert("gzip_members".to_owned(), json!(count));
    members.extend([data(&plain, "gunzip")]);
    members
}

/// Bytes as what they can be: text, else events, else base64.
fn data(bytes: &[u8], name: &str) -> (String, Value) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return (name.to_owned(), json!(text));
    }
    if let Some(events) = events(bytes) {
        return ("events".to_owned(), events);
    }
    (format!("{name}_b64"), json!(encode_base64(bytes)))
}

/// The `[time, record]` entries of a stream that consists of nothing else.
fn events(mut bytes: &[u8]) -> Option<Value> {
    let mut events = Vec::new();
    while !bytes.is_empty() {
        let entry = rmpv::decode::read_value(&mut bytes).ok()?;
        let parts = entry.as_array()?;
        if parts.len() != 2 {
            return None;
        }
        events.push(neutral(&entry));
    }
    Some(Value::Array(events))
}

fn gunzip(mut bytes: &[u8]) -> (Vec<u8>, usize, Option<String>) {
    let (mut plain, mut members) = (Vec::new(), 0);
    while !bytes.is_empty() {
        let mut decoder = GzDecoder::new(bytes);
        if let Err(error) = decoder.read_to_end(&mut plain) {
            return (plain, members, Some(error.to_string()));
        }
        members += 1;
        bytes = decoder.into_inner();
    }
    (plain, members, None)
}

fn meta(bytes: &[u8]) -> Option<Map<String, Value>> {
    let (magic, length) = (bytes.get(..2)?, bytes.get(2..META_HEADER)?);
    if magic != META_MAGIC {
        return None;
    }
    let length = u32::from_be_bytes(length.try_into().ok()?);
    let mut rest = bytes.get(META_HEADER..)?;
    let map = rmpv::decode::read_value(&mut rest).ok()?;
    let keys = map.as_map()?.iter().filter_map(|(key, _)| key.as_str());
    let keys: Vec<Value> = keys.map(Value::from).collect();
    let mut decoded = neutral(&map);
    // The id is 16 bytes; everywhere else it is written in hex digits.
    if let Some((_, id)) = map
        .as_map()?
        .iter()
        .find(|(key, _)| key.as_str() == Some("id"))
    {
        let raw = match id {
            rmpv::Value::Binary(raw) => raw.as_slice(),
            rmpv::Value::String(text) => text.as_bytes(),
            _ => &[],
        };
        let hex: String = raw.iter().map(|byte| format!("{byte:02x}")).collect();
        decoded.as_object_mut()?.insert("id".to_owned(), json!(hex));
    }
    let mut members = Map::new();
    members.insert("meta".to_owned(), decoded);
    members.insert("meta_keys".to_owned(), Value::Array(keys));
    members.insert("meta_len".to_owned(), json!(length));
    members.insert("trailing".to_owned(), json!(rest.len()));
    Some(members)
}

/// A msgpack value in the recordings' JSON.
pub(crate) fn neutral(value: &rmpv::Value) -> Value {
    match value {
        rmpv::Value::Nil => Value::Null,
        rmpv::Value::Boolean(flag) => json!(flag),
        rmpv::Value::Integer(integer) => match integer.as_i64() {
            Some(integer) => json!(integer),
            None => json!(integer.as_u64()),
        },
        rmpv::Value::F32(float) => json!(f64::from(*float)),
        rmpv::Value::F64(float) => json!(float),
        rmpv::Value::String(text) => match text.as_str() {
            Some(text) => json!(text),
            None => json!({"$b64": encode_base64(text.as_bytes())}),
        },
        rmpv::Value::Binary(bytes) => json!({"$bin": encode_base64(bytes)}),
        rmpv::Value::Array(items) => items.iter().map(neutral).collect(),
        rmpv::Value::Map(members) => members
            .iter()
            .map(|(key, value)| {
                let key = key.as_str().map_or_else(|| key.to_string(), str::to_owned);
                (key, neutral(value))
            })
            .collect(),
        rmpv::Value::Ext(_, bytes) => {
            let part = |from: usize| {
                let bytes = bytes
                    .get(from..from + 4)
                    .and_then(|part| part.try_into().ok());
                bytes.map(u32::from_be_bytes)
            };
            json!({"$et": [part(0), part(4)]})
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_text_else_events_else_base64() {
        assert_eq!(data(b"a", "text"), ("text".to_owned(), json!("a")));
        let events = [
            0x92, 5, 0x81, 0xA1, b'k', 1, 0x92, 0xCE, 0xFF, 0, 0, 0, 0x80,
        ];
        assert_eq!(
            data(&events, "text"),
            (
                "events".to_owned(),
                json!([[5, {"k": 1}], [4_278_190_080_u32, {}]])
            )
        );
        assert_eq!(
            data(&[0xFF], "text"),
            ("text_b64".to_owned(), json!("/w=="))
        );
    }
}
