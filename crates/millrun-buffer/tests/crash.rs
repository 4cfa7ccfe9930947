//! The delivery contract under a process that dies, and a machine that loses its power, at any write.
//!
//! Numbered lines of two sources go through random transactions into file and memory buffers over several lives, each of
//! which ends at a random write, torn at a random byte, or by a plain kill; under `power`, what was not synced may be
//! gone then. In the end every line is accounted for: exactly once in each file buffer,
//! at least once in the memory buffer, and what was dropped on purpose is counted exactly once.
//!
//! `MILLRUN_CRASH_SCHEDULES=100000` runs more schedules, `MILLRUN_CRASH_SEED=123` the one that failed.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests may be blunt, as tests may"
)]

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use millrun_buffer::disk::{Crash, SimulatedDisk};
use millrun_buffer::{
    Buffer, BufferConfig, ChunkId, Durability, FlushMode, Identity, LossKey, Metadata, Origin,
    Random, Shard, SourceNumber, StateDirectory, Timestamp,
};

const SCHEDULES: u64 = 2_000;
const LINES: u32 = 50;
const LIVES_MAX: u64 = 6;
const STEPS_MAX: u64 = 50;
const SOURCES: usize = 2;

#[test]
fn every_line_is_accounted_for_whenever_the_process_dies() {
    let number = |name: &str| {
        std::env::var(name)
            .ok()
            .map(|text| text.parse::<u64>().unwrap())
    };
    if let Some(seed) = number("MILLRUN_CRASH_SEED") {
        return schedule(seed);
    }
    for seed in 0..number("MILLRUN_CRASH_SCHEDULES").unwrap_or(SCHEDULES) {
        let outcome = std::panic::catch_unwind(|| schedule(seed));
        assert!(outcome.is_ok(), "run again with MILLRUN_CRASH_SEED={seed}");
    }
}

fn schedule(seed: u64) {
    let mut random = Random::from_seed(seed);
    let mut world = World::new(&mut random);
    let mut disk = SimulatedDisk::new();
    for _ in 0..1 + random.below(LIVES_MAX) {
        if random.below(4) > 0 {
            let steps_max = 1 + random.below(200);
            let after_steps = random.below(steps_max);
            disk.crash(Crash {
                after_steps,
                seed: random.bits(),
            });
        }
        let _ = world.live(&disk, &mut random);
        disk = match world.durability {
            Durability::Power if random.below(2) == 0 => disk.lose_power(&mut random),
            _ => disk.reopen(),
        };
    }
    world.finish(&disk, &mut random);
    world.check();
}

/// What is outside of the process: files to read, and receivers that know a chunk by its id.
struct World {
    files: Vec<String>,
    topology: Topology,
    durability: Durability,
    received: BTreeMap<&'static str, HashMap<ChunkId, String>>,
    /// Chunks whose delivery is recorded.
    done: HashSet<ChunkId>,
    now: Timestamp,
    losses: u64,
}

#[derive(Clone, Copy)]
struct Topology {
    /// Takes every line, under three tags.
    tagged: bool,
    /// Takes lines that are no multiple of 5; those are dropped and counted.
    filtered: bool,
    /// Takes even lines.
    memory: bool,
    chunk_limit_size: u64,
    flush_mode: FlushMode,
}

/// A life ends with an error; which one does not matter.
#[derive(Debug)]
struct Died;

impl<E: std::error::Error> From<E> for Died {
    fn from(_: E) -> Self {
        Self
    }
}

struct Process {
    state: StateDirectory,
    shards: Vec<Shard>,
    buffers: BTreeMap<&'static str, Arc<Buffer>>,
    readers: Vec<Reader>,
}

struct Reader {
    shard: usize,
    source: SourceNumber,
    position: u64,
    /// Recovered borders at which a read must end.
    borders: Vec<u64>,
}

