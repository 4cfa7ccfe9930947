//! Recorded cases of kind `wire` (`conformance/cases/wire.jsonl`): an event time's bytes. The
//! digests of the handshake in the same file belong to the crate that speaks the protocol.

use millrun_event::{Cursor, EventTime, write};
use serde_json::Value;

const CASES: &str = include_str!("../../../conformance/cases/wire.jsonl");

#[test]
fn event_times_have_fluentds_bytes() {
    let mut compared = 0;
    for line in CASES.lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        if case["what"] != "event_time_to_msgpack" {
            continue;
        }
        let part = |index: usize| u32::try_from(case["in"][index].as_u64().unwrap()).unwrap();
        let time = EventTime::new(part(0), part(1));
        let mut bytes = Vec::new();
        write::time(&mut bytes, time);
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, case["out"].as_str().unwrap());
        assert_eq!(
            Cursor::new(&bytes).token().unwrap().event_time(),
            Some(time)
        );
        compared += 1;
    }
    assert_eq!(compared, 3, "all cases of the file were met");
}
