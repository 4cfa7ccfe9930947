//! One life of one worker: recovery, reading, delivery.

use std::path::Path;
use std::sync::Arc;

use millrun_buffer::disk::SimulatedDisk;
use millrun_buffer::{
    Appender, Buffer, Chunk, Fingerprint, Identity, LossKey, Metadata, Origin, Random, Shard,
    SourceNumber, StateDirectory, Timestamp,
};

use crate::account::Account;
use crate::logs::{LogFile, Source, parse};
use crate::mill::Mill;
use crate::network::Network;
use crate::plan::{Output, Plan};
use crate::schedule::Sabotage;
use crate::trace;

mod delivery;

/// A receiver never has more workers.
pub(crate) const RECEIVER_WORKERS_MAX: usize = 3;

/// The names of the receivers.
const RECEIVERS: [&str; 2] = ["first", "second"];

/// Why something was not done; at a life's end the reason does not matter.
#[derive(Debug)]
pub(crate) struct Died(pub(crate) String);

impl<E: std::error::Error> From<E> for Died {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}

pub(crate) struct Worker {
    pub(crate) disk: SimulatedDisk,
    number: usize,
    era: u32,
    pub(crate) state: StateDirectory,
    shards: Vec<Shard>,
    pub(crate) buffers: Vec<(Output, Arc<Buffer>)>,
    readers: Vec<Reader>,
    appender: Appender,
    /// Sent and not answered.
    pub(crate) under_way: Vec<Chunk>,
    /// Another chunk stands in part in the file they go to.
    pub(crate) held: Vec<(Output, Chunk)>,
    life: u64,
}

/// One life of a log file being read.
struct Reader {
    source: usize,
    shard: usize,
    number: SourceNumber,
    incarnation: u32,
    identity: Identity,
    position: u64,
    /// Recovered borders at which a read must end.
    borders: Vec<u64>,
}

/// What surrounds a delivery.
pub(crate) struct Outside<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) account: &'a mut Account,
    pub(crate) network: &'a mut Network,
    pub(crate) random: &'a mut Random,
    pub(crate) now: Timestamp,
    pub(crate) sabotage: Sabotage,
}

impl Worker {
    /// Recovers, and begins what is new.
    pub(crate) fn start(
        disk: &SimulatedDisk,
        mill: &Mill,
        number: usize,
        plan: &Plan,
        sources: &[Source],
        random: &mut Random,
    ) -> Result<Self, Died> {
        let shared = disk.shared();
        let shards = 1 + random.below(3) as usize;
        let mut state = StateDirectory::open(
            &shared,
            Path::new("/state"),
            number,
            shards,
            plan.durability,
        )?;
        let is_one_of_several = mill.workers.len() > 1;
        if plan.changes_workers && number == 0 {
            state.take_over(mill.workers.len())?;
        }
        if is_one_of_several {
            state.ask_neighbours();
        }
        let mut buffers = Vec::new();
        let worker = is_one_of_several.then_some(number);
        // As the collector has it: the first worker takes over all directories that nobody else has.
        let left_behind = |path: &Path| {
            let own = if is_one_of_several {
                mill.workers.len()
            } else {
                0
            };
            let state = Path::new("/state");
            let is_left =
                |of: &usize| *of >= own || StateDirectory::is_left_behind(&shared, state, *of);
            let of_workers = (0..RECEIVER_WORKERS_MAX).filter(is_left);
            let of_workers = of_workers.map(|of| path.join(format!("worker{of}")));
            let of_one = is_one_of_several.then(|| path.to_owned());
            let all = of_workers.chain(of_one).filter(|_| number == 0);
            all.filter(|directory| shared.is_dir(directory)).collect()
        };
        for (output, config) in plan.buffers(worker, mill.is_agent, &left_behind) {
            let (name, ids) = (output.name(), Random::from_seed(random.bits()));
            let opened = Buffer::open(name, config, shared.clone(), state.ledgers(), ids)?;
            trace(|| format!("{name} resumes {:?}", opened.1));
            buffers.push((output, opened.0));
        }
        let sources = if mill.is_agent { sources } else { &[] };
        let mut known = Vec::new();
        for source in sources {
            let shard = random.below(shards as u64) as usize;
            known.push((shard, state.resume_source(&source.key(), shard)?));
        }
        state.start()?;
        let shards = (0..shards).map(|shard| Shard::new(shard, state.ledgers()[shard].clone()));
        let mut worker = Self {
            disk: disk.clone(),
            number,
            era: mill.eras,
            shards: shards.collect(),
            state,
            buffers,
            readers: Vec::new(),
            appender: Appender::new(shared),
            under_way: Vec::new(),
            held: Vec::new(),
            life: random.bits(),
        };
        for (source, (shard, known)) in sources.iter().zip(known) {
            let (number, newest) = match known {
                None => worker.first_sight(source, shard)?,
                Some(known) => {
                    let newest = known.incarnations.keys().next_back().copied().unwrap_or(0);
                    for (incarnation, life) in known.incarnations.iter().rev() {
                        let fits = |file: &&LogFile| {
                            is_of(file, &life.identity, life.low_water)
                                && !worker.reads(source.number, file.inode)
                        };
                        if source.files.iter().any(|file| fits(&file)) {
                            let marks = life.marks.iter();
                            worker.readers.push(Reader {
                                source: source.number,
                                shard,
                                number: known.number,
                                incarnation: *incarnation,
                                identity: life.identity,
                                position: life.low_water,
                                borders: marks.flat_map(|mark| [mark.start, mark.end]).collect(),
                            });
                        } else {
                            let ledger = worker.shards[shard].ledger();
                            ledger.close_incarnation(known.number, *incarnation)?;
                        }
                    }
                    (known.number, newest)
                }
            };
            worker.look(source, shard, number, newest)?;
        }
        Ok(worker)
    }

