use std::path::Path;
use std::sync::Arc;

use millrun_buffer::disk::{RealDisk, SharedDisk, SimulatedDisk};
use millrun_buffer::{
    Buffer, BufferConfig, Durability, Fingerprint, Identity, Intent, LossKey, Metadata, Origin,
    Random, Seen, Shard, StateDirectory, StateError,
};

use crate::common::{START, Worker, line};

fn open(disk: &SimulatedDisk, shards: usize) -> StateDirectory {
    let state = StateDirectory::open(
        &disk.shared(),
        Path::new("/state"),
        0,
        shards,
        Durability::Process,
    );
    let mut state = state.unwrap();
    state.start().unwrap();
    state
}

#[test]
fn what_a_ledger_knows_survives() {
    let disk = SimulatedDisk::new();
    let state = open(&disk, 1);
    let ledger = state.ledgers()[0].clone();
    let identity = Identity {
        device: 1,
        inode: 2,
        fingerprint: Fingerprint::of(b"head"),
    };
    let source = ledger.first_sight("tail:/a", identity, 100).unwrap();
    let longer = Fingerprint::of(b"head and more");
    ledger.extend_fingerprint(source, 0, longer).unwrap();
    ledger.new_incarnation(source, 1, identity, 0).unwrap();
    let gone = ledger.first_sight("tail:/gone", identity, 0).unwrap();
    ledger.forget_source(gone).unwrap();
    ledger.note_position_file("/pos", 77).unwrap();
    let mut shard = Shard::new(0, ledger.clone());
    let sender = [9; 16];
    let mut transaction = shard
        .begin(Origin::Peer {
            sender,
            sequence: 5,
            lowest: 3,
            hash: 7,
        })
        .unwrap();
    let key = LossKey {
        plugin: "p".into(),
        reason: "unparsable".into(),
    };
    transaction.lose(key.clone(), 2);
    transaction.checkpoint("concat", b"held back");
    transaction.commit().unwrap();
    ledger.lose(key.clone(), 1).unwrap();

    // Two restarts: what is written again is read again.
    for _ in 0..2 {
        let state = open(&disk.reopen(), 2);
        let ledger = &state.ledgers()[0];
        let known = state.source("tail:/a").unwrap();
        assert_eq!(
            known.incarnations[&0].identity,
            Identity {
                fingerprint: longer,
                ..identity
            }
        );
        assert_eq!(known.incarnations[&0].low_water, 100);
        assert_eq!(known.incarnations[&1].low_water, 0);
        assert!(state.source("tail:/gone").is_none());
        assert_eq!(ledger.position_file("/pos"), Some(77));
        assert_eq!(
            ledger.checkpoint("concat").as_deref(),
            Some(&b"held back"[..])
        );
        assert_eq!(ledger.losses().get(&key), Some(&3));
        let seen = |sequence| state.seen(&sender, sequence, 7).unwrap();
        assert_eq!(
            [2, 3, 4, 5, 6].map(seen),
            [
                Seen::Stored,
                Seen::Never,
                Seen::Never,
                Seen::Stored,
                Seen::Never
            ]
        );
        assert_eq!(state.seen(&sender, 5, 8).unwrap(), Seen::Otherwise);
    }
}

#[test]
fn sources_move_between_shards_and_numbers_are_never_given_twice() {
    let disk = SimulatedDisk::new();
    let state = open(&disk, 2);
    let first = state.ledgers()[0]
        .first_sight("tail:/a", Identity::default(), 1)
        .unwrap();
    let second = state.ledgers()[1]
        .first_sight("tail:/b", Identity::default(), 2)
        .unwrap();
    assert_ne!(first, second);
    let disk = disk.reopen();
    for shard in [2, 0, 1] {
        let state = open(&disk, 3);
        let moved = state.resume_source("tail:/b", shard).unwrap().unwrap();
        assert_eq!(
            (moved.number, moved.incarnations[&0].low_water),
            (second, 2)
        );
        let mut shard = Shard::new(shard, state.ledgers()[shard].clone());
        let range = 2..2;
        let origin = Origin::File {
            source: second,
            incarnation: 0,
            range,
        };
        shard.begin(origin).unwrap().commit().unwrap();
        let all: Vec<_> = state
            .sources()
            .into_iter()
            .map(|source| source.key)
            .collect();
        assert_eq!(all.len(), 2, "{all:?}");
        let third = shard
            .ledger()
            .first_sight("tail:/c", Identity::default(), 0)
            .unwrap();
        assert!(third > second);
        shard.ledger().forget_source(third).unwrap();
    }
}

#[test]
fn an_intent_survives_until_its_chunk_is_delivered() {
    let disk = SimulatedDisk::new();
    let config = BufferConfig::file("/buffers", "/backup");
    let mut worker = Worker::start(&disk, std::slice::from_ref(&config));
    worker.put(0, "a", "1\n").unwrap();
    worker.buffers[0].enqueue_all();
    let chunk = worker.buffers[0].take().unwrap();
    let intent = Intent {
        path: "/out/a.log".into(),
        device: 1,
        inode: 2,
        length_before: 3,
        hash: 4,
    };
    chunk
        .ledger()
        .intend(chunk.id(), intent.clone(), None)
        .unwrap();

    let worker = Worker::start(&disk.reopen(), &[config]);
    let chunk = worker.buffers[0].take().unwrap();
    assert_eq!(chunk.ledger().intent(chunk.id()), Some(intent));
    let (id, ledger) = (chunk.id(), chunk.ledger().clone());
    worker.buffers[0].delivered(chunk).unwrap();
    assert_eq!(ledger.intent(id), None);
}

