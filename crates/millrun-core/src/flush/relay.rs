//! Chunks that are emitted again instead of being sent away: the output `buffer`.

use std::sync::{Arc, OnceLock, PoisonError};

use millrun_buffer::{Buffer, Chunk, Relayed};
use millrun_event::Events;

use crate::emitter::EmitError;
use crate::graph::RouterId;
use crate::passage::Failure;
use crate::plugin::{DeliveryError, read_chunk};
use crate::release::Workplaces;

/// The places where transactions are made, once the pipeline has them.
pub(crate) type Places = Arc<OnceLock<Workplaces>>;

/// One flush thread's way back into the graph.
pub(super) struct Relay {
    router: RouterId,
    places: Places,
    buffer: Arc<Buffer>,
    bytes: Vec<u8>,
}

impl Relay {
    pub(super) fn new(router: RouterId, places: Places, buffer: Arc<Buffer>) -> Self {
        Self {
            router,
            places,
            buffer,
            bytes: Vec::new(),
        }
    }

    /// Emits a chunk as one transaction of the shard that knows it. It is delivered with that, or when the memory chunks that
    /// took its events are. After a failure the chunk is here again.
    pub(super) fn emit(&mut self, chunk: Chunk) -> Result<(), Box<(Chunk, DeliveryError)>> {
        let Some(tag) = chunk.metadata().tag.clone() else {
            let text = "the chunk has no tag to be emitted with: name tag among the chunk keys";
            return Err(Box::new((chunk, DeliveryError::Unrecoverable(text.into()))));
        };
        let count = u32::try_from(chunk.count()).unwrap_or(u32::MAX);
        let mut bytes = std::mem::take(&mut self.bytes);
        let relayed = Relayed::new(&self.buffer, chunk);
        let emitted = relayed.with(|chunk| {
            let bytes = read_chunk(chunk, &mut bytes)?;
            self.transact(&relayed, &tag, Events { bytes, count })
        });
        self.bytes = bytes;
        match emitted {
            Some(Ok(())) => {
                // What cannot be recorded is emitted again after a crash, as any delivery would be.
                if let Err(error) = Relayed::done(relayed) {
                    tracing::error!(error = %error, "cannot record a delivery");
                }
                Ok(())
            }
            Some(Err(error)) => match relayed.take_back() {
                Some(chunk) => Err(Box::new((chunk, error))),
                None => Ok(()),
            },
            None => Ok(()),
        }
    }

    fn transact(
        &self,
        relayed: &Arc<Relayed>,
        tag: &str,
        events: Events<'_>,
    ) -> Result<(), DeliveryError> {
        let places = self.places.get().map_or(&[][..], |places| places);
        for place in places {
            let mut place = place.lock().unwrap_or_else(PoisonError::into_inner);
            if place.knows(relayed) {
                let outcome = place.relay(self.router, tag, events, relayed);
                return outcome.map_err(|failure| match failure {
                    Failure::Overflow(_, text) => DeliveryError::Retriable(text),
                    Failure::Error(EmitError::Malformed(error)) => {
                        DeliveryError::Unrecoverable(error.to_string())
                    }
                    Failure::Error(error) => DeliveryError::Retriable(error.to_string()),
                });
            }
        }
        let text = "the sources are not started yet, or ended";
        Err(DeliveryError::Retriable(text.into()))
    }
}
