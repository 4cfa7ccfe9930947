//! The ledger: what was read, what is kept where, and what has arrived.
//!
//! One per shard, append-only and checksummed (format in `record.rs`). The record of a transaction is its commit for
//! all file buffers at once. Transactions that reach memory buffers only need no record: their position follows
//! delivery as a low-water mark.

mod file;
mod low_water;
mod record;
mod state;

pub(crate) use record::Extent as ChunkExtent;
pub use record::Intent;
pub use state::Incarnation;

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use self::file::LedgerFile;
use self::low_water::LowWater;
use self::record::{Commit, CommitOrigin, Extent, Record};
use self::state::State;
use crate::disk::SharedDisk;
use crate::{
    ChunkId, Durability, Fingerprint, Identity, LedgerError, LossKey, Metadata, Origin,
    SourceNumber, Timestamp,
};

/// What one shard has accepted, shared with the threads that deliver it.
///
/// Its lock is held for the time of one write; a shard takes it once or twice per batch, a flush thread once per chunk.
pub struct Ledger {
    inner: Mutex<Inner>,
    /// Source numbers of the whole worker.
    numbers: Arc<AtomicU32>,
}

struct Inner {
    store: Store,
    state: State,
    trackers: HashMap<(SourceNumber, u32), LowWater>,
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

impl Ledger {
    /// A ledger without a file, for instances that keep no state and for tests.
    pub fn volatile() -> Arc<Self> {
        Arc::new(Self::new(Store::Volatile, State::default(), Arc::default()))
    }