impl World {
    fn new(random: &mut Random) -> Self {
        let line = |source: usize, number: u32| {
            let padding = "x".repeat((number % 7) as usize);
            format!("{source}:{number}:{padding}\n")
        };
        let file = |source| (0..LINES).map(|number| line(source, number)).collect();
        let chosen = 1 + random.below(7);
        let topology = Topology {
            tagged: chosen & 1 > 0,
            filtered: chosen & 2 > 0,
            memory: chosen & 4 > 0,
            chunk_limit_size: 20 + random.below(300),
            flush_mode: match random.below(3) {
                0 => FlushMode::Immediate,
                1 => FlushMode::Lazy,
                _ => FlushMode::Interval,
            },
        };
        Self {
            files: (0..SOURCES).map(file).collect(),
            topology,
            durability: if random.below(3) == 0 {
                Durability::Power
            } else {
                Durability::Process
            },
            received: BTreeMap::new(),
            done: HashSet::new(),
            now: Timestamp::from_secs(1_700_000_000),
            losses: 0,
        }
    }

    fn start(&self, disk: &SimulatedDisk, random: &mut Random) -> Result<Process, Died> {
        let shared = disk.shared();
        let shards = 1 + random.below(3) as usize;
        let mut state =
            StateDirectory::open(&shared, Path::new("/state"), 0, shards, self.durability)?;
        let mut buffers = BTreeMap::new();
        let Topology {
            tagged,
            filtered,
            memory,
            chunk_limit_size,
            flush_mode,
        } = self.topology;
        for (name, wanted) in [
            ("tagged", tagged),
            ("filtered", filtered),
            ("memory", memory),
        ] {
            if !wanted {
                continue;
            }
            let base = match name {
                "memory" => BufferConfig::memory(),
                _ => BufferConfig::file(format!("/buffers/{name}"), "/backup"),
            };
            let flush_interval = Duration::from_secs(5);
            let config = BufferConfig {
                chunk_limit_size,
                flush_mode,
                flush_interval,
                ..base
            };
            let ids = Random::from_seed(random.bits());
            let (buffer, resumed) =
                Buffer::open(name, config, shared.clone(), state.ledgers(), ids)?;
            // Shown when the schedule fails.
            resumed.notes.iter().for_each(|note| println!("{note}"));
            buffers.insert(name, buffer);
        }
        let mut readers = Vec::new();
        for source in 0..SOURCES {
            let shard = random.below(shards as u64) as usize;
            let known = state.resume_source(&key(source), shard)?;
            let reader = known.map(|known| {
                let life = &known.incarnations[&0];
                let borders = life
                    .marks
                    .iter()
                    .flat_map(|mark| [mark.start, mark.end])
                    .collect();
                Reader {
                    shard,
                    source: known.number,
                    position: life.low_water,
                    borders,
                }
            });
            readers.push(reader);
        }
        state.start()?;
        let shards: Vec<_> = (0..shards)
            .map(|number| Shard::new(number, state.ledgers()[number].clone()))
            .collect();
        let mut known = Vec::new();
        for (source, reader) in readers.into_iter().enumerate() {
            known.push(match reader {
                Some(reader) => reader,
                None => {
                    let shard = random.below(shards.len() as u64) as usize;
                    let ledger = shards[shard].ledger();
                    let source = ledger.first_sight(&key(source), Identity::default(), 0)?;
                    Reader {
                        shard,
                        source,
                        position: 0,
                        borders: Vec::new(),
                    }
                }
            });
        }
        Ok(Process {
            state,
            shards,
            buffers,
            readers: known,
        })
    }

