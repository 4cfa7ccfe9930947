//! The `relabel` output: events go on in another label.

use millrun_config::{Content, Diagnostic, Element, parameters};
use millrun_core::{Assembly, Node, PluginId};

parameters! {
    /// Passes events to the label that `@label` names.
    pub struct RelabelParameters in "match", type "relabel" {
    }
}

pub(super) fn build(element: &Element, _: &PluginId, assembly: &mut Assembly<'_>) -> Option<Node> {
    RelabelParameters::read(element, assembly.diagnostics)?;
    let Some(label) = element.entry("@label") else {
        let fault = Diagnostic::error("'@label' parameter is required for relabel");
        assembly.diagnostics.push(
            fault
                .at(element.span(), "where to?")
                .hint("write a line like: @label @ARCHIVE"),
        );
        return None;
    };
    if label.value.content == Content::Broken {
        return None;
    }
    let name = label.value.as_text().unwrap_or_default();
    assembly.label(name, label.value.span).map(Node::Relabel)
}
