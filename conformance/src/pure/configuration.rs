//! `value`, `config`, `yaml`: configuration text → element tree.

use std::collections::BTreeMap;
use std::path::PathBuf;

use millrun_config::{FileKind, LoadOptions, Parsed, load};
use millrun_pattern::Zone;
use millrun_ruby::{Evaluator, SystemWorld};
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
    // As the program does it, but for the machine.
    let mut ruby = Evaluator::new(SystemWorld::new("host", String::new(), Zone::UTC, 0));
    let loaded = load(&options, &mut ruby, &mut world);
    let parsed = loaded.map_err(|error| error.to_string())?.parsed;
    let errors = parsed.diagnostics.errors();
    let messages: Vec<String> = errors.map(|error| error.message.clone()).collect();
    if messages.is_empty() {
        Ok(parsed)
    } else {
        Err(messages.join("; "))
    }
}
