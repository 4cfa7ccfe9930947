//! One schedule: random steps, then peace, then the account.

use std::path::Path;
use std::time::Duration;

use millrun_buffer::disk::{Lie, SimulatedDisk};
use millrun_buffer::{Random, StateDirectory, StateError, Timestamp};

use crate::account::Account;
use crate::logs::Source;
use crate::mill::Mill;
use crate::network::Network;
use crate::plan::{Output, Plan};
use crate::trace;
use crate::worker::{Outside, RECEIVER_WORKERS_MAX, Worker};

/// Steps before peace.
const STEPS_MAX: u64 = 150;

/// On how many steps there is one change of a number of workers.
const RESIZE_EVERY: u64 = 25;

/// Rounds that peace may take.
const ROUNDS_MAX: usize = 2_000;

/// What is broken on purpose, to see whether it is noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sabotage {
    None,
    Disk(Lie),
    /// Delivery is recorded before it is made.
    DeliveredEarly,
    /// A receiver stores what it has.
    ForgetsPeers,
    /// A chunk in doubt goes to any receiver.
    Unpinned,
    /// A receiver answers before it commits.
    AnswersEarly,
}

/// What the choices about numbers of workers are seeded with, beside the number of the schedule: they were added last, and the
/// schedules that found faults before are to stay what they are.
const WORKERS_SALT: u64 = 0x776f_726b_6572_7321;

/// Plays the schedule of a number; panics where the contract is broken.
pub(crate) fn play(seed: u64, sabotage: Sabotage) {
    let mut workers = Random::from_seed(seed ^ WORKERS_SALT);
    let changes = workers.below(3) == 0;
    play_with(seed, sabotage, changes.then_some(workers));
}

/// One schedule in so many is hurried, those whose seeds leave this rest: none of the named ones does, which mean what they meant.
const HURRIED: u64 = 7;
const HURRIED_REST: u64 = 2;

/// The same without changes of the number of workers, as all schedules once were.
pub(crate) fn replay(seed: u64) {
    play_with(seed, Sabotage::None, None);
}

fn play_with(seed: u64, sabotage: Sabotage, workers: Option<Random>) {
    let mut random = Random::from_seed(seed);
    let mut plan = Plan::new(&mut random);
    if seed % HURRIED == HURRIED_REST {
        plan.hurry(1 + (seed / HURRIED % 2) as u32);
    }
    plan.changes_workers = workers.is_some() && !plan.receivers.is_empty();
    trace(|| format!("{plan:?}"));
    let mut world = World {
        sources: (0..plan.sources).map(Source::new).collect(),
        agent: Mill::new(true, 1),
        receivers: plan
            .receivers
            .iter()
            .map(|workers| Mill::new(false, *workers))
            .collect(),
        network: Network::default(),
        account: Account::default(),
        now: Timestamp::from_secs(1_700_000_000),
        plan,
        sabotage,
        random,
        workers,
    };
    if let Sabotage::Disk(lie) = sabotage {
        world.mills().for_each(|mill| mill.disk.lie_about(lie));
    }
    world.start(true);
    for _ in 0..world.random.below(STEPS_MAX) {
        world.step();
    }
    world.settle();
    world.check();
}

struct World {
    plan: Plan,
    sources: Vec<Source>,
    agent: Mill,
    receivers: Vec<Mill>,
    network: Network,
    account: Account,
    now: Timestamp,
    sabotage: Sabotage,
    random: Random,
    /// Where numbers of workers change.
    workers: Option<Random>,
}

impl World {
    fn mills(&mut self) -> impl Iterator<Item = &mut Mill> {
        [&mut self.agent].into_iter().chain(&mut self.receivers)
    }

    fn mill(&mut self) -> &mut Mill {
        let at = self.random.below(1 + self.receivers.len() as u64) as usize;
        match at {
            0 => &mut self.agent,
            at => &mut self.receivers[at - 1],
        }
    }

