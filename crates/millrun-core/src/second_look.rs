//! All faults of a plugin in one run, although its factory gives up at the first it cannot go on with.
//!
//! ```text
//! <source>                      first look      keep_time_key is no bool: nothing is made
//!   @type tail                  mended copy     without keep_time_key
//!   <parse>                     second look     the expression is none: nothing is made
//!     @type regexp              mended copy     with another expression
//!     keep_time_key maybe       third look      types names no type
//!     expression /(?<a>[/       …
//!     types a:nothing
//! ```
//!
//! Where a factory made nothing, what its errors point at is mended in a copy of the section: taken out, or replaced by a
//! harmless value where the plugin cannot do without. Then the factory is asked again, for what it says this time. What
//! it says of the mended lines is not told. No plugin has to know of it, and nothing is asked twice where nothing is
//! wrong.

use millrun_config::{
    Content, DefaultValue, Diagnostic, Diagnostics, Element, Entry, Kind, Schema, Severity, Span,
    Value, meant_bool,
};

use crate::assembly::Assembly;
use crate::buffer_section::BufferParameters;
use crate::registry::Registry;

/// How often one plugin is looked at again.
const LOOKS_MAX: usize = 16;

/// How often all plugins of a configuration together are looked at again.
pub(crate) const ALL_LOOKS_MAX: usize = 1000;

impl Assembly<'_> {
    /// Makes a plugin of its section. Where that fails, everything that is wrong with the section is told.
    pub(crate) fn made<T>(
        &mut self,
        element: &Element,
        make: impl Fn(&Element, &mut Self) -> Option<T>,
    ) -> Option<T> {
        let known = self.diagnostics.iter().count();
        let made = make(element, self);
        if made.is_some() {
            return made;
        }
        let mut faults = places(self.diagnostics.iter().skip(known));
        let mut copy = element.clone();
        let mut mended = Mended::default();
        for _ in 0..LOOKS_MAX {
            let registry = self.registry;
            let is_mended = mended.mend(&mut copy, registry.schema_of(element), &faults, registry);
            let Some(left) = self.looks_left.checked_sub(1).filter(|_| is_mended) else {
                break;
            };
            self.looks_left = left;
            let strictness = self.diagnostics.strictness();
            let told = std::mem::replace(self.diagnostics, Diagnostics::new(strictness));
            self.looks_again += 1;
            let made = make(&copy, self);
            self.looks_again -= 1;
            let said = std::mem::replace(self.diagnostics, told);
            faults = places(said.iter());
            for finding in said.iter().filter(|finding| mended.leaves(finding)) {
                self.diagnostics.push(finding.clone());
            }
            if made.is_some() {
                break;
            }
        }
        // Outputs read it last, and may have given up for good before.
        for buffer in element.elements_named("buffer") {
            BufferParameters::read(buffer, self.diagnostics);
        }
        None
    }
}

/// The places that errors point at.
fn places<'a>(findings: impl Iterator<Item = &'a Diagnostic>) -> Vec<Span> {
    findings
        .filter(|finding| finding.severity == Severity::Error)
        .filter_map(|finding| finding.primary.as_ref())
        .map(|label| label.span)
        .collect()
}

/// What of a section is no longer as it was written.
#[derive(Default)]
struct Mended {
    /// Lines that are gone or others.
    places: Vec<Span>,
    /// Their names, each with the tags of the sections it is in.
    names: Vec<(String, Vec<Span>)>,
    /// The tags of the sections around what is being mended.
    tags: Vec<Span>,
}

impl Mended {
    /// Mends what is at fault in a section; false if nothing was to be mended.
    fn mend(
        &mut self,
        element: &mut Element,
        schema: Option<&'static Schema>,
        faults: &[Span],
        registry: &Registry,
    ) -> bool {
        let is_plugin = self.tags.is_empty();
        let is_faulty = |entry: &&Entry| {
            // What is said at the plugin's name is about the plugin, not the name.
            if is_plugin && matches!(entry.name.as_str(), "@type" | "type") {
                return false;
            }
            let places = [entry.name_span, entry.value.span];
            let is_at_fault = faults
                .iter()
                .any(|fault| places.iter().any(|place| is_within(*fault, *place)));
            is_at_fault || entry.value.content == Content::Broken
        };
        self.tags.push(element.span());
        let faulty: Vec<Entry> = element
            .parameters()
            .iter()
            .filter(is_faulty)
            .cloned()
            .collect();
        let mut is_mended = !faulty.is_empty();
        for entry in faulty {
            self.places.extend([entry.name_span, entry.value.span]);
            let harmless = harmless(element.name(), schema, &entry);
            element.remove(&entry.name);
            if let Some(text) = harmless {
                element.insert(Entry {
                    value: Value::text(text, entry.value.span),
                    ..entry.clone()
                });
            }
            self.names.push((entry.name, self.tags.clone()));
        }
        if faults.contains(&element.span()) {
            for missing in missing(element, schema, &self.removed(element.span())) {
                is_mended = true;
                self.places.push(element.span());
                self.names.push((missing.name.clone(), self.tags.clone()));
                element.insert(missing);
            }
        }
        for inner in element.elements_mut() {
            // Outputs within outputs were looked at by themselves.
            if inner.name() == "store" {
                continue;
            }
            let section = schema.and_then(|schema| schema.section(inner.name()));
            let declared = section.and_then(|section| section.schema);
            let schema = declared.or_else(|| registry.schema_of(inner));
            is_mended |= self.mend(inner, schema, faults, registry);
        }
        self.tags.pop();
        is_mended
    }

