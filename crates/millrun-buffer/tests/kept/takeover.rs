use std::path::{Path, PathBuf};

use millrun_buffer::disk::{Disk, SimulatedDisk};
use millrun_buffer::{Broken, BufferConfig, ChunkId, DAMAGED};

use crate::common::{Worker, drain};

const ID: &str = "660bef6e2ae77bb516f1f2fa1e85f866";

fn config() -> BufferConfig {
    BufferConfig::file("/buffers", "/backup")
}

fn data_path(disk: &SimulatedDisk) -> PathBuf {
    let mut paths = disk.paths().into_iter();
    paths
        .find(|path| path.to_string_lossy().ends_with(".log"))
        .unwrap()
}

fn meta_path(data: &Path) -> PathBuf {
    format!("{}.meta", data.display()).into()
}

/// A worker that was killed after it had committed one line and written half of another.
fn killed() -> SimulatedDisk {
    let disk = SimulatedDisk::new();
    let mut worker = Worker::start(&disk, &[config()]);
    worker.put(0, "a", "one\n").unwrap();
    let path = data_path(&disk);
    disk.poke(&path, b"one\ntw");
    disk.reopen()
}

#[test]
fn a_torn_tail_is_cut_and_the_chunk_grows_on() {
    let disk = killed();
    let mut worker = Worker::start(&disk, &[config()]);
    let path = data_path(&disk);
    let note = format!(
        "{} is cut from 6 to 4 bytes: the rest was never committed",
        path.display()
    );
    assert_eq!(worker.resumed[0].notes, [note]);
    assert_eq!(worker.resumed[0].staged, 1);
    worker.put(0, "a", "two\n").unwrap();
    worker.buffers[0].enqueue_all();
    assert_eq!(drain(&worker.buffers[0]), ["one\ntwo\n"]);
}

#[test]
fn a_chunk_that_fluentd_went_on_with_is_taken_as_it_is() {
    let disk = killed();
    let path = data_path(&disk);
    disk.poke(&path, b"one\ntwo\n");
    // Fluentd has counted the line it added: the fixint behind the key "s".
    let meta = meta_path(&path);
    let mut bytes = disk.peek(&meta).unwrap();
    let at = bytes
        .windows(2)
        .position(|pair| pair == [0xa1, b's'])
        .unwrap();
    assert_eq!(bytes[at + 2], 1);
    bytes[at + 2] = 2;
    disk.poke(&meta, &bytes);
    let worker = Worker::start(&disk, &[config()]);
    let note = format!(
        "{} was changed by another program since, and is taken as it is",
        path.display()
    );
    assert_eq!(worker.resumed[0].notes, [note]);
    worker.buffers[0].enqueue_all();
    let chunk = worker.buffers[0].take().unwrap();
    assert_eq!((chunk.len(), chunk.count()), (8, 2));
}

#[test]
fn a_chunk_without_meta_is_delivered_under_unknown_metadata() {
    let disk = SimulatedDisk::new();
    disk.poke(Path::new(&format!("/buffers/buffer.b{ID}.log")), b"one\n");
    let worker = Worker::start(&disk, &[config()]);
    assert_eq!((worker.resumed[0].staged, worker.resumed[0].queued), (0, 1));
    let chunk = worker.buffers[0].take().unwrap();
    assert_eq!(chunk.id(), ChunkId::parse_hex(ID).unwrap());
    assert_eq!((chunk.metadata().tag.as_deref(), chunk.count()), (None, 0));
}

#[test]
fn broken_chunks_are_put_aside_and_their_place_is_said() {
    let disk = SimulatedDisk::new();
    let path = PathBuf::from(format!("/buffers/buffer.q{ID}.log"));
    disk.poke(&path, b"one\n");
    disk.poke(&meta_path(&path), b"\xc1\x00\x00\x00\x00\x10\x88\xa7tim");
    let empty = PathBuf::from(format!("/buffers/buffer.b{}.log", ID.replace('6', "7")));
    disk.poke(&empty, b"");
    let worker = Worker::start(&disk, &[config()]);
    let broken: Vec<_> = worker.resumed[0]
        .broken
        .iter()
        .map(|broken| {
            let backup = broken.backup.as_ref().unwrap().display();
            let Broken { mode, reason, .. } = broken;
            format!("{} {mode}: {reason} → {backup}", broken.path.display())
        })
        .collect();
    let other = ID.replace('6', "7");
    assert_eq!(
        broken,
        [
            format!(
                "/buffers/buffer.q{ID}.log queued: enqueued meta file is broken. it is no msgpack map → /backup/{ID}.log"
            ),
            format!(
                "/buffers/buffer.b{other}.log staged: staged file chunk is empty → /backup/{other}.log"
            ),
        ]
    );
    assert_eq!(
        disk.peek(Path::new(&format!("/backup/{ID}.log"))).unwrap(),
        b"one\n"
    );
    assert!(!disk.paths().iter().any(|path| path.starts_with("/buffers")));
}

