//! Ruby's own engine as the oracle of ours: generated expressions and texts, the same answer and the same captures.
//!
//! Ruby runs Onigmo, the oracle is Oniguruma with Ruby's syntax; both come of one source and agree in what is generated
//! here. Where ours differs on purpose a rule below says so, and an expression under a rule is not generated or not
//! compared:
//!
//! * A group within a repetition that may match nothing: which of its empty turns is remembered is an engine's own.
//! * A repetition of a repetition (`a{1,2}+`, `(?:a*)?`…) with `+` behind an interval, which is possessive in PCRE2 and a
//!   second repetition in Ruby, is translated by the parser and compared.
//! * Letters beyond ASCII: lines are bytes here, as in_tail's are to Ruby, so that `\W` finds the bytes of an é. The
//!   generated texts have none; the second test has.
//! * A match that is given up at the step limit has no answer.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests may be as blunt as tests"
)]

use millrun_pattern::{Flags, Matcher, Regex};
use onig::{RegexOptions, Region, SearchOptions, Syntax};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestRunner};

/// How many expressions are tried; each with several texts. `MILLRUN_ONIG_CASES` asks for another number.
const CASES: u32 = 600;

/// One character, or what stands for one.
fn atom() -> impl Strategy<Value = String> {
    let atoms = [
        "a",
        "b",
        "é",
        "1",
        " ",
        "_",
        ".",
        r"\d",
        r"\w",
        r"\s",
        r"\h",
        r"\D",
        r"\W",
        r"\S",
        "[ab]",
        "[^a]",
        r"[^ \n]",
        r"[a-c1]",
        r"[\d_]",
        r"[[:alpha:]]",
        r"[^[:space:]]",
        r"\.",
        r"\n",
    ];
    prop::sample::select(atoms.to_vec()).prop_map(str::to_owned)
}

/// What stands between characters.
fn anchor() -> impl Strategy<Value = String> {
    let anchors = [
        "^", "$", r"\A", r"\z", r"\Z", r"\b", r"\B", "(?=a)", "(?!b)", "(?<=a)", "(?<!1)",
    ];
    prop::sample::select(anchors.to_vec()).prop_map(str::to_owned)
}

fn quantifier() -> impl Strategy<Value = &'static str> {
    let quantifiers = [
        "*", "+", "?", "{2}", "{1,2}", "{0,3}", "{,2}", "*?", "+?", "??", "{1,2}?", "*+", "++",
        "?+",
    ];
    prop::sample::select(quantifiers.to_vec())
}

/// An expression without captures.
fn plain() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![6 => atom(), 1 => anchor()];
    leaf.prop_recursive(3, 12, 3, |inner| {
        let list = prop::collection::vec(inner.clone(), 1..4);
        prop_oneof![
            3 => list.clone().prop_map(|parts| parts.concat()),
            1 => list.prop_map(|parts| format!("(?:{})", parts.join("|"))),
            1 => inner.clone().prop_map(|part| format!("(?>{part})")),
            1 => inner.prop_map(|part| format!("(?i:{part})")),
            3 => (atom(), quantifier()).prop_map(|(part, times)| format!("{part}{times}")),
        ]
    })
}

/// An expression with up to three captures that no repetition holds.
fn expression() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        plain(),
        plain().prop_map(|part| format!("(?<NAME>{part})")),
        plain().prop_map(|part| format!("(?:(?<NAME>{part})|b)")),
    ];
    prop::collection::vec(piece, 1..4).prop_map(|pieces| {
        let mut text = String::new();
        let mut number = 0;
        for (at, piece) in pieces.concat().split("NAME").enumerate() {
            if at > 0 {
                text.push_str(&format!("n{number}"));
                number += 1;
            }
            text.push_str(piece);
        }
        text
    })
}

fn text() -> impl Strategy<Value = String> {
    let letters = ["a", "b", "c", "A", "1", " ", "_", "\n", ".", "ab", "a1"];
    prop::collection::vec(prop::sample::select(letters.to_vec()), 0..9)
        .prop_map(|letters| letters.concat())
}

