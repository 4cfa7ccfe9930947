//! An output with its buffer, its retry state and the plan for both.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use millrun_buffer::{Buffer, BufferConfig, BufferKind, Random, Retry, RetryConfig};

use crate::chunk_keys::ChunkKeys;
use crate::counters::{Counters, OutputStatistics};
use crate::flush::Gate;
use crate::plugin::{BufferedOutput, PluginId};
use crate::secondary::Secondary;

/// How many chunks of a memory buffer may be queued before sources that can wait do so. Two are
/// under way while the others fill; more would only move a file into memory.
pub const QUEUED_CHUNKS_ROOM: usize = 4;

/// How many bytes of a memory buffer may wait for a flush thread before sources that can wait do so, while one chunk after
/// the other is taken: what passes through a processor's cache is written and read there, and nothing is gained by more.
const WAITING_BYTES_ROOM: u64 = 1 << 20;

/// A destination that has taken nothing for so long may keep more waiting: the other outputs of the same source are not to
/// wait for it.
const STALLED_AFTER: Duration = Duration::from_millis(20);

/// The same of a file buffer, whose chunks hold more: what was just written is sent from memory, and its file is used again.
const FILE_WAITING_BYTES_ROOM: u64 = 4 << 20;

/// A file buffer whose destination has taken nothing for so long takes what comes: its files are there for that.
const FILE_STALLED_AFTER: Duration = Duration::from_millis(5);

/// The same where so many chunks wait: they are small, and one after the other may be little. So a source is never slower for
/// waiting than about 13 MB/s.
const FILE_WAITING_CHUNKS_ROOM: usize = 64;

/// An output, with what keeps its events until they are delivered.
pub struct BufferedNode {
    /// The plugin's id.
    pub id: PluginId,
    /// The plugin.
    pub output: Arc<dyn BufferedOutput>,
    /// The plugin of its `<secondary>` section.
    pub secondary: Option<Arc<dyn BufferedOutput>>,
    /// That one is of another type than the plugin.
    pub secondary_is_other: bool,
    /// What the events of one chunk have in common.
    pub keys: ChunkKeys,
    /// How chunks are kept and delivered.
    pub plan: BufferPlan,
    pub(crate) counters: Counters,
    buffer: OnceLock<Arc<Buffer>>,
    gate: Mutex<Gate>,
}

/// What a `<buffer>` section means.
#[derive(Clone, Debug)]
pub struct BufferPlan {
    /// How chunks are kept.
    pub config: BufferConfig,
    /// How failures are repeated.
    pub retry: RetryConfig,
    /// How many threads deliver; 0 delivers nothing.
    pub flush_threads: u32,
    /// Longest sleep of a flush thread while nothing is due.
    pub flush_thread_interval: Duration,
    /// Pause between two chunks while more are queued, where one is wanted.
    pub flush_thread_burst_interval: Option<Duration>,
    /// How long a chunk may be under way.
    pub delayed_commit_timeout: Duration,
    /// Deliveries that take longer are logged.
    pub slow_flush_log_threshold: Duration,
    /// Whether what is left goes out at the end.
    pub flush_at_shutdown: bool,
    /// Where chunks go that can never be delivered; `None` drops them.
    pub backup: Option<PathBuf>,
    /// Where chunk files go that were tried long enough, to be put back by hand; `None` drops them.
    pub evacuation: Option<PathBuf>,
    /// Permissions of chunk files.
    pub file_mode: u32,
    /// Permissions of their directories.
    pub directory_mode: u32,
}

impl BufferedNode {
    /// An output whose buffer is not open yet.
    pub fn new(
        id: PluginId,
        output: Arc<dyn BufferedOutput>,
        secondary: Option<Secondary>,
        keys: ChunkKeys,
        plan: BufferPlan,
    ) -> Self {
        Self {
            id,
            output,
            secondary_is_other: secondary.as_ref().is_some_and(|second| second.is_other),
            secondary: secondary.map(|second| second.output),
            keys,
            plan,
            counters: Counters::default(),
            buffer: OnceLock::new(),
            gate: Mutex::new(Gate::new(Random::from_entropy())),
        }
    }

    /// What the output has done so far.
    pub fn statistics(&self) -> OutputStatistics {
        let retries = self.gate().retry().map_or(0, Retry::times);
        self.counters.statistics(retries.into())
    }

    /// The buffer, once the pipeline has opened it.
    pub fn buffer(&self) -> Option<&Arc<Buffer>> {
        self.buffer.get()
    }

    pub(crate) fn open(&self, buffer: Arc<Buffer>) {
        // A second one would be ours to explain; the first stays.
        let _ = self.buffer.set(buffer);
    }

    /// False while so much is queued that sources which can wait should, for less than what the destination takes
    /// anyway.
    pub fn has_room(&self) -> bool {
        let Some(buffer) = self.buffer() else {
            return true;
        };
        let room = match self.plan.config.kind {
            BufferKind::Memory => {
                let chunk = self.plan.config.chunk_limit_size;
                let passes_on =
                    buffer.waiting_bytes() < WAITING_BYTES_ROOM || buffer.is_stalled(STALLED_AFTER);
                passes_on && buffer.queued_bytes() < chunk.saturating_mul(QUEUED_CHUNKS_ROOM as u64)
            }
            BufferKind::File { .. } => {
                buffer.waiting_bytes() < FILE_WAITING_BYTES_ROOM
                    || buffer.waiting_chunks() >= FILE_WAITING_CHUNKS_ROOM
                    || buffer.is_stalled(FILE_STALLED_AFTER)
            }
        };
        room && buffer.has_space()
    }

    pub(crate) fn gate(&self) -> MutexGuard<'_, Gate> {
        self.gate.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
