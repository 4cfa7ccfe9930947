//! The bytes of messages, exactly as the recordings' harness encoded them: integers in fixint,
//! else uint 32, else int 64; floats in 64 bits; `{"$bin": base64}` as bin, `{"$et": [s, ns]}` as
//! an event time of eight bytes.

use serde_json::{Map, Value, json};

use crate::notation::decode_base64;

/// A message of one event with a chunk id to acknowledge.
pub(crate) fn single(event: &Value, chunk: &str) -> Vec<u8> {
    let parts = event.as_array().map(Vec::as_slice).unwrap_or_default();
    let mut message = parts.to_vec();
    message.push(json!({ "chunk": chunk }));
    encoded(&Value::Array(message))
}

/// A message whose entries are one binary value.
pub(crate) fn packed(tag: &str, entries: &[Value], option: &Map<String, Value>) -> Vec<u8> {
    let mut payload = Vec::new();
    for entry in entries {
        encode(entry, &mut payload);
    }
    let mut bytes = vec![0x93];
    encode_text(tag, &mut bytes);
    encode_binary(&payload, &mut bytes);
    encode(&Value::Object(option.clone()), &mut bytes);
    bytes
}

fn encoded(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(value, &mut bytes);
    bytes
}

pub(crate) fn encode(value: &Value, bytes: &mut Vec<u8>) {
    match value {
        Value::Null => bytes.push(0xC0),
        Value::Bool(flag) => bytes.push(if *flag { 0xC3 } else { 0xC2 }),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(integer), _) => encode_integer(integer, bytes),
            (None, float) => {
                bytes.push(0xCB);
                bytes.extend_from_slice(&float.unwrap_or_default().to_be_bytes());
            }
        },
        Value::String(text) => encode_text(text, bytes),
        Value::Array(items) => {
            encode_length(items.len(), [0x90, 15, 0xDC, 0xDD], bytes);
            items.iter().for_each(|item| encode(item, bytes));
        }
        Value::Object(members) => {
            if let Some(time) = members.get("$et") {
                encode_event_time(time, bytes);
                return;
            }
            if let Some(binary) = members.get("$bin").and_then(Value::as_str) {
                encode_binary(&decode_base64(binary), bytes);
                return;
            }
            encode_length(members.len(), [0x80, 15, 0xDE, 0xDF], bytes);
            for (key, member) in members {
                encode_text(key, bytes);
                encode(member, bytes);
            }
        }
    }
}

fn encode_integer(integer: i64, bytes: &mut Vec<u8>) {
    if let Ok(small) = i8::try_from(integer)
        && small >= -32
    {
        bytes.extend_from_slice(&small.to_be_bytes());
    } else if let Ok(unsigned) = u32::try_from(integer) {
        bytes.push(0xCE);
        bytes.extend_from_slice(&unsigned.to_be_bytes());
    } else {
        bytes.push(0xD3);
        bytes.extend_from_slice(&integer.to_be_bytes());
    }
}

fn encode_event_time(time: &Value, bytes: &mut Vec<u8>) {
    let part = |index: usize| {
        let number = time.get(index).and_then(Value::as_u64).unwrap_or_default();
        u32::try_from(number).unwrap_or_default().to_be_bytes()
    };
    bytes.extend_from_slice(&[0xD7, 0x00]);
    bytes.extend_from_slice(&part(0));
    bytes.extend_from_slice(&part(1));
}

fn encode_text(text: &str, bytes: &mut Vec<u8>) {
    match u8::try_from(text.len()) {
        Ok(length @ 32..) => bytes.extend_from_slice(&[0xD9, length]),
        _ => encode_length(text.len(), [0xA0, 31, 0xDA, 0xDB], bytes),
    }
    bytes.extend_from_slice(text.as_bytes());
}

fn encode_binary(binary: &[u8], bytes: &mut Vec<u8>) {
    match u8::try_from(binary.len()) {
        Ok(length) => bytes.extend_from_slice(&[0xC4, length]),
        Err(_) => encode_length(binary.len(), [0xC4, 0, 0xC5, 0xC6], bytes),
    }
    bytes.extend_from_slice(binary);
}

/// Writes a header: `[base of the fixed form, its largest length, 16-bit form, 32-bit form]`.
fn encode_length(length: usize, [fixed, fixed_max, short, long]: [u8; 4], bytes: &mut Vec<u8>) {
    if let Ok(tiny) = u8::try_from(length)
        && tiny <= fixed_max
    {
        bytes.push(fixed | tiny);
    } else if let Ok(length) = u16::try_from(length) {
        bytes.push(short);
        bytes.extend_from_slice(&length.to_be_bytes());
    } else {
        let length = u32::try_from(length).unwrap_or(u32::MAX);
        bytes.push(long);
        bytes.extend_from_slice(&length.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_have_the_recorded_forms() {
        assert_eq!(encoded(&json!(5)), [0x05]);
        assert_eq!(encoded(&json!(-5)), [0xFB]);
        assert_eq!(encoded(&json!(200)), [0xCE, 0, 0, 0, 200]);
        assert_eq!(
            encoded(&json!(-33)),
            [0xD3, 255, 255, 255, 255, 255, 255, 255, 223]
        );
    }

    #[test]
    fn values_read_back_by_another_implementation_are_the_same() {
        let value = json!({"a": [1.5, true, null, "x".repeat(40)], "b": {"c": "y".repeat(300)}});
        let bytes = encoded(&value);
        let read = rmpv::decode::read_value(&mut bytes.as_slice()).unwrap();
        assert_eq!(crate::live::content::neutral(&read), value);
    }
}
