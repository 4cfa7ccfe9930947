//! A sender and two receivers with real ledgers on simulated disks, and a network that loses,
//! delays and repeats: whatever dies at whatever step, each line is stored once, at one of them.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use millrun_buffer::disk::{Crash, SimulatedDisk};
use millrun_buffer::{
    Buffer, BufferConfig, Chunk, ChunkId, Durability, FlushMode, Metadata, Origin, Pin, Random,
    Seen, Shard, StateDirectory, Timestamp,
};
use millrun_event::{Entries, EventBuffer, EventTime, write};
use millrun_forward::{
    Compression, Message, Number, Received, Receiver, ReceiverSettings, Sender, SenderSettings,
};

use crate::output::forward::parameters;

const SCHEDULES: u64 = 120;
const STEPS: u64 = 150;
const RECEIVERS: u64 = 2;

/// More than ever passes here, so nothing goes elsewhere.
const IN_DOUBT_TIMEOUT: Duration = Duration::from_secs(600);

/// One process with its state and one file buffer.
struct Life {
    state: StateDirectory,
    buffer: Arc<Buffer>,
    shard: Shard,
}

/// A machine on which processes live, one after the other.
struct Machine {
    disk: SimulatedDisk,
    life: Life,
    lives: u64,
}

impl Machine {
    fn new(seed: u64) -> Self {
        let disk = SimulatedDisk::new();
        let life = Self::start(&disk, seed).unwrap();
        let lives = seed;
        Self { disk, life, lives }
    }

    /// `None` when the disk dies meanwhile.
    fn start(disk: &SimulatedDisk, seed: u64) -> Option<Life> {
        let shared = disk.shared();
        let mut state =
            StateDirectory::open(&shared, Path::new("/state"), 0, 2, Durability::Process).ok()?;
        let config = BufferConfig {
            flush_mode: FlushMode::Immediate,
            ..BufferConfig::file("/buffer/out", "/backup")
        };
        let random = Random::from_seed(seed);
        let (buffer, _) = Buffer::open("out", config, shared, state.ledgers(), random).ok()?;
        state.start().ok()?;
        // Recovery hands everything to the first shard; the second one takes what is new.
        let shard = Shard::new(1, state.ledgers()[1].clone());
        Some(Life {
            state,
            buffer,
            shard,
        })
    }

    /// What was written is there; everything else is gone. Starts may die too.
    fn restart(&mut self, random: &mut Random) {
        loop {
            self.disk = self.disk.reopen();
            self.lives += 1;
            if random.below(4) == 0 {
                self.plan_death(random);
            }
            if let Some(life) = Self::start(&self.disk, self.lives) {
                self.life = life;
                return;
            }
            assert!(self.disk.has_crashed(), "it does not start");
        }
    }

    fn plan_death(&self, random: &mut Random) {
        self.disk.crash(Crash {
            after_steps: random.below(12),
            seed: random.bits(),
        });
    }
}

/// A connection: bytes under way in both directions, and who still has its end of it.
struct Wire {
    receiver: usize,
    /// `None` when the sender has given it up; what it had sent may arrive all the same.
    sender: Option<Sender>,
    server: Receiver,
    to_receiver: Vec<u8>,
    to_sender: Vec<u8>,
}

struct World {
    random: Random,
    sender: Machine,
    receivers: Vec<Machine>,
    wires: Vec<Wire>,
    /// Chunks the sender has taken: sent and not answered.
    under_way: Vec<Chunk>,
    now: Timestamp,
    lines: u64,
    resends: u64,
    recognised: u64,
}

fn servers() -> Vec<parameters::Server> {
    let server = |number| parameters::Server::at("receiver", number);
    (0..RECEIVERS as u16).map(server).collect()
}

impl World {
    fn new(seed: u64) -> Self {
        let machine = |number| Machine::new(seed * 1_000_000 + number * 10_000);
        Self {
            random: Random::from_seed(seed),
            sender: machine(0),
            receivers: (1..=RECEIVERS).map(machine).collect(),
            wires: Vec::new(),
            under_way: Vec::new(),
            now: Timestamp::from_secs(1_700_000_000),
            lines: 0,
            resends: 0,
            recognised: 0,
        }
    }

