//! Records in the notation of the recorded cases.

use super::*;

/// All events of a line in the notation of the cases; nothing for an error.
pub(super) fn events(parser: &mut dyn LineParser, line: &[u8]) -> Option<Value> {
    let mut out = Vec::new();
    let mut parsed = Some(parser.parse(line, NOW, &mut out));
    let mut events = Vec::new();
    while let Some(result) = parsed {
        events.push(match result.ok()? {
            Parsed::Event { time } => json!([
                time.map(|time| json!({"$et": [time.seconds, time.nanoseconds]})),
                value(&out)
            ]),
            Parsed::Unmatched => json!([null, null]),
        });
        out.clear();
        parsed = parser.parse_next(NOW, &mut out);
    }
    Some(events.into())
}

/// A msgpack value in the notation of the cases.
pub(super) fn value(bytes: &[u8]) -> Value {
    let mut rest = bytes;
    let value = notation(rmpv::decode::read_value(&mut rest).unwrap());
    assert!(rest.is_empty(), "bytes follow the record");
    value
}

pub(super) fn notation(value: rmpv::Value) -> Value {
    match value {
        rmpv::Value::Map(pairs) => {
            let pairs = pairs
                .into_iter()
                .map(|(key, value)| (key.as_str().unwrap().to_owned(), notation(value)));
            pairs.collect::<Map<_, _>>().into()
        }
        rmpv::Value::Array(values) => values.into_iter().map(notation).collect::<Vec<_>>().into(),
        rmpv::Value::Ext(0, payload) => {
            let time = EventTime::from_payload(payload.try_into().unwrap());
            json!({"$et": [time.seconds, time.nanoseconds]})
        }
        rmpv::Value::F64(number) if number.is_infinite() => json!({"$float": "Infinity"}),
        rmpv::Value::F64(number) => json!(number),
        rmpv::Value::String(text) => json!(text.as_str().unwrap()),
        rmpv::Value::Integer(number) => number.as_i64().map_or(json!(number.as_u64()), Value::from),
        rmpv::Value::Boolean(truth) => json!(truth),
        rmpv::Value::Nil => Value::Null,
        other => panic!("{other:?}"),
    }
}
