//! The `record_modifier` filter: sets fields to values and expressions, one after the other, and takes others out.
//!
//! ```text
//! <filter app.**>
//!   @type record_modifier
//!   remove_keys password,_moved
//!   <record>
//!     host ${hostname}
//!     user ${record["request"]["user"]}
//!     _moved ${record["user"] = record.delete("user").upcase; nil}
//!   </record>
//!   <replace>
//!     key message
//!     expression /\d{16}/
//!     replace ****
//!   </replace>
//! </filter>
//! ```
//! Every `${…}` is an expression of Ruby that sees, and may change, the record as the fields before it left it. A value
//! that is one expression and nothing else keeps its type. In this order: `<record>`, `remove_keys` or
//! `whitelist_keys`, `char_encoding`, `<replace>`. An event whose expression raises goes to `@ERROR` and no further.

mod encoding;
mod replacement;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, PoisonError};

use millrun_config::{Content, Diagnostic, Diagnostics, Element, Entry as Parameter, parameters};
use millrun_core::{Assembly, Batch, Fate, Filter, LossReason, PluginId, Report};
use millrun_event::{Entries, EventBuffer, EventTime, Record, write};
use millrun_pattern::{Accessor, Segment};
use millrun_ruby::{Evaluator, Place, Program, RubyError, SystemWorld};

use self::encoding::{Encoding, encoding};
use self::replacement::{ReplaceParameters, replacing};
use super::{delete::delete, expression};

parameters! {
    /// Sets fields to values and expressions, and takes others out.
    pub struct RecordModifierParameters in "filter", type "record_modifier" {
        /// Fields to take out: names, or paths like `$.a.b`.
        remove_keys: Vec<String> = "";
        /// Fields to keep; all others go. Without effect beside remove_keys.
        whitelist_keys: Option<Vec<String>>;
        /// How texts are encoded, or `from:to`: `utf-8`, `euc-jp:utf-8`. Texts of events are UTF-8 in any case; what is
        /// wrong becomes U+FFFD, or a question mark as all that the second one lacks.
        char_encoding: Option<String>;
        /// Not supported: code that runs once. `#{…}` in a value is evaluated at the start.
        prepare_value: Option<String>;
    }
    sections {
        /// Names and values of fields.
        record: Vec<Element>;
        /// A text that is put in another's place.
        replace: Vec<ReplaceParameters>;
    }
}

pub(super) fn build(
    element: &Element,
    id: &PluginId,
    assembly: &mut Assembly<'_>,
) -> Option<Arc<dyn Filter>> {
    let parameters = RecordModifierParameters::read(element, assembly.diagnostics)?;
    if let Some(entry) = element.entry("prepare_value") {
        let fault = Diagnostic::error("prepare_value needs a whole Ruby and is not supported");
        let place = fault.at(entry.value.span, "code that runs once, at the start");
        let hint =
            "write the value where it is used; #{…} in a value is evaluated once, at the start";
        assembly.diagnostics.push(place.hint(hint));
        return None;
    }
    let encoding = match &parameters.char_encoding {
        Some(text) => encoding(text, element, assembly.diagnostics)?,
        None => None,
    };
    let mut fields = Vec::new();
    let mut is_sound = true;
    for entry in parameters.record.iter().flat_map(Element::parameters) {
        match field(entry, assembly.diagnostics) {
            Some(field) => fields.push(field),
            None => is_sound = false,
        }
    }
    let mut replaced = Vec::new();
    for (section, replace) in element.elements_named("replace").zip(&parameters.replace) {
        match replacing(replace) {
            Ok(program) => replaced.push((replace.key.clone().into_bytes(), program)),
            Err(error) => {
                let fault = Diagnostic::error(format!("expression: {}", error.message));
                let place = section.span_of("expression");
                assembly.diagnostics.push(fault.at(place, "this pattern"));
                is_sound = false;
            }
        }
    }
    let (mut removed, mut removed_paths) = (Vec::new(), Vec::new());
    for key in &parameters.remove_keys {
        match Accessor::parse(key) {
            Ok(accessor) => match accessor.segments() {
                [Segment::Key(name)] => removed.push(name.as_bytes().to_vec()),
                path => removed_paths.push(path.to_vec()),
            },
            Err(error) => {
                let place = element.span_of("remove_keys");
                let fault = Diagnostic::error(error.to_string());
                assembly.diagnostics.push(fault.at(place, "these keys"));
                is_sound = false;
            }
        }
    }
    let bytes = |keys: Vec<String>| keys.into_iter().map(String::into_bytes).collect::<Vec<_>>();
    is_sound.then(|| {
        Arc::new(RecordModifier {
            id: id.text.clone(),
            fields,
            kept: parameters
                .whitelist_keys
                .filter(|_| parameters.remove_keys.is_empty())
                .map(bytes),
            removed,
            removed_paths,
            encoding,
            replaced,
            worker: assembly.system.worker,
            workspaces: Mutex::default(),
        }) as Arc<dyn Filter>
    })
}

