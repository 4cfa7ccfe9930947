//! The `record_transformer` filter: adds, replaces and removes fields.
//!
//! ```text
//! <filter app.**>
//!   @type record_transformer
//!   remove_keys password,$.request.cookie
//!   <record>
//!     host ${hostname}
//!     service ${tag_parts[1]}
//!     user ${record["request"]["user"]}
//!   </record>
//! </filter>
//! ```
//! In this order: the record as it is, or with `renew_record` no field of it but those of `keep_keys`; the fields of
//! `<record>`, whose placeholders see the record as it came; the event's time from `renew_time_key`; `remove_keys`.
//!
//! With `enable_ruby` placeholders are expressions, one after the other: `record.delete("a")` is seen by those behind
//! it and not by the new record, which was copied before; what is done within a value (`record["a"].delete("b")`) is seen
//! by both. An event whose expression raises goes to `@ERROR` and no further.
//!
//! An entry is walked once; what stays is copied in runs. Fields that are the same for all events of a batch are
//! written once for the batch.

mod edit;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, PoisonError};

use millrun_config::{Content, Diagnostic, Diagnostics, Element, parameters};
use millrun_core::{Assembly, Batch, Fate, Filter, LossReason, PluginId, Report};
use millrun_event::{Cursor, Entry, EventBuffer};
use millrun_pattern::Accessor;

use self::edit::{Edit, Field, Unusable, Workspace};
use super::expression;
use super::template::{Dialect, Template};

parameters! {
    /// Adds, replaces and removes fields.
    pub struct RecordTransformerParameters in "filter", type "record_transformer" {
        /// Fields to take out: names, or paths like `$.a.b`.
        remove_keys: Vec<String> = "";
        /// Fields to keep where all others go; needs `renew_record`.
        keep_keys: Option<Vec<String>>;
        /// Begins with an empty record.
        renew_record: bool = "false";
        /// The field that tells the event's time, in seconds since 1970.
        renew_time_key: Option<String>;
        /// Placeholders are expressions of Ruby.
        enable_ruby: bool = "false";
        /// A value that is one placeholder keeps its type.
        auto_typecast: bool = "true";
    }
    sections {
        /// Names and values of fields.
        record: Vec<Element>;
    }
}

pub(super) fn build(
    element: &Element,
    id: &PluginId,
    assembly: &mut Assembly<'_>,
) -> Option<Arc<dyn Filter>> {
    let parameters = RecordTransformerParameters::read(element, assembly.diagnostics)?;
    if parameters.keep_keys.is_some() && !parameters.renew_record {
        let fault = Diagnostic::error("`renew_record` must be true to use `keep_keys`");
        let place = fault.at(element.span_of("keep_keys"), "names fields to keep");
        assembly
            .diagnostics
            .push(place.hint("add `renew_record true`, or name the other fields in remove_keys"));
        return None;
    }
    let mut removed = Vec::new();
    for key in &parameters.remove_keys {
        match Accessor::parse(key) {
            Ok(accessor) => removed.push(accessor.segments().to_vec()),
            Err(error) => {
                let fault = Diagnostic::error(error.to_string());
                let place = fault.at(element.span_of("remove_keys"), "in this list");
                assembly.diagnostics.push(place);
                return None;
            }
        }
    }
    let mut fields = Vec::new();
    let mut is_sound = true;
    for section in &parameters.record {
        for entry in section.parameters() {
            match field(entry, &parameters, assembly.diagnostics) {
                Some(field) => fields.push(field),
                None => is_sound = false,
            }
        }
    }
    if !is_sound {
        return None;
    }
    Some(Arc::new(RecordTransformer {
        id: id.text.clone(),
        edit: Edit::new(
            fields,
            removed,
            parameters.keep_keys,
            parameters.renew_record,
            parameters.renew_time_key,
        ),
        enable_ruby: parameters.enable_ruby,
        worker: assembly.system.worker,
        workspaces: Mutex::default(),
    }))
}

/// A field of `<record>`; what is wrong with it is reported.
fn field(
    entry: &millrun_config::Entry,
    parameters: &RecordTransformerParameters,
    diagnostics: &mut Diagnostics,
) -> Option<Field> {
    // What is broken was reported where it was read.
    if entry.value.content == Content::Broken {
        return None;
    }
    let text = entry.value.as_text().unwrap_or_default();
    let mut unknown = Vec::new();
    let mut dialect = match parameters.enable_ruby {
        true => Dialect::Ruby,
        false => Dialect::Names(&mut unknown),
    };
    let key = Template::text(&entry.name, &mut dialect);
    let value = Template::compile(text, parameters.auto_typecast, &mut dialect);
    let (key, value) = match (key, value) {
        (Ok(key), Ok(value)) => (key, value),
        (Err(error), _) => {
            expression::report(&error, &entry.name, entry.name_span, diagnostics);
            return None;
        }
        (_, Err(error)) => {
            expression::report(&error, text, entry.value.span, diagnostics);
            return None;
        }
    };
    for (template, text, span) in [
        (&key, entry.name.as_str(), entry.name_span),
        (&value, text, entry.value.span),
    ] {
        let mut programs = Vec::new();
        template.programs(&mut programs);
        for program in programs {
            expression::warn_of_names(program, text, span, diagnostics);
        }
    }
    for name in unknown {
        let fault = Diagnostic::warning(format!("unknown placeholder `{name}` found"));
        let place = fault.at(entry.value.span, "it has no value");
        diagnostics.push(place.hint("with `enable_ruby true` it is an expression of Ruby"));
    }
    Some(Field { key, value })
}

struct RecordTransformer {
    id: Arc<str>,
    edit: Edit,
    enable_ruby: bool,
    worker: u32,
    /// One for each thread that is at work here.
    workspaces: Mutex<Vec<Workspace>>,
}

impl Filter for RecordTransformer {
    fn is_costly(&self) -> bool {
        self.enable_ruby
    }

    fn filter(&self, batch: Batch<'_>, out: &mut EventBuffer, report: &mut Report<'_>) {
        let lock = || {
            self.workspaces
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
        };
        let known = lock().pop();
        let mut workspace = known.unwrap_or_else(|| {
            let evaluator = self.enable_ruby.then(|| expression::evaluator(self.worker));
            Workspace::new(evaluator)
        });
        self.edit.begin(batch.tag, &mut workspace);
        let stream = batch.events.bytes;
        let mut cursor = Cursor::new(stream);
        let mut seen = 0;
        while !cursor.is_at_end() {
            let start = cursor.position();
            let rewritten = self.edit.rewrite(stream, &mut cursor, &mut workspace, out);
            match rewritten {
                Ok(()) => {}
                Err(Unusable::Malformed) => {
                    let left = batch.events.count.saturating_sub(seen);
                    report.lose(&self.id, LossReason::Invalid, u64::from(left));
                    break;
                }
                Err(error) => {
                    if let Ok(entry) = Entry::read(&mut Cursor::at(stream, start)) {
                        report.error_event(&self.id, batch.tag, &entry, Fate::Dropped, error);
                    }
                }
            }
            seen += 1;
        }
        lock().push(workspace);
    }
}
