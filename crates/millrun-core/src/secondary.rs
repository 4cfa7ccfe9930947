//! The `<secondary>` of an output: where chunks go that its own destination does not take.
//!
//! ```text
//! <match app.**>
//!   @type forward
//!   …
//!   <secondary>
//!     @type secondary_file
//!     directory /var/log/millrun/undelivered
//!   </secondary>
//! </match>
//! ```
//!
//! It has no buffer of its own: it is handed the chunks of the primary output, with their chunk keys, and in the
//! format the primary keeps them in.

use std::sync::Arc;

use millrun_config::{Diagnostic, Element};
use millrun_pattern::Zone;

use crate::assembly::Assembly;
use crate::chunk_keys::ChunkKeys;
use crate::graph::Node;
use crate::plugin::BufferedOutput;

/// What a secondary output has of its primary one while it is made.
#[derive(Clone)]
pub(crate) struct Primary {
    pub(crate) keys: ChunkKeys,
    pub(crate) zone: Zone,
}

/// A secondary output.
#[derive(Clone)]
pub struct Secondary {
    /// The plugin.
    pub(crate) output: Arc<dyn BufferedOutput>,
    /// It is another plugin than the primary one.
    pub(crate) is_other: bool,
}

/// The secondary that is made to write down what others could not deliver.
const SECONDARY_FILE: &str = "secondary_file";

impl Assembly<'_> {
    /// Makes the secondary output of `element`, if it has one. The outer `None`: a diagnostic says why not.
    pub(crate) fn secondary(
        &mut self,
        element: &Element,
        primary: Primary,
        retries_forever: bool,
    ) -> Option<Option<Secondary>> {
        let Some(section) = element.elements_named("secondary").next() else {
            return Some(None);
        };
        if self.primary.is_some() {
            return self.refuse(
                section,
                "<secondary> section cannot have <secondary> section",
            );
        }
        if section.elements_named("buffer").next().is_some() {
            return self.refuse(section, "<secondary> section cannot have <buffer> section");
        }
        let primary_type = element.plugin_type().unwrap_or_default();
        // Without a type of its own it is another one of the same kind.
        let mut section = section.clone();
        if section.plugin_type().is_none()
            && let Some(entry) = element.entry("@type").or_else(|| element.entry("type"))
        {
            section.insert(entry.clone());
        }
        let secondary_type = section.plugin_type().unwrap_or_default().to_owned();
        if retries_forever {
            let warning = "<secondary> with 'retry_forever', only unrecoverable errors are moved to secondary";
            self.warn(&section, warning.to_owned());
        }
        self.primary = Some(primary);
        let node = self.output(&section);
        self.primary = None;
        let output = match node?.as_ref() {
            Node::Buffered(node) => Arc::clone(&node.output),
            Node::Direct { .. }
            | Node::Copy(_)
            | Node::Rotation(_)
            | Node::Relabel(_)
            | Node::Rewrite(_) => {
                let fault = format!("{secondary_type} cannot be used in <secondary>");
                return self.refuse(&section, &fault);
            }
        };
        if secondary_type != primary_type && secondary_type != SECONDARY_FILE {
            self.warn(
                &section,
                format!(
                    "Use different plugin for secondary. Check the plugin works with primary like \
                     secondary_file primary={:?} secondary={:?}",
                    class_name(primary_type),
                    class_name(&secondary_type)
                ),
            );
        }
        Some(Some(Secondary {
            output,
            is_other: secondary_type != primary_type,
        }))
    }

    /// Refuses the `<secondary>` of an output that has no buffer.
    pub fn refuse_secondary(&mut self, element: &Element) -> bool {
        let Some(section) = element.elements_named("secondary").next() else {
            return false;
        };
        self.refuse(
            section,
            "Invalid <secondary> section for non-buffered plugin",
        );
        true
    }

    /// Whether the plugin that is being made is a secondary output.
    pub fn is_secondary(&self) -> bool {
        self.primary.is_some()
    }

    fn refuse(&mut self, section: &Element, fault: &str) -> Option<Option<Secondary>> {
        self.diagnostics
            .push(Diagnostic::error(fault).at(section.span(), "this section"));
        None
    }

    fn warn(&mut self, section: &Element, warning: String) {
        self.diagnostics
            .push(Diagnostic::warning(warning).at(section.span(), "this section"));
    }
}

/// What Fluentd calls the class of an output.
fn class_name(plugin_type: &str) -> String {
    let mut name = "Fluent::Plugin::".to_owned();
    for part in plugin_type.split('_') {
        let mut letters = part.chars();
        name.extend(letters.next().map(|letter| letter.to_ascii_uppercase()));
        name.extend(letters);
    }
    name + "Output"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_called_as_in_fluentd() {
        assert_eq!(class_name("file"), "Fluent::Plugin::FileOutput");
        assert_eq!(
            class_name("exec_filter"),
            "Fluent::Plugin::ExecFilterOutput"
        );
    }
}
