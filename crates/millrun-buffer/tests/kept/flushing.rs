use std::sync::Arc;
use std::time::Duration;

use millrun_buffer::disk::SimulatedDisk;
use millrun_buffer::{
    BufferConfig, Durability, FlushMode, LossKey, Metadata, Random, Shard, StateDirectory,
    Timestamp,
};

use crate::common::{START, Worker, drain, line, text};

fn after(seconds: u64) -> Timestamp {
    START + Duration::from_secs(seconds)
}

fn worker(config: BufferConfig) -> Worker {
    Worker::start(&SimulatedDisk::new(), &[config])
}

#[test]
fn a_chunk_is_due_when_it_is_old_enough() {
    let mut worker = worker(BufferConfig {
        flush_interval: Duration::from_secs(5),
        ..BufferConfig::memory()
    });
    assert_eq!(worker.buffers[0].next_due(), None);
    worker.put(0, "a", "1\n").unwrap();
    assert_eq!(worker.buffers[0].next_due(), Some(after(5)));
    assert_eq!(worker.buffers[0].enqueue_due(after(4)), 0);
    assert_eq!(worker.buffers[0].enqueue_due(after(5)), 1);
    assert_eq!(drain(&worker.buffers[0]), ["1\n"]);
}

#[test]
fn a_slice_is_due_when_it_is_over_and_has_waited() {
    let config = BufferConfig {
        flush_mode: FlushMode::Lazy,
        timekey: Some(3600),
        timekey_wait: Duration::from_secs(600),
        ..BufferConfig::memory()
    };
    let mut worker = worker(config);
    let timekey = 1_700_000_000 / 3600 * 3600;
    let metadata = Metadata {
        timekey: Some(timekey),
        ..Metadata::EMPTY
    };
    worker.put_at(0, &metadata, "1\n", START).unwrap();
    let over = Timestamp::from_secs(timekey.unsigned_abs() + 3600 + 600);
    assert_eq!(worker.buffers[0].next_due(), Some(over));
    let statistics = worker.buffers[0].statistics();
    assert_eq!(
        (statistics.oldest_timekey, statistics.newest_timekey),
        (Some(timekey), Some(timekey))
    );
}

#[test]
fn late_events_of_a_slice_gather_before_it_is_due() {
    let config = BufferConfig {
        flush_mode: FlushMode::Lazy,
        timekey: Some(3600),
        timekey_wait: Duration::from_secs(55),
        ..BufferConfig::memory()
    };
    let mut worker = worker(config);
    let long_over = Metadata {
        timekey: Some(3600),
        ..Metadata::EMPTY
    };
    worker.put_at(0, &long_over, "1\n", START).unwrap();
    worker.put_at(0, &long_over, "2\n", after(4)).unwrap();
    assert_eq!(worker.buffers[0].next_due(), Some(after(5)));
    assert_eq!(worker.buffers[0].enqueue_due(after(4)), 0);
    assert_eq!(worker.buffers[0].enqueue_due(after(5)), 1);
    assert_eq!(drain(&worker.buffers[0]), ["1\n2\n"]);
}

#[test]
fn queueing_by_age_pauses_while_the_queue_is_long() {
    let mut worker = worker(BufferConfig {
        queued_chunks_limit_size: Some(1),
        ..BufferConfig::memory()
    });
    worker.put(0, "a", "1\n").unwrap();
    worker.put(0, "b", "2\n").unwrap();
    assert_eq!(worker.buffers[0].enqueue_due(after(1000)), 1);
    assert_eq!(worker.buffers[0].enqueue_due(after(1000)), 0);
    drain(&worker.buffers[0]);
    assert_eq!(worker.buffers[0].enqueue_due(after(1000)), 1);
}

#[test]
fn an_immediate_flush_queues_at_the_commit() {
    let mut worker = worker(BufferConfig {
        flush_mode: FlushMode::Immediate,
        ..BufferConfig::memory()
    });
    worker.put(0, "a", "1\n").unwrap();
    assert_eq!(drain(&worker.buffers[0]), ["1\n"]);
}

