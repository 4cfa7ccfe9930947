//! The `copy` output: every event to every `<store>`.
//!
//! ```text
//! <match app.**>
//!   @type copy
//!   <store>                          in file order
//!     @type stdout
//!   </store>
//!   <store ignore_error>             its failure does not stop the others
//!     @type forward
//!     …
//!   </store>
//! </match>
//! ```
//!
//! Events are bytes that nobody changes, so every copy mode is the same here.

use millrun_config::{Diagnostic, Element, parameters, words};
use millrun_core::{Assembly, Branch, Node, PluginId};

words! {
    /// How records are handed to the stores. Without effect: no store can change them.
    pub enum CopyMode {
        /// The same record.
        NoCopy = "no_copy",
        /// A copy of its first level.
        Shallow = "shallow",
        /// A copy through msgpack.
        Deep = "deep",
        /// A copy through Ruby's own format.
        Marshal = "marshal",
    }
}

parameters! {
    /// Passes every event to several outputs.
    pub struct CopyParameters in "match", type "copy" {
        /// Without effect: no store can change what another one sees.
        copy_mode: CopyMode = "no_copy";
        /// Without effect.
        deep_copy: bool = "false", deprecated = "use copy_mode";
    }
    sections {
        /// An output.
        store: Vec<Element>, required;
    }
}

pub(super) fn build(element: &Element, _: &PluginId, assembly: &mut Assembly<'_>) -> Option<Node> {
    let parameters = CopyParameters::read(element, assembly.diagnostics)?;
    let mut branches = Vec::with_capacity(parameters.store.len());
    let mut complete = true;
    for (position, store) in parameters.store.iter().enumerate() {
        let words: Vec<&str> = store.argument().split_whitespace().collect();
        let ignore_if_prev_success = words.contains(&"ignore_if_prev_success");
        if position == 0 && ignore_if_prev_success {
            let fault = "ignore_if_prev_success must specify 2nd or later <store> directives";
            assembly
                .diagnostics
                .push(Diagnostic::error(fault).at(store.span(), "the first one"));
            complete = false;
        }
        match assembly.output(store) {
            Some(node) => branches.push(Branch {
                node,
                ignore_error: words.contains(&"ignore_error"),
                ignore_if_prev_success,
            }),
            None => complete = false,
        }
    }
    complete.then_some(Node::Copy(branches))
}
