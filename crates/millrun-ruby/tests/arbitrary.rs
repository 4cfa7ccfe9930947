//! Whatever is written: the compiler answers, the evaluator ends.

use millrun_event::{EventTime, Record};
use millrun_pattern::Zone;
use millrun_ruby::{Evaluator, Limits, Place, Program, SystemWorld};
use proptest::prelude::*;

const PIECES: &[&str] = &[
    "record",
    "[",
    "]",
    "(",
    ")",
    "{",
    "}",
    "\"a\"",
    "'",
    "\"",
    "#{",
    "${",
    "}",
    "|x|",
    "|a, (b, *c)|",
    ".map",
    ".each",
    ".gsub",
    "(/a/, 'b')",
    "/",
    "%w(",
    ":a",
    "::",
    "&.",
    ".",
    ",",
    "=>",
    "=",
    "==",
    "||=",
    "+=",
    "+",
    "-",
    "*",
    "**",
    "<<",
    "?",
    ":",
    "1",
    "2.5",
    "1..3",
    "nil",
    "if ",
    "then ",
    "else ",
    "end",
    "case ",
    "when ",
    "begin ",
    "rescue ",
    "while ",
    "do ",
    "x",
    "y",
    " ",
    "\n",
    ";",
    "!",
    "not ",
    "and ",
    "$1",
    "$~",
    "=~",
    "_1",
    ".to_s",
    ".to_json",
    "\"%s\" % ",
    "é",
    "\\",
    "`",
    "@",
    "loop ",
    "break ",
    "next ",
    ".times",
    ".dup",
    ".sort_by",
    "&:size",
    "[1, 2]",
    "{\"a\" => 1}",
    "tag",
];

fn run(code: &str) {
    let limits = Limits {
        steps: 20_000,
        memory_bytes: 1 << 20,
        depth: 100,
    };
    let mut evaluator = Evaluator::with_limits(SystemWorld::new("h", "0", Zone::UTC, 1), limits);
    for program in [
        Program::expression(code, Place::Record),
        Program::template(code, true, Place::Record),
    ] {
        match program {
            Ok(program) => {
                let record = b"\x82\xa1a\xa1b\xa1c\x92\x01\x80";
                let mut event = evaluator.event(Record::new(record), "a.b", EventTime::new(1, 2));
                let mut out = Vec::new();
                let _ = event.evaluate(&program, &mut out);
                let _ = event.record(&mut out);
            }
            Err(error) => {
                assert!(
                    error.range.start <= error.range.end && error.range.end <= code.len() + 2,
                    "{error:?} in {code:?}"
                );
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text(code in "\\PC{0,60}") {
        run(&code);
    }

    #[test]
    fn any_pieces(pieces in prop::collection::vec(prop::sample::select(PIECES), 0..14)) {
        run(&pieces.concat());
    }
}
