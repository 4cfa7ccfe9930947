//! Expressions: the compiler answers, the evaluator ends within its limits, errors have a place in
//! the code.
#![no_main]

use std::io;

use libfuzzer_sys::fuzz_target;
use millrun_event::{EventTime, Record};
use millrun_pattern::Zone;
use millrun_ruby::{Evaluator, Limits, Place, Program, World};

/// `{"a" => "x y", "n" => 3, "m" => {"k" => [1, nil]}}`
const RECORD: &[u8] = b"\x83\xa1a\xa3x y\xa1n\x03\xa1m\x81\xa1k\x92\x01\xc0";

fuzz_target!(|bytes: &[u8]| {
    let code = String::from_utf8_lossy(bytes);
    let mut evaluator = Evaluator::with_limits(Nowhere(Zone::UTC), limits());
    match Program::expression(&code, Place::Configuration) {
        Ok(program) => drop(evaluator.text(&program)),
        Err(error) => assert!(code.get(error.range).is_some(), "{code}"),
    }
    if let Ok(program) = Program::template(&code, true, Place::Record) {
        let mut out = Vec::new();
        let time = EventTime::new(1_700_000_000, 5);
        let mut event = evaluator.event(Record::new(RECORD), "a.b", time);
        if event.evaluate(&program, &mut out).is_ok() {
            let mut cursor = millrun_event::Cursor::new(&out);
            cursor.skip().expect("sound msgpack");
            assert!(cursor.is_at_end(), "one value");
        }
    }
});

/// Small enough that a run that uses them up does not slow the fuzzer down.
fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.steps = 20_000;
    limits
}

/// Surroundings that are always the same and reach no disk.
struct Nowhere(Zone);

impl World for Nowhere {
    fn variable(&mut self, name: &str) -> Option<String> {
        (name == "A").then(|| "1".to_owned())
    }

    fn variables(&mut self) -> Vec<(String, String)> {
        vec![("A".to_owned(), "1".to_owned())]
    }

    fn hostname(&mut self) -> String {
        "mill".to_owned()
    }

    fn worker_id(&mut self) -> String {
        "0".to_owned()
    }

    fn now(&mut self) -> (i64, u32) {
        (1_700_000_000, 5)
    }

    fn zone(&mut self) -> &Zone {
        &self.0
    }

    fn read(&mut self, _: &str, _: u64) -> io::Result<Vec<u8>> {
        Ok(b"secret\n".to_vec())
    }

    fn is_directory(&mut self, _: &str) -> Option<bool> {
        Some(false)
    }

    fn directory(&mut self) -> String {
        "/".to_owned()
    }

    fn process_id(&mut self) -> u32 {
        1
    }

    fn random(&mut self) -> u64 {
        4
    }
}
