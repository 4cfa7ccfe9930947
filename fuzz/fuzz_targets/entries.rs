//! Event streams: the walker, the record cursors and the JSON writer, against rmpv.
#![no_main]

use libfuzzer_sys::fuzz_target;
use millrun_event::json::{FloatText, write_value};
use millrun_event::{Cursor, Entries, Malformed, Record};

fuzz_target!(|bytes: &[u8]| {
    let mut at = 0;
    for entry in Entries::new(bytes).map_while(Result::ok) {
        assert_eq!(entry.bytes, &bytes[at..at + entry.bytes.len()]);
        at += entry.bytes.len();
        let mut rest = entry.bytes;
        rmpv::decode::read_value(&mut rest).expect("what we call sound, the oracle reads");
        assert!(rest.is_empty(), "both end at the same byte");

        let _ = entry.time.to_event_time();
        walk_record(entry.record());
        let mut text = Vec::new();
        match write_value(entry.record_bytes(), FloatText::Oj, &mut text) {
            // Keys within keys have a limit of their own.
            Ok(_) | Err(Malformed::TooDeep { .. }) => {}
            Err(error) => panic!("what can be walked can be printed: {error}"),
        }
    }

    // The record cursors also meet bytes that nobody has walked before.
    walk_record(Record::new(bytes));
    let mut cursor = Cursor::new(bytes);
    if cursor.skip().is_err() {
        assert_eq!(cursor.position(), 0, "an error moves nothing");
    }
});

fn walk_record(record: Record<'_>) {
    for (key, value) in record.fields().into_iter().flatten().flatten() {
        let _ = (
            key.text(),
            value.token(),
            value.element(0),
            value.element(-1),
        );
        let _ = key.text().and_then(|key| record.field(key));
    }
}
