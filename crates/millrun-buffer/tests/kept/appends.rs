//! Chunks onto the ends of files.

use std::path::Path;

use millrun_buffer::disk::{Disk as _, Open, SimulatedDisk};
use millrun_buffer::{
    Appender, BufferConfig, Chunk, DestinationError, Durability, Intent, LossKey, Origin,
    POSSIBLE_DOUBLE, Resumption, Shard,
};

use crate::common::Worker;

const PATH: &str = "/out/x.log";

const APPEND: Open = Open::Append { must_be_new: false };

fn worker(durability: Durability) -> Worker {
    let config = BufferConfig::file("/buffers/out", "/backup");
    Worker::start_with(&SimulatedDisk::new(), &[config], durability)
}

fn appender(worker: &Worker) -> Appender {
    Appender::new(worker.disk.shared())
}

/// A queued chunk of this text.
fn chunk(worker: &mut Worker, text: &str) -> Chunk {
    worker.put(0, "a", text).unwrap();
    worker.buffers[0].enqueue_all();
    worker.buffers[0].take().unwrap()
}

/// Records that `chunk` is about to be appended behind what stands at the path.
fn begin(worker: &Worker, chunk: &Chunk, bytes: &[u8]) {
    worker.disk.create_dir_all(Path::new("/out")).unwrap();
    let file = worker.disk.open(Path::new(PATH), APPEND).unwrap();
    let (device, inode) = file.identity().unwrap();
    let intent = Intent {
        path: PATH.into(),
        device,
        inode,
        length_before: file.length().unwrap(),
        hash: crc32fast::hash(bytes),
    };
    chunk.ledger().intend(chunk.id(), intent, None).unwrap();
}

fn add(worker: &Worker, bytes: &[u8]) {
    let file = worker.disk.open(Path::new(PATH), APPEND).unwrap();
    file.append(bytes).unwrap();
}

fn content(worker: &Worker) -> String {
    String::from_utf8(worker.disk.peek(Path::new(PATH)).unwrap()).unwrap()
}

#[test]
fn an_append_cut_short_at_any_byte_is_completed_once() {
    for cut in 0..=5 {
        let mut worker = worker(Durability::Process);
        let chunk = chunk(&mut worker, "line\n");
        worker.disk.poke(Path::new(PATH), b"before\n");
        begin(&worker, &chunk, b"line\n");
        add(&worker, &b"line\n"[..cut]);
        let resumed = appender(&worker).resume(&chunk, b"line\n").unwrap();
        assert_eq!(resumed, Resumption::Complete);
        assert_eq!(content(&worker), "before\nline\n", "cut at {cut}");
    }
}

/// The record of its delivery was lost, and others were appended since.
#[test]
fn a_whole_chunk_is_complete_whatever_came_behind_it() {
    let mut worker = worker(Durability::Process);
    let chunk = chunk(&mut worker, "line\n");
    begin(&worker, &chunk, b"line\n");
    add(&worker, b"line\nand more\n");
    let resumed = appender(&worker).resume(&chunk, b"line\n").unwrap();
    assert_eq!(resumed, Resumption::Complete);
    assert_eq!(content(&worker), "line\nand more\n");
}

#[test]
fn what_is_not_a_part_of_the_chunk_is_left_alone_and_the_double_counted() {
    let mut worker = worker(Durability::Process);
    for foreign in ["lXne\n", "lineand more\n", "\0\0ne\n"] {
        worker.disk.poke(Path::new(PATH), b"");
        let chunk = chunk(&mut worker, "line\n");
        begin(&worker, &chunk, b"line\n");
        add(&worker, foreign.as_bytes());
        let mut appender = appender(&worker);
        let resumed = appender.resume(&chunk, b"line\n").unwrap();
        assert_eq!(resumed, Resumption::Changed(PATH.into()));
        assert_eq!(content(&worker), foreign);
        let appended = appender.append(&chunk, b"line\n", Path::new(PATH), false, Some("out"));
        appended.unwrap();
        assert_eq!(content(&worker), format!("{foreign}line\n"));
        worker.buffers[0].delivered(chunk).unwrap();
    }
    let key = LossKey {
        plugin: "out".into(),
        reason: POSSIBLE_DOUBLE.into(),
    };
    assert_eq!(worker.shard.ledger().losses().get(&key), Some(&3));
}

