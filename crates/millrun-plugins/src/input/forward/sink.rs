//! Where messages go: the emitter, or a test's list.

use millrun_buffer::Origin;
use millrun_core::{EmitError, Emitter};
use millrun_event::Events;

/// The taker of batches. What it has taken is committed, and may be acknowledged.
pub(super) trait Sink {
    /// Takes `events`, or nothing of them.
    fn store(&mut self, tag: &str, events: Events<'_>, origin: Origin) -> Result<(), EmitError>;
}

impl Sink for Emitter {
    fn store(&mut self, tag: &str, events: Events<'_>, origin: Origin) -> Result<(), EmitError> {
        self.emit(tag, events, origin)
    }
}
