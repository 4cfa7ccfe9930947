//! Maps and arrays of maps in msgpack.
#![no_main]

use std::cell::RefCell;

use libfuzzer_sys::fuzz_target;
use millrun_plugins::parser::LineParser;

mod lines;

const SECTIONS: &[&str] = &["@type msgpack"];

thread_local! {
    static PARSERS: RefCell<Vec<Box<dyn LineParser>>> =
        RefCell::new(SECTIONS.iter().map(|section| lines::parser(section)).collect());
}

fuzz_target!(|line: &[u8]| {
    PARSERS.with_borrow_mut(|parsers| {
        for parser in parsers {
            lines::hold(&mut **parser, line);
        }
    });
});
