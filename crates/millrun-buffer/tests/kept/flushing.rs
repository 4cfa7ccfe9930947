use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
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
    let over = Arc::new(AtomicBool::new(false));
    let flushers: Vec<_> = (0..2)
        .map(|_| {
            let (buffer, over) = (Arc::clone(&buffer), Arc::clone(&over));
            std::thread::spawn(move || {
                let mut texts = Vec::new();
                loop {
                    let is_over = over.load(Ordering::Acquire);
                    match buffer.take_within(Duration::from_secs(60)) {
                        Some(chunk) => {
                            texts.push(text(&chunk));
                            buffer.delivered(chunk).unwrap();
                        }
                        None if is_over => return texts,
                        None => {}
                    }
                    buffer.enqueue_due(after(3600));
                }
            })
        })
        .collect();
    for filler in fillers {
        filler.join().unwrap();
    }
    buffer.enqueue_all();
    over.store(true, Ordering::Release);
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

pub(crate) fn immediate(kind: BufferConfig) -> BufferConfig {
    BufferConfig {
        flush_mode: FlushMode::Immediate,
        ..kind
    }
}

fn after_micros(micros: u64) -> Timestamp {
    START + Duration::from_micros(micros)
}

pub(crate) fn names(disk: &SimulatedDisk) -> Vec<String> {
    let files = disk.shared().list("/buffers".as_ref()).unwrap();
    let name = |path: &std::path::PathBuf| path.file_name().unwrap().to_string_lossy().into_owned();
    files.iter().map(name).collect()
}

/// A chunk file of each commit costs more than all the rest when there are thousands a second.
#[test]
fn immediate_commits_that_come_thick_and_fast_share_chunk_files() {
    let mut worker = worker(immediate(BufferConfig::file("/buffers", "/backup")));
    let buffer = worker.buffers[0].clone();
    let (mut chunks, mut lines) = (0, 0);
    for at in 0..2000_u64 {
        let now = after_micros(at * 100);
        worker
            .put_at(0, &Metadata::with_tag("a"), "1\n", now)
            .unwrap();
        buffer.enqueue_due(now);
        for text in drain(&buffer) {
            chunks += 1;
            lines += text.lines().count();
        }
    }
    buffer.enqueue_due(after(1));
    lines += drain(&buffer).concat().lines().count();
    assert_eq!(lines, 2000);
    // 64 at once, then one each 4 ms by the commit, and one by its age.
    assert!((100..=270).contains(&chunks), "{chunks} chunks");
}

#[test]
fn immediate_commits_behind_many_waiting_chunks_share_one() {
    let mut worker = worker(immediate(BufferConfig::file("/buffers", "/backup")));
    for at in 0..40 {
        let now = after(at);
        worker
            .put_at(0, &Metadata::with_tag("a"), "1\n", now)
            .unwrap();
    }
    assert_eq!(worker.buffers[0].statistics().queue_length, 16);
    let buffer = &worker.buffers[0];
    let mut texts = drain(buffer);
    assert_eq!(texts, ["1\n"; 16]);
    buffer.enqueue_due(after(40));
    texts = drain(buffer);
    assert_eq!(texts, ["1\n".repeat(24)]);
}

#[test]
fn a_chunk_that_stays_open_wakes_the_flush_thread_that_sleeps_for_longer() {
    let mut worker = worker(immediate(BufferConfig::file("/buffers", "/backup")));
    for _ in 0..64 {
        worker.put(0, "a", "1\n").unwrap();
        drain(&worker.buffers[0]);
    }
    worker.put(0, "a", "2\n").unwrap();
    let begun = std::time::Instant::now();
    assert!(
        worker.buffers[0]
            .take_within(Duration::from_secs(60))
            .is_none()
    );
    assert!(begun.elapsed() < Duration::from_secs(30));
    assert_eq!(worker.buffers[0].next_due(), Some(after_micros(4000)));
}

#[test]
fn memory_chunks_are_flushed_at_each_commit_however_many() {
    let mut worker = worker(immediate(BufferConfig::memory()));
    for _ in 0..200 {
        worker.put(0, "a", "1\n").unwrap();
    }
    assert_eq!(worker.buffers[0].statistics().queue_length, 200);
}

/// So many commits at one moment that files are used again.
pub(crate) fn hurry(worker: &mut Worker) {
    for _ in 0..40 {
        worker.put(0, "a", "a long line\n").unwrap();
        assert_eq!(drain(&worker.buffers[0]), ["a long line\n"]);
    }
}

