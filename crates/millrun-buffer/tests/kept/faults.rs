//! Faults of real file systems: a small one that is full, one that is mounted read-only for a while, and bits that flip.
//!
//! Mounting needs root; without it these tests say so in one line and end.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use millrun_buffer::disk::{RealDisk, SharedDisk};
use millrun_buffer::{
    Buffer, BufferConfig, Durability, Identity, Metadata, Origin, Random, Resumed, Shard,
    SourceNumber, StateDirectory,
};

use crate::common::{START, drain, line};

/// A file system of its own, gone with the value.
struct Mount {
    directory: tempfile::TempDir,
}

impl Mount {
    fn new(options: &str) -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", options, "tmpfs"])
            .arg(directory.path())
            .output();
        if mounted.is_ok_and(|output| output.status.success()) {
            return Some(Self { directory });
        }
        println!("skipped: a file system cannot be mounted here (are you root?)");
        None
    }

    fn remount(&self, options: &str) {
        let status = Command::new("mount")
            .args(["-o", &format!("remount,{options}")])
            .arg(self.directory.path())
            .status();
        assert!(status.unwrap().success());
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount")
            .arg("-l")
            .arg(self.directory.path())
            .status();
    }
}

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
        let disk: SharedDisk = Arc::new(RealDisk);
        let state = StateDirectory::open(&disk, &root.join("state"), 0, 1, Durability::Process);
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
    let Some(mount) = Mount::new("size=400k") else {
        return;
    };
    let root = mount.directory.path();
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
    life.read(300);
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
    let Some(mount) = Mount::new("size=4m") else {
        return;
    };
    let root = mount.directory.path();
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
fn a_bit_that_flips_in_a_chunk_harms_that_place_only() {
    let root = tempfile::tempdir().unwrap();
    let mut life = Life::start(root.path());
    life.read(10);
    drop(life);
    let chunk = only_file(&root.path().join("buffer"), ".log");
    // Within the padding of a line: neither Fluentd's format nor ours has a checksum there.
    flip(&chunk, 500);
    let life = Life::start(root.path());
    assert_eq!(life.resumed.broken, []);
    assert_eq!(life.deliver(), Vec::from_iter(0..10));
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
        // What stood behind the place is not known any more: the source is read again from where it is known, and chunks that
        // are not known are delivered as they are. Lines may come twice, none is missing.
        assert_eq!(life.read(20), None);
        let mut arrived = life.deliver();
        arrived.sort_unstable();
        arrived.dedup();
        assert_eq!(arrived, Vec::from_iter(0..20), "at {at}");
    }
}
