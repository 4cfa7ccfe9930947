//! The `buffer` output: events wait in a buffer and go on in another label.
//!
//! ```text
//! <match app.**>
//!   @type buffer
//!   @label @SEND              where they are emitted again
//!   <buffer tag>              files, emptied every ten seconds
//!     path /var/lib/millrun/relay
//!   </buffer>
//! </match>
//! ```
//!
//! A chunk is one transaction (see `millrun_buffer::Relayed`): from files to files it is delivered here in the record that
//! stores it there, so a crash in between neither loses nor doubles it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use millrun_buffer::Chunk;
use millrun_config::{Diagnostic, Element, parameters};
use millrun_core::{
    Assembly, BufferDefaults, BufferType, BufferedOutput, Content, DeliveryError, Node, PluginId,
    Progress, RouterId, Sender,
};

parameters! {
    /// Keeps events in a buffer and emits them again, to the label that `@label` names.
    pub struct RelayParameters in "match", type "buffer" {
        /// Warn of flushes that take longer, in seconds.
        slow_flush_log_threshold: f64 = "20.0";
    }
    sections {
        /// Where events wait.
        buffer: Option<Element>;
        /// Where chunks go that cannot be emitted.
        secondary: Option<Element>;
    }
    legacy { Buffer }
}

/// The age at which a chunk is emitted where the section does not say.
const FLUSH_INTERVAL: Duration = Duration::from_secs(10);

pub(super) fn build(element: &Element, id: &PluginId, assembly: &mut Assembly<'_>) -> Option<Node> {
    RelayParameters::read(element, assembly.diagnostics)?;
    if assembly.is_secondary() {
        let fault = Diagnostic::error("buffer cannot be used in <secondary>");
        assembly.diagnostics.push(fault.at(
            element.span(),
            "it would emit what another output could not send",
        ));
        return None;
    }
    let router = match element.entry("@label") {
        Some(label) => {
            let name = label.value.as_text().unwrap_or_default();
            assembly.label(name, label.value.span)?
        }
        None => {
            let warning =
                Diagnostic::warning("events of this buffer come back to where they came from");
            let warning = warning.at(element.span(), "it names no label to emit them to");
            assembly
                .diagnostics
                .push(warning.hint("write a line like: @label @SEND"));
            RouterId::ROOT
        }
    };
    let defaults = BufferDefaults {
        buffer_type: BufferType::File,
        keys: "tag",
        flush_interval: Some(FLUSH_INTERVAL),
        ..BufferDefaults::default()
    };
    let reading = assembly.read_buffer(element, id, &defaults)?;
    Some(assembly.buffered(id, Arc::new(Relay { router }), reading))
}

struct Relay {
    router: RouterId,
}

impl BufferedOutput for Relay {
    fn content(&self) -> Content<'_> {
        Content::Events
    }

    fn sender(&self) -> Box<dyn Sender> {
        Box::new(Nowhere)
    }

    fn relay(&self) -> Option<RouterId> {
        Some(self.router)
    }
}

/// In the place of a sender, which is never asked.
struct Nowhere;

impl Sender for Nowhere {
    fn begin(&mut self, _: &Chunk, _: Instant) -> Result<Progress, DeliveryError> {
        let text = "a chunk that is to be emitted was to be sent".to_owned();
        Err(DeliveryError::Unrecoverable(text))
    }
}
