//! Placeholders in the parameters of outputs that no chunk key answers.

use millrun_config::{Diagnostic, Diagnostics, Element, Entry, Kind, Schema};

use crate::registry::Registry;

/// Looks at all outputs below an element.
pub(super) fn lint(root: &Element, registry: &Registry, diagnostics: &mut Diagnostics) {
    for element in root.elements() {
        let schema = match element.name() {
            "match" | "store" => registry.schema_of(element),
            _ => None,
        };
        if let Some(schema) = schema.filter(|schema| schema.section("buffer").is_some()) {
            output(element, schema, diagnostics);
        }
        lint(element, registry, diagnostics);
    }
}

fn output(element: &Element, schema: &'static Schema, diagnostics: &mut Diagnostics) {
    let buffer = element.elements_named("buffer").next();
    let argument = buffer.map_or("", Element::argument);
    let keys: Vec<&str> = argument
        .split([',', '[', ']', '"', ' '])
        .filter(|key| !key.is_empty())
        .collect();
    for entry in element.parameters() {
        let parameter = schema.parameter(&entry.name);
        let has_text =
            parameter.is_some_and(|known| matches!(known.kind, Kind::String | Kind::Path));
        if has_text {
            placeholders(entry, &keys, diagnostics);
        }
    }
}

fn placeholders(entry: &Entry, keys: &[&str], diagnostics: &mut Diagnostics) {
    let text = entry.value.as_text().filter(|text| text.contains("${"));
    let Some(text) = text else { return };
    // The output itself knows more; what it said is enough.
    let is_reported = diagnostics.iter().any(|finding| {
        let primary = finding.primary.as_ref();
        primary.is_some_and(|label| label.span == entry.value.span)
    });
    if is_reported {
        return;
    }
    for name in names(text) {
        let key = name.split('[').next().unwrap_or(name);
        let is_answered = name == "chunk_id" || keys.contains(&name) || keys.contains(&key);
        if is_answered {
            continue;
        }
        let message = match key {
            "tag" => format!(
                "Parameter '{}' has tag placeholders, but chunk key 'tag' is not configured",
                entry.name
            ),
            _ => format!(
                "Parameter '{}' has placeholders, but chunk keys doesn't have keys {name}",
                entry.name
            ),
        };
        let warning = Diagnostic::warning(message).at(entry.value.span, "");
        let hint = format!("write '{key}' among the chunk keys: <buffer {key}>");
        diagnostics.push(warning.hint(hint));
    }
}

/// The names between `${` and `}`.
fn names(text: &str) -> impl Iterator<Item = &str> {
    let parts = text.split("${").skip(1);
    parts.filter_map(|part| part.split_once('}').map(|(name, _)| name))
}
