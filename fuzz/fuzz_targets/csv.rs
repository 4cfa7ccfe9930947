//! Lines of csv in both engines, and of tsv.
#![no_main]

use std::cell::RefCell;

use libfuzzer_sys::fuzz_target;
use millrun_plugins::parser::LineParser;

mod lines;

const SECTIONS: &[&str] = &[
    "@type csv\nkeys a,b,c",
    "@type csv\nkeys a,b,c\nparser_engine fast",
    "@type csv\nkeys a,b\ndelimiter ;\ntypes a:integer,b:float\nnull_empty_string true",
    "@type tsv\nkeys a,b,c\ntypes a:array,b:bool",
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
