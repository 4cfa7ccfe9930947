//! Steps that look at what the program says.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::Result;
use serde_json::{Map, Value, json};

use super::program::log_text;
use super::scene::Scene;
use super::step::Words;

/// The lines that begin an entry: what belongs to the one before is indented.
pub(crate) fn lines(scene: &mut Scene<'_>, _: &Words<'_>) -> Result<Option<Value>> {
    Ok(Some(entries(&scene.output())))
}

pub(crate) fn all_lines(scene: &mut Scene<'_>, _: &Words<'_>) -> Result<Option<Value>> {
    let text = log_text(&scene.output());
    Ok(Some(text.lines().collect()))
}

pub(crate) fn file_lines(scene: &mut Scene<'_>, words: &Words<'_>) -> Result<Option<Value>> {
    Ok(Some(entries(&scene.path(words.text(0)?))))
}

/// Facts about log files: their names, whether they hold anything, how they begin.
pub(crate) fn files(scene: &mut Scene<'_>, words: &Words<'_>) -> Result<Option<Value>> {
    let files = scene.matching(words.text(0)?)?;
    let texts: Vec<String> = files
        .iter()
        .map(|file| log_text(&scene.path(file)))
        .collect();
    let first: Vec<&str> = texts
        .iter()
        .map(|text| text.lines().next().unwrap_or_default())
        .collect();
    let filled: Vec<bool> = texts.iter().map(|text| !text.is_empty()).collect();
    Ok(Some(
        json!({"files": files, "sizes_over_0": filled, "first_line": first}),
    ))
}

/// Which tags each worker wrote: the first column of its file.
pub(crate) fn tags_per_worker(scene: &mut Scene<'_>, words: &Words<'_>) -> Result<Option<Value>> {
    let mut tags = Map::new();
    for file in scene.matching(words.text(0)?)? {
        let text = fs::read_to_string(scene.path(&file))?;
        let columns = text.lines().filter_map(|line| line.split('\t').next());
        let columns: BTreeSet<&str> = columns.collect();
        tags.insert(file, columns.into_iter().collect());
    }
    Ok(Some(Value::Object(tags)))
}

fn entries(path: &Path) -> Value {
    let text = log_text(path);
    let lines = text.lines();
    lines
        .filter(|line| !line.is_empty() && !line.starts_with([' ', '\t']))
        .collect()
}
