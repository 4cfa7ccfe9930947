//! A section as a warning may show it: what is nobody's business is masked.

use super::entry::entry;
use crate::{Element, MASK, Schema, SchemaOf, dump::print_section};

/// What the names of secrets have in them, where no declaration says what is one.
const SECRET_WORDS: [&str; 8] = [
    "password",
    "passphrase",
    "passwd",
    "secret",
    "shared_key",
    "sec_key",
    "api_key",
    "token",
];

/// The text of a section.
pub(super) fn shown(section: &Element, schema_of: SchemaOf<'_>) -> String {
    let masked = masked(section, schema_of(section), schema_of);
    print_section(&masked).trim_end().to_owned()
}

fn masked(section: &Element, schema: Option<&'static Schema>, schema_of: SchemaOf<'_>) -> Element {
    let mut masked = Element::new(section.name(), section.argument(), section.span());
    for parameter in section.parameters() {
        let name = parameter.name.as_str();
        masked.insert(match is_secret(name, schema) {
            true => entry(name, MASK, parameter.value.span),
            false => parameter.clone(),
        });
    }
    for inner in section.elements() {
        let declared = schema.and_then(|schema| schema.section(inner.name()));
        let schema = declared.and_then(|declared| declared.schema);
        let schema = schema.or_else(|| schema_of(inner));
        masked.push(self::masked(inner, schema, schema_of));
    }
    masked
}

fn is_secret(name: &str, schema: Option<&'static Schema>) -> bool {
    match schema.and_then(|schema| schema.parameter(name)) {
        Some(parameter) => parameter.is_secret,
        None => SECRET_WORDS.iter().any(|word| name.contains(word)),
    }
}
