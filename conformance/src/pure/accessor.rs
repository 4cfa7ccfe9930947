//! `accessor`, `accessor_path`, `accessor_delete`: what a record accessor finds and removes.

use millrun_core::lookup;
use millrun_pattern::{Accessor, Segment};
use serde_json::{Value, json};

use super::{Answer, filter};
use crate::case::{Case, Unplayable};
use crate::notation;

pub(crate) fn accessor(case: &Case) -> Result<Answer, Unplayable> {
    let mut record = Vec::new();
    notation::encode(case.get("record"), &mut record)?;
    let found = Accessor::parse(case.need_text("path")?).map(|accessor| {
        let value = lookup(&record, accessor.segments());
        value.map_or(Value::Null, |value| {
            notation::decode(value.bytes()).unwrap_or_default()
        })
    });
    Ok(Answer::of(found))
}

pub(crate) fn accessor_path(case: &Case) -> Result<Answer, Unplayable> {
    let path = case.need_text("path")?;
    Ok(Answer::of(Accessor::parse(path).map(|accessor| {
        let segments = accessor.segments().iter().map(|segment| match segment {
            Segment::Key(key) => json!(key),
            Segment::Index(index) => json!(index),
        });
        let segments: Vec<Value> = segments.collect();
        // A plain key is recorded as itself, a path as its segments.
        match segments.as_slice() {
            [key] if !path.starts_with("$.") && !path.starts_with("$[") => key.clone(),
            _ => segments.into(),
        }
    })))
}

/// Deletion is what the filter's `remove_keys` does.
pub(crate) fn accessor_delete(case: &Case) -> Result<Answer, Unplayable> {
    let keys = json!([case.need_text("path")?]).to_string();
    let conf = json!({"name": "filter", "arg": "**", "attrs": [["remove_keys", keys]]});
    let filtered = filter::run(
        "record_transformer",
        &conf,
        "t",
        std::slice::from_ref(case.get("record")),
    )?;
    Ok(Answer::of(filtered.map(|events| {
        events.at_record(0).cloned().unwrap_or_default()
    })))
}
