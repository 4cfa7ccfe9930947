use std::collections::BTreeMap;

use super::dispatch::Dispatch;
use super::incarnation::Incarnation;
use super::lives::Lives;
use super::peers::Peers;
use super::record::{Commit, CommitOrigin, Extent, Intent, Record};
use crate::{ChunkId, LossKey, Metadata, SourceNumber, Timestamp};

/// What the records of a ledger add up to.
///
/// It is the same whether it was read from a file or kept while writing one, and its own records
/// ([`State::records`]) lead to it again: that is compaction.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct State {
    pub(super) sources: BTreeMap<SourceNumber, Source>,
    pub(super) chunks: BTreeMap<ChunkId, Chunk>,
    /// Whose files may still be there, and the buffer they are of, where it is known.
    pub(super) delivered: BTreeMap<ChunkId, Box<str>>,
    pub(super) intents: BTreeMap<ChunkId, Intent>,
    pub(super) losses: BTreeMap<LossKey, u64>,
    pub(super) dispatches: BTreeMap<ChunkId, Dispatch>,
    pub(super) peers: Peers,
    pub(super) checkpoints: BTreeMap<Box<str>, Box<[u8]>>,
    pub(super) position_files: BTreeMap<Box<str>, u32>,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Source {
    pub(super) key: Box<str>,
    pub(super) incarnations: Lives,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Chunk {
    pub(super) buffer: Box<str>,
    pub(super) metadata: Metadata,
    pub(super) created: Timestamp,
    pub(super) extent: Extent,
    pub(super) previous: Extent,
}

impl State {
    /// The same as [`apply`](Self::apply) of a record that nobody needs any more: what most of a large ledger consists
    /// of is moved.
    pub(super) fn take(&mut self, record: Record) {
        match record {
            Record::Source { source, key } => {
                self.sources.entry(source).or_default().key = key;
            }
            record => self.apply(&record),
        }
    }

    /// Lets one record have its effect.
    pub(super) fn apply(&mut self, record: &Record) {
        match record {
            Record::Source { source, key } => {
                self.sources.entry(*source).or_default().key = key.clone();
            }
            Record::Incarnation {
                source,
                incarnation,
                identity,
                low_water,
                marks,
            } => {
                let life = Incarnation {
                    identity: *identity,
                    low_water: *low_water,
                    marks: marks.clone(),
                };
                self.change(*source, *incarnation, |known| known.join(&life));
            }
            Record::Fingerprint {
                source,
                incarnation,
                fingerprint,
            } => {
                self.change(*source, *incarnation, |known| {
                    known.identity.fingerprint = *fingerprint;
                });
            }
            Record::IncarnationClosed {
                source,
                incarnation,
            } => {
                if let Some(source) = self.sources.get_mut(source) {
                    source.incarnations.remove(*incarnation);
                }
            }
            Record::SourceForgotten { source } => {
                self.sources.remove(source);
            }
            Record::LowWater {
                source,
                incarnation,
                position,
            } => {
                self.change(*source, *incarnation, |known| known.raise(*position));
            }
            Record::Chunk {
                buffer,
                chunk,
                metadata,
                created,
                extent,
                previous,
            } => {
                let state = Chunk {
                    buffer: buffer.clone(),
                    metadata: metadata.clone(),
                    created: *created,
                    extent: *extent,
                    previous: *previous,
                };
                self.chunks.insert(*chunk, state);
                if self.delivered.contains_key(chunk) {
                    self.deliver(*chunk, "");
                }
            }
            Record::Commit(commit) => self.apply_commit(commit),
            Record::Delivered { chunk, buffer } => self.deliver(*chunk, buffer),
            Record::Losses { losses } => self.lose(losses),
            Record::Peer {
                sender,
                lowest,
                committed,
            } => {
                let committed = committed.iter().copied();
                self.peers.note(*sender, *lowest, committed);
            }
            Record::Checkpoint { stage, bytes } => {
                self.checkpoints.insert(stage.clone(), bytes.clone());
            }
            Record::Intent { chunk, intent } => {
                self.intents.insert(*chunk, intent.clone());
            }
            Record::Dispatch { chunk, dispatch } => {
                self.dispatches.insert(*chunk, dispatch.clone());
            }
            Record::Evacuated { chunk } => self.purge(*chunk),
            Record::PositionFile { path, hash } => {
                self.position_files.insert(path.clone(), *hash);
            }
        }
    }

    fn apply_commit(&mut self, commit: &Commit) {
        for (chunk, extent) in &commit.appends {
            if let Some(state) = self.chunks.get_mut(chunk) {
                state.previous = state.extent;
                state.extent = *extent;
            }
        }
        self.lose(&commit.losses);
        for (stage, bytes) in &commit.checkpoints {
            self.checkpoints.insert(stage.clone(), bytes.clone());
        }
        match &commit.origin {
            CommitOrigin::None => {}
            CommitOrigin::File {
                source,
                incarnation,
                range,
                in_memory,
            } => {
                self.change(*source, *incarnation, |known| {
                    if !in_memory && range.start <= known.low_water {
                        known.raise(range.end);
                    } else {
                        known.mark(range.clone());
                    }
                });
            }
            CommitOrigin::Peer {
                sender,
                sequence,
                lowest,
                taken,
            } => self.peers.note(*sender, *lowest, [(*sequence, *taken)]),
            CommitOrigin::Local { chunk } => self.deliver(*chunk, ""),
        }
    }

    /// Forgets a delivered chunk whose files are gone.
    pub(super) fn purge(&mut self, chunk: ChunkId) {
        self.delivered.remove(&chunk);
        self.chunks.remove(&chunk);
        self.intents.remove(&chunk);
        self.dispatches.remove(&chunk);
    }

    /// Gives out the fewest records that lead to this state, one after the other.
    pub(super) fn each_record(&self, mut give: impl FnMut(&Record)) {
        for (source, state) in &self.sources {
            for (incarnation, state) in state.incarnations.iter() {
                give(&state.record(*source, incarnation));
            }
            give(&Record::Source {
                source: *source,
                key: state.key.clone(),
            });
        }
        for (chunk, state) in &self.chunks {
            give(&Record::Chunk {
                buffer: state.buffer.clone(),
                chunk: *chunk,
                metadata: state.metadata.clone(),
                created: state.created,
                extent: state.extent,
                previous: state.previous,
            });
        }
        for (chunk, buffer) in &self.delivered {
            give(&Record::Delivered {
                chunk: *chunk,
                buffer: buffer.clone(),
            });
        }
        for (chunk, intent) in &self.intents {
            give(&Record::Intent {
                chunk: *chunk,
                intent: intent.clone(),
            });
        }
        for (chunk, dispatch) in &self.dispatches {
            give(&Record::Dispatch {
                chunk: *chunk,
                dispatch: dispatch.clone(),
            });
        }
        if !self.losses.is_empty() {
            let losses = self.losses.iter();
            let losses = losses.map(|(key, count)| (key.clone(), *count)).collect();
            give(&Record::Losses { losses });
        }
        self.peers.records().for_each(|record| give(&record));
        for (stage, bytes) in &self.checkpoints {
            give(&Record::Checkpoint {
                stage: stage.clone(),
                bytes: bytes.clone(),
            });
        }
        for (path, hash) in &self.position_files {
            give(&Record::PositionFile {
                path: path.clone(),
                hash: *hash,
            });
        }
    }

    /// Takes over what another ledger of the same generation and worker knows.
    pub(super) fn join(&mut self, other: Self) {
        if *self == Self::default() {
            // Nearly always: one ledger holds nearly all there is.
            *self = other;
            return;
        }
        for (source, theirs) in other.sources {
            let ours = self.sources.entry(source).or_default();
            if ours.key.is_empty() {
                ours.key = theirs.key;
            }
            for (incarnation, theirs) in theirs.incarnations.iter() {
                ours.incarnations
                    .change(incarnation, |ours| ours.join(theirs));
            }
        }
        self.chunks.extend(other.chunks);
        self.intents.extend(other.intents);
        self.dispatches.extend(other.dispatches);
        for (key, count) in other.losses {
            let ours = self.losses.entry(key).or_default();
            *ours = ours.saturating_add(count);
        }
        self.peers.join(&other.peers);
        self.checkpoints.extend(other.checkpoints);
        self.position_files.extend(other.position_files);
        // Delivery is final, whichever ledger knows of it.
        let delivered = std::mem::take(&mut self.delivered);
        for (chunk, buffer) in delivered.iter().chain(&other.delivered) {
            self.deliver(*chunk, buffer);
        }
    }

    /// Forgets what no ledger knows the name of: delivered chunks whose files are gone, and sources that a crash
    /// kept from being born.
    pub(super) fn forget_strangers(&mut self) {
        self.delivered.retain(|_, buffer| !buffer.is_empty());
        self.sources.retain(|_, source| !source.key.is_empty());
    }

    /// An incarnation, if it is known.
    pub(super) fn find(&self, source: SourceNumber, incarnation: u32) -> Option<&Incarnation> {
        self.sources.get(&source)?.incarnations.get(incarnation)
    }

    fn change(
        &mut self,
        source: SourceNumber,
        incarnation: u32,
        change: impl FnOnce(&mut Incarnation),
    ) {
        let source = self.sources.entry(source).or_default();
        source.incarnations.change(incarnation, change);
    }

    fn deliver(&mut self, chunk: ChunkId, buffer: &str) {
        let known = self.chunks.remove(&chunk).map(|state| state.buffer);
        self.intents.remove(&chunk);
        self.dispatches.remove(&chunk);
        let of = self.delivered.entry(chunk).or_default();
        if of.is_empty() {
            *of = known.unwrap_or_else(|| buffer.into());
        }
    }

    fn lose(&mut self, losses: &[(LossKey, u64)]) {
        for (key, count) in losses {
            let total = self.losses.entry(key.clone()).or_default();
            *total = total.saturating_add(*count);
        }
    }
}
