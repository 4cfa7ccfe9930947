//! Sources that get in each other's way.

use std::collections::BTreeMap;

use millrun_config::{Diagnostic, Diagnostics, Element};

use crate::view::View;

/// Two sources that share a position file overwrite each other's positions, also from two workers.
pub(super) fn lint(views: &[View<'_>], diagnostics: &mut Diagnostics) {
    let mut owners: BTreeMap<&str, &Element> = BTreeMap::new();
    for source in views.iter().flat_map(View::sources) {
        let Some(path) = source.text("pos_file") else {
            continue;
        };
        let first = *owners.entry(path).or_insert(source);
        if first.span() == source.span() {
            continue;
        }
        let kind = source.plugin_type().unwrap_or_default();
        let message = format!(
            "Other 'in_{kind}' plugin already use same pos_file path: pos_file path = {path}"
        );
        let error = Diagnostic::error(message).at(source.span_of("pos_file"), "used again here");
        diagnostics.push(
            error
                .and(first.span_of("pos_file"), "first used here")
                .hint("give each source a position file of its own"),
        );
    }
}