#[test]
fn a_file_that_is_another_one_or_shorter_by_now_is_left_alone() {
    let mut worker = worker(Durability::Process);
    let chunk = chunk(&mut worker, "line\n");
    worker.disk.poke(Path::new(PATH), b"before\n");
    begin(&worker, &chunk, b"line\n");
    let changed = Resumption::Changed(PATH.into());
    worker.disk.poke(Path::new(PATH), b"before\n");
    assert_eq!(
        appender(&worker).resume(&chunk, b"line\n").unwrap(),
        changed
    );
    begin(&worker, &chunk, b"line\n");
    let file = worker.disk.open(Path::new(PATH), Open::Existing).unwrap();
    file.truncate(1).unwrap();
    assert_eq!(
        appender(&worker).resume(&chunk, b"line\n").unwrap(),
        changed
    );
    begin(&worker, &chunk, b"line\n");
    worker.disk.remove(Path::new(PATH)).unwrap();
    assert_eq!(
        appender(&worker).resume(&chunk, b"line\n").unwrap(),
        changed
    );
}

#[test]
fn blocks_that_were_lost_with_the_power_are_written_again() {
    for left in ["\0\0\0\0\0", "li\0\0\0", "\0\0ne\n", "l\0n"] {
        let mut worker = worker(Durability::Power);
        let chunk = chunk(&mut worker, "line\n");
        worker.disk.poke(Path::new(PATH), b"before\n");
        begin(&worker, &chunk, b"line\n");
        add(&worker, left.as_bytes());
        let resumed = appender(&worker).resume(&chunk, b"line\n").unwrap();
        assert_eq!(resumed, Resumption::Complete);
        assert_eq!(content(&worker), "before\nline\n", "{left:?} was left");
    }
}

#[test]
fn a_chunk_waits_for_another_one_that_is_in_its_file_in_part_also_after_a_crash() {
    let mut worker = worker(Durability::Process);
    let first = chunk(&mut worker, "first\n");
    let mut appender_before = appender(&worker);
    worker.disk.create_dir_all(Path::new("/out")).unwrap();
    worker.disk.limit_space(Some(80));
    let full = appender_before.append(&first, &[b'x'; 200], Path::new(PATH), false, None);
    assert!(matches!(full, Err(DestinationError::Io { .. })), "{full:?}");
    worker.disk.limit_space(None);
    let waits = |worker: &Worker, second: &Chunk, appender: &mut Appender| {
        let path = Path::new(PATH);
        let waits = appender.append(second, b"second\n", path, false, None);
        let first = first.id();
        assert!(
            matches!(waits, Err(DestinationError::Unfinished { chunk, .. }) if chunk == first),
            "{waits:?}"
        );
        let _ = worker;
    };
    let second = chunk(&mut worker, "second\n");
    waits(&worker, &second, &mut appender_before);
    let disk = worker.disk.reopen();
    drop((second, worker));

    let config = BufferConfig::file("/buffers/out", "/backup");
    let mut worker = Worker::start(&disk, &[config]);
    // What is begun comes first.
    let again = worker.buffers[0].take().unwrap();
    assert_eq!(again.id(), first.id());
    let second = worker.buffers[0].take().unwrap();
    let mut appender_after = appender(&worker);
    waits(&worker, &second, &mut appender_after);
    let resumed = appender_after.resume(&again, &[b'x'; 200]).unwrap();
    assert_eq!(resumed, Resumption::Complete);
    worker.buffers[0].delivered(again).unwrap();
    let path = Path::new(PATH);
    let appended = appender_after.append(&second, b"second\n", path, false, None);
    appended.unwrap();
    assert!(content(&worker).ends_with("xxx\nsecond\n") || content(&worker).ends_with("xsecond\n"));
    assert_eq!(content(&worker).len(), 207);
    let _ = &mut worker;
}

#[test]
fn after_a_commit_that_may_have_happened_no_shard_commits() {
    let disk = SimulatedDisk::new();
    let shared = disk.shared();
    let root = Path::new("/state");
    let mut state =
        millrun_buffer::StateDirectory::open(&shared, root, 0, 2, Durability::Power).unwrap();
    state.start().unwrap();
    let mut shards = [0, 1].map(|number| Shard::new(number, state.ledgers()[number].clone()));
    let lose = |shard: &mut Shard| {
        let mut transaction = shard.begin(Origin::None)?;
        let key = LossKey {
            plugin: "p".into(),
            reason: "r".into(),
        };
        transaction.lose(key, 1);
        transaction.commit()
    };
    // The write is made, the sync behind it fails.
    disk.fail_once(1);
    assert!(lose(&mut shards[0]).is_err());
    assert!(lose(&mut shards[1]).is_err(), "the other shard goes on");
}
