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
//! In this order: the record as it is, without fields (`renew_record`) or with some (`keep_keys`); the fields of
//! `<record>`, whose placeholders see the record as it came; the event's time from `renew_time_key`; `remove_keys`.
//!
//! An entry is walked once; what stays is copied in runs. Fields that are the same for all events of a batch are
//! written once for the batch.

mod edit;

use std::sync::{Arc, Mutex, PoisonError};

use millrun_config::{Diagnostic, Element, parameters};
use millrun_core::{Assembly, Batch, Fate, Filter, LossReason, PluginId, Report};
use millrun_event::{Cursor, Entry, EventBuffer};
use millrun_pattern::Accessor;

use self::edit::{Edit, Field, Unusable, Workspace};
use super::template::Template;

parameters! {
    /// Adds, replaces and removes fields.
    pub struct RecordTransformerParameters in "filter", type "record_transformer" {
        /// Fields to take out: names, or paths like `$.a.b`.
        remove_keys: Vec<String> = "";
        /// Fields to keep; all others go.
        keep_keys: Option<Vec<String>>;
        /// Begin with an empty record.
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
    if parameters.enable_ruby {
        let fault = Diagnostic::error("enable_ruby is not supported yet");
        let place = fault.at(
            element.span_of("enable_ruby"),
            "asks for expressions of Ruby",
        );
        let hint = "without it ${record[\"a\"][\"b\"]}, ${tag_parts[0]}, ${time} and ${hostname} have values";
        assembly.diagnostics.push(place.hint(hint));
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
    for section in &parameters.record {
        for entry in section.parameters() {
            let mut unknown = Vec::new();
            let text = entry.value.as_text().unwrap_or_default();
            let field = Field {
                key: Template::text(&entry.name, &mut unknown),
                value: Template::compile(text, parameters.auto_typecast, &mut unknown),
            };
            fields.push(field);
            for name in unknown {
                let fault = Diagnostic::warning(format!("unknown placeholder `{name}` found"));
                let place = fault.at(entry.value.span, "it has no value");
                assembly.diagnostics.push(place);
            }
        }
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
        workspaces: Mutex::default(),
    }))
}

struct RecordTransformer {
    id: Arc<str>,
    edit: Edit,
    /// One for each thread that is at work here.
    workspaces: Mutex<Vec<Workspace>>,
}

impl Filter for RecordTransformer {
    fn filter(&self, batch: Batch<'_>, out: &mut EventBuffer, report: &mut Report<'_>) {
        let lock = || {
            self.workspaces
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
        };
        let mut workspace = lock().pop().unwrap_or_default();
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
                Err(Unusable::Time(found)) => {
                    if let Ok(entry) = Entry::read(&mut Cursor::at(stream, start)) {
                        let error =
                            format!("renew_time_key: expected a number or text, found {found}");
                        report.error_event(&self.id, batch.tag, &entry, Fate::Dropped, error);
                    }
                }
            }
            seen += 1;
        }
        lock().push(workspace);
    }
}
