//! The ledger: what was read, what is kept where, and what has arrived.
//!
//! One per shard, append-only and checksummed (format in `codec.rs`). The record of a transaction is its commit for
//! all file buffers at once. Transactions that reach memory buffers only need no record: their position follows
//! delivery as a low-water mark.

mod adoption;
mod chunks;
mod codec;
mod common;
mod dispatch;
mod file;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod incarnation;
mod lives;
mod low_water;
mod neighbours;
mod peers;
mod reader;
mod record;
mod recovered;
mod state;
mod transactions;

pub use dispatch::{Dispatch, Ticket};
pub use incarnation::Incarnation;
pub use neighbours::Claim;
pub(crate) use neighbours::Neighbours;
pub(crate) use record::Extent as ChunkExtent;
pub use record::Intent;
pub(crate) use recovered::{LedgerRead, Recovered};

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use self::common::Common;
use self::dispatch::Way;
use self::file::LedgerFile;
use self::low_water::LowWater;
use self::peers::{Known, Peers};
use self::record::{Extent, Record};
use self::state::State;
use crate::{
    ChunkId, Durability, Fingerprint, Identity, LedgerError, LossKey, Metadata, SourceNumber,
    Timestamp,
};

/// What one shard has accepted, shared with the threads that deliver it.
///
/// Its lock is held for the time of one write; a shard takes it once or twice per batch, a flush thread once per chunk.
pub struct Ledger {
    inner: Mutex<Inner>,
    /// Of the whole worker.
    common: Common,
}

struct Inner {
    store: Store,
    state: State,
    trackers: HashMap<(SourceNumber, u32), LowWater>,
    /// By output and receiver.
    ways: HashMap<(Box<str>, Box<str>), Way>,
    /// Of memory chunks.
    memory_dispatches: BTreeMap<ChunkId, Dispatch>,
    /// Chunks of peers that reached memory buffers in this life.
    memory_peers: Peers,
}

enum Store {
    /// The state is being put together and will be written whole.
    Recovering,
    /// There is no state directory: positions live as long as the process.
    Volatile,
    File(LedgerFile),
    Broken {
        path: PathBuf,
        reason: String,
        durability: Durability,
    },
}

/// What a transaction did, for its record.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) appends: Vec<(ChunkId, Extent)>,
    pub(crate) losses: Vec<(LossKey, u64)>,
    pub(crate) checkpoints: Vec<(Box<str>, Box<[u8]>)>,
    /// Some of it went to memory chunks.
    pub(crate) in_memory: bool,
    /// So many memory chunks took their first bytes of the origin's incarnation.
    pub(crate) holds: u32,
    /// File buffers had it before a crash.
    pub(crate) replay: bool,
}

/// What is known of a chunk that a peer sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Seen {
    /// Nothing: it is new.
    Never,
    /// Another chunk was committed under its number: take it as a new one.
    Otherwise,
    /// File buffers have it; what memory buffers had of it died with an earlier process.
    InFiles,
    /// It is stored: answer, and store nothing.
    Stored,
}

impl Seen {
    fn of(known: Option<Known>, hash: u32) -> Self {
        match known {
            None => Self::Never,
            Some(Known::Below) => Self::Stored,
            Some(Known::Taken(taken)) if taken.hash != hash => Self::Otherwise,
            Some(Known::Taken(taken)) if taken.in_memory => Self::InFiles,
            Some(Known::Taken(_)) => Self::Stored,
        }
    }
}

impl Neighbours {
    /// Whether another worker has committed a sender's chunk.
    pub(crate) fn seen(&mut self, sender: &[u8; 16], sequence: u64, hash: u32) -> io::Result<Seen> {
        Ok(Seen::of(self.find(sender, sequence)?, hash))
    }
}

/// A source as the ledgers know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceState {
    /// Its number in this process.
    pub number: SourceNumber,
    /// Its lasting name.
    pub key: Box<str>,
    /// The lives of its file that are not read to their end.
    pub incarnations: BTreeMap<u32, Incarnation>,
}