#[test]
fn a_chunk_given_back_is_the_next_one() {
    let mut worker = worker(BufferConfig {
        flush_mode: FlushMode::Immediate,
        ..BufferConfig::memory()
    });
    worker.put(0, "a", "1\n").unwrap();
    worker.put(0, "a", "2\n").unwrap();
    let first = worker.buffers[0].take().unwrap();
    worker.buffers[0].give_back(first);
    assert_eq!(drain(&worker.buffers[0]), ["1\n", "2\n"]);
}

#[test]
fn statistics_follow_a_chunk() {
    let mut worker = worker(BufferConfig {
        total_limit_size: 1000,
        ..BufferConfig::memory()
    });
    let numbers = |worker: &Worker| {
        let s = worker.buffers[0].statistics();
        (
            s.stage_length,
            s.stage_byte_size,
            s.queue_length,
            s.queue_byte_size,
        )
    };
    worker.put(0, "a", "123456789\n").unwrap();
    assert_eq!(numbers(&worker), (1, 10, 0, 0));
    assert!((worker.buffers[0].statistics().available_buffer_space_ratios - 99.0).abs() < 0.01);
    worker.buffers[0].enqueue_all();
    assert_eq!(numbers(&worker), (0, 0, 1, 10));
    let chunk = worker.buffers[0].take().unwrap();
    assert_eq!(numbers(&worker), (0, 0, 0, 10));
    worker.buffers[0].delivered(chunk).unwrap();
    assert_eq!(numbers(&worker), (0, 0, 0, 0));
}

#[test]
fn a_chunk_that_nobody_takes_is_backed_up_and_counted() {
    let disk = SimulatedDisk::new();
    let config = BufferConfig::file("/buffers", "/unused");
    let mut worker = Worker::start(&disk, &[config]);
    worker.put(0, "a", "1\n2\n").unwrap();
    worker.buffers[0].enqueue_all();
    let chunk = worker.buffers[0].take().unwrap();
    let id = chunk.id();
    let reason = LossKey {
        plugin: "out0".into(),
        reason: "unrecoverable".into(),
    };
    let path = worker.buffers[0]
        .back_up(chunk, "/backup".as_ref(), reason.clone())
        .unwrap();
    assert_eq!(path, std::path::Path::new(&format!("/backup/{id}.log")));
    assert_eq!(disk.peek(&path).unwrap(), b"1\n2\n");
    assert_eq!(worker.shard.ledger().losses().get(&reason), Some(&2));
    assert!(!disk.paths().iter().any(|path| path.starts_with("/buffers")));
}

/// Its receiver may have seen it: under the same id it must be the same for ever.
#[test]
fn a_chunk_handed_out_does_not_grow_after_a_loss_of_power() {
    let disk = SimulatedDisk::new();
    let config = BufferConfig::file("/buffers", "/backup");
    let mut worker = Worker::start_with(&disk, std::slice::from_ref(&config), Durability::Power);
    worker.put(0, "a", "1\n").unwrap();
    worker.buffers[0].enqueue_all();
    let _chunk = worker.buffers[0].take().unwrap();
    for seed in 0..8 {
        let disk = disk.lose_power(&mut Random::from_seed(seed));
        let worker = Worker::start_with(&disk, std::slice::from_ref(&config), Durability::Power);
        assert_eq!((worker.resumed[0].staged, worker.resumed[0].queued), (0, 1));
    }
}

