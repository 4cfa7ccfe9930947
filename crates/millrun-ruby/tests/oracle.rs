//! Answers of Ruby 3.1 (TZ=UTC), recorded: expression, tab, what `inspect` gave or `!` and the class of the exception.

use millrun_pattern::Zone;
use millrun_ruby::{ErrorKind, Evaluated, Evaluator, Place, Program, SystemWorld};

#[test]
fn expressions_give_what_ruby_gives() {
    let mut evaluator = Evaluator::new(SystemWorld::new("web1", "0", Zone::UTC, 1));
    let mut wrong = Vec::new();
    let mut count = 0;
    for line in include_str!("oracle.tsv").lines() {
        let (code, expected) = line.split_once('\t').unwrap();
        count += 1;
        let answer = match Program::expression(code, Place::Configuration) {
            Err(error) => format!("does not compile: {error} ({})", error.label),
            Ok(program) => match evaluator.inspect(&program) {
                Ok(Evaluated::Text(text)) => text,
                Ok(other) => format!("{other:?}"),
                Err(error) => match error.kind {
                    ErrorKind::Raised(class) => format!("!{class} {error}"),
                    _ => format!("{:?}: {error}", error.kind),
                },
            },
        };
        let agrees = match expected.strip_prefix('!') {
            Some(class) => answer.split(' ').next() == Some(&format!("!{class}")),
            None => answer == expected,
        };
        if !agrees {
            wrong.push(format!("{code}\n  ruby: {expected}\n  ours: {answer}"));
        }
    }
    assert!(count >= 400, "only {count} cases");
    assert!(
        wrong.is_empty(),
        "{} of {count} differ:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}
