use std::collections::BTreeMap;

use super::dispatch::Dispatch;
use super::incarnation::Incarnation;
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
    pub(super) incarnations: BTreeMap<u32, Incarnation>,
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
                let known = self.incarnation(*source, *incarnation);
                known.join(&Incarnation {
                    identity: *identity,
                    low_water: *low_water,
                    marks: marks.clone(),
                });
            }
            Record::Fingerprint {
                source,
                incarnation,
                fingerprint,
            } => {
                self.incarnation(*source, *incarnation).identity.fingerprint = *fingerprint;
            }
            Record::IncarnationClosed {
                source,
                incarnation,
            } => {
                if let Some(source) = self.sources.get_mut(source) {
                    source.incarnations.remove(incarnation);
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
                self.incarnation(*source, *incarnation).raise(*position);
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
                let known = self.incarnation(*source, *incarnation);
                if !in_memory && range.start <= known.low_water {
                    known.raise(range.end);
                } else {
                    known.mark(range.clone());
                }
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

    /// The fewest records that lead to this state.
    pub(super) fn records(&self) -> Vec<Record> {
        let mut records = Vec::new();
        for (source, state) in &self.sources {
            for (incarnation, state) in &state.incarnations {
                records.push(state.record(*source, *incarnation));
            }
            records.push(Record::Source {
                source: *source,
                key: state.key.clone(),
            });
        }
        for (chunk, state) in &self.chunks {
            records.push(Record::Chunk {
                buffer: state.buffer.clone(),
                chunk: *chunk,
                metadata: state.metadata.clone(),
                created: state.created,
                extent: state.extent,
                previous: state.previous,
            });
        }
        for (chunk, buffer) in &self.delivered {
            records.push(Record::Delivered {
                chunk: *chunk,
                buffer: buffer.clone(),
            });
        }
        records.extend(self.intents.iter().map(|(chunk, intent)| Record::Intent {
            chunk: *chunk,
            intent: intent.clone(),
        }));
        let dispatches = self.dispatches.iter();
        records.extend(dispatches.map(|(chunk, dispatch)| Record::Dispatch {
            chunk: *chunk,
            dispatch: dispatch.clone(),
        }));
        if !self.losses.is_empty() {
            let losses = self
                .losses
                .iter()
                .map(|(key, count)| (key.clone(), *count))
                .collect();
            records.push(Record::Losses { losses });
        }
        records.extend(self.peers.records());
        for (stage, bytes) in &self.checkpoints {
            records.push(Record::Checkpoint {
                stage: stage.clone(),
                bytes: bytes.clone(),
            });
        }
        for (path, hash) in &self.position_files {
            records.push(Record::PositionFile {
                path: path.clone(),
                hash: *hash,
            });
        }
        records
    }

    /// Takes over what another ledger of the same generation and worker knows.
    pub(super) fn join(&mut self, other: &Self) {
        for (source, theirs) in &other.sources {
            let ours = self.sources.entry(*source).or_default();
            if ours.key.is_empty() {
                ours.key = theirs.key.clone();
            }
            for (incarnation, theirs) in &theirs.incarnations {
                ours.incarnations
                    .entry(*incarnation)
                    .or_default()
                    .join(theirs);
            }
        }
        for (chunk, state) in &other.chunks {
            self.chunks.insert(*chunk, state.clone());
        }
        for (chunk, intent) in &other.intents {
            self.intents.insert(*chunk, intent.clone());
        }
        self.dispatches.extend(other.dispatches.clone());
        for (key, count) in &other.losses {
            let ours = self.losses.entry(key.clone()).or_default();
            *ours = ours.saturating_add(*count);
        }
        self.peers.join(&other.peers);
        self.checkpoints.extend(other.checkpoints.clone());
        self.position_files.extend(other.position_files.clone());
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
        self.sources.get(&source)?.incarnations.get(&incarnation)
    }

    fn incarnation(&mut self, source: SourceNumber, incarnation: u32) -> &mut Incarnation {
        let source = self.sources.entry(source).or_default();
        source.incarnations.entry(incarnation).or_default()
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
