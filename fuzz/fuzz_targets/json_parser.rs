//! JSON with a time in it.
#![no_main]

use std::cell::RefCell;

use libfuzzer_sys::fuzz_target;
use millrun_plugins::parser::LineParser;

mod lines;

const SECTIONS: &[&str] = &[
    "@type json",
    "@type json\ntime_type string\ntime_format %iso8601\nkeep_time_key true",
    "@type json\ntypes a:integer,b:array,c:time\nnull_empty_string true",
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
