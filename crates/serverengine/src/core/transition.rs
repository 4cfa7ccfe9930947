//! `step`: what one event changes, and what is to be done about it.

use std::time::Duration;

use crate::log::Level;

use super::slot::{Life, Phase, Then};
use super::{
    Action, Change, Command, Delegation, Event, ExitReason, Generation, Mode, Monotonic, Order,
    SlotId, State, Urgency,
};

/// A kill that did not end its child (it is stuck in the kernel) is repeated after this time.
const KILL_REPEAT: Duration = Duration::from_secs(5);

/// Takes in one event at the time `now` and appends to `actions` what the shell has to do.
pub(crate) fn step(state: &mut State, event: Event, now: Monotonic, actions: &mut Vec<Action>) {
    if state.ended {
        return;
    }
    let mut step = Step {
        state,
        now,
        actions,
    };
    match event {
        Event::Timer => step.check_deadlines(),
        Event::ChildReady { slot, generation } => step.child_ready(slot, generation),
        Event::ChildExited {
            slot,
            generation,
            reason,
        } => {
            step.child_exited(slot, generation, reason);
        }
        Event::Heartbeat { slot, generation } => step.heartbeat(slot, generation),
        Event::SpawnFailed {
            slot,
            generation,
            message,
        } => {
            step.spawn_failed(slot, generation, &message);
        }
        Event::Command(command) => step.command(command),
        Event::ConfigLoaded { change, result } => step.config_loaded(change, result),
    }
    step.advance_restart();
    step.start_one();
    step.end_if_nothing_is_left();
}

struct Step<'a> {
    state: &'a mut State,
    now: Monotonic,
    actions: &'a mut Vec<Action>,
}

// === Commands ===

impl Step<'_> {
    fn command(&mut self, command: Command) {
        match command {
            Command::Stop(mode) => self.stop(mode, "stop"),
            Command::Detach => self.stop(Mode::Graceful, "stop (detach)"),
            // What a process that ends would do with these, nobody needs. A dump in particular is
            // asked for by systemd, which sends CONT after each stop signal.
            _ if self.state.stopping.is_some() => {}
            Command::Restart(mode) => {
                self.log(Level::Info, format!("received {} restart", name(mode)));
                self.actions.push(Action::ReopenLog);
                match self.state.policy.restart {
                    Delegation::Here => {
                        self.actions.push(Action::LoadConfig(Change::Restart(mode)));
                    }
                    Delegation::Children => self.order_all(Order::Restart(mode)),
                }
            }
            Command::Reload => {
                self.log(Level::Info, "received reload".to_owned());
                self.actions.push(Action::ReopenLog);
                self.actions.push(Action::LoadConfig(Change::Reload));
            }
            Command::Dump => {
                self.actions.push(Action::Dump);
                self.order_all(Order::Dump);
            }
            Command::Forward(signal) => self.order_all(Order::Forward(signal)),
        }
    }

    fn stop(&mut self, mode: Mode, what: &str) {
        if self.state.stopping.is_some_and(|current| current >= mode) {
            return;
        }
        self.log(Level::Info, format!("received {} {what}", name(mode)));
        self.state.stopping = Some(mode);
        for slot in 0..self.state.slots.len() {
            self.ask_to_leave(slot, mode, Then::Leave);
        }
    }

    fn config_loaded(&mut self, change: Change, result: Result<(), String>) {
        if self.state.stopping.is_some() {
            return;
        }
        if let Err(message) = result {
            let kept = match change {
                Change::Reload => "nothing was reloaded",
                Change::Restart(_) => "nothing was restarted",
            };
            self.log(
                Level::Error,
                format!("new configuration refused, {kept}: {message}"),
            );
            return;
        }
        match change {
            Change::Reload => self.order_all(Order::Reload),
            Change::Restart(mode) => self.restart(mode),
        }
    }

    fn restart(&mut self, mode: Mode) {
        let youngest = self.state.youngest();
        let now = self.now;
        for slot in &mut self.state.slots {
            slot.replace_up_to = Some(youngest);
            slot.failures = 0;
            if let Phase::Backoff { until } = &mut slot.phase {
                *until = now;
            }
        }
        if mode == Mode::Immediate {
            for slot in 0..self.state.slots.len() {
                if self
                    .state
                    .slots
                    .get(slot)
                    .is_some_and(|slot| slot.life().is_some())
                {
                    self.ask_to_leave(slot, mode, Then::Replace);
                }
            }
        }
    }

    /// Hands an order to every child that nobody has asked to leave.
    fn order_all(&mut self, order: Order) {
        for (slot, place) in self.state.slots.iter().enumerate() {
            if let Phase::Starting(life) | Phase::Ready(life) = &place.phase {
                self.actions.push(Action::Order {
                    slot,
                    generation: life.generation,
                    order,
                });
            }
        }
    }
}

