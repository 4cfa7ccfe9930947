//! `placeholder`: chunk keys in a path.

use millrun_buffer::Metadata;
use millrun_core::expand;
use millrun_pattern::{TimeFormat, Zone};
use serde_json::Value;

use super::Answer;
use crate::case::{Case, Unplayable};
use crate::notation;

pub(crate) fn placeholder(case: &Case) -> Result<Answer, Unplayable> {
    let zone = match zone(case) {
        Ok(zone) => zone,
        Err(error) => return Ok(Answer::Error(error)),
    };
    let strftime = |template: &str, slice: i64| match TimeFormat::compile(template) {
        Ok(format) => format.to_string(slice, 0, &zone),
        Err(_) => template.to_owned(),
    };
    let template = case.need_text("str")?;
    let expansion = expand(template, &metadata(case)?, None, strftime);
    Ok(Answer::of(expansion.map(|expansion| expansion.text)))
}

/// Local time was UTC when this was recorded.
fn zone(case: &Case) -> Result<Zone, String> {
    match case.at("/conf/timekey_zone").as_str() {
        Some(zone) => Zone::parse(zone).map_err(|error| error.to_string()),
        None => Ok(Zone::UTC),
    }
}

fn metadata(case: &Case) -> Result<Metadata, Unplayable> {
    let variables = match case.at("/metadata/variables") {
        Value::Object(members) => {
            let mut variables = Vec::new();
            for (key, member) in members {
                let mut value = Vec::new();
                notation::encode(member, &mut value)?;
                variables.push((key.as_str().into(), value.into()));
            }
            Some(variables)
        }
        _ => None,
    };
    Ok(Metadata {
        timekey: case.at("/metadata/timekey").as_i64(),
        tag: case.at("/metadata/tag").as_str().map(Into::into),
        variables,
        seq: 0,
    })
}
