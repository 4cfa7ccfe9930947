//! The core against a simulated world: children that crash, hang, freeze or never get ready, commands at
//! any instant, a control process that is itself frozen, news that comes late or twice, all in virtual
//! time. A third of the worlds are a supervisor's, whose one child is a server, with detach; the others
//! are a server's, with workers.
//!
//! A schedule is at least [`EVENTS_MIN`] events long: when the control process has stopped before that,
//! the next one starts in the same world. [`SCHEDULES`] of them run inside the test command,
//! `SERVERENGINE_SCHEDULES=10000000` runs more, `SERVERENGINE_SCHEDULE=seed` one with its whole story.
//! The same seed is the same schedule for ever.
//!
//! That the rules bite is shown in [`faults`]: each of them is broken on purpose.

mod children;
mod faults;
mod news;
mod plan;
mod random;
mod rules;
mod run;

use std::collections::BinaryHeap;
use std::time::Duration;

use super::*;

use children::Child;
use faults::Fault;
use news::{News, Pending};
use random::Random;
use rules::{Rule, Verdict};

/// Least number of events of one schedule.
const EVENTS_MIN: u32 = 200;
/// Most slots of a simulated server.
const SLOTS_MAX: u32 = 5;
/// How long a killed process may take to be gone (it waits for a disk).
const KILL_TAKES_MAX: Duration = Duration::from_secs(12);
/// More steps than this at one instant, with no news between them, are a loop that spins.
const STEPS_AT_ONCE_MAX: u32 = 20;
/// More timers than this in one second are one, too: two dozen for each slot.
const TIMERS_PER_SECOND_MAX: u32 = 24 * (SLOTS_MAX + 1);
/// More actions than this in one step are a flood.
const ACTIONS_AT_ONCE_MAX: usize = 4 * SLOTS_MAX as usize;

/// A simulated control process and what is around it.
struct World {
    random: Random,
    fault: Option<Fault>,
    state: State,
    now: Monotonic,
    queue: BinaryHeap<Pending>,
    next_number: u32,
    children: Vec<Child>,
    /// Starts that failed, of which the news is on its way.
    unborn: Vec<Generation>,
    /// The last child that was reaped.
    past: Option<(SlotId, Generation)>,
    youngest: Generation,
    stop: Option<(Mode, Monotonic)>,
    ended: bool,
    /// Used again by every step.
    actions: Vec<Action>,
    steps_at_once: u32,
    /// The present second, and its timers.
    timers: (u64, u32),
    tally: Tally,
    /// Whether to tell what happens.
    tells: bool,
}

/// What a schedule was made of.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    events: u64,
    lives: u64,
    children: u64,
    stops: u64,
    kills: u64,
    commands: u64,
    overlaps: u64,
    freezes: u64,
}

impl World {
    fn new() -> Self {
        let mut random = Random::new(0);
        Self {
            state: State::new(plan::policy(&mut random), 0, Duration::ZERO),
            random,
            fault: None,
            now: Duration::ZERO,
            queue: BinaryHeap::new(),
            next_number: 0,
            children: Vec::new(),
            unborn: Vec::new(),
            past: None,
            youngest: Generation(0),
            stop: None,
            ended: false,
            actions: Vec::new(),
            steps_at_once: 0,
            timers: (0, 0),
            tally: Tally::default(),
            tells: false,
        }
    }

    /// Plays the schedule of a seed.
    fn play(&mut self, seed: u64) -> Verdict {
        self.random = Random::new(seed);
        self.tally = Tally::default();
        while self.tally.events < u64::from(EVENTS_MIN) {
            self.live()?;
        }
        Ok(())
    }

    /// One life of the control process, from its start to its end.
    fn live(&mut self) -> Verdict {
        let policy = plan::policy(&mut self.random);
        let seed = u64::from(self.random.below(u32::MAX));
        // It may be days since the last one.
        self.now = self.random.millis(u32::MAX - 1);
        self.state = State::new(policy, seed, self.now);
        self.queue.clear();
        self.children.clear();
        self.unborn.clear();
        self.past = None;
        self.youngest = Generation(0);
        self.stop = None;
        self.ended = false;
        self.steps_at_once = 0;
        self.timers = (0, 0);
        self.tally.lives += 1;
        self.plan();
        self.step(Event::Timer)?;
        while !self.ended {
            if self.tally.events >= u64::from(EVENTS_MIN) && self.stop.is_none() {
                // Long enough. The stop and what follows are still to be seen.
                self.stop()?;
            } else {
                self.go_on()?;
            }
        }
        if self.children.is_empty() {
            Ok(())
        } else {
            Err(Rule::EveryStopEnds)
        }
    }