// === Children ===

impl Step<'_> {
    fn child_ready(&mut self, slot: SlotId, generation: Generation) {
        self.heartbeat(slot, generation);
        let Some(place) = self.state.slots.get_mut(slot) else {
            return;
        };
        if let Phase::Starting(life) = &place.phase
            && life.generation == generation
        {
            place.phase = Phase::Ready(*life);
            place.rolling = false;
        }
    }

    fn heartbeat(&mut self, slot: SlotId, generation: Generation) {
        let now = self.now;
        let life = self
            .state
            .slots
            .get_mut(slot)
            .and_then(|place| place.life_mut());
        if let Some(life) = life
            && life.generation == generation
        {
            life.heard = now;
        }
    }

    fn spawn_failed(&mut self, slot: SlotId, generation: Generation, message: &str) {
        if self
            .state
            .slots
            .get(slot)
            .is_some_and(|place| place.is_at(generation))
        {
            let noun = self.state.policy.noun;
            self.log(
                Level::Error,
                format!("{noun} {slot} could not be started: {message}"),
            );
            self.after_failure(slot);
        }
    }

    fn child_exited(&mut self, slot: SlotId, generation: Generation, reason: ExitReason) {
        let Some(place) = self.state.slots.get_mut(slot) else {
            return;
        };
        let Some(life) = place.life().copied() else {
            return;
        };
        if life.generation != generation {
            return;
        }
        let then = match &place.phase {
            Phase::Draining { then, .. } | Phase::Killing { then, .. } => Some(*then),
            Phase::Empty
            | Phase::Backoff { .. }
            | Phase::Starting(_)
            | Phase::Ready(_)
            | Phase::Failed => None,
        };
        let lived = self.now.saturating_sub(life.started);
        if lived >= self.state.policy.backoff.reset_after {
            place.failures = 0;
        }
        self.log_exit(slot, then, reason);

        if let ExitReason::Code(code) = reason
            && self.state.policy.unrecoverable_exit_codes.contains(&code)
        {
            self.fail(slot, code);
            return;
        }
        if self.state.stopping.is_some() || then == Some(Then::Leave) {
            self.set_phase(slot, Phase::Empty);
            return;
        }
        // A clean exit after some work is a wish to be recycled, not a failure.
        let recycled = reason == ExitReason::Code(0) && lived >= self.state.policy.backoff.first;
        if then == Some(Then::Replace) || (then.is_none() && recycled) {
            let until = self.now.saturating_add(self.state.policy.restart_interval);
            self.set_phase(slot, Phase::Backoff { until });
            return;
        }
        self.after_failure(slot);
    }

    fn log_exit(&mut self, slot: SlotId, then: Option<Then>, reason: ExitReason) {
        let noun = self.state.policy.noun;
        let (level, verb) = match (then, reason) {
            (Some(_), _) => (Level::Info, "finished with"),
            (None, ExitReason::Code(0)) => (Level::Info, "exited with"),
            (None, ExitReason::Code(_) | ExitReason::Signal(_)) => {
                (Level::Error, "exited unexpectedly with")
            }
        };
        self.log(level, format!("{noun} {slot} {verb} {reason}"));
    }

    fn fail(&mut self, slot: SlotId, code: i32) {
        self.state.exit_code = code;
        self.set_phase(slot, Phase::Failed);
        let noun = self.state.policy.noun;
        self.log(
            Level::Error,
            format!("{noun} {slot} is not restarted: exit code {code} is unrecoverable"),
        );
        if self.state.policy.stop_at_unrecoverable_exit {
            self.stop(Mode::Graceful, "stop (unrecoverable exit)");
        }
    }

    fn after_failure(&mut self, slot: SlotId) {
        if self.state.stopping.is_some() {
            self.set_phase(slot, Phase::Empty);
            return;
        }
        let random = self.state.next_random();
        let policy = &self.state.policy;
        let Some(place) = self.state.slots.get_mut(slot) else {
            return;
        };
        place.failures = place.failures.saturating_add(1);
        let failures = place.failures;
        let delay = policy
            .backoff
            .delay(failures, random)
            .max(policy.restart_interval);
        place.phase = Phase::Backoff {
            until: self.now.saturating_add(delay),
        };
        if failures > 1 {
            let noun = policy.noun;
            self.log(
                Level::Warn,
                format!(
                    "{noun} {slot} failed {failures} times in a row: next start in {delay:.1?}"
                ),
            );
        }
    }

    fn set_phase(&mut self, slot: SlotId, phase: Phase) {
        if let Some(place) = self.state.slots.get_mut(slot) {
            if matches!(phase, Phase::Empty | Phase::Failed) {
                place.rolling = false;
            }
            place.phase = phase;
        }
    }
}

