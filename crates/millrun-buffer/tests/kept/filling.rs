use std::time::Duration;

use millrun_buffer::disk::SimulatedDisk;
use millrun_buffer::{BufferConfig, FlushMode, OverflowAction};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::common::{Worker, drain, text};

fn worker(config: BufferConfig) -> Worker {
    Worker::start(&SimulatedDisk::new(), &[config])
}

fn lazy(chunk_limit_size: u64) -> BufferConfig {
    BufferConfig {
        chunk_limit_size,
        flush_mode: FlushMode::Lazy,
        ..BufferConfig::memory()
    }
}

#[test]
fn a_chunk_that_would_pass_its_limit_is_queued_as_it_is() {
    let mut worker = worker(lazy(20));
    worker.put(0, "a", "0123456789\n").unwrap();
    assert!(worker.buffers[0].take().is_none());
    worker.put(0, "a", "9876543210\n").unwrap();
    assert_eq!(drain(&worker.buffers[0]), ["0123456789\n"]);
}

#[test]
fn a_chunk_is_queued_when_it_is_nearly_full() {
    let mut worker = worker(lazy(20));
    worker.put(0, "a", "0123456789\n").unwrap();
    // 19 bytes are 95 % of 20.
    worker.put(0, "a", "0123456\n").unwrap();
    assert_eq!(drain(&worker.buffers[0]), ["0123456789\n0123456\n"]);
}

#[test]
fn tags_fill_chunks_of_their_own() {
    let mut worker = worker(lazy(100));
    worker.put(0, "a", "1\n").unwrap();
    worker.put(0, "b", "2\n").unwrap();
    worker.put(0, "a", "3\n").unwrap();
    assert_eq!(worker.buffers[0].enqueue_all(), 2);
    let mut texts = drain(&worker.buffers[0]);
    texts.sort();
    assert_eq!(texts, ["1\n3\n", "2\n"]);
}

#[test]
fn records_are_limited_too() {
    let config = BufferConfig {
        chunk_limit_records: Some(2),
        ..lazy(100)
    };
    let mut worker = worker(config);
    worker.put(0, "a", "1\n2\n3\n4\n5\n").unwrap();
    worker.buffers[0].enqueue_all();
    assert_eq!(drain(&worker.buffers[0]), ["1\n2\n", "3\n4\n", "5\n"]);
}

#[test]
fn an_entry_larger_than_a_chunk_is_left_out_and_told() {
    let mut worker = worker(lazy(10));
    let appended = worker
        .put(0, "a", "short\nfar too long to fit\nalso\n")
        .unwrap();
    assert_eq!(appended.oversized, [(1, 20)]);
    worker.buffers[0].enqueue_all();
    assert_eq!(drain(&worker.buffers[0]), ["short\n", "also\n"]);
}

proptest! {
    #[test]
    fn any_stream_is_split_into_the_fewest_chunks_in_order(
        lengths in vec(1..30_usize, 0..40),
        chunk_limit_size in 1..40_u64,
        chunk_limit_records in prop::option::of(1..5_u64),
    ) {
        let lines: Vec<_> = lengths.iter().map(|length| "x".repeat(length - 1) + "\n").collect();
        let config = BufferConfig { chunk_limit_records, chunk_full_threshold: 2.0, ..lazy(chunk_limit_size) };
        let mut worker = worker(config);
        let appended = worker.put(0, "a", &lines.concat()).unwrap();

        // The slow and obvious way: line by line into the last chunk.
        let mut expected: Vec<(String, u64)> = Vec::new();
        let mut oversized: Vec<(u64, u64)> = Vec::new();
        for (index, line) in (0..).zip(&lines) {
            if line.len() as u64 > chunk_limit_size {
                oversized.push((index, line.len() as u64));
                // What cannot be stored ends a run.
                expected.push(Default::default());
                continue;
            }
            let fits = |(text, count): &&mut (String, u64)| {
                (text.len() + line.len()) as u64 <= chunk_limit_size
                    && chunk_limit_records.is_none_or(|max| *count < max)
            };
            match expected.last_mut().filter(fits) {
                Some((text, count)) => {
                    *text += line;
                    *count += 1;
                }
                None => expected.push((line.clone(), 1)),
            }
        }
        expected.retain(|(text, _)| !text.is_empty());
        worker.buffers[0].enqueue_all();
        let mut found = Vec::new();
        while let Some(chunk) = worker.buffers[0].take() {
            found.push((text(&chunk), chunk.count()));
        }
        prop_assert_eq!(found, expected);
        prop_assert_eq!(appended.oversized, oversized);
    }
}

#[test]
fn a_full_buffer_refuses_and_says_so() {
    let config = BufferConfig {
        total_limit_size: 6,
        ..lazy(100)
    };
    let mut worker = worker(config);
    worker.put(0, "a", "12345\n").unwrap();
    let error = worker.put(0, "a", "6\n").unwrap_err();
    assert_eq!(
        error.to_string(),
        "buffer out0 has too many data: 6 bytes of at most 6 (total_limit_size); the destination takes less than \
         comes in"
    );
    assert!(!worker.buffers[0].wait_for_space(Duration::ZERO));
    worker.buffers[0].enqueue_all();
    assert_eq!(drain(&worker.buffers[0]), ["12345\n"]);
    assert!(worker.buffers[0].wait_for_space(Duration::ZERO));
    worker.put(0, "a", "6\n").unwrap();
}

#[test]
fn a_full_buffer_can_drop_its_oldest_chunks() {
    let overflow_action = OverflowAction::DropOldestChunk;
    let config = BufferConfig {
        total_limit_size: 6,
        overflow_action,
        ..lazy(100)
    };
    let mut worker = worker(config);
    worker.put(0, "a", "1\n2\n").unwrap();
    worker.buffers[0].enqueue_all();
    worker.put(0, "a", "3\n").unwrap();
    worker.put(0, "a", "4\n").unwrap();
    worker.buffers[0].enqueue_all();
    assert_eq!(drain(&worker.buffers[0]), ["3\n4\n"]);
    let losses: Vec<_> = worker.shard.ledger().losses().into_iter().collect();
    assert_eq!((&*losses[0].0.reason, losses[0].1), ("overflow", 2));
}

#[test]
fn only_queued_chunks_can_be_dropped() {
    let overflow_action = OverflowAction::DropOldestChunk;
    let config = BufferConfig {
        total_limit_size: 2,
        overflow_action,
        ..lazy(100)
    };
    let mut worker = worker(config);
    worker.put(0, "a", "1\n").unwrap();
    assert!(worker.put(0, "a", "2\n").is_err());
}
