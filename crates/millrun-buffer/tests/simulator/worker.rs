//! One life of one worker: recovery, reading, delivery.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use millrun_buffer::disk::SimulatedDisk;
use millrun_buffer::{
    AppendError, Appender, Buffer, Chunk, DestinationError, Durability, Fingerprint, Identity,
    LedgerError, LossKey, Metadata, Origin, Pin, Random, Resumption, Seen, Shard, SourceNumber,
    StateDirectory, Timestamp,
};

use crate::account::Account;
use crate::logs::{LogFile, Source, parse};
use crate::mill::Mill;
use crate::network::{Message, Network};
use crate::plan::{Output, Plan};
use crate::schedule::Sabotage;
use crate::trace;

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
        if is_one_of_several {
            state.ask_neighbours();
        }
        let mut buffers = Vec::new();
        let worker = is_one_of_several.then_some(number);
        for (output, config) in plan.buffers(worker, mill.is_agent) {
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

    /// Delivers the next chunk of a buffer.
    pub(crate) fn deliver(&mut self, at: usize, outside: &mut Outside<'_>) -> Result<(), Died> {
        let (output, buffer) = self.buffers[at].clone();
        let chunk = buffer.take();
        for (output, held) in self.held.drain(..) {
            buffer_of(&self.buffers, output).give_back(held);
        }
        let Some(chunk) = chunk else {
            return Ok(());
        };
        let mut bytes = Vec::new();
        let read = chunk.read(&mut bytes).map(<[u8]>::to_vec);
        let bytes = match read {
            Ok(bytes) if outside.random.below(8) > 0 => bytes,
            Ok(_) => {
                buffer.give_back(chunk);
                return Ok(());
            }
            Err(error) => {
                buffer.give_back(chunk);
                return Err(error.into());
            }
        };
        match output {
            Output::Tagged | Output::Filtered | Output::Emitted | Output::Collected => {
                self.write(output, &buffer, chunk, &bytes, outside)
            }
            Output::Answered | Output::Memory => {
                outside.account.arrive(output, &bytes);
                // The answer is lost at times.
                if outside.random.below(4) == 0 {
                    buffer.give_back(chunk);
                } else {
                    buffer.delivered(chunk)?;
                }
                Ok(())
            }
            Output::Relayed => self.emit_again(&buffer, chunk, &bytes, outside),
            Output::Remote => self.send(&buffer, chunk, bytes, outside),
        }
    }

    fn write(
        &mut self,
        output: Output,
        buffer: &Buffer,
        chunk: Chunk,
        bytes: &[u8],
        outside: &mut Outside<'_>,
    ) -> Result<(), Died> {
        let tag = chunk.metadata().tag.as_deref().unwrap_or("all").to_owned();
        let path = PathBuf::from(format!("/out/{}/{tag}.{}", output.name(), self.number));
        if outside.sabotage == Sabotage::DeliveredEarly {
            let count = bytes.len();
            buffer.delivered(chunk)?;
            let file = self.disk.shared();
            let open = millrun_buffer::disk::Open::Append { must_be_new: false };
            file.create_dir_all(path.parent().unwrap())?;
            file.open(&path, open)?.append(&bytes[..count])?;
            return Ok(());
        }
        let resumed = self.appender.resume(&chunk, bytes);
        let (id, shown) = (chunk.id(), String::from_utf8_lossy(bytes));
        trace(|| format!("{id} to {}, {resumed:?}: {shown}", path.display()));
        let written = match resumed {
            Ok(Resumption::Complete) => Ok(()),
            Ok(Resumption::Fresh) => self.appender.append(&chunk, bytes, &path, false, None),
            Ok(Resumption::Changed(changed)) => {
                // The name of a new file is gone with the power, and its content with it.
                let is_power = outside.plan.durability == Durability::Power;
                assert!(is_power, "nobody else writes to {changed}");
                outside.account.is_counted_for_nothing = true;
                let counts = Some(output.name());
                self.appender.append(&chunk, bytes, &path, false, counts)
            }
            Err(error) => Err(error),
        };
        trace(|| format!("{id} is written: {written:?}"));
        match written {
            Ok(()) => Ok(buffer.delivered(chunk)?),
            Err(DestinationError::Unfinished { .. }) => {
                self.held.push((output, chunk));
                Ok(())
            }
            Err(error) => {
                buffer.give_back(chunk);
                Err(error.into())
            }
        }
    }

    fn emit_again(
        &mut self,
        buffer: &Buffer,
        chunk: Chunk,
        bytes: &[u8],
        outside: &mut Outside<'_>,
    ) -> Result<(), Died> {
        let at = outside.random.below(self.shards.len() as u64) as usize;
        let emitted = || -> Result<(), Died> {
            let mut transaction = self.shards[at].begin(Origin::Local { chunk: chunk.id() })?;
            let (target, count) = (buffer_of(&self.buffers, Output::Emitted), chunk.count());
            transaction.append(
                target,
                &Metadata::EMPTY,
                bytes,
                count,
                &mut first_line,
                outside.now,
            )?;
            Ok(transaction.commit()?)
        };
        match { emitted }() {
            Ok(()) => Ok(buffer.delivered(chunk)?),
            Err(died) => {
                buffer.give_back(chunk);
                Err(died)
            }
        }
    }

    fn send(
        &mut self,
        buffer: &Buffer,
        chunk: Chunk,
        payload: Vec<u8>,
        outside: &mut Outside<'_>,
    ) -> Result<(), Died> {
        let count = outside.plan.receivers.len();
        let names = &RECEIVERS[..count];
        let dispatch = chunk.dispatch();
        let pin = Pin::of(
            dispatch.as_ref(),
            names.iter().copied(),
            outside.plan.in_doubt_timeout,
            outside.now,
        );
        let any = outside.random.below(count as u64) as usize;
        let to = match pin {
            Pin::To { server, .. } if outside.sabotage != Sabotage::Unpinned => server,
            Pin::Unknown { .. } => panic!("all receivers are known"),
            Pin::Free => {
                if dispatch
                    .as_ref()
                    .is_some_and(|sent| *sent.receiver != *names[any])
                {
                    outside.account.may_double(&payload);
                }
                any
            }
            Pin::To { .. } => any,
        };
        let id = chunk.id();
        trace(|| {
            format!(
                "{id} in doubt at {dispatch:?}, {pin:?}, is sent to {}",
                names[to]
            )
        });
        let ticket = match chunk.address("remote", names[to], outside.now) {
            Ok(ticket) => ticket,
            Err(error) => {
                buffer.give_back(chunk);
                return Err(error.into());
            }
        };
        trace(|| format!("{id} has {ticket:?}: {}", String::from_utf8_lossy(&payload)));
        outside.network.send(Message {
            to,
            chunk: chunk.id(),
            ticket,
            payload,
            life: self.life,
        });
        self.under_way.push(chunk);
        Ok(())
    }

    /// A message has come; tells whether it is to be answered.
    pub(crate) fn store(
        &mut self,
        message: &Message,
        outside: &mut Outside<'_>,
    ) -> Result<bool, Died> {
        let (ticket, bytes) = (&message.ticket, &message.payload);
        let Some(claim) = self.state.claim(&ticket.sender)? else {
            return Ok(false);
        };
        let hash = crc32fast::hash(bytes);
        let seen = self.state.seen(&ticket.sender, ticket.sequence, hash)?;
        trace(|| {
            format!(
                "{} at receiver {} worker {}: {seen:?}",
                message.chunk, message.to, self.number
            )
        });
        match seen {
            Seen::Stored if outside.sabotage != Sabotage::ForgetsPeers => return Ok(true),
            Seen::Otherwise => panic!("two chunks of one number"),
            Seen::InFiles => panic!("there is no memory buffer here"),
            Seen::Stored | Seen::Never => {}
        }
        let at = outside.random.below(self.shards.len() as u64) as usize;
        let mut transaction = self.shards[at].begin(Origin::Peer {
            sender: ticket.sender,
            sequence: ticket.sequence,
            lowest: ticket.lowest,
            hash,
        })?;
        let buffer = buffer_of(&self.buffers, Output::Collected);
        let count = bytes.split_inclusive(|byte| *byte == b'\n').count() as u64;
        transaction.append(
            buffer,
            &Metadata::EMPTY,
            bytes,
            count,
            &mut first_line,
            outside.now,
        )?;
        if outside.sabotage == Sabotage::AnswersEarly {
            outside.network.answer(message.chunk, message.life);
        }
        if outside.random.below(8) == 0 {
            return Ok(false);
        }
        let committed = transaction.commit();
        trace(|| format!("{} is stored: {committed:?}", message.chunk));
        if let Err(AppendError::Ledger(LedgerError::Broken { .. })) = &committed {
            self.state.keep(claim);
        }
        committed?;
        Ok(true)
    }

    /// An answer has come.
    pub(crate) fn answered(
        &mut self,
        chunk: millrun_buffer::ChunkId,
        life: u64,
    ) -> Result<(), Died> {
        let is_it = |under_way: &Chunk| under_way.id() == chunk && life == self.life;
        let Some(at) = self.under_way.iter().position(is_it) else {
            return Ok(());
        };
        let chunk = self.under_way.swap_remove(at);
        Ok(buffer_of(&self.buffers, Output::Remote).delivered(chunk)?)
    }

    /// The worker has waited for an answer long enough.
    pub(crate) fn give_up(&mut self, random: &mut Random) {
        let at = random.below(self.under_way.len() as u64) as usize;
        if at < self.under_way.len() {
            let chunk = self.under_way.swap_remove(at);
            buffer_of(&self.buffers, Output::Remote).give_back(chunk);
        }
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
