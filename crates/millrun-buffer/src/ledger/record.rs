use std::ops::Range;

use super::dispatch::Dispatch;
use super::peers::Taken;
use crate::{ChunkId, Fingerprint, Identity, LossKey, Metadata, SourceNumber, Timestamp};

/// One fact that must survive the process.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Record {
    /// A source has this number in this generation.
    Source { source: SourceNumber, key: Box<str> },
    /// A source reads this life of a file: known position and what lies committed above it.
    Incarnation {
        source: SourceNumber,
        incarnation: u32,
        identity: Identity,
        low_water: u64,
        marks: Vec<Range<u64>>,
    },
    /// A file has grown, so more of its first bytes are known.
    Fingerprint {
        source: SourceNumber,
        incarnation: u32,
        fingerprint: Fingerprint,
    },
    /// An incarnation is read to its end and its file is gone.
    IncarnationClosed {
        source: SourceNumber,
        incarnation: u32,
    },
    /// A source is not read any more.
    SourceForgotten { source: SourceNumber },
    /// Everything below this position is delivered or in file buffers.
    LowWater {
        source: SourceNumber,
        incarnation: u32,
        position: u64,
    },
    /// A chunk file exists and has this committed content: its birth, adoption or, after compaction, its state.
    Chunk {
        buffer: Box<str>,
        chunk: ChunkId,
        metadata: Metadata,
        created: Timestamp,
        extent: Extent,
        previous: Extent,
    },
    /// A transaction.
    Commit(Commit),
    /// A chunk has arrived where its output sent it.
    Delivered { chunk: ChunkId, buffer: Box<str> },
    /// The account of what was dropped on purpose, up to now in this ledger.
    Losses { losses: Vec<(LossKey, u64)> },
    /// What a sender has had committed: numbers at and above its lowest unanswered one.
    Peer {
        sender: [u8; 16],
        lowest: u64,
        committed: Vec<(u64, Taken)>,
    },
    /// What a stage holds back across transactions.
    Checkpoint { stage: Box<str>, bytes: Box<[u8]> },
    /// out_file is about to append a chunk to a file.
    Intent { chunk: ChunkId, intent: Intent },
    /// The content of a position file as we last wrote it.
    PositionFile { path: Box<str>, hash: u32 },
    /// A chunk is about to be sent to a receiver under this number.
    Dispatch { chunk: ChunkId, dispatch: Dispatch },
    /// A chunk left: what comes back under its name is another program's.
    Evacuated { chunk: ChunkId },
}

/// How much of a chunk is committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Extent {
    /// Bytes.
    pub(crate) length: u64,
    /// Events.
    pub(crate) count: u64,
    /// When it was committed, in seconds since the epoch.
    pub(crate) modified: u64,
    /// The CRC-32 of these bytes as they are kept; nothing where another program wrote them.
    pub(crate) hash: Option<u32>,
}

impl Default for Extent {
    /// Of a chunk that holds nothing yet.
    fn default() -> Self {
        Self {
            length: 0,
            count: 0,
            modified: 0,
            hash: Some(0),
        }
    }
}

impl Extent {
    /// The hash of what is kept when `bytes` follow.
    pub(crate) fn hash_with(&self, bytes: &[u8]) -> Option<u32> {
        let mut hasher = crc32fast::Hasher::new_with_initial(self.hash?);
        hasher.update(bytes);
        Some(hasher.finalize())
    }
}

/// The place a chunk's bytes are about to be appended to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intent {
    /// The file.
    pub path: Box<str>,
    /// Its device number.
    pub device: u64,
    /// Its inode number.
    pub inode: u64,
    /// Its length before.
    pub length_before: u64,
    /// The CRC-32 of what is appended.
    pub hash: u32,
}

/// The body of a commit record.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Commit {
    pub(super) origin: CommitOrigin,
    /// File chunks and what they hold with this transaction.
    pub(super) appends: Vec<(ChunkId, Extent)>,
    /// Dropped in this transaction.
    pub(super) losses: Vec<(LossKey, u64)>,
    /// New content of checkpoints.
    pub(super) checkpoints: Vec<(Box<str>, Box<[u8]>)>,
}

/// The part of an origin that a commit must remember.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) enum CommitOrigin {
    #[default]
    None,
    File {
        source: SourceNumber,
        incarnation: u32,
        range: Range<u64>,
        in_memory: bool,
    },
    Peer {
        sender: [u8; 16],
        sequence: u64,
        lowest: u64,
        taken: Taken,
    },
    Local {
        chunk: ChunkId,
    },
}