    fn start(&mut self, mortal: bool) {
        let Self {
            plan,
            sources,
            agent,
            receivers,
            random,
            ..
        } = self;
        for mill in [agent].into_iter().chain(receivers) {
            mill.start(plan, sources, random, mortal);
        }
    }

    /// Now and then a receiver is started anew with another number of workers.
    fn resize(&mut self) {
        let Some(random) = self.workers.as_mut().filter(|_| self.plan.changes_workers) else {
            return;
        };
        if random.below(RESIZE_EVERY) > 0 {
            return;
        }
        let at = random.below(self.receivers.len() as u64) as usize;
        let workers = 1 + random.below(RECEIVER_WORKERS_MAX as u64) as usize;
        self.receivers[at].resize(workers);
    }

    fn step(&mut self) {
        self.resize();
        match self.random.below(34) {
            0..=4 => {
                let at = self.random.below(self.sources.len() as u64) as usize;
                self.sources[at].write(&mut self.random);
            }
            5 | 6 => self.rotate(),
            7..=13 => {
                self.read();
            }
            14 => self.refresh(),
            15 => {
                let seconds = match self.random.below(8) {
                    0 => 70,
                    _ => self.random.below(10),
                };
                self.now = self.now + Duration::from_secs(seconds);
                let now = self.now;
                self.each_buffer(|buffer| {
                    buffer.enqueue_due(now);
                });
            }
            16 => self.each_buffer(|buffer| {
                buffer.enqueue_all();
            }),
            17..=22 => self.deliver(),
            23..=25 => self.carry(),
            26 | 27 => self.answer(),
            28 => self.network.lose(&mut self.random),
            29 => {
                if let Some(worker) = &mut self.agent.workers[0] {
                    worker.give_up(&mut self.random);
                }
            }
            30 | 31 => self.harm(),
            _ => self.start(true),
        }
        let is_restarted = self.random.below(2) == 0;
        self.mills().for_each(Mill::bury);
        if is_restarted {
            self.start(true);
        }
    }

    fn rotate(&mut self) {
        let at = self.random.below(self.sources.len() as u64) as usize;
        let source = &mut self.sources[at];
        if let Some(worker) = &self.agent.workers[0] {
            worker.note_done(source);
        }
        match self.random.below(3) {
            0 => source.rename(),
            1 => source.truncate(),
            _ => source.remove_old(),
        }
    }

    fn read(&mut self) -> bool {
        let Self {
            agent,
            sources,
            plan,
            random,
            now,
            ..
        } = self;
        let Some(worker) = &mut agent.workers[0] else {
            return false;
        };
        // What failed left nothing; the same lines are tried again.
        worker.read(sources, plan, random, *now).is_ok()
    }

    fn refresh(&mut self) {
        if let Some(worker) = &mut self.agent.workers[0] {
            for source in &self.sources {
                let _ = worker.refresh(source);
            }
        }
    }

    fn each_buffer(&mut self, act: impl Fn(&millrun_buffer::Buffer)) {
        for mill in self.mills() {
            for worker in mill.workers.iter().flatten() {
                worker.buffers.iter().for_each(|(_, buffer)| act(buffer));
            }
        }
    }

    fn deliver(&mut self) {
        let mill = self.random.below(1 + self.receivers.len() as u64) as usize;
        let (mut worker, mut buffer) = (0, 0);
        {
            let random = &mut self.random;
            let mill = match mill {
                0 => &self.agent,
                at => &self.receivers[at - 1],
            };
            worker += random.below(mill.workers.len() as u64) as usize;
            if let Some(worker) = &mill.workers[worker] {
                buffer += random.below(worker.buffers.len() as u64) as usize;
            }
        }
        let _ = self.deliver_from(mill, worker, buffer);
    }

