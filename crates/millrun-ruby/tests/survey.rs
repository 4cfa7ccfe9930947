//! What people write: expressions of public configurations, each with what the compiler says to it.
//!
//! A line of `survey.txt` is a verdict, the place and the expression, with tabs between. Names of environment variables
//! and file paths are replaced, so that each line is a form, not somebody's set-up.

use millrun_ruby::{Place, Program};

fn verdict(place: Place, code: &str) -> String {
    match Program::expression(code, place) {
        Ok(program) => match program.undefined_names().first() {
            Some(error) => format!("compiles; {}", error.message),
            None => "compiles".to_owned(),
        },
        Err(error) => format!("does not compile: {}", error.message),
    }
}

#[test]
fn surveyed_expressions_have_their_verdicts() {
    let mut wrong = String::new();
    let (mut total, mut compile, mut undefined) = (0, 0, 0);
    for line in include_str!("survey.txt").lines() {
        let [expected, place, code] = line.splitn(3, '\t').collect::<Vec<_>>()[..] else {
            panic!("a line without two tabs: {line}");
        };
        let kind = match place {
            "configuration" => Place::Configuration,
            "record" => Place::Record,
            other => panic!("no such place: {other}"),
        };
        let found = verdict(kind, code);
        total += 1;
        compile += usize::from(found.starts_with("compiles"));
        undefined += usize::from(found.starts_with("compiles;"));
        if found != expected {
            wrong.push_str(&format!("{found}\t{place}\t{code}\n"));
        }
    }
    let outside = total - compile;
    let summary = format!(
        "{total} expressions, {compile} compile, {outside} do not; {undefined} name something Ruby does not know either"
    );
    println!("{summary}");
    assert!(wrong.is_empty(), "verdicts that changed:\n{wrong}");
    let documentation = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/ruby-subset.md");
    let documentation = std::fs::read_to_string(documentation).unwrap();
    assert!(
        documentation.contains(&summary),
        "docs/ruby-subset.md must say: {summary}"
    );
}
