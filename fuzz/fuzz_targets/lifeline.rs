//! Frames of the life-line and of the socket manager: whatever decodes is encoded to what decodes to the
//! same, and nothing panics.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| serverengine::fuzz_frame(bytes));