#[test]
fn foreign_files_are_left_alone() {
    let disk = SimulatedDisk::new();
    for name in [
        "notes.txt",
        "buffer.b12.log",
        "buffer.x660bef6e2ae77bb516f1f2fa1e85f866.log",
    ] {
        disk.poke(&Path::new("/buffers").join(name), b"mine");
    }
    let orphan = PathBuf::from(format!("/buffers/buffer.b{ID}.log.meta"));
    disk.poke(&orphan, b"whose?");
    let before = disk.paths();
    disk.create_dir_all(Path::new("/buffers")).unwrap();
    let worker = Worker::start(&disk, &[config()]);
    assert!(worker.resumed[0].notes.is_empty(), "{:?}", worker.resumed);
    assert!(before.iter().all(|path| disk.peek(path).is_some()));
}

#[test]
fn a_second_chunk_of_the_same_metadata_is_queued() {
    let disk = killed();
    let path = data_path(&disk);
    let (data, meta) = (
        disk.peek(&path).unwrap(),
        disk.peek(&meta_path(&path)).unwrap(),
    );
    let other = PathBuf::from(format!("/buffers/buffer.b{ID}.log"));
    disk.poke(&other, &data);
    disk.poke(&meta_path(&other), &meta);
    let worker = Worker::start(&disk, &[config()]);
    assert_eq!((worker.resumed[0].staged, worker.resumed[0].queued), (1, 1));
}

#[test]
fn a_chunk_cut_by_something_else_is_put_aside_and_not_sent_half() {
    let disk = killed();
    let path = data_path(&disk);
    disk.poke(&path, b"on");
    let worker = Worker::start(&disk, &[config()]);
    let broken = &worker.resumed[0].broken[0];
    assert_eq!(
        broken.reason,
        "it has 2 bytes where 4 were committed: what is missing was lost outside of millrun"
    );
    let backup = broken.backup.as_ref().unwrap();
    assert_eq!(disk.peek(backup).as_deref(), Some(&b"on"[..]));
    worker.buffers[0].enqueue_all();
    assert_eq!(drain(&worker.buffers[0]), Vec::<String>::new());
    let losses = worker.state.ledgers()[0].losses();
    let damaged = losses.iter().find(|(key, _)| *key.reason == *DAMAGED);
    assert_eq!(damaged.map(|(_, count)| *count), Some(1));
}

#[test]
fn a_meta_file_whose_data_another_program_removed_stays_and_is_told_once() {
    let disk = killed();
    let path = data_path(&disk);
    disk.shared().remove(&path).unwrap();
    let gone = |worker: &Worker| worker.resumed[0].notes.len();
    let worker = Worker::start(&disk, &[config()]);
    assert_eq!(gone(&worker), 1, "{:?}", worker.resumed[0].notes);
    drop(worker);
    let disk = disk.reopen();
    let worker = Worker::start(&disk, &[config()]);
    assert_eq!(gone(&worker), 0, "{:?}", worker.resumed[0].notes);
    assert!(disk.peek(&meta_path(&path)).is_some());
}

#[test]
fn a_meta_file_that_a_crash_left_behind_its_delivered_data_goes() {
    let disk = killed();
    let path = data_path(&disk);
    let worker = Worker::start(&disk, &[config()]);
    let meta = disk.peek(&meta_path(&path)).unwrap();
    worker.buffers[0].enqueue_all();
    assert_eq!(drain(&worker.buffers[0]), ["one\n"]);
    drop(worker);
    disk.poke(&meta_path(&path), &meta);
    let disk = disk.reopen();
    let worker = Worker::start(&disk, &[config()]);
    assert_eq!(worker.resumed[0].notes, [""; 0]);
    assert_eq!(disk.peek(&meta_path(&path)), None);
}