    /// Lets time pass until something happens.
    fn go_on(&mut self) -> Verdict {
        let news = self.queue.peek().map(|it| it.at);
        let deadline = self.deadline();
        let Some(moment) = super::slot::earliest(news, deadline) else {
            // Nothing will ever happen again, and it has not ended.
            return Err(Rule::NoSlotUnattended);
        };
        if moment > self.now {
            self.now = moment;
            self.steps_at_once = 0;
            self.check_patience()?;
        }
        if news.is_some_and(|at| at <= self.now) {
            let Some(pending) = self.queue.pop() else {
                return Ok(());
            };
            self.steps_at_once = 0;
            self.deliver(pending.news)?;
            // The loop looks at its deadlines after everything it reads.
            if !self.ended && self.random.one_in(4) {
                self.step(Event::Timer)?;
            }
            return Ok(());
        }
        let second = self.now.as_secs();
        self.timers = match self.timers {
            (same, count) if same == second => (same, count + 1),
            _ => (second, 1),
        };
        if self.timers.1 > TIMERS_PER_SECOND_MAX {
            return Err(Rule::NoBusyLoop);
        }
        self.step(Event::Timer)
    }

    fn after(&mut self, delay: Duration, news: News) {
        self.next_number = self.next_number.wrapping_add(1);
        self.queue.push(Pending {
            at: self.now + delay,
            number: self.next_number,
            news,
        });
    }

    fn step(&mut self, event: Event) -> Verdict {
        self.steps_at_once += 1;
        if self.steps_at_once > STEPS_AT_ONCE_MAX {
            return Err(Rule::NoBusyLoop);
        }
        self.tally.events += 1;
        if let Event::Command(command) = &event {
            self.note_stop(*command);
        }
        let mut actions = std::mem::take(&mut self.actions);
        if self.tells {
            eprintln!("{:?} {event:?}", self.now);
        }
        if self.fault.is_some() {
            self.step_wrongly(event, &mut actions);
        } else {
            step(&mut self.state, event, self.now, &mut actions);
        }
        if self.tells && !actions.is_empty() {
            eprintln!("    {actions:?}");
        }
        let verdict = self.perform_all(&mut actions);
        actions.clear();
        self.actions = actions;
        verdict?;
        self.check_slots()
    }

    fn note_stop(&mut self, command: Command) {
        self.tally.commands += 1;
        let mode = match command {
            Command::Stop(mode) => mode,
            Command::Detach if self.state.policy.detach.is_none() => Mode::Graceful,
            Command::Detach
            | Command::Restart(_)
            | Command::Reload
            | Command::Dump
            | Command::Forward(_) => return,
        };
        if self.stop.is_none_or(|(before, _)| before < mode) {
            self.stop = Some((mode, self.now));
        }
    }

    fn perform_all(&mut self, actions: &mut Vec<Action>) -> Verdict {
        if actions.len() > ACTIONS_AT_ONCE_MAX {
            return Err(Rule::NoBusyLoop);
        }
        let mut started = false;
        let mut change = None;
        for action in actions.drain(..) {
            if self.ended {
                return Err(Rule::EveryStopEnds);
            }
            match action {
                Action::Spawn { slot, generation } => {
                    // The shell looks at signals between two starts.
                    if std::mem::replace(&mut started, true) {
                        return Err(Rule::EveryStopEnds);
                    }
                    self.spawn(slot, generation)?;
                }
                Action::Stop {
                    slot,
                    generation,
                    urgency,
                } => self.ask(slot, generation, urgency)?,
                Action::Order {
                    slot, generation, ..
                } => {
                    let child = self.child(generation);
                    if child.is_none_or(|it| it.slot != slot) && !self.unborn.contains(&generation)
                    {
                        return Err(Rule::NoSignalToTheDead);
                    }
                }
                Action::Release { slot, generation } => self.release(slot, generation)?,
                Action::LoadConfig(wanted) => change = Some(wanted),
                Action::Log(message) => {
                    self.tally.overlaps += u64::from(matches!(message, Message::Overlap(_)));
                }
                Action::Exit(_) => self.ended = true,
                Action::Hook(_) | Action::ReopenLog | Action::Dump => {}
            }
        }
        match change {
            None => Ok(()),
            // There was nothing to load: the answer is read before anything else.
            Some(change) if self.random.one_in(2) => {
                let result = self.reloaded();
                self.step(Event::ConfigLoaded { change, result })
            }
            // Another load was under way, and its answer stands for both.
            Some(_) if self.random.one_in(8) => Ok(()),
            Some(change) => {
                let takes = self.random.millis(3_000);
                self.after(takes, News::Loaded(change));
                Ok(())
            }
        }
    }
}
