//! `value`, `config`, `yaml`: configuration text → element tree.

use std::collections::BTreeMap;
use std::path::PathBuf;

use millrun_config::{Evaluate, EvaluateError, Evaluated, FileKind, LoadOptions, Parsed, load};
use millrun_pattern::Zone;
use millrun_ruby::{Evaluator, Place, Program, SystemWorld};
use serde_json::Value;

use super::{Answer, element};
use crate::case::{Case, Unplayable};

pub(crate) fn value(case: &Case) -> Result<Answer, Unplayable> {
    let text = format!("<a>\n  k {}\n</a>\n", case.need_text("text")?);
    let parsed = match parse(&text, FileKind::Text) {
        Ok(parsed) => parsed,
        Err(error) => return Ok(Answer::Error(error)),
    };
    let inner = parsed.root.elements().first();
    let value = inner.and_then(|inner| inner.value("k"));
    Ok(Answer::Out(value.map_or(Value::Null, |value| {
        element::content(&value.content)
    })))
}

pub(crate) fn config(case: &Case) -> Result<Answer, Unplayable> {
    tree(case, FileKind::Text)
}

pub(crate) fn yaml(case: &Case) -> Result<Answer, Unplayable> {
    tree(case, FileKind::Yaml)
}

fn tree(case: &Case, kind: FileKind) -> Result<Answer, Unplayable> {
    let parsed = parse(case.need_text("text")?, kind);
    Ok(Answer::of(parsed.map(|parsed| element::tree(&parsed.root))))
}

/// The configuration, unless there are errors.
fn parse(text: &str, kind: FileKind) -> Result<Parsed, String> {
    let path = PathBuf::from("case");
    let mut world = BTreeMap::from([(path.clone(), text.to_owned())]);
    let options = LoadOptions {
        path,
        kind,
        ..LoadOptions::default()
    };
    let loaded = load(&options, &mut Ruby::new(), &mut world);
    let parsed = loaded.map_err(|error| error.to_string())?.parsed;
    let errors = parsed.diagnostics.errors();
    let messages: Vec<String> = errors.map(|error| error.message.clone()).collect();
    if messages.is_empty() {
        Ok(parsed)
    } else {
        Err(messages.join("; "))
    }
}

/// `#{…}`, evaluated as the program does it.
struct Ruby(Evaluator<SystemWorld>);

impl Ruby {
    fn new() -> Self {
        let world = SystemWorld::new("host", String::new(), Zone::UTC, 0);
        Self(Evaluator::new(world))
    }
}

impl Evaluate for Ruby {
    fn evaluate(&mut self, code: &str) -> Result<Evaluated, EvaluateError> {
        let said = |error: millrun_ruby::RubyError| EvaluateError {
            message: error.message,
            label: error.label,
            hint: error.hint,
            range: error.range,
        };
        let program = Program::expression(code, Place::Configuration).map_err(said)?;
        Ok(match self.0.text(&program).map_err(said)? {
            millrun_ruby::Evaluated::Text(text) => Evaluated::Text(text),
            millrun_ruby::Evaluated::Nil => Evaluated::Nil,
            millrun_ruby::Evaluated::Default => Evaluated::Default,
        })
    }
}