#[test]
fn a_long_ledger_is_compacted() {
    let disk = SimulatedDisk::new();
    let mut worker = Worker::start(&disk, &[BufferConfig::file("/buffers", "/backup")]);
    let source = worker.source();
    let path = Path::new("/state/worker0/ledger/0.ledger");
    let (mut longest, mut shrunk) = (0, false);
    for start in 0..20_000_u64 {
        let origin = Origin::File {
            source,
            incarnation: 0,
            range: start..start + 1,
        };
        let mut transaction = worker.shard.begin(origin).unwrap();
        let buffer = &worker.buffers[0];
        transaction
            .append(buffer, &Metadata::EMPTY, b"x\n", 1, &mut line, START)
            .unwrap();
        transaction.commit().unwrap();
        if start.is_multiple_of(1000) {
            let length = disk.peek(path).unwrap().len();
            shrunk |= length < longest;
            longest = longest.max(length);
        }
    }
    assert!(shrunk && longest < 2 << 20, "{longest}");
    let worker = Worker::start(&disk.reopen(), &[BufferConfig::file("/buffers", "/backup")]);
    assert_eq!(worker.shard.ledger().low_water(source, 0), Some(20_000));
    worker.buffers[0].enqueue_all();
    assert_eq!(worker.buffers[0].take().unwrap().count(), 20_000);
}

#[test]
fn a_state_directory_has_one_owner_and_the_other_is_told_who() {
    let root = tempfile::tempdir().unwrap();
    let disk: SharedDisk = Arc::new(RealDisk);
    let open = || StateDirectory::open(&disk, root.path(), 3, 1, Durability::Process);
    let first = open().unwrap();
    let error = open().err().unwrap();
    assert!(matches!(error, StateError::Locked { .. }));
    assert_eq!(
        error.to_string(),
        format!(
            "the state directory {}/worker3 is in use by process {}; stop that process, or give this instance another \
             root_dir in <system>",
            root.path().display(),
            std::process::id()
        )
    );
    drop(first);
    assert!(open().is_ok());
}

#[test]
fn a_file_that_is_no_ledger_is_not_touched() {
    let disk = SimulatedDisk::new();
    let path = Path::new("/state/worker0/ledger/0.ledger");
    disk.poke(path, b"MILLRUN\n\xff\0\0\0a later version");
    let state = StateDirectory::open(
        &disk.shared(),
        Path::new("/state"),
        0,
        1,
        Durability::Process,
    );
    assert_eq!(
        state.err().unwrap().to_string(),
        "/state/worker0/ledger/0.ledger is not a ledger of this version of millrun; start the version that wrote it, \
         or move the file away to start without what it knows"
    );
}

#[test]
fn a_directory_that_cannot_be_made_is_named() {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("file");
    std::fs::write(&file, "").unwrap();
    let disk: SharedDisk = Arc::new(RealDisk);
    let error = StateDirectory::open(&disk, &file, 0, 1, Durability::Process)
        .err()
        .unwrap();
    let expected = format!(
        "cannot make the directory {}/worker0/ledger: Not a directory (os error 20); check that it exists and that its \
         permissions let this user write",
        file.display()
    );
    assert_eq!(error.to_string(), expected);
}

/// The real file system, with syncs: a line goes in, survives a restart and comes out.
#[test]
fn a_chunk_survives_on_the_real_disk() {
    let root = tempfile::tempdir().unwrap();
    let disk: SharedDisk = Arc::new(RealDisk);
    let start = || {
        let state = StateDirectory::open(&disk, root.path(), 0, 1, Durability::Power);
        let mut state = state.unwrap();
        let config = BufferConfig::file(root.path().join("buffers"), root.path().join("backup"));
        let random = Random::from_entropy();
        let opened = Buffer::open("out", config, disk.clone(), state.ledgers(), random);
        let (buffer, _) = opened.unwrap();
        state.start().unwrap();
        (Shard::new(0, state.ledgers()[0].clone()), buffer, state)
    };
    let (mut shard, buffer, state) = start();
    let mut transaction = shard.begin(Origin::None).unwrap();
    let metadata = Metadata::with_tag("a");
    transaction
        .append(&buffer, &metadata, b"line\n", 1, &mut line, START)
        .unwrap();
    transaction.commit().unwrap();
    drop((shard, buffer, state));

    let (_shard, buffer, _state) = start();
    buffer.enqueue_all();
    let chunk = buffer.take().unwrap();
    assert_eq!(chunk.metadata(), &metadata);
    let mut scratch = Vec::new();
    assert_eq!(chunk.read(&mut scratch).unwrap(), b"line\n");
    let file = chunk.open().unwrap().unwrap();
    assert_eq!(
        file.as_std().unwrap().metadata().unwrap().len(),
        chunk.len()
    );
    buffer.delivered(chunk).unwrap();
    assert_eq!(
        disk.list(&root.path().join("buffers")).unwrap(),
        Vec::<std::path::PathBuf>::new()
    );
}