    fn first_sight(&mut self, source: &Source, shard: usize) -> Result<(SourceNumber, u32), Died> {
        let identity = identity_of(&source.files[0]);
        let ledger = self.shards[shard].ledger();
        let number = ledger.first_sight(&source.key(), identity, 0)?;
        self.readers.push(Reader {
            source: source.number,
            shard,
            number,
            incarnation: 0,
            identity,
            position: 0,
            borders: Vec::new(),
        });
        Ok((number, 0))
    }

    fn reads(&self, source: usize, inode: u64) -> bool {
        let mut readers = self.readers.iter();
        readers.any(|reader| reader.source == source && reader.identity.inode == inode)
    }

    /// Begins a life of each file that nobody reads.
    fn look(
        &mut self,
        source: &Source,
        shard: usize,
        number: SourceNumber,
        mut newest: u32,
    ) -> Result<(), Died> {
        for file in &source.files {
            if self.reads(source.number, file.inode) {
                continue;
            }
            newest += 1;
            let identity = identity_of(file);
            let ledger = self.shards[shard].ledger();
            ledger.new_incarnation(number, newest, identity, 0)?;
            self.readers.push(Reader {
                source: source.number,
                shard,
                number,
                incarnation: newest,
                identity,
                position: 0,
                borders: Vec::new(),
            });
        }
        Ok(())
    }

    /// Looks for new files of a source.
    pub(crate) fn refresh(&mut self, source: &Source) -> Result<(), Died> {
        let of_source = |reader: &&Reader| reader.source == source.number;
        let newest = self
            .readers
            .iter()
            .filter(of_source)
            .max_by_key(|reader| reader.incarnation);
        let Some(newest) = newest else { return Ok(()) };
        let (shard, number, newest) = (newest.shard, newest.number, newest.incarnation);
        self.look(source, shard, number, newest)
    }

    /// Tells the writer what it may throw away.
    pub(crate) fn note_done(&self, source: &mut Source) {
        for reader in self
            .readers
            .iter()
            .filter(|reader| reader.source == source.number)
        {
            let Some(file) = source
                .files
                .iter_mut()
                .find(|file| is_of(file, &reader.identity, reader.position))
            else {
                continue;
            };
            let ledger = self.shards[reader.shard].ledger();
            let low_water = ledger.low_water(reader.number, reader.incarnation);
            file.is_done |= low_water == Some(file.bytes.len() as u64) && !file.bytes.is_empty();
        }
    }

    /// Whether everything was read.
    pub(crate) fn is_at_end(&self, sources: &[Source]) -> bool {
        let is_read = |source: &Source, file: &LogFile| {
            self.readers.iter().any(|reader| {
                reader.source == source.number
                    && is_of(file, &reader.identity, reader.position)
                    && reader.position == file.bytes.len() as u64
            })
        };
        sources
            .iter()
            .all(|source| source.files.iter().all(|file| is_read(source, file)))
    }