fn field(entry: &Parameter, diagnostics: &mut Diagnostics) -> Option<(Vec<u8>, Program)> {
    // What is broken was reported where it was read.
    if entry.value.content == Content::Broken {
        return None;
    }
    let text = entry.value.as_text().unwrap_or_default();
    match Program::template(text, true, Place::Record) {
        Ok(program) => {
            expression::warn_of_names(&program, text, entry.value.span, diagnostics);
            Some((entry.name.clone().into_bytes(), program))
        }
        Err(error) => {
            expression::report(&error, text, entry.value.span, diagnostics);
            None
        }
    }
}

struct RecordModifier {
    id: Arc<str>,
    fields: Vec<(Vec<u8>, Program)>,
    removed: Vec<Vec<u8>>,
    /// What lies deeper, or in arrays.
    removed_paths: Vec<Vec<Segment>>,
    kept: Option<Vec<Vec<u8>>>,
    encoding: Option<Encoding>,
    /// Fields and what their texts become.
    replaced: Vec<(Vec<u8>, Program)>,
    worker: u32,
    /// One for each thread that is at work here.
    workspaces: Mutex<Vec<Workspace>>,
}

struct Workspace {
    evaluator: Evaluator<SystemWorld>,
    record: Vec<u8>,
    next: Vec<u8>,
    encoding: Option<Encoding>,
    text: String,
}

impl Filter for RecordModifier {
    fn filter(&self, batch: Batch<'_>, out: &mut EventBuffer, report: &mut Report<'_>) {
        let lock = || {
            self.workspaces
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
        };
        let known = lock().pop();
        let mut workspace = known.unwrap_or_else(|| Workspace {
            evaluator: expression::evaluator(self.worker),
            record: Vec::new(),
            next: Vec::new(),
            encoding: self.encoding.clone(),
            text: String::new(),
        });
        for (seen, entry) in (0..).zip(Entries::new(batch.events.bytes)) {
            let Ok(entry) = entry else {
                let left = batch.events.count.saturating_sub(seen);
                report.lose(&self.id, LossReason::Invalid, u64::from(left));
                break;
            };
            let time = entry.time.to_event_time().filter(|_| !entry.has_metadata);
            let (Some(time), true) = (time, entry.record_is_map()) else {
                out.extend(entry.bytes, 1);
                continue;
            };
            match self.modify(entry.record(), batch.tag, time, &mut workspace) {
                Ok(()) => out.push(time, |out| out.extend_from_slice(&workspace.record)),
                Err(error) => {
                    report.error_event(&self.id, batch.tag, &entry, Fate::Dropped, error);
                }
            }
        }
        lock().push(workspace);
    }
}

impl RecordModifier {
    /// Leaves the changed record in the workspace.
    fn modify(
        &self,
        record: Record<'_>,
        tag: &str,
        time: EventTime,
        workspace: &mut Workspace,
    ) -> Result<(), RubyError> {
        let Workspace {
            evaluator,
            record: changed,
            next,
            encoding,
            text,
        } = workspace;
        changed.clear();
        let mut event = evaluator.event(record, tag, time);
        for (key, program) in &self.fields {
            event.assign(key, program)?;
        }
        event.record(changed)?;
        for path in &self.removed_paths {
            delete(changed, 0, path);
        }
        if !self.removed.is_empty() || self.kept.is_some() {
            next.clear();
            self.write_kept(Record::new(changed), next);
            std::mem::swap(changed, next);
        }
        if let Some(encoding) = encoding {
            next.clear();
            encoding.convert(changed, text, next);
            std::mem::swap(changed, next);
        }
        for (key, program) in &self.replaced {
            // Only texts have something to replace.
            if Record::new(changed)
                .field(key)
                .and_then(|value| value.text())
                .is_none()
            {
                continue;
            }
            next.clear();
            let mut event = evaluator.event(Record::new(changed), tag, time);
            event.assign(key, program)?;
            event.record(next)?;
            std::mem::swap(changed, next);
        }
        Ok(())
    }

    /// The record without what is taken out, in the encoding that is asked for.
    fn write_kept(&self, record: Record<'_>, out: &mut Vec<u8>) {
        let Ok(fields) = record.fields() else {
            return out.extend_from_slice(record.bytes());
        };
        let stays = |key: &[u8]| match &self.kept {
            Some(kept) => kept.iter().any(|name| name == key),
            None => !self.removed.iter().any(|name| name == key),
        };
        let stays = |key: Option<&[u8]>| key.is_none_or(stays);
        let count = fields
            .clone()
            .flatten()
            .filter(|(key, _)| stays(key.text()));
        write::map(out, u32::try_from(count.count()).unwrap_or(u32::MAX));
        for (key, value) in fields.flatten().filter(|(key, _)| stays(key.text())) {
            out.extend_from_slice(key.bytes());
            out.extend_from_slice(value.bytes());
        }
    }
}
