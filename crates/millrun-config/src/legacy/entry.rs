//! Lines that nobody wrote, each with the place of what it stands for.

use crate::{Element, Entry, Span, Value};

/// A line made of the one at a place.
pub(super) fn entry(name: &str, text: &str, at: Span) -> Entry {
    Entry {
        name: name.to_owned(),
        name_span: at,
        value: Value::text(text, at),
    }
}

/// A line under another name.
pub(super) fn named(name: &str, entry: &Entry) -> Entry {
    Entry {
        name: name.to_owned(),
        ..entry.clone()
    }
}

/// Where the plugin of a section is named.
pub(super) fn plugin_named_at(element: &Element) -> Span {
    match element.value("@type") {
        Some(value) => value.span,
        None => element.span_of("type"),
    }
}
