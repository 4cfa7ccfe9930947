//! An output with its buffer, its retry state and the plan for both.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use millrun_buffer::{Buffer, BufferConfig, BufferKind, Random, Retry, RetryConfig};

use crate::chunk_keys::ChunkKeys;
use crate::plugin::{BufferedOutput, PluginId};

/// How many chunks of a memory buffer may be queued before sources that can wait do so. Two are
/// under way while the others fill; more would only move a file into memory.
pub const QUEUED_CHUNKS_ROOM: usize = 4;

/// An output, with what keeps its events until they are delivered.
pub struct BufferedNode {
    /// The plugin's id.
    pub id: PluginId,
    /// The plugin.
    pub output: Arc<dyn BufferedOutput>,
    /// What the events of one chunk have in common.
    pub keys: ChunkKeys,
    /// How chunks are kept and delivered.
    pub plan: BufferPlan,
    buffer: OnceLock<Arc<Buffer>>,
    retry: Mutex<RetryState>,
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
    /// Whether what is left goes out at the end.
    pub flush_at_shutdown: bool,
    /// Where chunks go that can never be delivered; `None` drops them.
    pub backup: Option<PathBuf>,
}

/// The failures since the last success, and the dice for the jitter.
pub(crate) struct RetryState {
    pub(crate) retry: Option<Retry>,
    pub(crate) random: Random,
}

impl BufferedNode {
    /// An output whose buffer is not open yet.
    pub fn new(
        id: PluginId,
        output: Arc<dyn BufferedOutput>,
        keys: ChunkKeys,
        plan: BufferPlan,
    ) -> Self {
        let retry = Mutex::new(RetryState {
            retry: None,
            random: Random::from_entropy(),
        });
        Self {
            id,
            output,
            keys,
            plan,
            buffer: OnceLock::new(),
            retry,
        }
    }

    /// The buffer, once the pipeline has opened it.
    pub fn buffer(&self) -> Option<&Arc<Buffer>> {
        self.buffer.get()
    }

    pub(crate) fn open(&self, buffer: Arc<Buffer>) {
        // A second one would be ours to explain; the first stays.
        let _ = self.buffer.set(buffer);
    }

    /// False while a memory buffer has so much queued that sources which can wait should.
    pub fn has_room(&self) -> bool {
        let Some(buffer) = self.buffer() else {
            return true;
        };
        let room = match self.plan.config.kind {
            BufferKind::Memory => {
                let chunk = self.plan.config.chunk_limit_size;
                buffer.queued_bytes() < chunk.saturating_mul(QUEUED_CHUNKS_ROOM as u64)
            }
            BufferKind::File { .. } => true,
        };
        room && buffer.has_space()
    }

    pub(crate) fn retry(&self) -> MutexGuard<'_, RetryState> {
        self.retry.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
