//! The documentation of what is under the cursor.

use millrun_config::{Element, Span};
use millrun_core::Registry;
use serde_json::{Value, json};

use super::cursor::{Cursor, schema};
use super::describe::{self, COMMON, DIRECTIVES};
use super::place;
use super::workspace::Analysis;

/// What a hover shows; `None` over what nobody documents.
pub(super) fn hover(
    cursor: &Cursor<'_>,
    analysis: &Analysis,
    registry: &Registry,
) -> Option<Value> {
    let opened = cursor.outline.and_then(|outline| outline.opened.as_ref());
    if let Some(opened) = opened.filter(|opened| is_under(cursor, opened.span())) {
        let mut chain = cursor.chain.clone();
        chain.push(opened);
        let cursor = Cursor { chain, ..*cursor };
        return Some(shown(
            opened.span(),
            &of_section(&cursor, registry)?,
            analysis,
        ));
    }
    let section = cursor.section()?;
    let (text, span) = match is_under(cursor, section.span()) {
        true => (of_section(cursor, registry)?, section.span()),
        false => of_entry(cursor, section, registry)?,
    };
    Some(shown(span, &text, analysis))
}

fn shown(span: Span, text: &str, analysis: &Analysis) -> Value {
    let range = place::span_range(&analysis.sources, span);
    json!({"contents": {"kind": "markdown", "value": text}, "range": range})
}

/// Whether the cursor is on a span.
pub(super) fn is_under(cursor: &Cursor<'_>, span: Span) -> bool {
    let range = span.start as usize..=span.end as usize;
    span.file == cursor.file && range.contains(&cursor.offset)
}

fn of_section(cursor: &Cursor<'_>, registry: &Registry) -> Option<String> {
    let (section, outer) = cursor.chain.split_last()?;
    let name = section.name();
    if let Some((_, doc)) = DIRECTIVES.iter().find(|(known, _)| *known == name) {
        return Some(format!("**\\<{name}\\>**\n\n{doc}"));
    }
    let known = schema(outer, registry)?.section(name)?;
    Some(describe::section(known))
}

fn of_entry(cursor: &Cursor<'_>, section: &Element, registry: &Registry) -> Option<(String, Span)> {
    let mut entries = section.parameters().iter();
    let entry = entries
        .find(|entry| is_under(cursor, entry.name_span) || is_under(cursor, entry.value.span))?;
    let span = match is_under(cursor, entry.name_span) {
        true => entry.name_span,
        false => entry.value.span,
    };
    let is_type = matches!(entry.name.as_str(), "@type" | "type");
    if is_type && span == entry.value.span {
        let name = entry.value.as_text()?;
        let schema = registry.plugin(section.name(), name)?;
        return Some((describe::plugin(name, schema), span));
    }
    if let Some((name, doc)) = COMMON.iter().find(|(name, _)| *name == entry.name) {
        return Some((format!("**{name}**\n\n{doc}"), span));
    }
    let parameter = cursor.schema(registry)?.parameter(&entry.name)?;
    Some((describe::parameter(parameter), span))
}
