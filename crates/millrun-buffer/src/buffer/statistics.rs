use std::sync::atomic::Ordering;

use super::{Buffer, lock};

/// What a buffer holds, under the names of Fluentd's monitoring (specification 4.9).
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Statistics {
    /// Staged chunks.
    pub stage_length: usize,
    /// Bytes of staged chunks.
    pub stage_byte_size: u64,
    /// Chunks that wait for a flush thread.
    pub queue_length: usize,
    /// Bytes of chunks that wait or are being delivered.
    pub queue_byte_size: u64,
    /// Bytes of all chunks.
    pub total_queued_size: u64,
    /// The free share of the total limit in percent, to one decimal.
    pub available_buffer_space_ratios: f64,
    /// The oldest time slice, in seconds since the epoch.
    pub oldest_timekey: Option<i64>,
    /// The newest time slice, in seconds since the epoch.
    pub newest_timekey: Option<i64>,
}

impl Buffer {
    /// What the buffer holds now. Chunks in delivery count in bytes only.
    pub fn statistics(&self) -> Statistics {
        let mut timekeys: Vec<i64> = Vec::new();
        let mut stage_length = 0;
        for stage in &self.stages {
            let stage = lock(stage);
            stage_length += stage.open.len();
            timekeys.extend(stage.open.keys().filter_map(|metadata| metadata.timekey));
        }
        let queue_length = self.queue.inspect(|chunks| {
            timekeys.extend(chunks.iter().filter_map(|chunk| chunk.metadata.timekey));
            chunks.len()
        });
        let stage_byte_size = self.stage_bytes.load(Ordering::Relaxed);
        let queue_byte_size = self.queue_bytes.load(Ordering::Relaxed);
        let total = stage_byte_size.saturating_add(queue_byte_size);
        let used = total as f64 / self.config.total_limit_size.max(1) as f64;
        Statistics {
            stage_length,
            stage_byte_size,
            queue_length,
            queue_byte_size,
            total_queued_size: total,
            available_buffer_space_ratios: ((1.0 - used) * 1000.0).round() / 10.0,
            oldest_timekey: timekeys.iter().min().copied(),
            newest_timekey: timekeys.iter().max().copied(),
        }
    }
}