    /// One life: random steps until death or the end of patience.
    fn live(&mut self, disk: &SimulatedDisk, random: &mut Random) -> Result<(), Died> {
        let mut process = self.start(disk, random)?;
        for _ in 0..random.below(STEPS_MAX) {
            match random.below(13) {
                0..=5 => {
                    let reader = random.below(SOURCES as u64) as usize;
                    // A failed transaction leaves nothing; the same lines are tried again.
                    let _ = self.transact(&mut process, reader, random);
                }
                6 => {
                    self.now = self.now + Duration::from_secs(random.below(10));
                    for buffer in process.buffers.values() {
                        buffer.enqueue_due(self.now);
                    }
                }
                7 => {
                    for buffer in process.buffers.values() {
                        buffer.enqueue_all();
                    }
                }
                8 => disk.limit_space(Some(random.below(300))),
                9 => disk.limit_space(None),
                10 => disk.fail_once(random.below(10)),
                _ => {
                    let _ = self.deliver(&process, random.below(3) == 0);
                }
            }
            if disk.has_crashed() {
                return Err(Died);
            }
        }
        Ok(())
    }

    fn transact(
        &mut self,
        process: &mut Process,
        reader: usize,
        random: &mut Random,
    ) -> Result<(), Died> {
        let Process {
            shards,
            buffers,
            readers,
            ..
        } = process;
        let file = &self.files[reader];
        let reader = &mut readers[reader];
        let start = reader.position as usize;
        let border = reader
            .borders
            .iter()
            .find(|border| **border > reader.position);
        let limit = border.map_or(file.len(), |border| *border as usize);
        let wanted = 1 + random.below(8) as usize;
        let length: usize = file[start..limit]
            .split_inclusive('\n')
            .take(wanted)
            .map(str::len)
            .sum();
        if length == 0 {
            return Ok(());
        }
        let end = start + length;
        let origin = Origin::File {
            source: reader.source,
            incarnation: 0,
            range: start as u64..end as u64,
        };
        let mut transaction = shards[reader.shard].begin(origin)?;
        let split = &mut |bytes: &[u8]| bytes.iter().position(|b| *b == b'\n').map(|at| at + 1);
        let (mut plain, mut even) = (String::new(), String::new());
        for line in file[start..end].split_inclusive('\n') {
            let number: u32 = line.split(':').nth(1).unwrap().parse().unwrap();
            if let Some(buffer) = buffers.get("tagged") {
                let tag = Metadata::with_tag(["a", "b", "c"][number as usize % 3]);
                transaction.append(buffer, &tag, line.as_bytes(), 1, split, self.now)?;
            }
            if !number.is_multiple_of(5) {
                plain += line;
            } else if buffers.contains_key("filtered") {
                let key = LossKey {
                    plugin: "filter".into(),
                    reason: "fifth".into(),
                };
                transaction.lose(key, 1);
            }
            if number.is_multiple_of(2) {
                even += line;
            }
        }
        for (name, text) in [("filtered", &plain), ("memory", &even)] {
            if let Some(buffer) = buffers.get(name) {
                let count = text.lines().count() as u64;
                let bytes = text.as_bytes();
                transaction.append(buffer, &Metadata::EMPTY, bytes, count, split, self.now)?;
            }
        }
        if random.below(6) == 0 {
            return Ok(());
        }
        transaction.commit()?;
        reader.position = end as u64;
        Ok(())
    }

    fn deliver(&mut self, process: &Process, give_back: bool) -> Result<(), Died> {
        for (name, buffer) in &process.buffers {
            let Some(chunk) = buffer.take() else { continue };
            if give_back {
                buffer.give_back(chunk);
                continue;
            }
            let mut scratch = Vec::new();
            let text = match chunk.read(&mut scratch) {
                Ok(bytes) => String::from_utf8(bytes.to_vec()).unwrap(),
                Err(error) => {
                    buffer.give_back(chunk);
                    return Err(error.into());
                }
            };
            let received = self.received.entry(name).or_default();
            let before = received.insert(chunk.id(), text.clone());
            assert!(
                before.is_none_or(|before| before == text),
                "a chunk changed after delivery"
            );
            let id = chunk.id();
            assert!(
                !self.done.contains(&id),
                "{name}: {id} comes again after its delivery was recorded"
            );
            buffer.delivered(chunk)?;
            self.done.insert(id);
        }
        Ok(())
    }

