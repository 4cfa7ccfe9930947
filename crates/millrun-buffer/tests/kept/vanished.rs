//! Fewer workers than before: one of them takes over what the others left.

use std::path::Path;
use std::sync::Arc;

use millrun_buffer::disk::{RealDisk, SharedDisk, SimulatedDisk};
use millrun_buffer::{
    Buffer, BufferConfig, BufferKind, Durability, Identity, LossKey, Metadata, Origin, Random,
    Shard, StateDirectory,
};

use crate::common::{START, drain, line};

fn config(worker: Option<usize>, left: &[&str]) -> BufferConfig {
    let mut config = BufferConfig::file("/buffers", "/backup");
    if let BufferKind::File {
        worker: number,
        left_behind,
        ..
    } = &mut config.kind
    {
        *number = worker;
        *left_behind = left.iter().map(Into::into).collect();
    }
    config
}

/// A life of one worker that takes one line of each of two sources, and one more that it never commits.
fn live(disk: &SimulatedDisk, worker: usize) {
    let shared = disk.shared();
    let state = StateDirectory::open(&shared, Path::new("/state"), worker, 1, Durability::Process);
    let mut state = state.unwrap();
    let (name, random) = ("out", Random::from_seed(worker as u64));
    let config = config(Some(worker), &[]);
    let opened = Buffer::open(name, config, shared, state.ledgers(), random);
    let (buffer, _) = opened.unwrap();
    state.start().unwrap();
    let mut shard = Shard::new(0, state.ledgers()[0].clone());
    let key = format!("tail:/{worker}");
    let source = shard.ledger().first_sight(&key, Identity::default(), 0);
    let origin = |range| Origin::File {
        source: source.as_ref().copied().unwrap(),
        incarnation: 0,
        range,
    };
    let text = format!("of worker {worker}\n");
    for (range, is_kept) in [(0..9, true), (9..18, false)] {
        let mut transaction = shard.begin(origin(range)).unwrap();
        let (metadata, bytes) = (Metadata::with_tag("a"), text.as_bytes());
        transaction
            .append(&buffer, &metadata, bytes, 1, &mut line, START)
            .unwrap();
        if is_kept {
            let key = LossKey {
                plugin: "p".into(),
                reason: "overflow".into(),
            };
            transaction.lose(key, 1);
            transaction.commit().unwrap();
        } else {
            // The process dies here.
            std::mem::forget(transaction);
        }
    }
}

#[test]
fn chunks_sources_and_losses_of_vanished_workers_are_taken_over() {
    let disk = SimulatedDisk::new();
    for worker in 0..3 {
        live(&disk, worker);
    }
    let disk = disk.reopen();
    for start in 0..2 {
        let shared = disk.shared();
        let state = StateDirectory::open(&shared, Path::new("/state"), 0, 1, Durability::Process);
        let mut state = state.unwrap();
        state.take_over(1).unwrap();
        let left = ["/buffers/worker0", "/buffers/worker1", "/buffers/worker2"];
        let (name, random) = ("out", Random::from_seed(7));
        let opened = Buffer::open(
            name,
            config(None, &left),
            shared.clone(),
            state.ledgers(),
            random,
        );
        let (buffer, _) = opened.unwrap();
        state.start().unwrap();
        for worker in 0..3 {
            let source = state.source(&format!("tail:/{worker}")).unwrap();
            assert_eq!(source.incarnations[&0].low_water, 9, "worker {worker}");
        }
        let losses: u64 = state.ledgers()[0].losses().values().sum();
        assert_eq!(losses, 3);
        let theirs = shared.list(Path::new("/state/worker2/ledger")).unwrap();
        assert!(theirs.is_empty(), "{theirs:?}");
        if start == 1 {
            buffer.enqueue_all();
            let mut texts = drain(&buffer);
            texts.sort();
            assert_eq!(
                texts,
                ["of worker 0\n", "of worker 1\n", "of worker 2\n"],
                "the uncommitted lines are cut"
            );
        }
    }
}

#[test]
fn a_worker_that_still_runs_is_not_taken_over() {
    let root = tempfile::tempdir().unwrap();
    let disk: SharedDisk = Arc::new(RealDisk);
    let open =
        |worker| StateDirectory::open(&disk, root.path(), worker, 1, Durability::Process).unwrap();
    let mut running = open(1);
    running.start().unwrap();
    let error = open(0).take_over(1).unwrap_err().to_string();
    let expected = format!(
        "the state directory {}/worker1 is in use by process {}; stop that process, or give this instance another \
         root_dir in <system>",
        root.path().display(),
        std::process::id()
    );
    assert_eq!(error, expected);
}