// === Leaving ===

impl Step<'_> {
    /// Asks the child of a slot to leave, or asks harder, and notes what follows. A slot without a child
    /// is given up if nothing is to follow.
    fn ask_to_leave(&mut self, slot: SlotId, mode: Mode, then: Then) {
        let now = self.now;
        let policy = &self.state.policy;
        let Some(place) = self.state.slots.get_mut(slot) else {
            return;
        };
        let graceful_until = policy
            .graceful_timeout
            .map(|limit| now.saturating_add(limit));
        let immediate_until = policy
            .immediate_timeout
            .map(|limit| now.saturating_add(limit));
        let killing = |life: Life, then: Then| Phase::Killing {
            life,
            then,
            killed: false,
            escalate_at: immediate_until,
        };
        let (phase, urgency) = match (place.phase.clone(), mode) {
            (Phase::Empty | Phase::Backoff { .. }, _) => match then {
                Then::Leave => (Phase::Empty, None),
                Then::Replace | Then::ReplaceFailed => return,
            },
            (Phase::Failed, _) => return,
            (Phase::Starting(life) | Phase::Ready(life), Mode::Graceful) => (
                Phase::Draining {
                    life,
                    then,
                    escalate_at: graceful_until,
                },
                Some((life, Urgency::Graceful)),
            ),
            (Phase::Starting(life) | Phase::Ready(life), Mode::Immediate) => {
                (killing(life, then), Some((life, Urgency::Immediate)))
            }
            (
                Phase::Draining {
                    life,
                    then: before,
                    escalate_at,
                },
                Mode::Graceful,
            ) => (
                Phase::Draining {
                    life,
                    then: merge(before, then),
                    escalate_at,
                },
                None,
            ),
            (
                Phase::Draining {
                    life, then: before, ..
                },
                Mode::Immediate,
            ) => (
                killing(life, merge(before, then)),
                Some((life, Urgency::Immediate)),
            ),
            (
                Phase::Killing {
                    life,
                    then: before,
                    killed,
                    escalate_at,
                },
                _,
            ) => (
                Phase::Killing {
                    life,
                    then: merge(before, then),
                    killed,
                    escalate_at,
                },
                None,
            ),
        };
        if phase == Phase::Empty {
            place.rolling = false;
        }
        place.phase = phase;
        if let Some((life, urgency)) = urgency {
            self.actions.push(Action::Stop {
                slot,
                generation: life.generation,
                urgency,
            });
        }
    }

    fn check_deadlines(&mut self) {
        for slot in 0..self.state.slots.len() {
            self.check_deadline(slot);
        }
    }

    fn check_deadline(&mut self, slot: SlotId) {
        let now = self.now;
        let policy = &self.state.policy;
        let noun = policy.noun;
        let Some(place) = self.state.slots.get_mut(slot) else {
            return;
        };
        let passed = |since: Monotonic, limit: Option<Duration>| {
            limit.filter(|limit| since.saturating_add(*limit) <= now)
        };
        match &mut place.phase {
            Phase::Empty | Phase::Backoff { .. } | Phase::Failed => return,
            Phase::Starting(_) | Phase::Ready(_) | Phase::Draining { .. } => {}
            Phase::Killing {
                life,
                killed,
                escalate_at,
                ..
            } => {
                if escalate_at.is_none_or(|moment| now < moment) {
                    return;
                }
                let generation = life.generation;
                let repeated = std::mem::replace(killed, true);
                *escalate_at = Some(now.saturating_add(KILL_REPEAT));
                self.actions.push(Action::Stop {
                    slot,
                    generation,
                    urgency: Urgency::Kill,
                });
                if !repeated {
                    self.log(Level::Warn, format!("{noun} {slot} did not stop: killed"));
                }
                return;
            }
        }
        let Some(life) = place.life().copied() else {
            return;
        };
        let why = if let Some(limit) = passed(life.heard, policy.heartbeat_timeout) {
            format!("was silent for {limit:?}")
        } else if let (Phase::Starting(_), Some(limit)) =
            (&place.phase, passed(life.started, policy.start_timeout))
        {
            format!("was not ready within {limit:?}")
        } else if let Phase::Draining {
            escalate_at: Some(moment),
            ..
        } = &place.phase
            && *moment <= now
        {
            "did not stop in time".to_owned()
        } else {
            return;
        };
        self.log(
            Level::Warn,
            format!("{noun} {slot} {why}: stopping it immediately"),
        );
        self.ask_to_leave(slot, Mode::Immediate, Then::ReplaceFailed);
    }
}

