//! JSON text: the reader against serde_json, and against the writer.
#![no_main]

use libfuzzer_sys::fuzz_target;
use millrun_event::Cursor;
use millrun_event::json::{FloatText, transcode, write_value};

fuzz_target!(|text: &[u8]| {
    let mut out = Vec::new();
    let read = transcode(text, &mut out);
    let strict = serde_json::from_slice::<serde_json::Value>(text);
    if read.is_err() {
        assert!(out.is_empty(), "an error leaves nothing behind");
        assert!(strict.is_err() || is_nested_deeper_than_ours(text));
        return;
    }

    let mut cursor = Cursor::new(&out);
    cursor.skip().expect("sound msgpack");
    assert!(cursor.is_at_end(), "one value, whole");

    let mut printed = Vec::new();
    write_value(&out, FloatText::Oj, &mut printed).expect("what was read can be printed");
    let mut again = Vec::new();
    transcode(&printed, &mut again).expect("what was printed can be read");
    if let Ok(strict) = strict {
        // Compared as trees: maps of the oracle are sorted, and it has no infinite numbers.
        let printed: serde_json::Value =
            serde_json::from_slice(&printed).expect("strict text is printed strictly");
        assert_eq!(as_doubles(printed), as_doubles(strict));
    }
});

/// The oracle refuses 128 levels, as we refuse 129.
fn is_nested_deeper_than_ours(text: &[u8]) -> bool {
    text.iter().filter(|byte| b"[{".contains(byte)).count() > millrun_event::MAX_DEPTH
}

/// `-0` is an integer to us and a double to the oracle.
fn as_doubles(value: serde_json::Value) -> serde_json::Value {
    match value {
        serde_json::Value::Number(number) if number.as_f64() == Some(0.0) => 0.into(),
        serde_json::Value::Array(values) => values.into_iter().map(as_doubles).collect(),
        serde_json::Value::Object(pairs) => pairs
            .into_iter()
            .map(|(key, value)| (key, as_doubles(value)))
            .collect(),
        other => other,
    }
}