#[test]
fn waiting_ends_with_a_chunk_or_at_the_end() {
    let mut worker = worker(BufferConfig {
        flush_mode: FlushMode::Immediate,
        ..BufferConfig::memory()
    });
    let buffer = worker.buffers[0].clone();
    assert!(buffer.take_within(Duration::ZERO).is_none());
    let waiting = std::thread::spawn({
        let buffer = buffer.clone();
        move || {
            buffer
                .take_within(Duration::from_secs(60))
                .map(|chunk| text(&chunk))
        }
    });
    worker.put(0, "a", "1\n").unwrap();
    assert_eq!(waiting.join().unwrap().as_deref(), Some("1\n"));
    let waiting = std::thread::spawn({
        let buffer = buffer.clone();
        move || buffer.take_within(Duration::from_secs(60)).is_none()
    });
    buffer.close();
    assert!(waiting.join().unwrap());
}

/// Shards that fill and threads that flush at the same time lose nothing and do not wait for each other for ever.
#[test]
fn shards_and_flush_threads_share_a_buffer() {
    const SHARDS: usize = 3;
    const LINES: usize = 300;
    let disk = SimulatedDisk::new().shared();
    let mut state = StateDirectory::volatile(SHARDS);
    let config = BufferConfig {
        chunk_limit_size: 64,
        ..BufferConfig::file("/buffers", "/backup")
    };
    let random = Random::from_seed(1);
    let opened = millrun_buffer::Buffer::open("out", config, disk, state.ledgers(), random);
    let (buffer, _) = opened.unwrap();
    state.start().unwrap();
    let fillers: Vec<_> = (0..SHARDS)
        .map(|number| {
            let (buffer, ledger) = (Arc::clone(&buffer), state.ledgers()[number].clone());
            std::thread::spawn(move || {
                let mut shard = Shard::new(number, ledger);
                for at in 0..LINES {
                    let text = format!("{number}:{at}\n");
                    let mut transaction = shard.begin(millrun_buffer::Origin::None).unwrap();
                    let metadata = Metadata::with_tag("a");
                    let bytes = text.as_bytes();
                    transaction
                        .append(&buffer, &metadata, bytes, 1, &mut line, START)
                        .unwrap();
                    transaction.commit().unwrap();
                }
            })
        })
        .collect();
    let flushers: Vec<_> = (0..2)
        .map(|_| {
            let buffer = Arc::clone(&buffer);
            std::thread::spawn(move || {
                let mut texts = Vec::new();
                while let Some(chunk) = buffer.take_within(Duration::from_secs(60)) {
                    texts.push(text(&chunk));
                    buffer.delivered(chunk).unwrap();
                    buffer.enqueue_due(after(3600));
                }
                texts
            })
        })
        .collect();
    for filler in fillers {
        filler.join().unwrap();
    }
    buffer.enqueue_all();
    buffer.close();
    let texts: Vec<_> = flushers
        .into_iter()
        .flat_map(|thread| thread.join().unwrap())
        .collect();
    let mut lines: Vec<_> = texts.iter().flat_map(|text| text.lines()).collect();
    lines.sort_unstable();
    lines.dedup();
    assert_eq!(lines.len(), SHARDS * LINES);
    assert_eq!(buffer.statistics().total_queued_size, 0);
}

/// The chunks of one large write are numbered; the last of them goes on being filled, and once was never due.
#[test]
fn the_last_chunk_of_a_write_that_was_split_is_due_as_any_other() {
    let mut worker = worker(BufferConfig {
        flush_interval: Duration::from_secs(5),
        chunk_limit_records: Some(2),
        queued_chunks_limit_size: None,
        ..BufferConfig::memory()
    });
    worker.put(0, "a", "1\n2\n3\n4\n5\n").unwrap();
    let buffer = worker.buffers[0].clone();
    assert_eq!(drain(&buffer), ["1\n2\n", "3\n4\n"]);
    worker.put(0, "a", "6\n").unwrap();
    assert_eq!(drain(&buffer), ["5\n6\n"]);
    worker.put(0, "a", "7\n8\n9\n").unwrap();
    assert_eq!(drain(&buffer), ["7\n8\n"]);
    assert_eq!(buffer.enqueue_due(after(5)), 1);
    assert_eq!(drain(&buffer), ["9\n"]);
}
