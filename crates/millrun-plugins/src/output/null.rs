//! The `null` output: events end here, at once or, with a `<buffer>`, chunk by chunk.

use std::sync::Arc;
use std::time::Instant;

use millrun_buffer::Chunk;
use millrun_config::{Element, parameters};
use millrun_core::{
    Assembly, BufferDefaults, BufferedOutput, Content, DeliveryError, DirectOutput, Node, PluginId,
    Progress, Sender,
};
use millrun_event::Events;

parameters! {
    /// Throws events away.
    pub struct NullParameters in "match", type "null" {
        /// Refuse every batch, or every chunk, to see what a destination that is down does to the sources.
        never_flush: bool = "false";
    }
    sections {
        /// Where events wait until they are thrown away. Without it they do not wait.
        buffer: Option<Element>;
        /// Where chunks go that are refused.
        secondary: Option<Element>;
    }
    legacy { Buffer }
}

pub(super) fn build(element: &Element, id: &PluginId, assembly: &mut Assembly<'_>) -> Option<Node> {
    let parameters = NullParameters::read(element, assembly.diagnostics)?;
    let output = Arc::new(Null {
        never_flush: parameters.never_flush,
    });
    if parameters.buffer.is_some() {
        let defaults = BufferDefaults {
            keys: "tag",
            ..BufferDefaults::default()
        };
        let reading = assembly.read_buffer(element, id, &defaults)?;
        return Some(assembly.buffered(id, output, reading));
    }
    if assembly.refuse_secondary(element) {
        return None;
    }
    Some(Node::Direct {
        id: id.clone(),
        output,
    })
}

#[derive(Clone, Copy)]
struct Null {
    never_flush: bool,
}

impl Null {
    fn take(self) -> Result<(), DeliveryError> {
        match self.never_flush {
            true => Err(DeliveryError::Retriable(
                "failed to flush: never_flush is set".into(),
            )),
            false => Ok(()),
        }
    }
}

impl DirectOutput for Null {
    fn emit(&self, _: &str, _: Events<'_>) -> Result<(), DeliveryError> {
        self.take()
    }
}

impl BufferedOutput for Null {
    fn content(&self) -> Content<'_> {
        Content::Events
    }

    fn sender(&self) -> Box<dyn Sender> {
        Box::new(*self)
    }
}

impl Sender for Null {
    fn begin(&mut self, _: &Chunk, _: Instant) -> Result<Progress, DeliveryError> {
        self.take().map(|()| Progress::Delivered)
    }
}