    /// A last life in which nothing fails.
    fn finish(&mut self, disk: &SimulatedDisk, random: &mut Random) {
        let mut process = self
            .start(disk, random)
            .expect("a disk without faults can be recovered");
        for path in disk
            .paths()
            .iter()
            .filter(|path| path.starts_with("/buffers"))
        {
            let content = disk.peek(path).unwrap();
            let is_meta = path
                .extension()
                .is_some_and(|extension| extension == "meta");
            assert!(
                is_meta || content.ends_with(b"\n"),
                "{} ends in a torn line",
                path.display()
            );
        }
        for reader in 0..SOURCES {
            while process.readers[reader].position < self.files[reader].len() as u64 {
                self.transact(&mut process, reader, random)
                    .expect("nothing fails");
            }
        }
        for buffer in process.buffers.values() {
            buffer.enqueue_all();
        }
        while process
            .buffers
            .values()
            .any(|buffer| buffer.statistics().queue_length > 0)
        {
            self.deliver(&process, false).expect("nothing fails");
        }
        for (name, buffer) in &process.buffers {
            let statistics = buffer.statistics();
            assert_eq!(statistics.total_queued_size, 0, "{name}: {statistics:?}");
            assert_eq!(statistics.stage_length, 0, "{name}: {statistics:?}");
        }
        for (reader, file) in process.readers.iter().zip(&self.files) {
            let low_water = process.shards[reader.shard]
                .ledger()
                .low_water(reader.source, 0);
            assert_eq!(low_water, Some(file.len() as u64));
        }
        let ledgers = process.state.ledgers().iter();
        self.losses = ledgers
            .flat_map(|ledger| ledger.losses().into_values())
            .sum();
        let left: Vec<_> = disk
            .paths()
            .into_iter()
            .filter(|path| path.starts_with("/buffers"))
            .collect();
        assert!(left.is_empty(), "files stay behind: {left:?}");
        assert!(
            !disk.paths().iter().any(|path| path.starts_with("/backup")),
            "nothing breaks"
        );
    }

    fn check(&self) {
        let Topology {
            tagged,
            filtered,
            memory,
            ..
        } = self.topology;
        let all = |keep: fn(u32) -> bool| {
            move |times: &dyn Fn(usize, u32) -> usize, exactly: bool, name: &str| {
                for source in 0..SOURCES {
                    for number in 0..LINES {
                        let times = times(source, number);
                        let fine = match (keep(number), exactly) {
                            (false, _) => times == 0,
                            (true, true) => times == 1,
                            (true, false) => times >= 1,
                        };
                        assert!(
                            fine,
                            "{name}: line {number} of source {source} came {times} times"
                        );
                    }
                }
            }
        };
        if tagged {
            all(|_| true)(&self.count("tagged"), true, "tagged");
        }
        if filtered {
            all(|number| number % 5 != 0)(&self.count("filtered"), true, "filtered");
            let dropped = SOURCES as u64 * u64::from(LINES / 5);
            assert_eq!(self.losses, dropped, "drops are counted once");
        }
        if memory {
            all(|number| number % 2 == 0)(&self.count("memory"), false, "memory");
        }
    }

    /// How often a line came to a receiver.
    fn count(&self, name: &str) -> impl Fn(usize, u32) -> usize + use<> {
        let mut times: HashMap<(usize, u32), usize> = HashMap::new();
        for text in self
            .received
            .get(name)
            .into_iter()
            .flat_map(HashMap::values)
        {
            for line in text.lines() {
                let mut parts = line.split(':');
                let source = parts.next().unwrap().parse().unwrap();
                let number = parts.next().unwrap().parse().unwrap();
                assert_eq!(
                    parts.next().unwrap().len(),
                    (number % 7) as usize,
                    "a whole line"
                );
                *times.entry((source, number)).or_default() += 1;
            }
        }
        move |source, number| times.get(&(source, number)).copied().unwrap_or(0)
    }
}

fn key(source: usize) -> String {
    format!("tail:/log/{source}")
}
