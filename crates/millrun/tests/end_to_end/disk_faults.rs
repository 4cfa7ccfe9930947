//! What a failing file system does to a running collector, and what it does not: the rows of `docs/disk-faults.md`.
//!
//! One way of lines has its buffer on the file system that fails, the other one beside it goes on.

#[allow(dead_code, reason = "the tests of the buffer remount too")]
#[path = "../../../millrun-buffer/tests/kept/mount.rs"]
mod mount;

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use self::mount::Mount;
use crate::mill::Mill;
use crate::numbered::{Writer, assert_exactly_once};

/// How long a fault lasts while lines go on being written.
const FAULT: Duration = Duration::from_secs(3);
/// The most lines about one fault in that time. The first tries are told one by one, then ever fewer of them.
const MESSAGES_MAX: usize = 40;

/// `$M` is the file system that fails.
const CONF: &str = "\
<system>
  root_dir $STATE
  durability $DURABILITY
</system>
<source>
  @type tail
  path $D/in*.log
  pos_file $D/in.pos
  tag t.*
  read_from_head true
  <parse>
    @type none
  </parse>
</source>
<match t.**>
  @type file
  path $D/got.${tag}
  append true
  <format>
    @type single_value
  </format>
  <buffer tag>
    @type file
    path $M/buffer
    $FLUSH
    chunk_limit_size 64k
  </buffer>
</match>
<source>
  @type forward
  bind 127.0.0.1
  port $P1
</source>
<match other>
  @type file
  path $D/other
  append true
  <buffer []>
    @type file
    path $D/buffer
    flush_mode immediate
  </buffer>
</match>
";

const AT_ONCE: &str = "flush_mode immediate";
const SOON: &str = "flush_mode interval\n    flush_interval 0.1\n    flush_thread_interval 0.05";
const LATER: &str = "flush_mode interval\n    flush_interval 3600";

fn mill(mount: &Path, state: &str, flush: &str) -> Mill {
    mill_with("process", mount, state, flush)
}

fn mill_with(durability: &str, mount: &Path, state: &str, flush: &str) -> Mill {
    let conf = CONF.replace("$STATE", state).replace("$FLUSH", flush);
    let conf = conf.replace("$DURABILITY", durability);
    Mill::idle(&conf.replace("$M", mount.to_str().unwrap()))
}

/// Sends an event down the other way and waits until it is there.
fn assert_the_other_way_is_open(mill: &Mill) {
    let before = mill.lines("other").len();
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", mill.port(1))).unwrap();
    // ["other", 1700000000, {"k": "v"}]
    stream
        .write_all(b"\x93\xa5other\xce\x65\x53\xf1\x00\x81\xa1k\xa1v")
        .unwrap();
    mill.wait_for_lines("other", before + 1);
}

fn fill(ballast: &Path) {
    let mut file = File::create(ballast).unwrap();
    while file.write_all(&[0; 4096]).is_ok() {}
    while file.write_all(&[0]).is_ok() {}
}

/// Fills the disk while lines are written; says what `state`, the directory of the ledgers, is.
fn fill_for_a_while(state: &str) {
    let Some(mount) = Mount::memory("size=3m") else {
        return;
    };
    let state = state.replace("$M", mount.path().to_str().unwrap());
    let mut mill = mill(mount.path(), &state, AT_ONCE);
    mill.start();
    let writer = Writer::start(mill.path("in.log"));
    mill.wait_for_lines("got", 1);
    let ballast = mount.path().join("ballast");
    fill(&ballast);
    mill.wait_for_log("No space left on device", 1);
    thread::sleep(FAULT);
    if !state.starts_with(mount.path().to_str().unwrap()) {
        assert_the_other_way_is_open(&mill);
    }
    let messages = mill.log().matches("No space left on device").count();
    assert!(messages <= MESSAGES_MAX, "{messages}:\n{}", mill.log());
    fs::remove_file(ballast).unwrap();
    mill.wait_for_log("is kept again", 1);
    let count = writer.end();
    mill.wait_for_lines("got", count);
    assert_exactly_once(&mill.lines("got"), count);
    assert_the_other_way_is_open(&mill);
    assert_eq!(mill.stop().code(), Some(0));
}

#[test]
fn a_buffer_whose_disk_is_full_takes_no_line_and_all_of_them_afterwards() {
    fill_for_a_while("$D/state");
}

#[test]
fn a_ledger_whose_disk_is_full_takes_no_line_and_all_of_them_afterwards() {
    fill_for_a_while("$M/state");
}

#[test]
fn a_disk_that_turns_read_only_costs_nothing_once_it_is_mounted_again() {
    let directory = tempfile::tempdir().unwrap();
    let Some(mount) = Mount::image(directory.path().join("image"), 16 << 20) else {
        return;
    };
    // What the system had not written when it found the error is gone, as with the power.
    let mut mill = mill_with("power", mount.path(), "$D/state", AT_ONCE);
    mill.start();
    let writer = Writer::start(mill.path("in.log"));
    mill.wait_for_lines("got", 1);
    if !mount.break_down() {
        writer.end();
        return;
    }
    mill.wait_for_log("Read-only file system", 1);
    thread::sleep(FAULT);
    assert_the_other_way_is_open(&mill);
    let messages = mill.log().matches("Read-only file system").count();
    assert!(messages <= MESSAGES_MAX, "{messages}:\n{}", mill.log());
    let count = writer.end();
    mill.stop();
    mount.mount_again();
    mill.start();
    mill.wait_for_lines("got", count);
    assert_exactly_once(&mill.lines("got"), count);
    mill.stop();
}

