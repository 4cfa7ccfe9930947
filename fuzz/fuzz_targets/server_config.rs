//! The JSON in which a configuration travels, against serde_json: what one accepts the other accepts, and
//! both mean the same.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| {
    let oracle = serde_json::from_str::<serde_json::Value>(text);
    let Some(written) = serverengine::fuzz_json(text) else {
        // Keys that are there twice, deep nesting and huge numbers are refused by ours only.
        return;
    };
    let oracle = oracle.expect("ours accepts no more than JSON");
    let ours =
        serde_json::from_str::<serde_json::Value>(&written).expect("what is written is JSON");
    assert!(is_same(&ours, &oracle), "{written}");
});

/// Integers beyond 64 bits with a sign are floats to ours.
fn is_same(ours: &serde_json::Value, oracle: &serde_json::Value) -> bool {
    use serde_json::Value::{Array, Number, Object};
    match (ours, oracle) {
        (Number(one), Number(other)) => one.as_f64() == other.as_f64(),
        (Array(one), Array(other)) => {
            one.len() == other.len()
                && one
                    .iter()
                    .zip(other)
                    .all(|(one, other)| is_same(one, other))
        }
        (Object(one), Object(other)) => {
            one.len() == other.len()
                && one
                    .iter()
                    .all(|(key, one)| other.get(key).is_some_and(|other| is_same(one, other)))
        }
        (one, other) => one == other,
    }
}
