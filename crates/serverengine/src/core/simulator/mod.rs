//! The core against a simulated world: children that crash, hang, freeze or never get ready, commands at
//! any instant, news that comes late or twice, hundreds of schedules in virtual time.
//!
//! A failure prints its seed; `run(seed)` repeats it exactly. `SERVERENGINE_SCHEDULES=100000` runs more.

mod random;
mod rules;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::tests::policy;
use super::*;

use random::Random;

/// As many as take no more than a few seconds.
const SCHEDULES: u64 = 3_000;
/// Names how many schedules are run instead.
const SCHEDULES_VARIABLE: &str = "SERVERENGINE_SCHEDULES";
/// Commands are given during this time; then comes the stop.
const BUSY: Duration = Duration::from_secs(300);
/// How long a killed process may take to be gone (it waits for a disk).
const KILL_TAKES_MAX: Duration = Duration::from_secs(12);
/// More steps than this at one instant are a loop that spins.
const STEPS_AT_ONCE_MAX: usize = 200;

/// A child of the simulated world.
struct Child {
    slot: SlotId,
    asked: Option<Urgency>,
    obeys_graceful: bool,
    obeys_immediate: bool,
    beats: bool,
}

struct World {
    random: Random,
    state: State,
    now: Duration,
    queue: BTreeMap<(Duration, u64), Event>,
    next_number: u64,
    children: BTreeMap<Generation, Child>,
    /// Starts that failed.
    unborn: BTreeSet<Generation>,
    past: Vec<(SlotId, Generation)>,
    youngest: Generation,
    stop: Option<(Mode, Duration)>,
    exit_code: Option<i32>,
    steps: usize,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let seconds = |random: &mut Random, up_to| Duration::from_secs(1 + random.below(up_to));
        let slots = 1 + random.below(5) as usize;
        let rules = Policy {
            start_delay: if random.one_in(3) {
                seconds(&mut random, 3)
            } else {
                Duration::ZERO
            },
            start_delay_rand: 0.2,
            restart_interval: if random.one_in(4) {
                seconds(&mut random, 5)
            } else {
                Duration::ZERO
            },
            backoff: Backoff::default(),
            start_timeout: Some(seconds(&mut random, 20)),
            heartbeat_timeout: (!random.one_in(3)).then(|| seconds(&mut random, 10)),
            graceful_timeout: Some(seconds(&mut random, 30)),
            immediate_timeout: Some(seconds(&mut random, 5)),
            restart_parallel: 1 + random.below(3) as usize,
            unrecoverable_exit_codes: if random.one_in(4) {
                vec![3]
            } else {
                Vec::new()
            },
            stop_at_unrecoverable_exit: random.one_in(2),
            graceful_repeat: random.one_in(4).then(|| Repeat {
                interval: seconds(&mut random, 10),
                increment: seconds(&mut random, 3),
            }),
            detach: (slots == 1 && random.one_in(2)).then(|| Detachment {
                wait: seconds(&mut random, 15),
                exit: random.one_in(3),
            }),
            ..policy(slots)
        };
        Self {
            state: State::new(rules, seed, Duration::ZERO),
            random,
            now: Duration::ZERO,
            queue: BTreeMap::new(),
            next_number: 0,
            children: BTreeMap::new(),
            unborn: BTreeSet::new(),
            past: Vec::new(),
            youngest: Generation(0),
            stop: None,
            exit_code: None,
            steps: 0,
        }
    }

    fn after(&mut self, delay: Duration, event: Event) {
        self.next_number += 1;
        self.queue
            .insert((self.now + delay, self.next_number), event);
    }

    /// Draws commands for the busy time, and the stop that ends every schedule.
    fn plan(&mut self) {
        for _ in 0..self.random.below(12) {
            let command = match self.random.below(9) {
                7 | 8 if self.state.policy.detach.is_some() => Command::Detach,
                0 => Command::Restart(Mode::Graceful),
                1 => Command::Restart(Mode::Immediate),
                2 => Command::Reload,
                3 => Command::Dump,
                4 => Command::Forward(10),
                5 => Command::Restart(Mode::Graceful),
                _ => continue,
            };
            let moment = self.random.time(BUSY);
            self.after(moment, Event::Command(command));
        }
        // Often during the start, which is where stops used to be lost.
        let busy = if self.random.one_in(2) {
            Duration::from_secs(3)
        } else {
            BUSY
        };
        let moment = self.random.time(busy);
        let stop = match self.random.below(3) {
            0 => Command::Stop(Mode::Immediate),
            1 if self.state.policy.detach.is_none() => Command::Detach,
            _ => Command::Stop(Mode::Graceful),
        };
        self.after(moment, Event::Command(stop));
        if self.random.one_in(3) {
            let later = self.random.time(Duration::from_secs(20));
            self.after(
                moment + later,
                Event::Command(Command::Stop(Mode::Immediate)),
            );
        }
    }

    fn run(&mut self) {
        self.plan();
        self.step(Event::Timer);
        while self.exit_code.is_none() {
            let next = self.queue.first_key_value().map(|((moment, _), _)| *moment);
            let Some(moment) = super::slot::earliest(next, self.state.deadline()) else {
                panic!("nothing will ever happen again, and it has not ended");
            };
            if moment > self.now {
                self.now = moment;
                self.steps = 0;
            }
            self.check_stop_ends();
            match self.queue.first_key_value() {
                Some(((moment, _), _)) if *moment <= self.now => {
                    let (_, event) = self.queue.pop_first().unwrap();
                    self.deliver(event);
                }
                _ => self.step(Event::Timer),
            }
        }
        assert!(
            self.children.is_empty(),
            "it ended while children lived: {:?}",
            self.children.keys()
        );
    }

    fn deliver(&mut self, event: Event) {
        match &event {
            Event::ChildExited { generation, .. } => {
                let Some(child) = self.children.remove(generation) else {
                    return;
                };
                self.past.push((child.slot, *generation));
            }
            // A more urgent stop may have overtaken it: then the child is still to be seen off.
            Event::Released { generation, .. } if self.state.detaching.is_some() => {
                self.children.remove(generation);
            }
            Event::ChildReady { generation, .. } if !self.children.contains_key(generation) => {
                return;
            }
            Event::Heartbeat {
                slot, generation, ..
            } => {
                let Some(child) = self.children.get(generation) else {
                    return;
                };
                if child.beats {
                    let ago = self.random.time(Duration::from_millis(50));
                    self.after(
                        Duration::from_millis(900),
                        Event::Heartbeat {
                            slot: *slot,
                            generation: *generation,
                            ago,
                        },
                    );
                }
            }
            _ => {}
        }
        self.step(event);
        // News of the dead, late and twice.
        if self.random.one_in(8)
            && let Some((slot, generation)) = self.past.last().copied()
        {
            let reason = ExitReason::Code(3);
            self.step(Event::ChildExited {
                slot,
                generation,
                reason,
            });
            self.step(Event::ChildReady { slot, generation });
        }
    }

    fn step(&mut self, event: Event) {
        self.steps += 1;
        assert!(
            self.steps < STEPS_AT_ONCE_MAX,
            "spins at {:?}: {:?}",
            self.now,
            self.state
        );
        if let Event::Command(command) = &event {
            let mode = match command {
                Command::Stop(mode) => Some(*mode),
                Command::Detach if self.state.policy.detach.is_none() => Some(Mode::Graceful),
                _ => None,
            };
            if let Some(mode) = mode
                && self.stop.is_none_or(|(before, _)| before < mode)
            {
                self.stop = Some((mode, self.now));
            }
        }
        let mut actions = Vec::new();
        step(&mut self.state, event, self.now, &mut actions);
        let spawns = actions
            .iter()
            .filter(|it| matches!(it, Action::Spawn { .. }))
            .count();
        assert!(
            spawns <= 1,
            "more than one start without a look at the signals"
        );
        for action in actions {
            self.perform(action);
        }
        self.check_slots();
    }

    fn perform(&mut self, action: Action) {
        assert_eq!(self.exit_code, None, "{action:?} after the end");
        match action {
            Action::Release { slot, generation } => {
                assert!(self.children.contains_key(&generation), "nobody to release");
                if !self.random.one_in(4) {
                    self.after(
                        Duration::from_millis(1),
                        Event::Released { slot, generation },
                    );
                }
            }
            Action::Spawn { slot, generation } => self.spawn(slot, generation),
            Action::Stop {
                slot,
                generation,
                urgency,
            } => self.ask(slot, generation, urgency),
            Action::Order {
                slot, generation, ..
            } => {
                assert_eq!(self.children.get(&generation).map(|it| it.slot), Some(slot));
            }
            Action::LoadConfig(change) => {
                let result = match self.random.below(4) {
                    0 => Err("refused".to_owned()),
                    1 if self.state.policy.detach.is_none() => {
                        Ok(Some(1 + self.random.below(6) as usize))
                    }
                    _ => Ok(None),
                };
                self.step(Event::ConfigLoaded { change, result });
            }
            Action::Exit(code) => self.exit_code = Some(code),
            Action::ReopenLog | Action::Dump | Action::Log(..) => {}
        }
    }

    fn spawn(&mut self, slot: SlotId, generation: Generation) {
        assert!(self.stop.is_none(), "a start after the stop");
        assert!(generation > self.youngest, "a generation used twice");
        assert!(
            (self.children.iter())
                .all(|(other, it)| it.slot != slot || self.state.place_of(slot, *other) != slot),
            "two children in one slot"
        );
        self.youngest = generation;
        if self.random.one_in(20) {
            self.unborn.insert(generation);
            let message = "no memory".to_owned();
            self.after(
                Duration::ZERO,
                Event::SpawnFailed {
                    slot,
                    generation,
                    message,
                },
            );
            return;
        }
        let child = Child {
            slot,
            asked: None,
            obeys_graceful: !self.random.one_in(6),
            obeys_immediate: !self.random.one_in(6),
            beats: !self.random.one_in(6),
        };
        self.children.insert(generation, child);
        self.after(
            Duration::from_millis(1),
            Event::Heartbeat {
                slot,
                generation,
                ago: Duration::ZERO,
            },
        );
        if !self.random.one_in(10) {
            let takes = self.random.time(Duration::from_secs(2));
            self.after(takes, Event::ChildReady { slot, generation });
        }
        let lives = match self.random.below(4) {
            0 => self.random.time(Duration::from_millis(50)),
            1 => self.random.time(Duration::from_secs(60)),
            _ => return,
        };
        let code = i32::try_from(self.random.below(4)).unwrap();
        let reason = if code == 2 {
            ExitReason::Signal(11)
        } else {
            ExitReason::Code(code)
        };
        self.after(
            lives,
            Event::ChildExited {
                slot,
                generation,
                reason,
            },
        );
    }

    fn ask(&mut self, slot: SlotId, generation: Generation, urgency: Urgency) {
        if self.unborn.contains(&generation) {
            // It could not be started, and the news is on its way.
            return;
        }
        let child = self
            .children
            .get_mut(&generation)
            .expect("nobody is there to be asked");
        assert!(child.slot == slot || slot >= self.state.policy.slots);
        assert!(
            child.asked <= Some(urgency),
            "asked less urgently than before"
        );
        child.asked = Some(urgency);
        let (obeys, takes_max, reason) = match urgency {
            Urgency::Graceful => (
                child.obeys_graceful,
                Duration::from_secs(20),
                ExitReason::Code(0),
            ),
            Urgency::Immediate => (
                child.obeys_immediate,
                Duration::from_secs(1),
                ExitReason::Code(1),
            ),
            Urgency::Kill => (true, KILL_TAKES_MAX, ExitReason::Signal(9)),
        };
        if obeys {
            let takes = self.random.time(takes_max);
            self.after(
                takes,
                Event::ChildExited {
                    slot,
                    generation,
                    reason,
                },
            );
        }
    }
}

fn run(seed: u64) -> World {
    let mut world = World::new(seed);
    world.run();
    world
}

#[test]
fn random_schedules_keep_the_rules() {
    let schedules = std::env::var(SCHEDULES_VARIABLE).map_or(SCHEDULES, |text| {
        text.parse().expect("a number of schedules")
    });
    let mut children = 0;
    for seed in 0..schedules {
        let result = std::panic::catch_unwind(|| run(seed));
        let world = result.unwrap_or_else(|panic| {
            eprintln!("the schedule of seed {seed} broke a rule");
            std::panic::resume_unwind(panic)
        });
        children += world.youngest.0;
    }
    // The schedules are worth something: most start several children per slot.
    assert!(
        children > schedules * 5,
        "{children} children in {schedules} schedules"
    );
}
