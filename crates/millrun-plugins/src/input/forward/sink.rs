//! Where messages go: the emitter, or a test's list.

use millrun_buffer::Origin;
use millrun_core::{EmitError, Emitter, Losses};
use millrun_event::Events;

/// The taker of batches. What it has taken is committed, and may be acknowledged.
pub(super) trait Sink {
    /// Takes `events`, or nothing of them; `lost` is what of their message was dropped.
    fn store(&mut self, tag: &str, events: Events<'_>, lost: &Losses) -> Result<(), EmitError>;
}

impl Sink for Emitter {
    fn store(&mut self, tag: &str, events: Events<'_>, lost: &Losses) -> Result<(), EmitError> {
        self.emit_with_losses(tag, events, Origin::None, lost)
    }
}
