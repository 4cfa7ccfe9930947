//! Expressions over several lines, and with names of others.
#![no_main]

use std::cell::RefCell;

use libfuzzer_sys::fuzz_target;
use millrun_plugins::parser::LineParser;

mod lines;

const SECTIONS: &[&str] = &[
    "@type multiline\nformat_firstline /^\\d/\nformat1 /^(?<n>\\d+) (?<m>.*)$/",
    "@type grok\ngrok_pattern %{COMBINEDAPACHELOG}",
    "@type regexp\nexpression /^(?<a>[^ ]*) (?<b>.*?)(?: (?<c>\\d+))?$/\ntypes c:integer",
];

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