/// The files whose lines are in a chunk each, and the lines of each.
const FILES: usize = 6;
const LINES: usize = 500;

/// Lines in several chunks of a process that was killed, and the chunks.
fn killed_with_chunks(mill: &mut Mill, buffer: &Path) -> Vec<PathBuf> {
    for file in 0..FILES {
        let numbers = file * LINES..(file + 1) * LINES;
        let lines: String = numbers.map(|n| format!("{n:08} {:x<60}\n", "")).collect();
        mill.append(&format!("in.{file}.log"), &lines);
    }
    mill.start();
    let chunks = || -> Vec<PathBuf> {
        let entries = fs::read_dir(buffer).into_iter().flatten().flatten();
        let mut paths: Vec<_> = entries.map(|entry| entry.path()).collect();
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "log"));
        paths.sort();
        paths
    };
    mill.wait_until("all lines in chunks", || {
        let texts = chunks().into_iter().map(|path| fs::read(path).unwrap());
        let newlines = |bytes: Vec<u8>| bytes.iter().filter(|byte| **byte == b'\n').count();
        texts.map(newlines).sum::<usize>() == FILES * LINES
    });
    mill.kill9();
    chunks()
}

/// From now on chunks are delivered.
fn deliver(mill: &mut Mill) {
    let conf = fs::read_to_string(mill.path("f.conf")).unwrap();
    mill.write("f.conf", &conf.replace(LATER, SOON));
    mill.start();
}

/// What was put aside for somebody to look at.
fn backups(mill: &Mill) -> Vec<Vec<u8>> {
    let mut paths = mill.files("state");
    paths.retain(|path| path.to_str().unwrap().contains("/backup/"));
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 0x40;
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_bit_flipped_in_a_chunk_costs_its_lines_and_no_other_one() {
    let directory = tempfile::tempdir().unwrap();
    let mut mill = mill(directory.path(), "$D/state", LATER);
    let chunks = killed_with_chunks(&mut mill, &directory.path().join("buffer"));
    let damaged = fs::read_to_string(&chunks[1]).unwrap();
    flip(&chunks[1], 20);
    deliver(&mut mill);
    let left = FILES * LINES - damaged.lines().count();
    let mut lines = mill.wait_for_lines("got", left);
    mill.wait_for_log("a chunk is damaged and not delivered", 1);
    // With those of the damaged chunk it is every line once.
    lines.extend(damaged.lines().map(str::to_owned));
    assert_exactly_once(&lines, FILES * LINES);
    // And its bytes are kept.
    let mut bytes = damaged.into_bytes();
    bytes[20] ^= 0x40;
    assert!(backups(&mill).contains(&bytes), "{}", mill.log());
    assert_the_other_way_is_open(&mill);
    assert_eq!(mill.stop().code(), Some(0));
}

#[test]
fn a_bit_flipped_in_a_meta_file_costs_no_line() {
    let directory = tempfile::tempdir().unwrap();
    let mut mill = mill(directory.path(), "$D/state", LATER);
    let chunks = killed_with_chunks(&mut mill, &directory.path().join("buffer"));
    let meta = PathBuf::from(format!("{}.meta", chunks[1].display()));
    let length = fs::metadata(&meta).unwrap().len() as usize;
    // In the middle, where the fields' names stand.
    flip(&meta, length / 2);
    deliver(&mut mill);
    let in_backup = || -> Vec<String> {
        let texts = backups(&mill).into_iter();
        let texts = texts.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        let lines = |text: String| text.lines().map(str::to_owned).collect::<Vec<_>>();
        texts
            .flat_map(lines)
            .filter(|line| line.ends_with('x'))
            .collect()
    };
    let count = FILES * LINES;
    mill.wait_until("all lines delivered or in the backup", || {
        mill.lines("got").len() + in_backup().len() >= count
    });
    let lines = [mill.lines("got"), in_backup()].concat();
    assert_exactly_once(&lines, count);
    assert_the_other_way_is_open(&mill);
    assert_eq!(mill.stop().code(), Some(0));
}

#[test]
fn a_bit_flipped_in_the_ledger_costs_no_line_and_doubles_one_batch_at_most() {
    let directory = tempfile::tempdir().unwrap();
    let mut mill = mill(directory.path(), "$D/state", LATER);
    killed_with_chunks(&mut mill, &directory.path().join("buffer"));
    let mut ledgers = mill.files("state");
    ledgers.retain(|path| {
        let is_ledger = path
            .extension()
            .is_some_and(|extension| extension == "ledger");
        is_ledger && fs::metadata(path).unwrap().len() > 200
    });
    let length = fs::metadata(&ledgers[0]).unwrap().len() as usize;
    flip(&ledgers[0], length / 2);
    deliver(&mut mill);
    mill.wait_until("every line at least once", || {
        let mut lines = mill.lines("got");
        lines.sort();
        lines.dedup();
        lines.len() == FILES * LINES
    });
    mill.wait_until("an empty buffer", || {
        fs::read_dir(directory.path().join("buffer"))
            .unwrap()
            .count()
            == 0
    });
    let doubled = mill.lines("got").len() - FILES * LINES;
    assert!(doubled <= LINES, "{doubled} doubled");
    assert!(mill.log().contains("damaged"), "{}", mill.log());
    assert_the_other_way_is_open(&mill);
    assert_eq!(mill.stop().code(), Some(0));
}
