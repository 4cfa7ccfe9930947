//! The `roundrobin` output: every batch to one `<store>`, in turn.
//!
//! ```text
//! <match app.**>
//!   @type roundrobin
//!   <store>
//!     @type forward                  two batches of three
//!     weight 2
//!     …
//!   </store>
//!   <store>
//!     @type file                     the third one
//!     …
//!   </store>
//! </match>
//! ```
//!
//! A batch is what a source emits at once: a message of forward, a block of lines of tail.

use millrun_config::{Diagnostic, Element, parameters};
use millrun_core::{Assembly, Node, PluginId, Rotation};

parameters! {
    /// Passes each batch of events to one of several outputs, in turn.
    ///
    /// There is no failover: what an output cannot deliver now, it keeps in its buffer.
    pub struct RoundrobinParameters in "match", type "roundrobin" {
    }
    sections {
        /// An output. Its parameter `weight` (an integer, 1) says how many batches it gets beside the others'
        /// weights; one of weight 0 gets none.
        store: Vec<Element>, required;
    }
}

parameters! {
    /// What a store says for the turns.
    pub struct TurnParameters in "store" {
        /// How many batches it gets, beside the other stores' weights.
        weight: u32 = "1";
    }
}

pub(super) fn build(element: &Element, _: &PluginId, assembly: &mut Assembly<'_>) -> Option<Node> {
    let parameters = RoundrobinParameters::read(element, assembly.diagnostics)?;
    let mut stores = Vec::with_capacity(parameters.store.len());
    let mut complete = true;
    for mut store in parameters.store {
        let mut turn = Element::new("store", "", store.span());
        if let Some(weight) = store.remove("weight") {
            turn.insert(weight);
        }
        let turn = TurnParameters::read(&turn, assembly.diagnostics);
        match (assembly.output(&store), turn) {
            (Some(node), Some(turn)) => stores.push((node, turn.weight)),
            (None, _) | (_, None) => complete = false,
        }
    }
    if !complete {
        return None;
    }
    let rotation = Rotation::new(stores);
    if rotation.is_none() {
        let fault = Diagnostic::error("no <store> of this roundrobin ever has its turn")
            .at(element.span(), "every weight in here is 0")
            .hint("give one <store> a weight above 0, or remove the line");
        assembly.diagnostics.push(fault);
    }
    rotation.map(Node::Rotation)
}