/// A chunk of a file buffer as the ledger knows it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ChunkState {
    pub(crate) metadata: Metadata,
    pub(crate) created: Timestamp,
    pub(crate) extent: Extent,
    pub(crate) previous: Extent,
}

impl ChunkState {
    /// Whether the chunk was left in order, and not touched since. Only asked of chunks whose `previous` says nothing else
    /// (file_single).
    pub(crate) fn is_handed_over(&self) -> bool {
        self.previous == self.extent
    }
}

impl Ledger {
    /// A ledger without a file, for instances that keep no state and for tests.
    pub fn volatile() -> Arc<Self> {
        Arc::new(Self::new(
            Store::Volatile,
            State::default(),
            Common::default(),
        ))
    }

    fn new(store: Store, state: State, common: Common) -> Self {
        Self {
            inner: Mutex::new(Inner {
                store,
                state,
                trackers: HashMap::new(),
                ways: HashMap::new(),
                memory_dispatches: BTreeMap::new(),
                memory_peers: Peers::default(),
            }),
            common,
        }
    }

    /// Introduces a source that was never read; recorded before its first byte is.
    ///
    /// `key` is its lasting name (plugin id and path), `start` the position where reading begins.
    pub fn first_sight(
        &self,
        key: &str,
        identity: Identity,
        start: u64,
    ) -> Result<SourceNumber, LedgerError> {
        let source = self.common.next_source();
        let life = Incarnation {
            identity,
            low_water: start,
            marks: Vec::new(),
        };
        let mut inner = self.inner();
        // The name comes last: a source without one was torn away at birth and is forgotten.
        inner.write(&[
            life.record(source, 0),
            Record::Source {
                source,
                key: key.into(),
            },
        ])?;
        inner.trackers.insert((source, 0), LowWater::new(start));
        Ok(source)
    }

    /// Begins a new life of a source's file, read from `start` (0, unless the content before it is known to be kept).
    pub fn new_incarnation(
        &self,
        source: SourceNumber,
        incarnation: u32,
        identity: Identity,
        start: u64,
    ) -> Result<(), LedgerError> {
        let mut inner = self.inner();
        if !inner.state.sources.contains_key(&source) {
            return Err(LedgerError::UnknownSource {
                source_number: source,
                incarnation,
            });
        }
        let life = Incarnation {
            identity,
            low_water: start,
            marks: Vec::new(),
        };
        inner.write_synced(&[life.record(source, incarnation)])?;
        inner
            .trackers
            .insert((source, incarnation), LowWater::new(start));
        Ok(())
    }

    /// Notes that more of a file's first bytes are known.
    pub fn extend_fingerprint(
        &self,
        source: SourceNumber,
        incarnation: u32,
        fingerprint: Fingerprint,
    ) -> Result<(), LedgerError> {
        self.inner().write(&[Record::Fingerprint {
            source,
            incarnation,
            fingerprint,
        }])
    }

    /// Notes that an incarnation is read to its end and its file is gone.
    ///
    /// Call it when [`low_water`](Self::low_water) has reached the end; what is not delivered by then could not be replayed.
    pub fn close_incarnation(
        &self,
        source: SourceNumber,
        incarnation: u32,
    ) -> Result<(), LedgerError> {
        let mut inner = self.inner();
        inner.write_synced(&[Record::IncarnationClosed {
            source,
            incarnation,
        }])?;
        inner.trackers.remove(&(source, incarnation));
        Ok(())
    }

    /// Forgets a source that is not read any more.
    pub fn forget_source(&self, source: SourceNumber) -> Result<(), LedgerError> {
        let mut inner = self.inner();
        inner.write_synced(&[Record::SourceForgotten { source }])?;
        inner.trackers.retain(|(number, _), _| *number != source);
        Ok(())
    }

    /// The position below which everything is delivered or in file buffers.
    pub fn low_water(&self, source: SourceNumber, incarnation: u32) -> Option<u64> {
        let inner = self.inner();
        let known = inner.state.find(source, incarnation)?.low_water;
        let tracked = inner
            .trackers
            .get(&(source, incarnation))
            .map(LowWater::position);
        Some(tracked.map_or(known, |tracked| tracked.max(known)))
    }

