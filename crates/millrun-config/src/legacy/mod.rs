//! Flat parameters of former times become the sections they stand for (fluentd.md section 3.10).
//!
//! ```text
//! <match app.**>             <match app.**>
//!   type file                  @type file
//!   buffer_path /b      →      <buffer time>
//!   flush_interval 5s            path /b
//!   format json                  flush_interval 5s
//! </match>                       flush_mode interval
//!                                timekey 86400
//!                              </buffer>
//!                              <format>
//!                                @type json
//!                              </format>
//!                            </match>
//! ```
//!
//! Which sections a plugin had is declared with its parameters (`legacy { … }`); plugins read only
//! the new form. A flat parameter may go into several sections (`timezone`), so all sections are
//! made before the parameters are taken away.

mod entry;
mod forest;
mod numbered;
mod section;
mod secure;
mod shown;
mod table;

use std::collections::BTreeSet;

use self::{forest::Cleared, section::Conversion, shown::shown};
use crate::{Diagnostic, Diagnostics, Element, Schema, SchemaOf, Span};

/// A section that old files write as flat parameters of its plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Legacy {
    /// `<buffer>`, from `buffer_type`, `flush_interval` …
    Buffer,
    /// The same for an output whose chunks were always slices of time.
    TimeSlicedBuffer,
    /// `<parse>`, from `format`, `time_format` …
    Parse,
    /// `<format>`, from `format`, `delimiter` …
    Format,
    /// `<inject>`, from `include_tag_key`, `time_key` …
    Inject,
    /// `<extract>`, from `tag_key`, `time_key` …
    Extract,
    /// `<regexp>` and `<exclude>` of the filter `grep`, from `regexp1` … `regexp20` and `exclude1` … `exclude20`.
    Conditions,
    /// `<rule>` of `rewrite_tag_filter`, from `rewriterule1` ….
    Rules,
}

/// Rewrites the plugins below `root` that are written in the old form, each with a warning that
/// shows the new one.
///
/// `schema_of` gives the declaration of a plugin's section; one without is left as it is.
pub fn modernise(root: &mut Element, schema_of: SchemaOf<'_>, diagnostics: &mut Diagnostics) {
    for element in root.elements_mut() {
        if let Some(cleared) = forest::clear(element, diagnostics) {
            *element = without_forest(cleared, schema_of, diagnostics);
        } else if let Some((rewritten, named_at)) = secure::rewrite(element) {
            *element = rewritten;
            parts(element, schema_of(element), diagnostics);
            let what =
                "'secure_forward' is an old way to write 'forward' with TLS and a shared key";
            diagnostics.push(old_way(what, named_at, element, schema_of));
        } else if let Some(schema) = schema_of(element) {
            modernise_plugin(element, schema, diagnostics);
        }
        modernise(element, schema_of, diagnostics);
    }
}

/// The section that takes the place of one with the plugin `forest`, with the warning that shows it.
fn without_forest(
    cleared: Cleared,
    schema_of: SchemaOf<'_>,
    diagnostics: &mut Diagnostics,
) -> Element {
    let Cleared {
        mut element,
        named_at,
        uses_tag,
    } = cleared;
    let schema = schema_of(&element);
    parts(&mut element, schema, diagnostics);
    if uses_tag && !forest::key_by_tag(&mut element, schema) {
        let kind = element.plugin_type().unwrap_or_default();
        let message = format!("an output '{kind}' has no chunks, and so no placeholders for tags");
        let error = Diagnostic::error(message).at(named_at, "");
        diagnostics.push(error.hint("write a <match> of its own for each tag"));
        return element;
    }
    let what = "'forest' is an old way to write what placeholders say";
    diagnostics.push(old_way(what, named_at, &element, schema_of));
    element
}

/// Gives the rewritten section of a plugin its parts. The whole new form is shown, so that of the parts only what is
/// wrong is told.
fn parts(element: &mut Element, schema: Option<&'static Schema>, diagnostics: &mut Diagnostics) {
    let Some(schema) = schema else {
        return;
    };
    let mut parts = Diagnostics::new(diagnostics.strictness());
    modernise_plugin(element, schema, &mut parts);
    for error in parts.errors() {
        diagnostics.push(error.clone());
    }
}

/// The warning that shows the new form of a whole section.
fn old_way(what: &str, named_at: Span, element: &Element, schema_of: SchemaOf<'_>) -> Diagnostic {
    let warning = Diagnostic::warning(what).at(named_at, "");
    warning.hint(format!("write\n{}", shown(element, schema_of)))
}

fn modernise_plugin(element: &mut Element, schema: &'static Schema, diagnostics: &mut Diagnostics) {
    let mut used = BTreeSet::new();
    let mut sections = Vec::new();
    for legacy in schema.legacy {
        match legacy {
            Legacy::Conditions => {
                numbered::conditions(element, diagnostics);
                continue;
            }
            Legacy::Rules => {
                numbered::rules(element, diagnostics);
                continue;
            }
            _ => {}
        }
        let conversion = Conversion::new(element, *legacy);
        if conversion.is_written_new() {
            conversion.note_flush_interval(&mut used, diagnostics);
            continue;
        }
        if let Some(section) = conversion.section(&mut used, diagnostics) {
            sections.push(section);
        }
    }
    if used.contains(section::FLUSH_INTERVAL) {
        let buffers = element.elements_mut().iter_mut().chain(&mut sections);
        for buffer in buffers.filter(|inner| inner.name() == "buffer") {
            section::flush_by_interval(buffer);
        }
    }
    for name in used {
        if schema.parameter(name).is_none() {
            element.remove(name);
        }
    }
    for section in sections {
        element.push(section);
    }
}
