//! Chunks that are emitted again into other buffers of the worker.

use std::sync::Arc;

use millrun_buffer::disk::SimulatedDisk;
use millrun_buffer::{BufferConfig, Metadata, Origin, Relayed};

use crate::common::{START, Worker, drain, line, text};

fn files() -> [BufferConfig; 2] {
    [
        BufferConfig::file("/relay", ".log"),
        BufferConfig::file("/end", ".log"),
    ]
}

/// Takes the queued chunk of the first buffer and emits it into the second, up to the commit.
fn relay(worker: &mut Worker) -> Arc<Relayed> {
    worker.buffers[0].enqueue_all();
    let chunk = worker.buffers[0].take().unwrap();
    let (tag, text, count) = (chunk.metadata().clone(), text(&chunk), chunk.count());
    let relayed = Relayed::new(&worker.buffers[0], chunk);
    assert!(relayed.is_known_to(worker.shard.ledger()));
    let mut transaction = worker.shard.begin_relay(&relayed).unwrap();
    let end = &worker.buffers[1];
    transaction
        .append(end, &tag, text.as_bytes(), count, &mut line, START)
        .unwrap();
    transaction.commit().unwrap();
    relayed
}

/// What stands in a buffer.
fn held(worker: &Worker, buffer: usize) -> Vec<String> {
    worker.buffers[buffer].enqueue_all();
    drain(&worker.buffers[buffer])
}

#[test]
fn a_crash_behind_the_commit_finds_a_chunk_in_one_of_two_file_buffers() {
    let disk = SimulatedDisk::new();
    let mut worker = Worker::start(&disk, &files());
    worker.put(0, "t", "a\nb\n").unwrap();
    // Not told to be done: here the process dies.
    let relayed = relay(&mut worker);
    drop((relayed, worker));
    let worker = Worker::start(&disk, &files());
    assert_eq!(
        (held(&worker, 0), held(&worker, 1)),
        (vec![], vec!["a\nb\n".to_owned()])
    );
}

#[test]
fn a_crash_before_the_commit_finds_it_where_it_was() {
    let disk = SimulatedDisk::new();
    let mut worker = Worker::start(&disk, &files());
    worker.put(0, "t", "a\n").unwrap();
    worker.buffers[0].enqueue_all();
    let relayed = Relayed::new(&worker.buffers[0], worker.buffers[0].take().unwrap());
    let mut transaction = worker.shard.begin_relay(&relayed).unwrap();
    let (end, tag) = (&worker.buffers[1], Metadata::with_tag("t"));
    transaction
        .append(end, &tag, b"a\n", 1, &mut line, START)
        .unwrap();
    drop(transaction);
    drop((relayed, worker));
    let worker = Worker::start(&disk, &files());
    assert_eq!(
        (held(&worker, 0), held(&worker, 1)),
        (vec!["a\n".to_owned()], vec![])
    );
}

#[test]
fn a_failed_emission_gives_the_chunk_back() {
    let disk = SimulatedDisk::new();
    let mut worker = Worker::start(&disk, &files());
    worker.put(0, "t", "a\n").unwrap();
    worker.buffers[0].enqueue_all();
    let relayed = Relayed::new(&worker.buffers[0], worker.buffers[0].take().unwrap());
    worker.shard.begin_relay(&relayed).unwrap().roll_back();
    worker.buffers[0].give_back(relayed.take_back().unwrap());
    assert_eq!(held(&worker, 0), ["a\n"]);
}

#[test]
fn a_file_chunk_in_memory_chunks_stays_until_they_are_delivered() {
    let disk = SimulatedDisk::new();
    let configs = [BufferConfig::file("/relay", ".log"), BufferConfig::memory()];
    let mut worker = Worker::start(&disk, &configs);
    worker.put(0, "t", "a\n").unwrap();
    Relayed::done(relay(&mut worker)).unwrap();
    // Here it dies: memory is gone, the file is not.
    drop(worker);
    let mut worker = Worker::start(&disk, &configs);
    Relayed::done(relay(&mut worker)).unwrap();
    assert_eq!(held(&worker, 1), ["a\n"]);
    drop(worker);
    let worker = Worker::start(&disk, &configs);
    assert_eq!((held(&worker, 0), held(&worker, 1)), (vec![], vec![]));
}

#[test]
fn a_position_waits_for_memory_chunks_behind_memory_chunks() {
    let disk = SimulatedDisk::new();
    let configs = [BufferConfig::memory(), BufferConfig::memory()];
    let mut worker = Worker::start(&disk, &configs);
    let source = worker.source();
    let origin = Origin::File {
        source,
        incarnation: 0,
        range: 0..2,
    };
    let mut transaction = worker.shard.begin(origin).unwrap();
    let (first, tag) = (&worker.buffers[0], Metadata::with_tag("t"));
    transaction
        .append(first, &tag, b"a\n", 1, &mut line, START)
        .unwrap();
    transaction.commit().unwrap();
    Relayed::done(relay(&mut worker)).unwrap();
    let position = |worker: &Worker| {
        let state = worker.state.resume_source("tail:/a", 0).unwrap().unwrap();
        format!("{state:?}")
    };
    let before = position(&worker);
    assert_eq!(held(&worker, 1), ["a\n"]);
    assert_ne!(
        position(&worker),
        before,
        "the position moves with the delivery"
    );
}
