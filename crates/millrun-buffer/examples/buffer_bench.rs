//! What keeping lines costs: a file buffer beside a memory buffer, and how fast a start finds what is kept.
//!
//! `bench/buffer` runs it and keeps what it prints.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a measurement that cannot be made ends with the reason"
)]

use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use millrun_buffer::disk::{RealDisk, SharedDisk};
use millrun_buffer::{
    Buffer, BufferConfig, Compression, Durability, Identity, Metadata, Origin, PackHelpers, Piece,
    Random, Shard, StateDirectory, Timestamp,
};

/// Bytes of a line, lines of a batch, batches of a round.
const LINE: usize = 200;
const BATCH: usize = 1_000;
const BATCHES: u64 = 2_000;
/// Batches of a round that are compressed.
const COMPRESSED_BATCHES: u64 = 100;
const ROUNDS: usize = 5;

/// What a start is to find.
const CHUNKS: usize = 1_000;
const LEDGER_BYTES: u64 = 100 << 20;

fn main() {
    let lines = BATCHES as f64 * BATCH as f64;
    let batch = batch();
    let mut floors = Vec::new();
    let mut checksums = Vec::new();
    let mut memory = Vec::new();
    let mut file = Vec::new();
    for _ in 0..ROUNDS {
        floors.push(floor(&batch).micros / lines);
        checksums.push(checksum(&batch).micros / lines);
        memory.push(keep(&batch, None));
        let directory = tempfile::tempdir().unwrap();
        file.push(keep(&batch, Some(directory.path())));
    }
    let micros = |costs: &[Cost]| costs.iter().map(|cost| cost.micros / lines).collect();
    let bytes = lines * LINE as f64;
    let written = file
        .iter()
        .map(|cost| cost.written as f64 / bytes)
        .collect();
    println!("{{");
    print_median("floor_write_us_per_line", floors);
    print_median("checksum_us_per_line", checksums);
    print_median("memory_buffer_us_per_line", micros(&memory));
    print_median("file_buffer_us_per_line", micros(&file));
    print_median("file_buffer_bytes_written_per_byte", written);
    let varied = varied();
    for (name, compression) in [("gzip", Compression::Gzip), ("zstd", Compression::Zstd)] {
        for hands in [1, 2] {
            let times = (0..ROUNDS)
                .map(|_| compress(&varied, compression, hands))
                .collect();
            print_median(&format!("{name}_by_{hands}_wall_us_per_line"), times);
        }
    }
    print_median(
        "start_with_1000_chunks_ms",
        (0..3).map(|_| chunks(&batch)).collect(),
    );
    let (bytes, times) = ledger();
    println!("  \"ledger_bytes\": {bytes},");
    print_median("start_with_that_ledger_ms", times);
    println!(
        "  \"lines_a_round\": {lines}, \"line_bytes\": {LINE}, \"batch_lines\": {BATCH}, \"rounds\": {ROUNDS}"
    );
    println!("}}");
}

/// What something took of this thread.
struct Cost {
    /// CPU time, user and system.
    micros: f64,
    /// Bytes handed to write calls.
    written: u64,
}

fn cost(act: impl FnOnce()) -> Cost {
    let (cpu, written) = (cpu_nanos(), written());
    act();
    Cost {
        micros: (cpu_nanos() - cpu) as f64 / 1e3,
        written: self::written() - written,
    }
}

/// The CPU time of this thread, as the scheduler counts it.
fn cpu_nanos() -> u64 {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    text.split(' ').next().unwrap().parse().unwrap()
}

fn written() -> u64 {
    let text = fs::read_to_string("/proc/self/io").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("wchar: "));
    line.unwrap().parse().unwrap()
}

fn batch() -> Vec<u8> {
    let mut bytes = Vec::new();
    for number in 0..BATCH {
        let line = format!("{number:08} {:x<191}", "");
        bytes.extend_from_slice(&line.as_bytes()[..LINE - 1]);
        bytes.push(b'\n');
    }
    bytes
}

