//! The `null` output: events end here.

use std::sync::Arc;

use millrun_config::{Element, parameters};
use millrun_core::{Assembly, DeliveryError, DirectOutput, Node, PluginId};
use millrun_event::Events;

parameters! {
    /// Throws events away.
    pub struct NullParameters in "match", type "null" {
        /// Refuse every batch, to see what a destination that is down does to the sources.
        never_flush: bool = "false";
    }
}

pub(super) fn build(element: &Element, id: &PluginId, assembly: &mut Assembly<'_>) -> Option<Node> {
    if assembly.refuse_secondary(element) {
        return None;
    }
    let parameters = NullParameters::read(element, assembly.diagnostics)?;
    let output = Arc::new(Null {
        never_flush: parameters.never_flush,
    });
    Some(Node::Direct {
        id: id.clone(),
        output,
    })
}

struct Null {
    never_flush: bool,
}

impl DirectOutput for Null {
    fn emit(&self, _: &str, _: Events<'_>) -> Result<(), DeliveryError> {
        if self.never_flush {
            return Err(DeliveryError::Retriable(
                "failed to flush: never_flush is set".into(),
            ));
        }
        Ok(())
    }
}