    /// Whether a sender's chunk is committed already, so that it is answered and not stored again.
    pub fn seen(&self, sender: &[u8; 16], sequence: u64, hash: u32) -> Seen {
        let inner = self.inner();
        let known = inner.memory_peers.find(sender, sequence);
        let known = known.or_else(|| inner.state.peers.find(sender, sequence));
        Seen::of(known, hash)
    }

    /// Counts something dropped outside of a transaction.
    pub fn lose(&self, key: LossKey, count: u64) -> Result<(), LedgerError> {
        self.count_losses(vec![(key, count)])
    }

    /// The loss account of this ledger.
    pub fn losses(&self) -> BTreeMap<LossKey, u64> {
        self.inner().state.losses.clone()
    }

    /// What a stage held back at the last commit.
    pub fn checkpoint(&self, stage: &str) -> Option<Box<[u8]>> {
        self.inner().state.checkpoints.get(stage).cloned()
    }

    /// What an unfinished delivery was about to do.
    pub fn intent(&self, chunk: ChunkId) -> Option<Intent> {
        self.inner().state.intents.get(&chunk).cloned()
    }

    /// Remembers the content of a position file as it was just written.
    pub fn note_position_file(&self, path: &str, hash: u32) -> Result<(), LedgerError> {
        self.inner().write(&[Record::PositionFile {
            path: path.into(),
            hash,
        }])
    }

    /// The hash of a position file as it was last written; another one on disk means that another program wrote it.
    pub fn position_file(&self, path: &str) -> Option<u32> {
        self.inner().state.position_files.get(path).copied()
    }
}

impl Ledger {
    fn record_intent(
        &self,
        chunk: ChunkId,
        intent: Intent,
        double: Option<(LossKey, u64)>,
    ) -> Result<(), LedgerError> {
        let intent = Record::Intent { chunk, intent };
        let counted = double.map(|double| Record::Losses {
            losses: vec![double],
        });
        let records: Vec<_> = counted.into_iter().chain([intent]).collect();
        self.inner().write_synced(&records)
    }

    /// What commits survive.
    pub fn durability(&self) -> Durability {
        match &self.inner().store {
            Store::File(file) => file.durability(),
            Store::Broken { durability, .. } => *durability,
            Store::Recovering | Store::Volatile => Durability::Process,
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn write(&mut self, records: &[Record]) -> Result<(), LedgerError> {
        self.write_with(records, false)
    }

    fn write_synced(&mut self, records: &[Record]) -> Result<(), LedgerError> {
        self.write_with(records, true)
    }

    fn write_with(&mut self, records: &[Record], sync: bool) -> Result<(), LedgerError> {
        match &mut self.store {
            Store::Recovering | Store::Volatile => {}
            Store::Broken { path, reason, .. } => {
                return Err(LedgerError::Broken {
                    path: path.clone(),
                    reason: reason.clone(),
                });
            }
            Store::File(file) => match file.append(records, sync) {
                Ok(Ok(())) => {}
                Ok(Err(source)) => {
                    return Err(LedgerError::Write {
                        path: file.path().to_owned(),
                        source,
                    });
                }
                Err(error) => return Err(self.break_off(&error)),
            },
        }
        for record in records {
            self.state.apply(record);
        }
        if let Store::File(file) = &mut self.store
            && let Err(error) = file.compact_if_long(&self.state)
        {
            // The records are written; it is the next ones that cannot be.
            self.break_off(&error);
        }
        Ok(())
    }

    fn break_off(&mut self, error: &io::Error) -> LedgerError {
        let Store::File(file) = &self.store else {
            return LedgerError::NotStarted;
        };
        let (path, reason) = (file.path().to_owned(), error.to_string());
        self.store = Store::Broken {
            path: path.clone(),
            reason: reason.clone(),
            durability: file.durability(),
        };
        LedgerError::Broken { path, reason }
    }
}

#[cfg(test)]
mod tests;
