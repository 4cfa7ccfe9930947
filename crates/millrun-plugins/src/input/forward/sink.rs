//! Where messages go: the emitter, or a test's list.

use millrun_buffer::{LedgerError, Origin, Seen};
use millrun_core::{EmitError, Emitter, Losses};
use millrun_event::Events;
use millrun_forward::Delivery;

/// What a source has to say of a batch beside its events.
pub(super) struct Circumstances<'a> {
    /// What of the message was dropped.
    pub(super) lost: &'a Losses,
    /// The number under which another millrun sends it.
    pub(super) delivery: Option<Delivery>,
}

/// What became of a batch. Either way it is committed, and may be acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stored {
    /// It is stored now.
    Now,
    /// It was stored before: this is a resend.
    Before,
    /// It is stored now, beside another one of the same number.
    Beside,
}

/// The taker of batches.
pub(super) trait Sink {
    /// Takes `events`, or nothing of them.
    fn store(
        &mut self,
        tag: &str,
        events: Events<'_>,
        circumstances: &Circumstances<'_>,
    ) -> Result<Stored, EmitError>;
}

impl Sink for Emitter {
    fn store(
        &mut self,
        tag: &str,
        events: Events<'_>,
        circumstances: &Circumstances<'_>,
    ) -> Result<Stored, EmitError> {
        let lost = circumstances.lost;
        let Some(Delivery { number, hash }) = circumstances.delivery else {
            self.emit_with_losses(tag, events.into(), Origin::None, lost)?;
            return Ok(Stored::Now);
        };
        let claim = self.claim(&number.sender)?;
        let stored = match self.seen(&number.sender, number.sequence, hash)? {
            Seen::Stored => return Ok(Stored::Before),
            Seen::Otherwise => Stored::Beside,
            Seen::Never | Seen::InFiles => Stored::Now,
        };
        let origin = Origin::Peer {
            sender: number.sender,
            sequence: number.sequence,
            lowest: number.lowest,
            hash,
        };
        let emitted = self.emit_with_losses(tag, events.into(), origin, lost);
        if let Err(EmitError::Ledger(LedgerError::Broken { .. })) = &emitted {
            self.keep(claim);
        }
        emitted.map(|()| stored)
    }
}