    /// A batch of one file, through all outputs.
    pub(crate) fn read(
        &mut self,
        sources: &[Source],
        plan: &Plan,
        random: &mut Random,
        now: Timestamp,
    ) -> Result<(), Died> {
        let at = random.below(self.readers.len() as u64) as usize;
        let Some(reader) = self.readers.get_mut(at) else {
            return Ok(());
        };
        let shard = &mut self.shards[reader.shard];
        let files = &sources[reader.source].files;
        let Some(file) = files
            .iter()
            .find(|file| file.inode == reader.identity.inode)
        else {
            shard
                .ledger()
                .close_incarnation(reader.number, reader.incarnation)?;
            // The last one stays, so that a source has its number.
            if self
                .readers
                .iter()
                .filter(|other| other.source == self.readers[at].source)
                .count()
                > 1
            {
                self.readers.remove(at);
            }
            return Ok(());
        };
        if !is_of(file, &reader.identity, reader.position) {
            // Another content: a new life of the same file.
            let next = self
                .readers
                .iter()
                .filter(|other| other.source == self.readers[at].source);
            let next = next.map(|reader| reader.incarnation).max().unwrap_or(0) + 1;
            let reader = &mut self.readers[at];
            let identity = identity_of(file);
            let ledger = shard.ledger();
            ledger.new_incarnation(reader.number, next, identity, 0)?;
            ledger.close_incarnation(reader.number, reader.incarnation)?;
            *reader = Reader {
                incarnation: next,
                identity,
                position: 0,
                borders: Vec::new(),
                ..*reader
            };
            return Ok(());
        }
        let start = reader.position as usize;
        let border = reader
            .borders
            .iter()
            .filter(|border| **border > reader.position)
            .min();
        let limit = border.map_or(file.bytes.len(), |border| *border as usize);
        let wanted = 1 + random.below(8) as usize;
        let lines: Vec<&[u8]> = file.bytes[start..limit]
            .split_inclusive(|byte| *byte == b'\n')
            .take(wanted)
            .collect();
        let end = start + lines.iter().map(|line| line.len()).sum::<usize>();
        if end == start {
            return Ok(());
        }
        let fingerprint = Fingerprint::of(&file.bytes[..end]);
        if fingerprint.length > reader.identity.fingerprint.length {
            shard
                .ledger()
                .extend_fingerprint(reader.number, reader.incarnation, fingerprint)?;
            reader.identity.fingerprint = fingerprint;
        }
        let mut transaction = shard.begin(Origin::File {
            source: reader.number,
            incarnation: reader.incarnation,
            range: start as u64..end as u64,
        })?;
        for output in &plan.outputs {
            let buffer = buffer_of(&self.buffers, *output);
            let number = |line: &[u8]| parse(line).unwrap().1;
            if *output == Output::Tagged {
                for line in &lines {
                    let tag = Metadata::with_tag(["a", "b", "c"][number(line) as usize % 3]);
                    transaction.append(buffer, &tag, line, 1, &mut first_line, now)?;
                }
                continue;
            }
            let taken: Vec<&[u8]> = lines
                .iter()
                .copied()
                .filter(|line| output.takes(number(line)))
                .collect();
            if *output == Output::Filtered && taken.len() < lines.len() {
                let key = LossKey {
                    plugin: "filter".into(),
                    reason: "fifth".into(),
                };
                transaction.lose(key, (lines.len() - taken.len()) as u64);
            }
            let (bytes, count) = (taken.concat(), taken.len() as u64);
            transaction.append(
                buffer,
                &Metadata::EMPTY,
                &bytes,
                count,
                &mut first_line,
                now,
            )?;
        }
        if random.below(6) == 0 {
            return Ok(());
        }
        transaction.commit()?;
        reader.position = end as u64;
        Ok(())
    }
}

fn buffer_of(buffers: &[(Output, Arc<Buffer>)], output: Output) -> &Arc<Buffer> {
    let found = buffers.iter().find(|(of, _)| *of == output);
    &found.expect("the plan has it").1
}

fn first_line(bytes: &[u8]) -> Option<usize> {
    let newline = bytes.iter().position(|byte| *byte == b'\n')?;
    Some(newline + 1)
}

fn identity_of(file: &LogFile) -> Identity {
    Identity {
        device: 1,
        inode: file.inode,
        fingerprint: Fingerprint::default(),
    }
}

/// Whether a file can be the one that was read up to `position`.
fn is_of(file: &LogFile, identity: &Identity, position: u64) -> bool {
    file.inode == identity.inode
        && file.bytes.len() as u64 >= position
        && identity.fingerprint.fits(&file.bytes)
}
