//! What a buffered output has done, under the names of Fluentd's monitoring (fluentd.md section 3.5).

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Counters of one output. Whoever counts is on some thread of the data path or of delivery: no lock, once per batch or chunk.
#[derive(Debug, Default)]
pub struct Counters {
    emit_count: AtomicU64,
    emit_records: AtomicU64,
    emit_size: AtomicU64,
    write_count: AtomicU64,
    write_secondary_count: AtomicU64,
    rollback_count: AtomicU64,
    flush_time_millis: AtomicU64,
    slow_flush_count: AtomicU64,
    drop_oldest_chunk_count: AtomicU64,
}

/// What the counters stand at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutputStatistics {
    /// Batches that were taken.
    pub emit_count: u64,
    /// Events in them.
    pub emit_records: u64,
    /// Their bytes, as they came.
    pub emit_size: u64,
    /// Chunks that were begun to be delivered, each try.
    pub write_count: u64,
    /// How many of these went to the secondary output.
    pub write_secondary_count: u64,
    /// Tries that failed.
    pub rollback_count: u64,
    /// How long deliveries took together, in milliseconds.
    pub flush_time_count: u64,
    /// Deliveries that took longer than slow_flush_log_threshold.
    pub slow_flush_count: u64,
    /// Chunks that were dropped to make room.
    pub drop_oldest_chunk_count: u64,
    /// Retries that failed since the last success.
    pub retry_count: u64,
}

impl Counters {
    pub(crate) fn emitted(&self, records: u64, bytes: u64) {
        add(&self.emit_count, 1);
        add(&self.emit_records, records);
        add(&self.emit_size, bytes);
    }

    pub(crate) fn tried(&self, by_secondary: bool) {
        add(&self.write_count, 1);
        add(&self.write_secondary_count, by_secondary.into());
    }

    pub(crate) fn rolled_back(&self) {
        add(&self.rollback_count, 1);
    }

    pub(crate) fn delivered(&self, took: Duration, is_slow: bool) {
        let millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        add(&self.flush_time_millis, millis);
        add(&self.slow_flush_count, is_slow.into());
    }

    pub(crate) fn dropped_oldest(&self, chunks: u64) {
        add(&self.drop_oldest_chunk_count, chunks);
    }

    pub(crate) fn statistics(&self, retry_count: u64) -> OutputStatistics {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        OutputStatistics {
            emit_count: read(&self.emit_count),
            emit_records: read(&self.emit_records),
            emit_size: read(&self.emit_size),
            write_count: read(&self.write_count),
            write_secondary_count: read(&self.write_secondary_count),
            rollback_count: read(&self.rollback_count),
            flush_time_count: read(&self.flush_time_millis),
            slow_flush_count: read(&self.slow_flush_count),
            drop_oldest_chunk_count: read(&self.drop_oldest_chunk_count),
            retry_count,
        }
    }
}

fn add(counter: &AtomicU64, amount: u64) {
    counter.fetch_add(amount, Ordering::Relaxed);
}