/// The same bytes into a file, and nothing else.
fn floor(batch: &[u8]) -> Cost {
    let mut file = tempfile::tempfile().unwrap();
    cost(|| {
        for _ in 0..BATCHES {
            file.write_all(batch).unwrap();
        }
    })
}

fn checksum(batch: &[u8]) -> Cost {
    cost(|| {
        let mut hasher = crc32fast::Hasher::new();
        (0..BATCHES).for_each(|_| hasher.update(batch));
        std::hint::black_box(hasher.finalize());
    })
}

/// Takes all lines and delivers them to nobody: chunks are read as an output reads them.
fn keep(batch: &[u8], root: Option<&Path>) -> Cost {
    let disk: SharedDisk = Arc::new(RealDisk);
    let (mut state, config) = match root {
        None => (StateDirectory::volatile(1), BufferConfig::memory()),
        Some(root) => (
            StateDirectory::open(&disk, &root.join("state"), 0, 1, Durability::Process).unwrap(),
            BufferConfig {
                chunk_limit_size: 8 << 20,
                ..BufferConfig::file(root.join("buffer"), root.join("backup"))
            },
        ),
    };
    let random = Random::from_seed(1);
    let opened = Buffer::open("out", config, disk, state.ledgers(), random);
    let (buffer, _) = opened.unwrap();
    state.start().unwrap();
    let mut shard = Shard::new(0, state.ledgers()[0].clone());
    let sight = shard
        .ledger()
        .first_sight("tail:/a", Identity::default(), 0);
    let source = sight.unwrap();
    let metadata = Metadata::with_tag("a");
    let mut scratch = Vec::new();
    let length = batch.len() as u64;
    cost(|| {
        for number in 0..BATCHES {
            let origin = Origin::File {
                source,
                incarnation: 0,
                range: number * length..(number + 1) * length,
            };
            let mut transaction = shard.begin(origin).unwrap();
            let now = Timestamp::from_micros(1_700_000_000_000_000 + number);
            let mut whole = |bytes: &[u8]| Some(bytes.len());
            let count = BATCH as u64;
            transaction
                .append(&buffer, &metadata, batch, count, &mut whole, now)
                .unwrap();
            transaction.commit().unwrap();
            while let Some(chunk) = buffer.take() {
                std::hint::black_box(chunk.read(&mut scratch).unwrap());
                buffer.delivered(chunk).unwrap();
            }
        }
    })
}

/// Lines that are no two the same, as those of an access log.
fn varied() -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut dice = 1_u64;
    for _ in 0..BATCH {
        let mut line = String::new();
        while line.len() < LINE - 1 {
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            line.push_str(["GET /", "host=", "200 ", "user-", "id:"][(dice >> 40) as usize % 5]);
            line.push_str(&(dice >> 48).to_string());
        }
        bytes.extend_from_slice(&line.as_bytes()[..LINE - 1]);
        bytes.push(b'\n');
    }
    bytes
}

/// A thread beside the one that appends.
struct Helper;

impl PackHelpers for Helper {
    fn hands(&self) -> usize {
        2
    }

    fn pack(&self, pieces: &mut Vec<Piece>) {
        std::thread::scope(|scope| {
            let (first, others) = pieces.split_at_mut(1);
            scope.spawn(|| others.iter_mut().for_each(Piece::pack));
            first.iter_mut().for_each(Piece::pack);
        });
    }
}