    fn step(&mut self) {
        self.now = self.now + Duration::from_millis(1);
        match self.random.below(20) {
            0..=3 => self.write_line(),
            4..=8 => self.send(),
            9..=12 => self.carry(),
            13..=15 => self.answer(),
            16 => self.give_up_a_wire(),
            17 => self.sender.plan_death(&mut self.random),
            18 => {
                let receiver = self.random.below(RECEIVERS) as usize;
                self.receivers[receiver].plan_death(&mut self.random);
            }
            _ => match self.random.below(4) {
                0 => self.restart_sender(),
                1 => {
                    let receiver = self.random.below(RECEIVERS) as usize;
                    self.restart_receiver(receiver);
                }
                _ => {}
            },
        }
        if self.sender.disk.has_crashed() {
            self.restart_sender();
        }
        for receiver in 0..self.receivers.len() {
            if self.receivers[receiver].disk.has_crashed() {
                self.restart_receiver(receiver);
            }
        }
    }

    /// A new chunk of one line. A line that was not committed was never accepted.
    fn write_line(&mut self) {
        let mut events = EventBuffer::default();
        events.push(EventTime::new(1_700_000_000, 0), |record| {
            write::map(record, 1);
            write::str(record, b"n");
            write::uint(record, self.lines);
        });
        let Life { buffer, shard, .. } = &mut self.sender.life;
        let mut written = || -> Result<(), Box<dyn std::error::Error>> {
            let mut transaction = shard.begin(Origin::None)?;
            let metadata = Metadata::with_tag("t");
            let (bytes, whole) = (events.as_events().bytes, &mut |bytes: &[u8]| {
                Some(bytes.len())
            });
            transaction.append(buffer, &metadata, bytes, 1, whole, self.now)?;
            Ok(transaction.commit()?)
        };
        if written().is_ok() {
            self.lines += 1;
        } else {
            // It may have been committed all the same: then the next life has it, under this number.
            assert!(self.sender.disk.has_crashed());
            self.restart_sender();
            let buffer = &self.sender.life.buffer;
            buffer.enqueue_all();
            let queued: Vec<Chunk> = std::iter::from_fn(|| buffer.take()).collect();
            let is_kept = queued
                .iter()
                .any(|chunk| numbers(chunk).contains(&self.lines));
            queued
                .into_iter()
                .rev()
                .for_each(|chunk| buffer.give_back(chunk));
            self.lines += u64::from(is_kept);
        }
    }

    fn send(&mut self) {
        self.sender.life.buffer.enqueue_all();
        let Some(chunk) = self.sender.life.buffer.take() else {
            return;
        };
        let mut scratch = Vec::new();
        let Ok(payload) = chunk.read(&mut scratch).map(<[u8]>::to_vec) else {
            return self.sender.life.buffer.give_back(chunk);
        };
        let dispatch = chunk.dispatch();
        let servers_known = servers();
        let addresses = servers_known.iter().map(|server| &*server.address);
        let server = match Pin::of(dispatch.as_ref(), addresses, IN_DOUBT_TIMEOUT, self.now) {
            Pin::Free => self.random.below(RECEIVERS) as usize,
            Pin::To { server, .. } => server,
            Pin::Unknown { .. } => panic!("all servers are known"),
        };
        let Ok(ticket) = chunk.address("out", &servers()[server].address, self.now) else {
            return self.sender.life.buffer.give_back(chunk);
        };
        self.resends += u64::from(!ticket.is_new);
        let usable = |wire: &Wire| {
            wire.receiver == server && wire.sender.as_ref().is_some_and(Sender::has_room)
        };
        let at = match self.wires.iter().position(usable) {
            Some(at) if self.random.below(2) == 0 => at,
            _ => self.connect(server),
        };
        let wire = &mut self.wires[at];
        let message = millrun_forward::Chunk {
            id: *chunk.id().as_bytes(),
            tag: b"t",
            payload: &payload,
            compression: Compression::None,
            count: 1,
            number: Some(Number {
                sender: ticket.sender,
                sequence: ticket.sequence,
                lowest: ticket.lowest,
            }),
        };
        let sender = wire.sender.as_mut().unwrap();
        let outgoing = sender.send(&message, Instant::now()).unwrap();
        wire.to_receiver.extend(outgoing.slices().concat());
        self.under_way.push(chunk);
    }