    fn deliver_from(&mut self, mill: usize, worker: usize, buffer: usize) -> Result<(), String> {
        let Self {
            agent,
            receivers,
            plan,
            account,
            network,
            random,
            now,
            sabotage,
            ..
        } = self;
        let mill = match mill {
            0 => agent,
            at => &mut receivers[at - 1],
        };
        let Some(worker) = &mut mill.workers[worker] else {
            return Ok(());
        };
        let mut outside = Outside {
            plan,
            account,
            network,
            random,
            now: *now,
            sabotage: *sabotage,
        };
        worker.deliver(buffer, &mut outside).map_err(|died| died.0)
    }

    /// A message reaches a worker of its receiver.
    fn carry(&mut self) {
        let Some(message) = self.network.next_message(&mut self.random) else {
            return;
        };
        let Self {
            receivers,
            plan,
            account,
            network,
            random,
            now,
            sabotage,
            ..
        } = self;
        let workers = &mut receivers[message.to].workers;
        let at = random.below(workers.len() as u64) as usize;
        let Some(worker) = &mut workers[at] else {
            return;
        };
        let mut outside = Outside {
            plan,
            account,
            network,
            random,
            now: *now,
            sabotage: *sabotage,
        };
        if worker
            .store(&message, &mut outside)
            .is_ok_and(|is_stored| is_stored)
        {
            self.network.answer(message.chunk, message.life);
        }
    }

    fn answer(&mut self) {
        if let (Some(answer), Some(worker)) = (
            self.network.next_answer(&mut self.random),
            &mut self.agent.workers[0],
        ) {
            let _ = worker.answered(answer.chunk, answer.life);
        }
    }

    fn harm(&mut self) {
        let choice = self.random.below(8);
        let (bits, steps) = (self.random.bits(), self.random.below(10));
        let plan = self.plan.clone();
        let is_whole = self.random.below(4) == 0;
        let sabotage = self.sabotage;
        let mill = self.mill();
        match choice {
            0 => mill.disk.limit_space(Some(bits % 300)),
            1 | 2 => mill.disk.limit_space(None),
            3 => {
                if let Some(worker) = mill.workers.iter().flatten().next() {
                    worker.disk.fail_once(steps);
                }
            }
            4 | 5 => mill.kill(&mut Random::from_seed(bits)),
            6 => mill.lose_power(&plan, &mut Random::from_seed(bits)),
            _ if is_whole && sabotage == Sabotage::None => {
                one_owner(&mill.disk, mill.workers[0].is_some());
            }
            _ => {}
        }
    }

    /// Nobody dies any more and nothing fails; everything arrives.
    fn settle(&mut self) {
        for mill in self.mills() {
            mill.disk.limit_space(None);
            mill.workers.iter_mut().for_each(|worker| *worker = None);
        }
        self.start(false);
        for mill in self.mills() {
            no_torn_chunks(&mill.disk);
        }
        for round in 0.. {
            assert!(round < ROUNDS_MAX, "it never ends: {}", self.left());
            self.now = self.now + Duration::from_millis(100);
            self.refresh();
            for _ in 0..4 {
                self.read();
            }
            self.each_buffer(|buffer| {
                buffer.enqueue_all();
            });
            for mill in 0..=self.receivers.len() {
                let workers = match mill {
                    0 => &self.agent.workers,
                    at => &self.receivers[at - 1].workers,
                };
                let buffers: Vec<_> = workers
                    .iter()
                    .flatten()
                    .map(|worker| worker.buffers.len())
                    .collect();
                for (worker, buffers) in buffers.into_iter().enumerate() {
                    for buffer in 0..buffers {
                        self.deliver_from(mill, worker, buffer)
                            .expect("nothing fails");
                    }
                }
            }
            for _ in 0..4 {
                self.carry();
                self.answer();
            }
            if round % 16 == 15 {
                // Answers that were lost are waited for no longer.
                self.agent.workers[0]
                    .as_mut()
                    .unwrap()
                    .give_up(&mut self.random);
            }
            if self.is_settled() {
                return;
            }
        }
    }