/// What an append to a memory buffer that compresses takes of the thread that reads, in microseconds of the clock per line.
fn compress(batch: &[u8], compression: Compression, hands: usize) -> f64 {
    let disk: SharedDisk = Arc::new(RealDisk);
    let mut state = StateDirectory::volatile(1);
    let config = BufferConfig {
        compression,
        ..BufferConfig::memory()
    };
    let opened = Buffer::open("out", config, disk, state.ledgers(), Random::from_seed(1));
    let (buffer, _) = opened.unwrap();
    if hands > 1 {
        buffer.help(Helper);
    }
    state.start().unwrap();
    let mut shard = Shard::new(0, state.ledgers()[0].clone());
    let metadata = Metadata::with_tag("a");
    let begin = Instant::now();
    for number in 0..COMPRESSED_BATCHES {
        let now = Timestamp::from_micros(1_700_000_000_000_000 + number);
        let mut transaction = shard.begin(Origin::None).unwrap();
        let mut whole = |bytes: &[u8]| Some(bytes.len());
        let count = BATCH as u64;
        let appended = transaction.append(&buffer, &metadata, batch, count, &mut whole, now);
        appended.unwrap();
        transaction.commit().unwrap();
        while let Some(chunk) = buffer.take() {
            buffer.delivered(chunk).unwrap();
        }
    }
    begin.elapsed().as_secs_f64() * 1e6 / (COMPRESSED_BATCHES * BATCH as u64) as f64
}

/// Milliseconds from the opening of the state to its start, with chunks of a killed process.
fn chunks(batch: &[u8]) -> f64 {
    let directory = tempfile::tempdir().unwrap();
    let open = || {
        let disk: SharedDisk = Arc::new(RealDisk);
        let root = directory.path();
        let state = StateDirectory::open(&disk, &root.join("state"), 0, 1, Durability::Process);
        let mut state = state.unwrap();
        let config = BufferConfig::file(root.join("buffer"), root.join("backup"));
        let random = Random::from_seed(1);
        let opened = Buffer::open("out", config, disk, state.ledgers(), random);
        let (buffer, resumed) = opened.unwrap();
        state.start().unwrap();
        (state, buffer, resumed)
    };
    let (state, buffer, _) = open();
    let mut shard = Shard::new(0, state.ledgers()[0].clone());
    for number in 0..CHUNKS {
        let mut transaction = shard.begin(Origin::None).unwrap();
        let metadata = Metadata::with_tag(&format!("tag.{number}"));
        let now = Timestamp::from_secs(1_700_000_000);
        let mut whole = |bytes: &[u8]| Some(bytes.len());
        let count = BATCH as u64;
        transaction
            .append(&buffer, &metadata, batch, count, &mut whole, now)
            .unwrap();
        transaction.commit().unwrap();
    }
    drop((state, shard, buffer));
    let begin = Instant::now();
    let (_state, _buffer, resumed) = open();
    let time = millis(begin.elapsed());
    assert_eq!(resumed.staged + resumed.queued, CHUNKS);
    time
}

/// A ledger of many files' positions: its bytes, and milliseconds from the opening of the state to its start.
fn ledger() -> (u64, Vec<f64>) {
    let directory = tempfile::tempdir().unwrap();
    let disk: SharedDisk = Arc::new(RealDisk);
    let open = || {
        let state = StateDirectory::open(&disk, directory.path(), 0, 1, Durability::Process);
        let mut state = state.unwrap();
        state.start().unwrap();
        state
    };
    let path = directory.path().join("worker0/ledger/0.ledger");
    let state = open();
    let ledger = state.ledgers()[0].clone();
    for number in 0.. {
        let key = format!("in_tail:/var/log/containers/{number:0>100}.log");
        ledger.first_sight(&key, Identity::default(), 0).unwrap();
        if number % 1_000 == 0 && fs::metadata(&path).unwrap().len() >= LEDGER_BYTES {
            break;
        }
    }
    drop((state, ledger));
    let bytes = fs::metadata(&path).unwrap().len();
    let times = (0..3).map(|_| {
        let begin = Instant::now();
        let state = open();
        let time = millis(begin.elapsed());
        drop(state);
        time
    });
    (bytes, times.collect())
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn print_median(name: &str, mut figures: Vec<f64>) {
    figures.sort_by(f64::total_cmp);
    let median = figures[figures.len() / 2];
    let all: Vec<_> = figures
        .iter()
        .map(|figure| format!("{figure:.4}"))
        .collect();
    println!(
        "  \"{name}\": {{\"median\": {median:.4}, \"all\": [{}]}},",
        all.join(", ")
    );
}
