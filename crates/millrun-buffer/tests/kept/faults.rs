//! Faults of real file systems: one that is full, one whose medium fails, one that is read-only for a while, and bits that flip.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use millrun_buffer::disk::{RealDisk, SharedDisk};
use millrun_buffer::{
    Buffer, BufferConfig, DAMAGED, Durability, Identity, LossKey, Metadata, Origin, Random,
    Resumed, Shard, SourceNumber, StateDirectory, StateError,
};

use crate::common::{START, drain, line};
use crate::mount::Mount;

/// One life of a worker with one source, all of it below one directory.
struct Life {
    state: StateDirectory,
    shard: Shard,
    buffer: Arc<Buffer>,
    resumed: Resumed,
    source: SourceNumber,
}

impl Life {
    fn start(root: &Path) -> Self {
        Self::start_with(root, Durability::Process)
    }

    fn start_with(root: &Path, durability: Durability) -> Self {
        let disk: SharedDisk = Arc::new(RealDisk);
        let open = || StateDirectory::open(&disk, &root.join("state"), 0, 1, durability);
        let mut state = open();
        // A program that another test is about to start has this one's locks until it runs.
        for _ in 0..1000 {
            if !matches!(state, Err(StateError::Locked { .. })) {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
            state = open();
        }
        let mut state = state.unwrap();
        let config = BufferConfig {
            chunk_limit_size: 16 << 10,
            ..BufferConfig::file(root.join("buffer"), root.join("backup"))
        };
        let random = Random::from_entropy();
        let opened = Buffer::open("out", config, disk, state.ledgers(), random);
        let (buffer, resumed) = opened.unwrap();
        state.start().unwrap();
        let shard = Shard::new(0, state.ledgers()[0].clone());
        let known = state.resume_source("tail:/a", 0).unwrap();
        let source = known.map_or_else(
            || {
                let ledger = shard.ledger();
                ledger
                    .first_sight("tail:/a", Identity::default(), 0)
                    .unwrap()
            },
            |source| source.number,
        );
        Self {
            state,
            shard,
            buffer,
            resumed,
            source,
        }
    }

    /// Where the source stands: the number of the next line.
    fn next(&self) -> u64 {
        self.state.source("tail:/a").unwrap().incarnations[&0].low_water
    }

    /// Takes lines from the next on, each as one batch, until one is refused or there are `count`; tells why not.
    fn read(&mut self, count: u64) -> Option<String> {
        for number in self.next()..count {
            let origin = Origin::File {
                source: self.source,
                incarnation: 0,
                range: number..number + 1,
            };
            let text = format!("{number} {}\n", "x".repeat(1000));
            let taken = self.shard.begin(origin).map_err(Into::into);
            let taken = taken.and_then(|mut transaction| {
                let metadata = Metadata::with_tag("a");
                transaction.append(
                    &self.buffer,
                    &metadata,
                    text.as_bytes(),
                    1,
                    &mut line,
                    START,
                )?;
                transaction.commit()
            });
            if let Err(error) = taken {
                return Some(error.to_string());
            }
        }
        None
    }

    fn deliver(&self) -> Vec<u64> {
        self.buffer.enqueue_all();
        let texts = drain(&self.buffer);
        numbers(texts.iter().flat_map(|text| text.lines()))
    }
}

fn numbers<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<u64> {
    let numbers = lines.map(|line| line.split(' ').next().unwrap().parse().unwrap());
    numbers.collect()
}

#[test]
fn a_full_disk_refuses_batches_and_takes_them_when_there_is_room_again() {
    let Some(mount) = Mount::memory("size=400k") else {
        return;
    };
    let root = mount.path();
    let ballast = root.join("ballast");
    fs::write(&ballast, vec![0; 150 << 10]).unwrap();
    let mut life = Life::start(root);
    let why = life.read(300).unwrap();
    assert!(why.contains("No space left on device"), "{why}");
    let taken = life.next();
    assert!(taken > 0 && life.read(300).is_some());
    assert_eq!(life.next(), taken, "what is refused moves nothing");
    // Room again, by somebody else's hand.
    fs::remove_file(ballast).unwrap();
    // A program that another test is about to start has the ballast open until it runs.
    let refused = |life: &mut Life| life.read(300).is_some() && life.next() == taken;
    for _ in 0..1000 {
        if !refused(&mut life) {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(life.next() > taken);
    let mut arrived = life.deliver();
    // Its own chunks are gone: it goes on.
    assert_eq!(life.read(300), None);
    arrived.extend(life.deliver());
    assert_eq!(arrived, Vec::from_iter(0..300));
    drop(life);
    assert_eq!(Life::start(root).next(), 300);
}

#[test]
fn a_disk_that_is_read_only_for_a_while_loses_and_doubles_nothing() {
    let Some(mount) = Mount::memory("size=4m") else {
        return;
    };
    let root = mount.path();
    let mut life = Life::start(root);
    assert_eq!(life.read(10), None);
    // Open files can be written still: a remount is refused while they are, so this is what a machine does at start.
    drop(life);
    mount.remount("ro");
    let disk: SharedDisk = Arc::new(RealDisk);
    let refused = StateDirectory::open(&disk, &root.join("state"), 0, 1, Durability::Process);
    let why = refused.err().unwrap().to_string();
    assert!(why.contains("Read-only file system"), "{why}");
    mount.remount("rw");
    let mut life = Life::start(root);
    assert_eq!(life.read(20), None);
    assert_eq!(life.deliver(), Vec::from_iter(0..20));
}

fn only_file(root: &Path, suffix: &str) -> PathBuf {
    let entries = fs::read_dir(root).unwrap();
    let mut paths = entries.map(|entry| entry.unwrap().path());
    let is_it = |path: &PathBuf| path.to_str().unwrap().ends_with(suffix);
    paths.find(is_it).unwrap()
}

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 0x40;
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_file_system_that_turns_read_only_takes_nothing_and_gives_nothing_away() {
    let directory = tempfile::tempdir().unwrap();
    let Some(mount) = Mount::image(directory.path().join("image"), 8 << 20) else {
        return;
    };
    let mut life = Life::start_with(mount.path(), Durability::Power);
    assert_eq!(life.read(10), None);
    if !mount.break_down() {
        return;
    }
    let why = life.read(20).unwrap();
    assert!(why.contains("Read-only file system"), "{why}");
    assert_eq!(life.next(), 10, "what is refused moves nothing");
    // A chunk whose delivery could not be recorded is not delivered.
    assert_eq!(life.deliver(), Vec::<u64>::new());
    drop(life);
    mount.mount_again();
    let mut life = Life::start_with(mount.path(), Durability::Power);
    assert_eq!(life.read(20), None);
    assert_eq!(life.deliver(), Vec::from_iter(0..20));
}

#[test]
fn a_sync_that_fails_once_loses_and_doubles_nothing() {
    let Some(below) = Mount::memory("size=6m") else {
        return;
    };
    let Some(mount) = Mount::image(below.path().join("image"), 16 << 20) else {
        return;
    };
    let mut life = Life::start_with(mount.path(), Durability::Power);
    assert_eq!(life.read(10), None);
    // The image is sparse: when there is no room below it, the medium of the file system above cannot be written.
    let ballast = below.path().join("ballast");
    let mut file = fs::File::create(&ballast).unwrap();
    while file.write_all(&[1; 4096]).is_ok() {}
    let why = life.read(2000).unwrap();
    // What the kernel makes of it hangs on its version and on which block was the first without a place: where it is one
    // of the file system's own, the whole of it becomes read-only.
    let is_it = [
        "No space left on device",
        "Input/output error",
        "Read-only file system",
    ];
    assert!(is_it.iter().any(|text| why.contains(text)), "{why}");
    drop(file);
    fs::remove_file(ballast).unwrap();
    // Where nobody knows whether a commit reached the medium, only the next start can tell.
    if life.read(life.next() + 5).is_some() {
        drop(life);
        mount.mount_again();
        life = Life::start_with(mount.path(), Durability::Power);
    }
    let end = life.next() + 20;
    assert_eq!(life.read(end), None);
    assert_eq!(life.deliver(), Vec::from_iter(0..end));
}

#[test]
fn a_chunk_that_cannot_be_read_once_is_delivered_the_next_time() {
    let root = tempfile::tempdir().unwrap();
    let mut life = Life::start(root.path());
    assert_eq!(life.read(10), None);
    life.buffer.enqueue_all();
    let chunk = life.buffer.take().unwrap();
    let path = chunk.path().unwrap().to_owned();
    let aside = root.path().join("aside");
    fs::rename(&path, &aside).unwrap();
    // The first page of a process is never there: the system answers as a bad medium does.
    std::os::unix::fs::symlink("/proc/self/mem", &path).unwrap();
    let error = chunk.read(&mut Vec::new()).unwrap_err();
    assert_eq!(error.to_string(), "Input/output error (os error 5)");
    life.buffer.give_back(chunk);
    fs::rename(&aside, &path).unwrap();
    assert_eq!(life.deliver(), Vec::from_iter(0..10));
}

#[test]
fn a_chunk_that_cannot_be_written_takes_nothing() {
    let root = tempfile::tempdir().unwrap();
    let mut life = Life::start(root.path());
    assert_eq!(life.read(10), None);
    drop(life);
    let mut life = Life::start(root.path());
    let path = only_file(&root.path().join("buffer"), ".log");
    let aside = root.path().join("aside");
    fs::rename(&path, &aside).unwrap();
    std::os::unix::fs::symlink("/proc/self/mem", &path).unwrap();
    let why = life.read(20).unwrap();
    assert!(why.contains("Input/output error"), "{why}");
    assert_eq!(life.next(), 10, "what is refused moves nothing");
    drop(life);
    fs::rename(&aside, &path).unwrap();
    let mut life = Life::start(root.path());
    assert_eq!(life.read(20), None);
    assert_eq!(life.deliver(), Vec::from_iter(0..20));
}

#[test]
fn a_chunk_with_a_bit_that_flipped_is_put_aside_and_never_sent() {
    for at in [0, 500, 9_999] {
        let root = tempfile::tempdir().unwrap();
        let mut life = Life::start(root.path());
        assert_eq!(life.read(40), None);
        drop(life);
        let mut life = Life::start(root.path());
        life.buffer.enqueue_all();
        let chunk = life.buffer.take().unwrap();
        let path = chunk.path().unwrap().to_owned();
        let text = fs::read_to_string(&path).unwrap();
        let lost = numbers(text.lines());
        flip(&path, at);
        let damaged = fs::read(&path).unwrap();
        let error = chunk.read(&mut Vec::new()).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidData);
        assert_eq!(
            error.to_string(),
            "the chunk file is damaged: its checksum is not that of the bytes that were committed"
        );
        let (backup, count) = (root.path().join("backup"), chunk.count());
        let key = LossKey {
            plugin: "out".into(),
            reason: DAMAGED.into(),
        };
        let kept = life.buffer.back_up(chunk, &backup, key.clone()).unwrap();
        assert_eq!(
            fs::read(kept).unwrap(),
            damaged,
            "a person may make something of it"
        );
        assert_eq!(life.shard.ledger().losses()[&key], count);
        // The others are not concerned, nor is what comes later.
        assert_eq!(life.read(50), None);
        let mut arrived = life.deliver();
        arrived.sort_unstable();
        let expected = (0..50).filter(|number| !lost.contains(number));
        assert_eq!(arrived, Vec::from_iter(expected));
    }
}

#[test]
fn a_bit_that_flips_in_a_meta_file_costs_no_line() {
    for at in [0, 6, 20, 60] {
        let root = tempfile::tempdir().unwrap();
        let mut life = Life::start(root.path());
        life.read(10);
        drop(life);
        flip(&only_file(&root.path().join("buffer"), ".meta"), at);
        let life = Life::start(root.path());
        // Where it can still be read, it is taken for another program's; where not, its bytes lie in the backup.
        let mut arrived = life.deliver();
        for broken in &life.resumed.broken {
            let text = fs::read_to_string(broken.backup.as_ref().unwrap()).unwrap();
            arrived.extend(numbers(text.lines()));
        }
        assert_eq!(
            arrived,
            Vec::from_iter(0..10),
            "at {at}: {:?}",
            life.resumed
        );
        assert_eq!(life.next(), 10, "at {at}");
    }
}

#[test]
fn a_bit_that_flips_in_the_ledger_loses_no_line() {
    for at in [25, 60, 200, 400, 700] {
        let root = tempfile::tempdir().unwrap();
        let mut life = Life::start(root.path());
        life.read(10);
        drop(life);
        flip(&root.path().join("state/worker0/ledger/0.ledger"), at);
        let mut life = Life::start(root.path());
        assert!(!life.state.notes().is_empty(), "at {at}: it is said");
        // What the record said is not known any more. Of a commit, the batch is read again; of a source, all of it. Lines may come
        // twice, none is missing.
        assert_eq!(life.read(20), None);
        let mut arrived = life.deliver();
        let is_commit = at > 300;
        assert!(!is_commit || arrived.len() <= 21, "at {at}: {arrived:?}");
        arrived.sort_unstable();
        arrived.dedup();
        assert_eq!(arrived, Vec::from_iter(0..20), "at {at}");
    }
}
