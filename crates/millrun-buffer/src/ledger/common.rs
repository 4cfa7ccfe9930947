use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use super::Ledger;
use super::state::State;
use crate::{ChunkId, Intent, LedgerError, LossKey, SourceNumber};

/// What all shards of a worker have in common.
#[derive(Debug, Clone, Default)]
pub(super) struct Common {
    numbers: Arc<AtomicU32>,
    /// Appends to files that were begun and are not known to be finished, by path. What another chunk appended behind a half of
    /// one would make the half look like foreign bytes.
    appends: Arc<Mutex<HashMap<Box<str>, ChunkId>>>,
    /// The first ledger of which nobody knows what it holds, and why.
    broken: Arc<OnceLock<(PathBuf, String)>>,
}

impl Common {
    /// What a recovered state leads to; source numbers go on at `next_source`.
    pub(super) fn of(state: &State, next_source: u32) -> Self {
        let intents = state.intents.iter();
        let begun = intents.map(|(chunk, intent)| (intent.path.clone(), *chunk));
        Self {
            numbers: Arc::new(AtomicU32::new(next_source)),
            appends: Arc::new(Mutex::new(begun.collect())),
            broken: Arc::default(),
        }
    }

    pub(super) fn next_source(&self) -> SourceNumber {
        SourceNumber(self.numbers.fetch_add(1, Ordering::Relaxed))
    }

    /// Notes that nobody knows whether a commit happened. What it was a commit of could come again by another
    /// shard, so no shard commits anything until a start has read what is true.
    pub(super) fn break_off(&self, path: PathBuf, reason: String) {
        let _ = self.broken.set((path, reason));
    }

    pub(super) fn check(&self) -> Result<(), LedgerError> {
        match self.broken.get().cloned() {
            Some((path, reason)) => Err(LedgerError::Broken { path, reason }),
            None => Ok(()),
        }
    }

    fn begun(&self) -> MutexGuard<'_, HashMap<Box<str>, ChunkId>> {
        self.appends.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ledger {
    /// Records that a chunk is about to be appended to a file; its delivery ends the intent. With it goes the count of
    /// what may stand there twice then.
    pub fn intend(
        &self,
        chunk: ChunkId,
        intent: Intent,
        double: Option<(LossKey, u64)>,
    ) -> Result<(), LedgerError> {
        let path = intent.path.clone();
        self.record_intent(chunk, intent, double)?;
        self.begin_append(&path, chunk);
        Ok(())
    }

    /// The chunk whose append to `path` is begun and not finished.
    pub(crate) fn append_at(&self, path: &str) -> Option<ChunkId> {
        self.common.begun().get(path).copied()
    }

    /// Notes that the append of a chunk begins.
    pub(crate) fn begin_append(&self, path: &str, chunk: ChunkId) {
        self.common.begun().insert(path.into(), chunk);
    }

    /// Notes that a chunk is appended, or never will be.
    pub(crate) fn end_append(&self, chunk: ChunkId) {
        self.common.begun().retain(|_, of| *of != chunk);
    }
}
