//! Lines of syslog in every format and engine.
#![no_main]

use std::cell::RefCell;

use libfuzzer_sys::fuzz_target;
use millrun_plugins::parser::LineParser;

mod lines;

const SECTIONS: &[&str] = &[
    "@type syslog\nwith_priority true",
    "@type syslog\nmessage_format rfc5424\nwith_priority true",
    "@type syslog\nmessage_format auto\nwith_priority true",
    "@type syslog\nparser_engine string",
    "@type syslog\nmessage_format rfc5424\nparser_engine string\nwith_priority true",
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
