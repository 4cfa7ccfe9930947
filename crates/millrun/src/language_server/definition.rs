//! Where what is under the cursor is written: the `<label>` of an `@label`, the files of an
//! `@include`.

use millrun_config::{Element, Span};
use serde_json::Value;

use super::cursor::Cursor;
use super::hover::is_under;
use super::place;
use super::workspace::Analysis;

/// The places that are meant; empty where nothing leads anywhere.
pub(super) fn places(cursor: &Cursor<'_>, analysis: &Analysis) -> Vec<Value> {
    let files = analysis.sources.files_with_ids().filter(|(_, source)| {
        let mut operands = source.included_at().iter();
        operands.any(|operand| is_under(cursor, *operand))
    });
    let mut spans: Vec<Span> = files.map(|(file, _)| Span::new(file, 0, 0)).collect();
    let entry = cursor.section().and_then(|section| section.entry("@label"));
    if let Some(entry) = entry
        && (is_under(cursor, entry.name_span) || is_under(cursor, entry.value.span))
        && let Some(name) = entry.value.as_text()
    {
        labels(&analysis.root, name, &mut spans);
    }
    let spans = spans.into_iter();
    spans
        .filter_map(|span| place::location(&analysis.sources, span))
        .collect()
}

fn labels(outer: &Element, name: &str, spans: &mut Vec<Span>) {
    for element in outer.elements() {
        match element.name() {
            "label" if element.argument() == name => spans.push(element.span()),
            "worker" => labels(element, name, spans),
            _ => {}
        }
    }
}
