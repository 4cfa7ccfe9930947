use super::record::{Commit, CommitOrigin, Extent, Record};
use super::{ChunkState, Ledger};
use crate::{ChunkId, LedgerError, LossKey};

impl Ledger {
    /// A chunk file of a buffer is about to be made, or was adopted with this content.
    pub(crate) fn note_chunk(
        &self,
        buffer: &str,
        chunk: ChunkId,
        state: &ChunkState,
    ) -> Result<(), LedgerError> {
        self.inner().write_synced(&[Record::Chunk {
            buffer: buffer.into(),
            chunk,
            metadata: state.metadata.clone(),
            created: state.created,
            extent: state.extent,
            previous: state.previous,
        }])
    }

    /// A chunk has arrived or is dropped on purpose, with its count; recorded before its files are removed.
    pub(crate) fn deliver(
        &self,
        chunk: ChunkId,
        losses: Vec<(LossKey, u64)>,
    ) -> Result<(), LedgerError> {
        let mut inner = self.inner();
        let record = if losses.is_empty() {
            let buffer = inner
                .state
                .chunks
                .get(&chunk)
                .map(|state| state.buffer.clone());
            Record::Delivered {
                chunk,
                buffer: buffer.unwrap_or_default(),
            }
        } else {
            let origin = CommitOrigin::Local { chunk };
            Record::Commit(Commit {
                origin,
                losses,
                ..Commit::default()
            })
        };
        inner.write_synced(&[record])
    }

    /// A chunk left with its files, which are removed here already; counted as lost, for nothing here delivers it.
    pub(crate) fn evacuate(
        &self,
        chunk: ChunkId,
        losses: Vec<(LossKey, u64)>,
    ) -> Result<(), LedgerError> {
        let origin = CommitOrigin::Local { chunk };
        let counted = Record::Commit(Commit {
            origin,
            losses,
            ..Commit::default()
        });
        self.inner()
            .write_synced(&[counted, Record::Evacuated { chunk }])
    }

    /// What a chunk held is in these chunks from now on.
    pub(crate) fn divide(
        &self,
        chunk: ChunkId,
        parts: Vec<(ChunkId, Extent)>,
    ) -> Result<(), LedgerError> {
        let commit = Commit {
            origin: CommitOrigin::Local { chunk },
            appends: parts,
            ..Commit::default()
        };
        self.inner().write_synced(&[Record::Commit(commit)])
    }

    /// Counts what was dropped outside of a transaction.
    pub(crate) fn count_losses(&self, losses: Vec<(LossKey, u64)>) -> Result<(), LedgerError> {
        if losses.is_empty() {
            return Ok(());
        }
        self.inner().write(&[Record::Losses { losses }])
    }

    /// A chunk's files are gone.
    pub(crate) fn purge(&self, chunk: ChunkId) {
        self.inner().state.purge(chunk);
        self.end_append(chunk);
    }

    /// Whether a chunk was delivered before a crash kept its files from being removed.
    pub(crate) fn is_delivered(&self, chunk: ChunkId) -> bool {
        self.inner().state.delivered.contains_key(&chunk)
    }

    /// A chunk as it was committed.
    pub(crate) fn chunk(&self, chunk: ChunkId) -> Option<ChunkState> {
        self.inner()
            .state
            .chunks
            .get(&chunk)
            .map(|state| ChunkState {
                metadata: state.metadata.clone(),
                created: state.created,
                extent: state.extent,
                previous: state.previous,
            })
    }

    /// Whether a chunk was delivered, or never held anything: what is left of its files is ours to remove.
    pub(crate) fn has_ended(&self, chunk: ChunkId) -> bool {
        let state = &self.inner().state;
        let known = state.chunks.get(&chunk);
        state.delivered.contains_key(&chunk) || known.is_some_and(|known| known.extent.length == 0)
    }

    /// The chunks of one buffer are another one's from now on. Only during the recovery.
    pub(crate) fn rename_buffer(&self, from: &str, to: &str) {
        let state = &mut self.inner().state;
        let live = state.chunks.values_mut().map(|chunk| &mut chunk.buffer);
        let renamed = live.chain(state.delivered.values_mut());
        for buffer in renamed.filter(|buffer| ***buffer == *from) {
            *buffer = to.into();
        }
    }

    /// The chunks of a buffer and their committed lengths, 0 of delivered ones.
    pub(crate) fn chunks_of(&self, buffer: &str) -> Vec<(ChunkId, u64)> {
        let inner = self.inner();
        let live = inner
            .state
            .chunks
            .iter()
            .filter(|(_, state)| *state.buffer == *buffer);
        let live = live.map(|(chunk, state)| (*chunk, state.extent.length));
        let done = inner
            .state
            .delivered
            .iter()
            .filter(|(_, of)| ***of == *buffer);
        live.chain(done.map(|(chunk, _)| (*chunk, 0))).collect()
    }
}