    /// What was taken out of the section with this tag.
    fn removed(&self, tag: Span) -> Vec<String> {
        let names = self.names.iter();
        let names = names.filter(|(_, tags)| tags.last() == Some(&tag));
        names.map(|(name, _)| name.clone()).collect()
    }

    /// Whether a finding is about something that is as it was written.
    fn leaves(&self, finding: &Diagnostic) -> bool {
        let Some(label) = &finding.primary else {
            return true;
        };
        let is_mended = self
            .places
            .iter()
            .any(|place| is_within(label.span, *place));
        // What a section lacks is said at its tag.
        let is_missed = self
            .names
            .iter()
            .any(|(name, tags)| tags.contains(&label.span) && names(&finding.message, name));
        !is_mended && !is_missed
    }
}

fn is_within(inner: Span, outer: Span) -> bool {
    inner.file == outer.file && inner.start >= outer.start && inner.end <= outer.end
}

/// Whether a text has a name in it, not merely letters of another word.
fn names(text: &str, name: &str) -> bool {
    let is_part = |letter: char| letter.is_alphanumeric() || letter == '_';
    text.match_indices(name).any(|(start, _)| {
        let before = text.get(..start).and_then(|text| text.chars().next_back());
        let after = text
            .get(start + name.len()..)
            .and_then(|text| text.chars().next());
        !before.is_some_and(is_part) && !after.is_some_and(is_part)
    })
}

/// What takes the place of a faulty value; `None` where its absence is harmless.
fn harmless(section: &str, schema: Option<&'static Schema>, entry: &Entry) -> Option<String> {
    match (section, entry.name.as_str()) {
        ("parse", "@type" | "type") | ("pattern", "@type" | "format") => {
            return Some("none".to_owned());
        }
        _ => {}
    }
    let parameter = schema?.parameter(&entry.name)?;
    if parameter.obsolete.is_some() {
        return None;
    }
    match (parameter.kind, parameter.default) {
        (Kind::Bool, _) => meant_bool(entry.value.as_text()?).map(str::to_owned),
        (kind, DefaultValue::Required) => Some(sample(kind)),
        (_, DefaultValue::Nil | DefaultValue::Text(_)) => None,
    }
}

/// Harmless values of the parameters that a section lacks: those it must have, and those that were taken out although
/// it cannot do without.
fn missing(element: &Element, schema: Option<&'static Schema>, removed: &[String]) -> Vec<Entry> {
    let span = element.span();
    let known = schema.into_iter().flat_map(Schema::all_parameters);
    known
        .filter(|known| {
            let is_removed = removed.iter().any(|name| name == known.name);
            known.default == DefaultValue::Required || is_removed
        })
        .filter(|known| {
            let names = [Some(known.name), known.alias];
            names
                .into_iter()
                .flatten()
                .all(|name| element.entry(name).is_none())
        })
        .map(|known| Entry {
            name: known.name.to_owned(),
            name_span: span,
            value: Value::text(sample(known.kind), span),
        })
        .collect()
}

/// A value of a kind that nobody minds.
fn sample(kind: Kind) -> String {
    match kind {
        Kind::Enum(words) => words.first().copied().unwrap_or_default(),
        Kind::Integer | Kind::Float | Kind::Size | Kind::Time => "1",
        Kind::Bool => "true",
        Kind::Regexp => "/(?<x>x)/",
        Kind::Mode => "644",
        Kind::Path => "/nowhere/x",
        Kind::Hash(_) | Kind::Json => "{}",
        _ => "x",
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use super::names;

    #[test]
    fn a_name_is_a_whole_word() {
        assert!(names("'key' parameter is required", "key"));
        assert!(!names("timekey is not configured", "key"));
        assert!(!names("chunk_keys: x", "key"));
        assert!(names("timekey", "timekey"));
    }
}
