//! Formats of times and texts: what is read can be printed, and nothing overflows.
#![no_main]

use libfuzzer_sys::fuzz_target;
use millrun_pattern::{TimeFormat, TimeParser, TimeType, Zone};

fuzz_target!(|bytes: &[u8]| {
    let end = bytes
        .iter()
        .position(|byte| *byte == 0)
        .unwrap_or(bytes.len());
    let Ok(format) = std::str::from_utf8(&bytes[..end]) else {
        return;
    };
    let text = bytes.get(end + 1..).unwrap_or_default();
    for format in [Some(format), None] {
        if let Ok(mut parser) = TimeParser::new(TimeType::Text, format, &[], Zone::UTC) {
            let first = parser.parse_text(text, 1_700_000_000);
            let second = parser.parse_text(text, 1_700_000_000);
            assert_eq!(first.is_ok(), second.is_ok(), "the cache changes nothing");
            if let (Ok(first), Ok(second)) = (&first, &second) {
                assert_eq!(first, second);
                assert!(first.nanoseconds < 1_000_000_000);
            }
        }
    }
    if let Ok(format) = TimeFormat::compile(format) {
        for seconds in [0, 1_700_000_000, i64::from(u32::MAX)] {
            let _ = format.to_string(seconds, 123_456_789, &Zone::UTC);
        }
    }
    for kind in [TimeType::Float, TimeType::Unixtime] {
        if let Ok(mut parser) = TimeParser::new(kind, None, &[], Zone::UTC) {
            let _ = parser.parse_text(text, 0);
        }
    }
});