// === At the end of every step ===

impl Step<'_> {
    /// Takes the next children of a rolling restart away, as many as may be missing at once.
    fn advance_restart(&mut self) {
        if self.state.stopping.is_some() {
            return;
        }
        let missing = self.state.slots.iter().filter(|slot| slot.rolling).count();
        let allowed = self
            .state
            .policy
            .restart_at_once
            .max(1)
            .saturating_sub(missing);
        for _ in 0..allowed {
            let next = self
                .state
                .slots
                .iter()
                .position(super::slot::Slot::awaits_restart);
            let Some(slot) = next else { return };
            self.ask_to_leave(slot, Mode::Graceful, Then::Replace);
            if let Some(place) = self.state.slots.get_mut(slot) {
                place.rolling = true;
            }
        }
    }

    /// Starts one child that is due. Only one: the shell looks at signals before the next step.
    fn start_one(&mut self) {
        let Some(slot) = self.state.next_due(self.now) else {
            return;
        };
        let generation = self.state.next_life(self.now);
        let life = Life {
            generation,
            started: self.now,
            heard: self.now,
        };
        if let Some(place) = self.state.slots.get_mut(slot) {
            place.phase = Phase::Starting(life);
            self.actions.push(Action::Spawn { slot, generation });
        }
    }

    fn end_if_nothing_is_left(&mut self) {
        let nothing_left = self
            .state
            .slots
            .iter()
            .all(|slot| matches!(slot.phase, Phase::Empty | Phase::Failed));
        if nothing_left {
            self.state.ended = true;
            self.actions.push(Action::Exit(self.state.exit_code));
        }
    }

    fn log(&mut self, level: Level, message: String) {
        self.actions.push(Action::Log(level, message));
    }
}

/// Combines two wishes about what follows an exit. Leaving wins; otherwise what was said first stands.
fn merge(before: Then, after: Then) -> Then {
    if after == Then::Leave {
        Then::Leave
    } else {
        before
    }
}

fn name(mode: Mode) -> &'static str {
    match mode {
        Mode::Graceful => "graceful",
        Mode::Immediate => "immediate",
    }
}
