use millrun_buffer::disk::SimulatedDisk;
use millrun_buffer::{BufferConfig, LossKey, Metadata, Origin};

use crate::common::{START, Worker, drain, line};

fn file(number: usize) -> BufferConfig {
    BufferConfig::file(format!("/buffers/{number}"), "/backup")
}

fn sizes(worker: &Worker) -> Vec<u64> {
    worker
        .buffers
        .iter()
        .map(|buffer| buffer.statistics().total_queued_size)
        .collect()
}

#[test]
fn a_transaction_reaches_all_buffers_or_none() {
    let disk = SimulatedDisk::new();
    let mut worker = Worker::start(&disk, &[file(0), file(1), BufferConfig::memory()]);
    for number in 0..3 {
        worker.put(number, "a", "before\n").unwrap();
    }
    let files = |disk: &SimulatedDisk| {
        let paths = disk
            .paths()
            .into_iter()
            .filter(|path| path.starts_with("/buffers"));
        paths
            .map(|path| (disk.peek(&path).unwrap(), path))
            .collect::<Vec<_>>()
    };
    let (before, sizes_before) = (files(&disk), sizes(&worker));

    let mut transaction = worker.shard.begin(Origin::None).unwrap();
    for buffer in &worker.buffers {
        for tag in ["a", "new"] {
            let metadata = Metadata::with_tag(tag);
            transaction
                .append(buffer, &metadata, b"undone\n", 1, &mut line, START)
                .unwrap();
        }
    }
    transaction.lose(
        LossKey {
            plugin: "x".into(),
            reason: "y".into(),
        },
        1,
    );
    drop(transaction);
    assert_eq!(files(&disk), before);
    assert_eq!(sizes(&worker), sizes_before);
    assert!(worker.shard.ledger().losses().is_empty());

    for buffer in &worker.buffers {
        buffer.enqueue_all();
        assert_eq!(drain(buffer), ["before\n"]);
    }
}

#[test]
fn what_is_uncommitted_is_not_flushed() {
    let mut worker = Worker::start(&SimulatedDisk::new(), &[BufferConfig::memory()]);
    worker.put(0, "a", "1\n").unwrap();
    let mut transaction = worker.shard.begin(Origin::None).unwrap();
    let metadata = Metadata::with_tag("a");
    let buffer = worker.buffers[0].clone();
    transaction
        .append(&buffer, &metadata, b"2\n", 1, &mut line, START)
        .unwrap();
    assert_eq!(buffer.enqueue_all(), 0);
    transaction.commit().unwrap();
    assert_eq!(buffer.enqueue_all(), 1);
    assert_eq!(drain(&buffer), ["1\n2\n"]);
}

#[test]
fn a_full_disk_undoes_the_transaction_and_says_where() {
    let disk = SimulatedDisk::new();
    let mut worker = Worker::start(&disk, &[file(0)]);
    worker.put(0, "a", "1\n").unwrap();
    disk.limit_space(Some(3));
    let error = worker
        .put(0, "a", "too long for the disk\n")
        .unwrap_err()
        .to_string();
    let path = disk
        .paths()
        .into_iter()
        .find(|path| path.starts_with("/buffers"))
        .unwrap();
    assert_eq!(
        error,
        format!(
            "cannot write {} of buffer out0: no storage space",
            path.display()
        )
    );
    // The bytes fit, the record of the commit does not.
    disk.limit_space(Some(3));
    let error = worker.put(0, "a", "2\n").unwrap_err().to_string();
    assert_eq!(
        error,
        "cannot write the ledger /state/worker0/ledger/0.ledger: no storage space; nothing of the transaction was kept"
    );
    disk.limit_space(None);
    worker.put(0, "a", "3\n").unwrap();
    worker.buffers[0].enqueue_all();
    assert_eq!(drain(&worker.buffers[0]), ["1\n3\n"]);
}

#[test]
fn the_low_water_mark_follows_the_oldest_chunk_in_memory() {
    let mut worker = Worker::start(&SimulatedDisk::new(), &[BufferConfig::memory()]);
    let source = worker.source();
    let low_water = |worker: &Worker| worker.shard.ledger().low_water(source, 0).unwrap();
    for (start, tag) in [(0, "a"), (10, "b"), (20, "a"), (30, "none")] {
        let origin = Origin::File {
            source,
            incarnation: 0,
            range: start..start + 10,
        };
        let mut transaction = worker.shard.begin(origin).unwrap();
        if tag != "none" {
            let (buffer, metadata) = (&worker.buffers[0], Metadata::with_tag(tag));
            transaction
                .append(buffer, &metadata, b"x\n", 1, &mut line, START)
                .unwrap();
        }
        transaction.commit().unwrap();
    }
    assert_eq!(low_water(&worker), 0);
    worker.buffers[0].enqueue_all();
    let mut chunks = [
        worker.buffers[0].take().unwrap(),
        worker.buffers[0].take().unwrap(),
    ];
    chunks.sort_by_key(|chunk| chunk.metadata().tag.clone());
    let [a, b] = chunks;
    // The chunk of b is above the one of a.
    worker.buffers[0].delivered(b).unwrap();
    assert_eq!(low_water(&worker), 0);
    worker.buffers[0].delivered(a).unwrap();
    assert_eq!(low_water(&worker), 40);
}

#[test]
fn mistakes_of_the_caller_are_named() {
    let mut worker = Worker::start(&SimulatedDisk::new(), &[file(0), BufferConfig::memory()]);
    let source = worker.source();
    let file = |incarnation, range| Origin::File {
        source,
        incarnation,
        range,
    };
    let mut error = |origin| worker.shard.begin(origin).err().unwrap().to_string();
    assert_eq!(
        error(file(0, 5..9)),
        "a batch of source 0 begins at 5 instead of 0"
    );
    assert_eq!(
        error(file(1, 0..9)),
        "source 0 has no incarnation 1 in this ledger"
    );

    let mut transaction = worker.shard.begin(file(0, 0..9)).unwrap();
    for buffer in &worker.buffers {
        transaction
            .append(buffer, &Metadata::EMPTY, b"x\n", 1, &mut line, START)
            .unwrap();
    }
    transaction.commit().unwrap();
    let configs = [self::file(0), BufferConfig::memory()];
    let mut worker = Worker::start(&worker.disk.reopen(), &configs);
    let known = worker.state.resume_source("tail:/a", 0).unwrap().unwrap();
    assert_eq!(known.incarnations[&0].cut(0), Some(9));
    let origin = Origin::File {
        source: known.number,
        incarnation: 0,
        range: 0..12,
    };
    let error = worker.shard.begin(origin).err().unwrap().to_string();
    assert_eq!(
        error,
        "a batch of source 0 crosses a recovered mark between 0 and 12"
    );
}