fn oracle(source: &str) -> Option<onig::Regex> {
    let options = RegexOptions::REGEX_OPTION_NONE;
    onig::Regex::with_options(source, options, Syntax::ruby()).ok()
}

/// Compares one expression over texts; an error says what differs.
fn compare(source: &str, texts: &[String]) -> Result<(), String> {
    let Some(oracle) = oracle(source) else {
        return Ok(());
    };
    let Ok(ours) = Regex::compile(source, Flags::default()) else {
        // What is not offered is told when it is compiled; that it is told is another test's.
        return Ok(());
    };
    let matcher = Matcher::compile(source, Flags::default()).map_err(|error| error.to_string())?;
    let mut spans = ours.spans();
    for text in texts {
        let mut region = Region::new();
        let found = oracle
            .search_with_options(
                text,
                0,
                text.len(),
                SearchOptions::SEARCH_OPTION_NONE,
                Some(&mut region),
            )
            .is_some();
        let Ok(matched) = ours.captures_into(text.as_bytes(), &mut spans) else {
            continue;
        };
        if matched != found {
            return Err(format!(
                "/{source}/ on {text:?}: ours {matched}, Ruby {found}"
            ));
        }
        if matcher.is_match(text.as_bytes()) == Ok(!found) {
            return Err(format!(
                "/{source}/ on {text:?}: the matcher says {}",
                !found
            ));
        }
        if !found {
            continue;
        }
        for number in 0..=ours.captures() {
            let (mine, theirs) = (spans.get(number), region.pos(number));
            if mine != theirs {
                return Err(format!(
                    "/{source}/ on {text:?}: capture {number} is {mine:?}, Ruby's {theirs:?}"
                ));
            }
        }
    }
    Ok(())
}

#[test]
fn generated_expressions_say_what_ruby_says() {
    let cases = std::env::var("MILLRUN_ONIG_CASES").ok();
    let cases = cases.and_then(|cases| cases.parse().ok()).unwrap_or(CASES);
    let mut runner = TestRunner::new(Config {
        cases,
        rng_seed: RngSeed::Fixed(20_261_127),
        failure_persistence: None,
        ..Config::default()
    });
    let texts = prop::collection::vec(text(), 6);
    let outcome = runner.run(&(expression(), texts), |(source, texts)| {
        compare(&source, &texts).map_err(TestCaseError::fail)
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}

#[test]
fn what_configurations_use_says_what_ruby_says() {
    let texts = [
        "2024-02-01 03:04:05 ERROR [main] com.example.A: it broke\n\tat a.b(c)",
        "10.0.0.1 - frank [01/Feb/2024:03:04:05 +0900] \"GET / HTTP/1.1\" 200 5 \"-\" \"UA\"",
        "I0201 03:04:05.678901       1 main.go:12] message here",
        "key=value other=\"quoted text\" é=ü",
        "",
        "\n",
        "aaa\nbbb",
    ];
    let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
    for source in [
        r"^(?<time>\d{4}-\d{1,2}-\d{1,2} \d{1,2}:\d{1,2}:\d{1,2}) (?<level>[^\s]+) \[(?<thread>.*)\] (?<message>.*)",
        r#"^(?<host>[^ ]*) [^ ]* (?<user>[^ ]*) \[(?<time>[^\]]*)\] "(?<method>\S+)(?: +(?<path>[^ ]*) +\S*)?" (?<code>[^ ]*) (?<size>[^ ]*)"#,
        r"^(?<severity>\w)(?<time>\d{4} [^\s]*)\s+(?<pid>\d+)\s+(?<source>[^ \]]+)\] (?<message>.*)$",
        r#"(?<k>\w+)=(?<v>"[^"]*"|\S+)"#,
        r"\A(?<all>.*)\z",
        r"(?m:(?<all>.+))",
        r"^(?!\s)(?<first>\S*)",
        r"(?<a>a+)(?<b>\k<a>)?$",
        r"(?i)error|warn",
        r"(?<hex>\h{2,})|(?<word>[[:upper:]]\p{Alpha}+)",
        r"(?<x>[^\x00-\x7F]+)",
    ] {
        compare(source, &texts).unwrap_or_else(|error| panic!("{error}"));
    }
}
