//! Expressions and lines: what compiles gives spans within the line, and all ways to match say the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use millrun_pattern::{Flags, Matcher, Regex};

fuzz_target!(|bytes: &[u8]| {
    let [options, rest @ ..] = bytes else {
        return;
    };
    let end = rest
        .iter()
        .position(|byte| *byte == 0)
        .unwrap_or(rest.len());
    let Ok(source) = std::str::from_utf8(&rest[..end]) else {
        return;
    };
    let line = rest.get(end + 1..).unwrap_or_default();
    let flags = Flags {
        ignore_case: options & 1 != 0,
        multi_line: options & 2 != 0,
        extended: options & 4 != 0,
    };
    let Ok(regex) = Regex::compile(source, flags) else {
        return;
    };
    let mut spans = regex.spans();
    let by_captures = regex.captures_into(line, &mut spans);
    if let Ok(true) = by_captures {
        let (start, end) = spans.get(0).expect("a match has a place");
        assert!(start <= end && end <= line.len());
        for number in 1..=regex.captures() {
            if let Some((start, end)) = spans.get(number) {
                assert!(start <= end && end <= line.len());
            }
        }
    }
    let by_engine = regex.is_match(line);
    if let (Ok(one), Ok(other)) = (&by_captures, &by_engine) {
        assert_eq!(one, other, "the splitter and PCRE2 say the same");
    }
    let matcher =
        Matcher::compile(source, flags).expect("what compiles with captures, does without");
    if let (Ok(one), Ok(other)) = (matcher.is_match(line), by_engine) {
        assert_eq!(one, other, "the linear engine and PCRE2 say the same");
    }
});
