//! `step`: what one event changes, and what is to be done about it.

use super::message::{Cause, Message};
use super::slot::{Life, Phase, Slot, Then};
use super::table::SlotEvent;
use super::{Action, Change, Command, Delegation, Event, Mode, Monotonic, Order, Policy, State};

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
        Event::ChildReady { slot, generation } => {
            step.child_ready(step.state.place_of(slot, generation), generation);
        }
        Event::ChildExited {
            slot,
            generation,
            reason,
        } => {
            step.child_exited(step.state.place_of(slot, generation), generation, reason);
        }
        Event::Heartbeat {
            slot,
            generation,
            ago,
        } => {
            step.heartbeat(step.state.place_of(slot, generation), generation, ago);
        }
        Event::Released { slot, generation } => {
            step.released(step.state.place_of(slot, generation), generation);
        }
        Event::SpawnFailed {
            slot,
            generation,
            message,
        } => {
            step.spawn_failed(slot, generation, message);
        }
        Event::Command(command) => step.command(command),
        Event::ConfigLoaded { change, result } => step.config_loaded(change, result),
    }
    step.advance_restart();
    step.start_one();
    step.end_if_nothing_is_left();
}

/// One step in the making. What children do is in `lives.rs`, how they are made to leave in `leaving.rs`.
pub(super) struct Step<'a> {
    pub(super) state: &'a mut State,
    pub(super) now: Monotonic,
    pub(super) actions: &'a mut Vec<Action>,
}

// === Commands ===

impl Step<'_> {
    fn command(&mut self, command: Command) {
        match command {
            Command::Stop(mode) => self.stop(mode, Cause::Command),
            Command::Detach => match self.state.policy.detach {
                Some(rules) => self.detach(rules),
                None => {
                    if self.state.stopping.is_none() {
                        self.actions.push(Action::Hook(Command::Detach));
                    }
                    self.stop(Mode::Graceful, Cause::Detach);
                }
            },
            // What a process that ends would do with these, nobody needs. A dump in particular is
            // asked for by systemd, which sends CONT after each stop signal.
            _ if self.state.stopping.is_some() => {}
            Command::Restart(mode) => {
                self.log(Message::Restart(mode));
                self.actions.push(Action::Hook(command));
                self.actions.push(Action::ReopenLog);
                self.actions.push(Action::LoadConfig(Change::Restart(mode)));
            }
            Command::Reload => {
                self.log(Message::Reload);
                self.actions.push(Action::ReopenLog);
                self.actions.push(Action::LoadConfig(Change::Reload));
            }
            Command::Dump => {
                self.actions.push(Action::Hook(command));
                self.actions.push(Action::Dump);
                self.order_all(Order::Dump);
            }
            Command::Forward(signal) => self.order_all(Order::Forward(signal)),
        }
    }

    pub(super) fn stop(&mut self, mode: Mode, cause: Cause) {
        if self.state.stopping.is_some_and(|current| current >= mode) {
            return;
        }
        self.log(Message::Stop(mode, cause));
        self.actions.push(Action::Hook(Command::Stop(mode)));
        self.state.stopping = Some(mode);
        self.state.detaching = None;
        for slot in 0..self.state.slots.len() {
            self.ask_to_leave(slot, mode, Then::Leave);
        }
    }

    fn config_loaded(&mut self, change: Change, result: Result<Option<Box<Policy>>, String>) {
        if self.state.stopping.is_some() {
            return;
        }
        match result {
            Ok(Some(policy)) => self.follow(*policy),
            Ok(None) => {}
            Err(reason) => return self.log(Message::ConfigRefused(change, reason)),
        }
        match (change, self.state.policy.restart) {
            (Change::Reload, _) => {
                self.actions.push(Action::Hook(Command::Reload));
                self.order_all(Order::Reload);
            }
            (Change::Restart(mode), Delegation::Here) => self.restart(mode),
            (Change::Restart(mode), Delegation::Children) => self.order_all(Order::Restart(mode)),
        }
    }

    /// Works by other rules from now on. Grows at once; what is too many leaves at once, the highest
    /// numbers first.
    fn follow(&mut self, policy: Policy) {
        let slots = policy.slots;
        let before = std::mem::replace(&mut self.state.policy, policy).slots;
        if before == slots {
            return;
        }
        self.log(Message::Scaled { before, now: slots });
        let now = self.now;
        for place in self.state.slots.iter_mut().take(slots) {
            if *place.phase() == Phase::Empty {
                place.failures = 0;
                place.change(SlotEvent::Wanted, Phase::Backoff { until: now });
            }
        }
        while self.state.slots.len() < slots {
            self.state.slots.push(Slot::new(now));
        }
        for slot in (slots..self.state.slots.len()).rev() {
            self.ask_to_leave(slot, Mode::Graceful, Then::Leave);
        }
    }

    fn restart(&mut self, mode: Mode) {
        let youngest = self.state.youngest();
        let now = self.now;
        for slot in &mut self.state.slots {
            slot.replace_up_to = Some(youngest);
            slot.failures = 0;
            if let Phase::Backoff { until } = slot.phase_mut() {
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
    pub(super) fn order_all(&mut self, order: Order) {
        for (slot, place) in self.state.slots.iter().enumerate() {
            if let Phase::Starting(life) | Phase::Ready(life) = place.phase() {
                self.actions.push(Action::Order {
                    slot,
                    generation: life.generation,
                    order,
                });
            }
        }
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
            .restart_parallel
            .max(1)
            .saturating_sub(missing);
        for _ in 0..allowed {
            let next = self.state.slots.iter().position(Slot::awaits_restart);
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
            heard: None,
        };
        if let Some(place) = self.state.slots.get_mut(slot) {
            place.change(SlotEvent::Due, Phase::Starting(life));
            self.actions.push(Action::Spawn { slot, generation });
        }
    }

    fn end_if_nothing_is_left(&mut self) {
        let nothing_left = self
            .state
            .slots
            .iter()
            .all(|slot| matches!(slot.phase(), Phase::Empty | Phase::Failed));
        if nothing_left {
            self.state.ended = true;
            self.actions.push(Action::Exit(self.state.exit_code));
        }
    }

    pub(super) fn log(&mut self, message: Message) {
        self.actions.push(Action::Log(message));
    }
}
