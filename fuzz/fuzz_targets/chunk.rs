//! The meta file of a chunk and its data: what is read can be written, and reads back as what it was.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| millrun_buffer::fuzzing::chunk(bytes));
