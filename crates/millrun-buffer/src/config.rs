use std::path::PathBuf;
use std::time::Duration;

use crate::{Compression, SingleKey};

/// What a `<buffer>` section means (specification 4.3 and 4.4). Build it with [`BufferConfig::memory`] or
/// [`BufferConfig::file`], which carry Fluentd's defaults, and set what differs.
#[derive(Debug, Clone, PartialEq)]
pub struct BufferConfig {
    /// Where chunks live.
    pub kind: BufferKind,
    /// A chunk is never larger, in bytes.
    pub chunk_limit_size: u64,
    /// A chunk never has more events.
    pub chunk_limit_records: Option<u64>,
    /// Writes are refused when staged and queued chunks together reach this many bytes.
    pub total_limit_size: u64,
    /// A chunk is queued when it reaches this share of a limit.
    pub chunk_full_threshold: f64,
    /// When staged chunks are queued.
    pub flush_mode: FlushMode,
    /// How many commits in a row are a chunk file each with [`FlushMode::Immediate`]. Beyond, chunks stay open for some
    /// milliseconds, and files are used again.
    pub burst: u32,
    /// The age at which [`FlushMode::Interval`] queues a chunk.
    pub flush_interval: Duration,
    /// The length of a time slice in seconds, when `time` is a chunk key.
    pub timekey: Option<u64>,
    /// How long after the end of its slice a chunk is queued.
    pub timekey_wait: Duration,
    /// What happens to a write that finds the buffer full.
    pub overflow_action: OverflowAction,
    /// Chunks are not queued for their age while so many are queued (full ones are).
    pub queued_chunks_limit_size: Option<usize>,
    /// How chunks are kept.
    pub compression: Compression,
    /// A compressed chunk that comes to more bytes than this is damaged or a bomb.
    pub decompression_size_limit: u64,
    /// What chunks hold: how the events of one are counted that another program left without a count.
    pub format: ChunkFormat,
}

/// What the bytes of a chunk are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChunkFormat {
    /// Msgpack values back to back.
    Values,
    /// Lines.
    Lines,
    /// Nothing that can be counted.
    Opaque,
}

/// Where chunks live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BufferKind {
    /// In memory: positions follow delivery.
    Memory,
    /// In files, named as Fluentd names them.
    File {
        /// The `path` parameter.
        path: PathBuf,
        /// Which files a chunk has.
        layout: FileLayout,
        /// The number of this worker, when there are several.
        worker: Option<usize>,
        /// Directories of workers that there are no more: what they hold becomes this buffer's.
        left_behind: Vec<PathBuf>,
        /// Where chunks that cannot be read are put aside; nothing to throw them away.
        backup: Option<PathBuf>,
    },
}

/// Which files a chunk has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileLayout {
    /// Data, and beside it metadata.
    Pair {
        /// The `path_suffix` parameter, `.log` by default.
        suffix: Box<str>,
    },
    /// One, with the only chunk key in its name (file_single).
    Single {
        /// The key.
        key: SingleKey,
    },
}

/// When staged chunks are queued; full chunks are queued in every mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlushMode {
    /// When their time slice is over; without one, only when full or at the end.
    Lazy,
    /// When they are [`BufferConfig::flush_interval`] old, or their time slice is over.
    Interval,
    /// At each commit.
    Immediate,
}

/// What happens to a write that finds the buffer full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OverflowAction {
    /// It fails; the source decides.
    ThrowException,
    /// It fails in the same way; the caller is expected to wait with [`Buffer::wait_for_space`](crate::Buffer::wait_for_space)
    /// before it begins the transaction again.
    Block,
    /// The oldest queued chunks are dropped and counted until there is room.
    DropOldestChunk,
}

impl BufferConfig {
    /// A memory buffer: chunks of 8 MiB, 512 MiB in total, flushed after 60 s.
    pub fn memory() -> Self {
        Self {
            kind: BufferKind::Memory,
            chunk_limit_size: 8 << 20,
            chunk_limit_records: None,
            total_limit_size: 512 << 20,
            chunk_full_threshold: 0.95,
            flush_mode: FlushMode::Interval,
            burst: 64,
            flush_interval: Duration::from_secs(60),
            timekey: None,
            timekey_wait: Duration::from_secs(600),
            overflow_action: OverflowAction::ThrowException,
            queued_chunks_limit_size: Some(1),
            compression: Compression::Text,
            decompression_size_limit: 256 << 20,
            format: ChunkFormat::Values,
        }
    }

    /// A file buffer: chunks of 256 MiB, 64 GiB in total, flushed after 60 s.
    pub fn file(path: impl Into<PathBuf>, backup: impl Into<PathBuf>) -> Self {
        let kind = BufferKind::File {
            path: path.into(),
            layout: FileLayout::Pair {
                suffix: ".log".into(),
            },
            worker: None,
            left_behind: Vec::new(),
            backup: Some(backup.into()),
        };
        Self {
            kind,
            chunk_limit_size: 256 << 20,
            total_limit_size: 64 << 30,
            ..Self::memory()
        }
    }
}
