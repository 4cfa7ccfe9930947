//! A chunk with its message.

use millrun_buffer::{Chunk, ChunkId, LedgerError, Timestamp};
use millrun_core::PluginId;
use millrun_forward::Number;

use super::parameters::Server;

/// A chunk on its way to one of several servers.
pub(super) struct Parcel<'a> {
    pub(super) chunk: &'a Chunk,
    /// Without a number yet.
    pub(super) message: millrun_forward::Chunk<'a>,
    /// Whether the chunk is answered, so that it can be in doubt.
    pub(super) is_numbered: bool,
}

/// A message with the number it has for one server.
pub(super) struct Addressed<'a> {
    pub(super) message: millrun_forward::Chunk<'a>,
    /// Nothing was sent to this server before.
    is_new: bool,
}

impl<'a> Parcel<'a> {
    pub(super) fn id(&self) -> ChunkId {
        self.chunk.id()
    }

    /// Records that the chunk goes to `server`. From here on it is in doubt, until
    /// [`unsent`](Self::unsent) or the answer.
    pub(super) fn address(
        &self,
        output: &PluginId,
        server: &Server,
    ) -> Result<Addressed<'a>, LedgerError> {
        if !self.is_numbered {
            return Ok(Addressed {
                message: self.message,
                is_new: false,
            });
        }
        let ticket = self
            .chunk
            .address(&output.text, &server.address, Timestamp::now())?;
        if let Some(before) = &ticket.moved_from {
            tracing::warn!(
                plugin_id = output.given(), chunk_id = %self.id(), records = self.chunk.count(), before,
                "no answer within in_doubt_timeout; the chunk goes to {} and may be stored twice",
                server.label
            );
        }
        let number = Number {
            sender: ticket.sender,
            sequence: ticket.sequence,
            lowest: ticket.lowest,
        };
        Ok(Addressed {
            message: millrun_forward::Chunk {
                number: Some(number),
                ..self.message
            },
            is_new: ticket.is_new,
        })
    }

    /// The message did not leave whole, so the server cannot have stored it.
    pub(super) fn unsent(&self, addressed: &Addressed<'_>) {
        if addressed.is_new {
            self.chunk.withdraw();
        }
    }
}
