//! A chunk that is emitted again: into other buffers of the same worker.
//!
//! ```text
//! file chunk   → file chunks     one record: the events are appended there and the chunk is delivered here (Origin::Local)
//! file chunk   → memory chunks   the chunk stays until the memory chunks it went to are delivered
//! memory chunk → file chunks     the appends are recorded, then the chunk's origins move on
//! memory chunk → memory chunks   its origins move on when the memory chunks it went to are delivered
//! ```
//!
//! So nothing is lost by the way round; a crash in between doubles where memory takes part, and only there.

use std::sync::{Arc, Mutex, PoisonError};

use crate::{Buffer, Chunk, Ledger, LedgerError, Origin};

/// A chunk on its way into other buffers.
pub struct Relayed {
    buffer: Arc<Buffer>,
    ledger: Arc<Ledger>,
    origin: Origin,
    chunk: Mutex<Option<Chunk>>,
}

impl Relayed {
    /// Takes a chunk out of delivery by `buffer` to emit it again.
    pub fn new(buffer: &Arc<Buffer>, chunk: Chunk) -> Arc<Self> {
        Arc::new(Self {
            buffer: Arc::clone(buffer),
            ledger: Arc::clone(&chunk.ledger),
            origin: match chunk.path() {
                Some(_) => Origin::Local { chunk: chunk.id() },
                None => Origin::None,
            },
            chunk: Mutex::new(Some(chunk)),
        })
    }

    /// Does something with the chunk, which nobody else looks at meanwhile; nothing if it is gone.
    pub fn with<T>(&self, look: impl FnOnce(&Chunk) -> T) -> Option<T> {
        let chunk = self.chunk.lock().unwrap_or_else(PoisonError::into_inner);
        chunk.as_ref().map(look)
    }

    /// Whether `ledger` is the one that knows the chunk: it must be emitted by that one's shard.
    pub fn is_known_to(&self, ledger: &Arc<Ledger>) -> bool {
        Arc::ptr_eq(&self.ledger, ledger)
    }

    /// Gives the chunk back: its transaction failed.
    pub fn take_back(&self) -> Option<Chunk> {
        let mut chunk = self.chunk.lock().unwrap_or_else(PoisonError::into_inner);
        chunk.take()
    }

    /// Says that one of those who have the chunk needs it no more: its transaction is committed, or a memory chunk that
    /// took its events is delivered. The last one delivers it.
    pub fn done(this: Arc<Self>) -> Result<(), LedgerError> {
        match Arc::into_inner(this).and_then(|last| Some((last.take_back()?, last.buffer))) {
            Some((chunk, buffer)) => buffer.delivered(chunk),
            None => Ok(()),
        }
    }

    /// The origin of the transaction that emits it.
    pub(crate) fn origin(&self) -> Origin {
        self.origin.clone()
    }
}