    fn connect(&mut self, receiver: usize) -> usize {
        let mut settings = SenderSettings::default();
        settings.require_ack = true;
        settings.compression = match self.random.below(2) {
            0 => Compression::None,
            _ => Compression::Gzip,
        };
        self.wires.push(Wire {
            receiver,
            sender: Some(Sender::new(settings)),
            server: Receiver::new(ReceiverSettings::default()),
            to_receiver: Vec::new(),
            to_sender: Vec::new(),
        });
        self.wires.len() - 1
    }

    /// Some bytes reach a receiver, which stores whole messages.
    fn carry(&mut self) {
        let Some(at) = self.any_wire() else { return };
        let len = self.random.below(400) as usize;
        self.carry_on(at, len);
    }

    fn carry_on(&mut self, at: usize, len: usize) {
        let wire = &mut self.wires[at];
        let rest = wire.to_receiver.split_off(len.min(wire.to_receiver.len()));
        wire.server.handle_input(&wire.to_receiver);
        wire.to_receiver = rest;
        let life = &mut self.receivers[wire.receiver].life;
        while let Some(received) = wire.server.poll(EventTime::new(1, 0)).unwrap() {
            let Received::Message(message) = received else {
                panic!("{received:?} from our own sender");
            };
            match store(life, &message, self.now) {
                Some(is_known) => self.recognised += u64::from(is_known),
                // Not stored, not answered.
                None => break,
            }
            message.ack.unwrap().write(&mut wire.to_sender);
        }
    }

    /// Some bytes of answers reach the sender.
    fn answer(&mut self) {
        let Some(at) = self.any_wire() else { return };
        let len = self.random.below(100) as usize;
        self.answer_on(at, len);
    }

    fn answer_on(&mut self, at: usize, len: usize) {
        let wire = &mut self.wires[at];
        let Some(sender) = &mut wire.sender else {
            return;
        };
        let rest = wire.to_sender.split_off(len.min(wire.to_sender.len()));
        sender.handle_input(&wire.to_sender).unwrap();
        wire.to_sender = rest;
        let acked: Vec<_> = std::iter::from_fn(|| sender.poll_acked()).collect();
        for id in acked.into_iter().map(ChunkId::from_bytes) {
            let at = self.under_way.iter().position(|chunk| chunk.id() == id);
            let chunk = self.under_way.swap_remove(at.unwrap());
            // An error is a death, which the next step finds.
            let _ = self.sender.life.buffer.delivered(chunk);
        }
    }

    /// The sender has waited too long. What it sent may still arrive, its answers do not.
    fn give_up_a_wire(&mut self) {
        let Some(at) = self.any_wire() else { return };
        let Some(sender) = self.wires[at].sender.take() else {
            return;
        };
        for id in sender.in_doubt().map(ChunkId::from_bytes) {
            let at = self.under_way.iter().position(|chunk| chunk.id() == id);
            let chunk = self.under_way.swap_remove(at.unwrap());
            self.sender.life.buffer.give_back(chunk);
        }
    }

    fn restart_sender(&mut self) {
        self.under_way.clear();
        self.wires.iter_mut().for_each(|wire| wire.sender = None);
        self.sender.restart(&mut self.random);
    }

    /// Its connections break at its end; answers it has sent may still arrive.
    fn restart_receiver(&mut self, receiver: usize) {
        self.receivers[receiver].restart(&mut self.random);
        for at in 0..self.wires.len() {
            let wire = &mut self.wires[at];
            if wire.receiver == receiver {
                wire.to_receiver.clear();
                // Half a message that came is gone; half of one that comes still is never whole.
                wire.server = Receiver::new(ReceiverSettings::default());
                if self.random.below(2) == 0 {
                    self.answer_on(at, usize::MAX);
                }
                self.give_up(at);
            }
        }
        self.wires.retain(|wire| wire.receiver != receiver);
    }