    fn is_settled(&self) -> bool {
        let is_empty = |worker: &Worker| {
            let all = worker.buffers.iter().map(|(_, buffer)| buffer.statistics());
            worker.under_way.is_empty()
                && all.fold(0, |sum, one| sum + one.stage_length + one.queue_length) == 0
        };
        let mills = [&self.agent].into_iter().chain(&self.receivers);
        let mut workers = mills.flat_map(|mill| mill.workers.iter().flatten());
        let agent = self.agent.workers[0].as_ref().unwrap();
        agent.is_at_end(&self.sources) && workers.all(is_empty)
    }

    /// What has not arrived, to find out why.
    fn left(&self) -> String {
        let mut left = String::new();
        for mill in [&self.agent].into_iter().chain(&self.receivers) {
            for worker in mill.workers.iter().flatten() {
                let held: Vec<_> = worker.held.iter().map(|(_, chunk)| chunk.id()).collect();
                left += &format!("held {held:?}, under way {}", worker.under_way.len());
                for (output, buffer) in &worker.buffers {
                    let is_agent = mill.is_agent;
                    left += &format!("; {output:?} (agent {is_agent}): {:?}", buffer.statistics());
                }
            }
        }
        left
    }

    fn check(&mut self) {
        let written: Vec<u32> = self.sources.iter().map(|source| source.next_line).collect();
        let mut outputs = self.plan.outputs.clone();
        for output in &mut outputs {
            match output {
                Output::Relayed => *output = Output::Emitted,
                Output::Remote => *output = Output::Collected,
                _ => {}
            }
        }
        for mill in [&self.agent].into_iter().chain(&self.receivers) {
            // The end of a process: what was set aside for further chunks goes.
            let workers = mill.workers.iter().flatten();
            workers.for_each(|worker| worker.buffers.iter().for_each(|(_, buffer)| buffer.close()));
            for path in mill.disk.paths() {
                let Ok(name) = path.strip_prefix("/out") else {
                    let is_left = path.starts_with("/buffers") || path.starts_with("/backup");
                    assert!(!is_left, "{} stays behind", path.display());
                    continue;
                };
                let output = outputs
                    .iter()
                    .find(|output| name.starts_with(output.name()));
                let bytes = mill.disk.peek(&path).unwrap();
                self.account.arrive(*output.unwrap(), &bytes);
            }
        }
        for output in outputs {
            self.account.check(output, &written);
        }
        let losses = |reason: &str| -> u64 {
            let agent = self.agent.workers[0].as_ref().unwrap();
            let all = agent
                .state
                .ledgers()
                .iter()
                .flat_map(|ledger| ledger.losses());
            all.filter(|(key, _)| *key.reason == *reason)
                .map(|(_, count)| count)
                .sum()
        };
        if self.plan.outputs.contains(&Output::Filtered) {
            let dropped: u32 = written.iter().map(|lines| lines.div_ceil(5)).sum();
            assert_eq!(
                losses("fifth"),
                u64::from(dropped),
                "drops are counted once"
            );
        }
        assert!(
            losses(millrun_buffer::POSSIBLE_DOUBLE) == 0 || self.account.has_doubts(),
            "doubles are counted and none is possible"
        );
    }
}

/// While a process lives, no other one gets its state.
fn one_owner(disk: &SimulatedDisk, is_alive: bool) {
    let shared = disk.another_process().shared();
    let opened = StateDirectory::open(&shared, Path::new("/state"), 0, 1, Default::default());
    let is_refused = matches!(opened, Err(StateError::Locked { .. }));
    assert!(
        is_refused == is_alive || !is_alive,
        "two processes have one state"
    );
}

fn no_torn_chunks(disk: &SimulatedDisk) {
    for path in disk.paths() {
        let is_meta = path
            .extension()
            .is_some_and(|extension| extension == "meta");
        if path.starts_with("/buffers") && !is_meta {
            let content = disk.peek(&path).unwrap();
            assert!(
                content.ends_with(b"\n"),
                "{} ends in a torn line",
                path.display()
            );
        }
    }
}