#[test]
fn files_of_delivered_chunks_are_used_again_while_there_is_much_to_do() {
    let disk = SimulatedDisk::new();
    let mut worker = Worker::start(
        &disk,
        &[immediate(BufferConfig::file("/buffers", "/backup"))],
    );
    worker.put(0, "a", "1\n").unwrap();
    drain(&worker.buffers[0]);
    assert_eq!(names(&disk), [""; 0]);
    hurry(&mut worker);
    let spares = names(&disk);
    assert_eq!(spares.len(), 2, "{spares:?}");
    assert!(
        spares.iter().all(|name| name.ends_with(".spare")),
        "{spares:?}"
    );
    worker.put(0, "b", "short\n").unwrap();
    assert!(names(&disk).iter().all(|name| !name.ends_with(".spare")));
    assert_eq!(drain(&worker.buffers[0]), ["short\n"]);
    assert_eq!(names(&disk).len(), 2);
    // Nothing more comes.
    assert!(worker.buffers[0].take_within(Duration::ZERO).is_none());
    assert_eq!(names(&disk), [""; 0]);
}

#[test]
fn no_file_is_set_aside_at_the_end() {
    let disk = SimulatedDisk::new();
    let mut worker = Worker::start(
        &disk,
        &[immediate(BufferConfig::file("/buffers", "/backup"))],
    );
    hurry(&mut worker);
    worker.buffers[0].close();
    assert_eq!(names(&disk), [""; 0]);
    worker.put(0, "b", "last\n").unwrap();
    assert_eq!(drain(&worker.buffers[0]), ["last\n"]);
    assert_eq!(names(&disk), [""; 0]);
}

#[test]
fn spare_files_that_a_crash_left_are_removed_at_the_next_start() {
    let disk = SimulatedDisk::new();
    let config = immediate(BufferConfig::file("/buffers", "/backup"));
    let mut worker = Worker::start(&disk, std::slice::from_ref(&config));
    hurry(&mut worker);
    worker.put(0, "a", "1\n").unwrap();
    worker.put(0, "a", "2\n").unwrap();
    let chunk = worker.buffers[0].take().unwrap();
    worker.buffers[0].delivered(chunk).unwrap();
    let names_before = names(&disk);
    assert!(
        names_before.iter().any(|name| name.ends_with(".spare")),
        "{names_before:?}"
    );
    drop(worker);
    let worker = Worker::start(&disk, &[config]);
    assert_eq!(names(&disk).len(), 2);
    worker.buffers[0].enqueue_all();
    assert_eq!(drain(&worker.buffers[0]), ["2\n"]);
}

#[test]
fn nothing_is_set_aside_where_a_loss_of_power_must_be_survived() {
    let disk = SimulatedDisk::new();
    let config = immediate(BufferConfig::file("/buffers", "/backup"));
    let mut worker = Worker::start_with(&disk, &[config], Durability::Power);
    hurry(&mut worker);
    assert_eq!(names(&disk), [""; 0]);
}

/// A source that waits for room is woken when a chunk is taken, not only when one has ended.
#[test]
fn who_waits_for_room_is_woken_by_a_chunk_that_is_taken() {
    let mut worker = worker(immediate(BufferConfig::memory()));
    worker.put(0, "a", "1\n").unwrap();
    worker.put(0, "a", "2\n").unwrap();
    let buffer = worker.buffers[0].clone();
    assert_eq!(buffer.waiting_bytes(), 4);
    let waiting = std::thread::spawn({
        let buffer = buffer.clone();
        move || buffer.wait_until(Duration::from_secs(60), |buffer| buffer.waiting_bytes() < 4)
    });
    let begun = std::time::Instant::now();
    let chunk = buffer.take().unwrap();
    assert!(waiting.join().unwrap());
    assert!(begun.elapsed() < Duration::from_secs(30));
    assert_eq!(buffer.waiting_bytes(), 2);
    buffer.give_back(chunk);
    assert_eq!(buffer.waiting_bytes(), 4);
}

/// A flush thread that knows of nothing sleeps long.
#[test]
fn the_first_chunk_that_is_staged_wakes_a_flush_thread() {
    let mut worker = worker(BufferConfig::memory());
    let buffer = worker.buffers[0].clone();
    let waiting = std::thread::spawn(move || {
        let begun = std::time::Instant::now();
        assert!(buffer.take_within(Duration::from_secs(60)).is_none());
        (begun.elapsed(), buffer.next_due())
    });
    worker.put(0, "a", "1\n").unwrap();
    let (slept, due) = waiting.join().unwrap();
    assert!(slept < Duration::from_secs(30), "{slept:?}");
    assert_eq!(due, Some(after(60)));
}

#[test]
fn a_buffer_of_which_nothing_is_taken_is_stalled() {
    let mut worker = worker(immediate(BufferConfig::memory()));
    let long = Duration::from_secs(60);
    assert!(worker.buffers[0].is_stalled(long));
    worker.put(0, "a", "1\n").unwrap();
    assert!(worker.buffers[0].is_stalled(long));
    drain(&worker.buffers[0]);
    assert!(!worker.buffers[0].is_stalled(long));
    assert!(worker.buffers[0].is_stalled(Duration::ZERO));
}
