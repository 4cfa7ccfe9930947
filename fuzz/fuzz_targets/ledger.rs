//! Ledgers: what is read can be written, and compacts to itself.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| millrun_buffer::fuzzing::ledger(bytes));