    fn new(store: Store, state: State, numbers: Arc<AtomicU32>) -> Self {
        let trackers = HashMap::new();
        Self {
            inner: Mutex::new(Inner {
                store,
                state,
                trackers,
            }),
            numbers,
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
        let source = SourceNumber(self.numbers.fetch_add(1, Ordering::Relaxed));
        let life = Incarnation {
            identity,
            low_water: start,
            marks: Vec::new(),
        };
        let mut inner = self.inner();
        inner.write(&[
            Record::Source {
                source,
                key: key.into(),
            },
            life.record(source, 0),
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
        inner.write(&[life.record(source, incarnation)])?;
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
        inner.write(&[Record::IncarnationClosed {
            source,
            incarnation,
        }])?;
        inner.trackers.remove(&(source, incarnation));
        Ok(())
    }

    /// Forgets a source that is not read any more.
    pub fn forget_source(&self, source: SourceNumber) -> Result<(), LedgerError> {
        let mut inner = self.inner();
        inner.write(&[Record::SourceForgotten { source }])?;
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
    pub fn is_committed(&self, sender: &[u8; 16], sequence: u64) -> bool {
        let inner = self.inner();
        let Some(peer) = inner.state.peers.get(sender) else {
            return false;
        };
        sequence < peer.lowest || peer.committed.contains(&sequence)
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

    /// Records that a chunk is about to be appended to a file; its delivery ends the intent.
    pub fn intend(&self, chunk: ChunkId, intent: Intent) -> Result<(), LedgerError> {
        self.inner().write(&[Record::Intent { chunk, intent }])
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
    /// Whether a transaction of this origin may begin, and whether file buffers have it already.
    pub(crate) fn admit(&self, origin: &Origin) -> Result<bool, LedgerError> {
        let inner = self.inner();
        match &inner.store {
            Store::Recovering => return Err(LedgerError::NotStarted),
            Store::Broken { path, reason } => {
                return Err(LedgerError::Broken {
                    path: path.clone(),
                    reason: reason.clone(),
                });
            }
            Store::Volatile | Store::File(_) => {}
        }
        let Origin::File {
            source,
            incarnation,
            range,
        } = origin
        else {
            return Ok(false);
        };
        let (source_number, incarnation) = (*source, *incarnation);
        let key = (source_number, incarnation);
        let (Some(tracker), Some(known)) = (
            inner.trackers.get(&key),
            inner.state.find(source_number, incarnation),
        ) else {
            return Err(LedgerError::UnknownSource {
                source_number,
                incarnation,
            });
        };
        if range.start != tracker.end() {
            let (expected, actual) = (tracker.end(), range.start);
            return Err(LedgerError::OutOfOrder {
                source_number,
                expected,
                actual,
            });
        }
        if known.straddles(range) {
            let Range { start, end } = *range;
            return Err(LedgerError::Straddles {
                source_number,
                start,
                end,
            });
        }
        Ok(!range.is_empty() && known.is_marked(range))
    }

    /// Commits a transaction.
    pub(crate) fn commit(&self, origin: &Origin, outcome: Outcome) -> Result<(), LedgerError> {
        let mut inner = self.inner();
        let origin_record = match origin {
            Origin::File {
                source,
                incarnation,
                range,
            } => CommitOrigin::File {
                source: *source,
                incarnation: *incarnation,
                range: range.clone(),
                in_memory: outcome.in_memory,
            },
            Origin::Peer {
                sender,
                sequence,
                lowest,
            } => CommitOrigin::Peer {
                sender: *sender,
                sequence: *sequence,
                lowest: *lowest,
            },
            Origin::Local { chunk } => CommitOrigin::Local { chunk: *chunk },
            Origin::None => CommitOrigin::None,
        };
        let nothing_to_keep = outcome.appends.is_empty()
            && outcome.checkpoints.is_empty()
            && (outcome.losses.is_empty() || outcome.replay);
        // A position that memory chunks hold back moves at delivery; a chunk of a peer that lies in memory must
        // be taken again after a crash.
        let holds = outcome.holds;
        let origin_moves = match origin {
            Origin::None => false,
            Origin::File { .. } | Origin::Peer { .. } | Origin::Local { .. } => !outcome.in_memory,
        };
        if origin_moves || !nothing_to_keep {
            let losses = if outcome.replay {
                Vec::new()
            } else {
                outcome.losses
            };
            let Outcome {
                appends,
                checkpoints,
                ..
            } = outcome;
            let commit = Commit {
                origin: origin_record,
                appends,
                losses,
                checkpoints,
            };
            inner.write_synced(&[Record::Commit(commit)])?;
        }
        if let Origin::File {
            source,
            incarnation,
            range,
        } = origin
            && let Some(tracker) = inner.trackers.get_mut(&(*source, *incarnation))
        {
            // Held before the end moves: a delivery must never find the end free of what is still in memory.
            tracker.hold(range.start, holds);
            tracker.advance(range.end);
        }
        Ok(())
    }

    /// A memory chunk with these origins is delivered or dropped.
    pub(crate) fn release(&self, origins: &[(SourceNumber, u32, u64)]) -> Result<(), LedgerError> {
        let mut inner = self.inner();
        let mut records = Vec::new();
        for (source, incarnation, start) in origins {
            let Some(tracker) = inner.trackers.get_mut(&(*source, *incarnation)) else {
                continue;
            };
            tracker.release(*start);
            let position = tracker.position();
            let known = inner
                .state
                .find(*source, *incarnation)
                .map_or(0, |known| known.low_water);
            if position > known {
                let (source, incarnation) = (*source, *incarnation);
                records.push(Record::LowWater {
                    source,
                    incarnation,
                    position,
                });
            }
        }
        if records.is_empty() {
            Ok(())
        } else {
            inner.write(&records)
        }
    }

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
        let record = if losses.is_empty() {
            Record::Delivered { chunk }
        } else {
            let origin = CommitOrigin::Local { chunk };
            Record::Commit(Commit {
                origin,
                losses,
                ..Commit::default()
            })
        };
        self.inner().write_synced(&[record])
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
    }

    /// Whether a chunk was delivered before a crash kept its files from being removed.
    pub(crate) fn is_delivered(&self, chunk: ChunkId) -> bool {
        self.inner().state.delivered.contains(&chunk)
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

    /// The chunks of a buffer, delivered or not known to be.
    pub(crate) fn chunks_of(&self, buffer: &str) -> Vec<ChunkId> {
        let inner = self.inner();
        let of_buffer = inner
            .state
            .chunks
            .iter()
            .filter(|(_, state)| *state.buffer == *buffer);
        of_buffer.map(|(chunk, _)| *chunk).collect()
    }

    /// What commits survive.
    pub(crate) fn durability(&self) -> Durability {
        match &self.inner().store {
            Store::File(file) => file.durability(),
            Store::Recovering | Store::Volatile | Store::Broken { .. } => Durability::Process,
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
            Store::Broken { path, reason } => {
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
        };
        LedgerError::Broken { path, reason }
    }
}

// === Used by the state directory ===

/// What was read of all ledgers of a worker.
#[derive(Default)]
pub(crate) struct Recovered {
    state: State,
    generation: u64,
    next_source: u32,
}

/// What reading one ledger file gave.
pub(crate) enum LedgerRead {
    /// Its state is taken over; so many bytes at its end were no whole record.
    Whole { torn: usize },
    /// It does not begin as a ledger.
    Unknown,
}

impl Recovered {
    /// Reads ledger files. Those of an older generation than the newest are leftovers of an interrupted recovery.
    pub(crate) fn read(files: &[Vec<u8>]) -> (Self, Vec<LedgerRead>) {
        let reads: Vec<_> = files.iter().map(|bytes| file::read(bytes)).collect();
        let generation = reads
            .iter()
            .flatten()
            .map(|read| read.generation)
            .max()
            .unwrap_or(0);
        let mut recovered = Self {
            generation,
            ..Self::default()
        };
        let mut answers = Vec::new();
        for read in reads {
            let Some(read) = read else {
                answers.push(LedgerRead::Unknown);
                continue;
            };
            if read.generation == generation {
                recovered.state.join(&read.state);
            }
            answers.push(LedgerRead::Whole { torn: read.torn });
        }
        let last = recovered.state.sources.keys().next_back();
        recovered.next_source = last.map_or(0, |number| number.0.saturating_add(1));
        (recovered, answers)
    }

    /// Makes one ledger per shard; the first one knows all that was recovered, nothing is written yet.
    pub(crate) fn into_ledgers(self, shards: usize) -> (Vec<Arc<Ledger>>, u64) {
        let numbers = Arc::new(AtomicU32::new(self.next_source));
        let mut states = vec![self.state];
        states.resize_with(shards.max(1), State::default);
        let ledger = |state| Arc::new(Ledger::new(Store::Recovering, state, numbers.clone()));
        (
            states.into_iter().map(ledger).collect(),
            self.generation.saturating_add(1),
        )
    }
}

impl Ledger {
    /// Writes the state, together with that of `with`, and takes transactions from now on.
    pub(crate) fn start(
        &self,
        disk: SharedDisk,
        path: &Path,
        generation: u64,
        durability: Durability,
        with: &[Arc<Self>],
    ) -> io::Result<()> {
        let mut inner = self.inner();
        let mut state = inner.state.clone();
        for other in with {
            state.join(&other.inner().state);
        }
        let file = LedgerFile::create(disk, path.to_owned(), generation, durability, &state)?;
        inner.store = Store::File(file);
        Ok(())
    }

    /// A source by its key.
    pub(crate) fn find_source(&self, key: &str) -> Option<SourceState> {
        self.sources()
            .into_iter()
            .find(|source| *source.key == *key)
    }

    /// All sources.
    pub(crate) fn sources(&self) -> Vec<SourceState> {
        let inner = self.inner();
        let all = inner
            .state
            .sources
            .iter()
            .map(|(number, source)| SourceState {
                number: *number,
                key: source.key.clone(),
                incarnations: source.incarnations.clone(),
            });
        all.collect()
    }

    /// Takes over a recovered source.
    pub(crate) fn adopt_source(&self, source: &SourceState) -> Result<(), LedgerError> {
        let mut inner = self.inner();
        if !inner.state.sources.contains_key(&source.number) {
            let number = source.number;
            let mut records = vec![Record::Source {
                source: number,
                key: source.key.clone(),
            }];
            let lives = source.incarnations.iter();
            records.extend(lives.map(|(incarnation, life)| life.record(number, *incarnation)));
            inner.write(&records)?;
        }
        for (incarnation, life) in &source.incarnations {
            let tracker = LowWater::new(life.low_water);
            inner
                .trackers
                .entry((source.number, *incarnation))
                .or_insert(tracker);
        }
        Ok(())
    }
}
