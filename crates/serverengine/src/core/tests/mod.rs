//! One test per rule. Times are milliseconds since the start.

mod detaching;
mod restarts;
mod schedule;
mod starts;
mod states;
mod stops;
mod table;

use std::time::Duration;

use super::slot::Phase;
use super::*;

const G: fn(u64) -> Generation = Generation;

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(in crate::core) fn policy(slots: usize) -> Policy {
    Policy {
        noun: "Worker",
        slots,
        may_scale: true,
        start_delay: Duration::ZERO,
        start_delay_rand: 0.0,
        restart_interval: Duration::ZERO,
        backoff: Backoff {
            jitter: 0.0,
            ..Backoff::default()
        },
        start_timeout: Some(millis(60_000)),
        heartbeat_timeout: None,
        graceful_timeout: Some(millis(30_000)),
        immediate_timeout: Some(millis(5_000)),
        restart_parallel: 1,
        unrecoverable_exit_codes: Vec::new(),
        stop_at_unrecoverable_exit: false,
        restart: Delegation::Here,
        graceful_repeat: None,
        immediate_repeat: None,
        detach: None,
    }
}

/// A control process without an outside.
struct Machine {
    state: State,
    logged: Vec<String>,
    /// Hooks that were called.
    hooks: Vec<Command>,
}

impl Machine {
    fn new(policy: Policy) -> Self {
        Self {
            state: State::new(policy, 1, Duration::ZERO),
            logged: Vec::new(),
            hooks: Vec::new(),
        }
    }

    /// A machine whose children all run and are ready.
    fn ready(policy: Policy) -> Self {
        let slots = policy.slots;
        let mut machine = Self::new(policy);
        for slot in 0..slots {
            let generation = G(slot as u64 + 1);
            assert_eq!(
                machine.at(0, Event::Timer),
                [Action::Spawn { slot, generation }]
            );
        }
        for slot in 0..slots {
            let generation = G(slot as u64 + 1);
            assert_eq!(machine.at(0, Event::ChildReady { slot, generation }), []);
        }
        machine.logged.clear();
        machine.hooks.clear();
        machine
    }

    /// Takes in an event; returns what is to be done besides logging.
    fn at(&mut self, now: u64, event: Event) -> Vec<Action> {
        let mut actions = Vec::new();
        step(&mut self.state, event, millis(now), &mut actions);
        actions.retain(|action| match action {
            Action::Log(message) => {
                self.logged.push(message.text(self.state.policy.noun));
                false
            }
            Action::Hook(command) => {
                self.hooks.push(*command);
                false
            }
            _ => true,
        });
        actions
    }

    fn command(&mut self, now: u64, command: Command) -> Vec<Action> {
        self.at(now, Event::Command(command))
    }

    fn exits(&mut self, now: u64, slot: SlotId, generation: u64, code: i32) -> Vec<Action> {
        let reason = ExitReason::Code(code);
        self.at(
            now,
            Event::ChildExited {
                slot,
                generation: G(generation),
                reason,
            },
        )
    }

    fn deadline(&self) -> Option<u64> {
        self.state
            .deadline()
            .map(|moment| moment.as_millis() as u64)
    }
}

fn stop(slot: SlotId, generation: u64, urgency: Urgency) -> Action {
    Action::Stop {
        slot,
        generation: G(generation),
        urgency,
    }
}

fn spawn(slot: SlotId, generation: u64) -> Action {
    Action::Spawn {
        slot,
        generation: G(generation),
    }
}

const TERM: Command = Command::Stop(Mode::Graceful);
const QUIT: Command = Command::Stop(Mode::Immediate);