    fn give_up(&mut self, at: usize) {
        let Some(sender) = self.wires[at].sender.take() else {
            return;
        };
        for id in sender.in_doubt().map(ChunkId::from_bytes) {
            if let Some(at) = self.under_way.iter().position(|chunk| chunk.id() == id) {
                let chunk = self.under_way.swap_remove(at);
                self.sender.life.buffer.give_back(chunk);
            }
        }
    }

    fn any_wire(&mut self) -> Option<usize> {
        let count = self.wires.len() as u64;
        (count > 0).then(|| self.random.below(count) as usize)
    }

    /// Peace: nobody dies any more, and everything arrives.
    fn settle(&mut self) {
        self.restart_in_peace();
        loop {
            // What was sent long ago comes first: late copies.
            for at in 0..self.wires.len() {
                self.carry_on(at, usize::MAX);
                self.answer_on(at, usize::MAX);
            }
            self.sender.life.buffer.enqueue_all();
            if self.under_way.is_empty() && self.sender.life.buffer.statistics().queue_length == 0 {
                return;
            }
            self.send();
        }
    }

    fn restart_in_peace(&mut self) {
        let never = u64::MAX / 2;
        for machine in self.receivers.iter_mut().chain([&mut self.sender]) {
            machine.disk.crash(Crash {
                after_steps: never,
                seed: 0,
            });
        }
        if self.sender.disk.has_crashed() {
            self.restart_sender();
        }
    }

    fn stored(&self) -> Vec<u64> {
        let mut stored = Vec::new();
        for machine in &self.receivers {
            let buffer = &machine.life.buffer;
            buffer.enqueue_all();
            while let Some(chunk) = buffer.take() {
                stored.extend(numbers(&chunk));
            }
        }
        stored.sort_unstable();
        stored
    }
}

/// What in_forward's sink does. Tells whether the message was known; `None` when it is not stored.
fn store(life: &mut Life, message: &Message<'_>, now: Timestamp) -> Option<bool> {
    let delivery = message.delivery.unwrap();
    let number = delivery.number;
    match life
        .state
        .seen(&number.sender, number.sequence, delivery.hash)
        .unwrap()
    {
        Seen::Stored => return Some(true),
        Seen::Never => {}
        other => panic!("{other:?} among file buffers and sound senders"),
    }
    let origin = Origin::Peer {
        sender: number.sender,
        sequence: number.sequence,
        lowest: number.lowest,
        hash: delivery.hash,
    };
    let mut transaction = life.shard.begin(origin).ok()?;
    let whole = &mut |bytes: &[u8]| Some(bytes.len());
    let (metadata, bytes) = (Metadata::with_tag("t"), message.events.bytes);
    let appended = transaction.append(&life.buffer, &metadata, bytes, 1, whole, now);
    appended.ok()?;
    transaction.commit().ok()?;
    Some(false)
}

fn numbers(chunk: &Chunk) -> Vec<u64> {
    let mut scratch = Vec::new();
    let bytes = chunk.read(&mut scratch).unwrap();
    let number = |record: millrun_event::Record<'_>| match record.field(b"n").unwrap().token() {
        Some(millrun_event::Token::Uint(number)) => number,
        other => panic!("{other:?}"),
    };
    Entries::new(bytes)
        .map(|entry| number(entry.unwrap().record()))
        .collect()
}

#[test]
fn every_line_is_stored_once_at_one_of_two_receivers_whoever_dies() {
    let (mut resends, mut recognised) = (0, 0);
    for seed in 0..SCHEDULES {
        let mut world = World::new(seed);
        for _ in 0..STEPS {
            world.step();
        }
        world.settle();
        let expected: Vec<u64> = (0..world.lines).collect();
        assert_eq!(world.stored(), expected, "seed {seed}");
        resends += world.resends;
        recognised += world.recognised;
    }
    // Otherwise nothing was tested.
    assert!(
        resends > SCHEDULES && recognised > SCHEDULES / 2,
        "{resends} {recognised}"
    );
}
