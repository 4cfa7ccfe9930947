//! What children do by themselves: get ready, speak, fail to start, exit.

use std::time::Duration;

use super::message::{Cause, Message};
use super::slot::{Phase, Then};
use super::table::SlotEvent;
use super::transition::Step;
use super::{ExitReason, Generation, Mode, SlotId};

impl Step<'_> {
    pub(super) fn child_ready(&mut self, slot: SlotId, generation: Generation) {
        self.heartbeat(slot, generation, Duration::ZERO);
        let Some(place) = self.state.slots.get_mut(slot) else {
            return;
        };
        if let Phase::Starting(life) = *place.phase()
            && life.generation == generation
        {
            place.change(SlotEvent::Ready, Phase::Ready(life));
            place.rolling = false;
        }
    }

    pub(super) fn heartbeat(&mut self, slot: SlotId, generation: Generation, ago: Duration) {
        let heard = self.now.saturating_sub(ago);
        let life = self
            .state
            .slots
            .get_mut(slot)
            .and_then(|place| place.life_mut());
        if let Some(life) = life
            && life.generation == generation
        {
            life.heard = life.heard.max(Some(heard));
        }
    }

    pub(super) fn spawn_failed(&mut self, slot: SlotId, generation: Generation, message: String) {
        if self
            .state
            .slots
            .get(slot)
            .is_some_and(|place| place.is_at(generation))
        {
            self.log(Message::NotStarted(slot, message));
            self.after_failure(slot);
        }
    }

    pub(super) fn child_exited(
        &mut self,
        slot: SlotId,
        generation: Generation,
        reason: ExitReason,
    ) {
        let Some(place) = self.state.slots.get_mut(slot) else {
            return;
        };
        let Some(life) = place.life().copied() else {
            return;
        };
        if life.generation != generation {
            return;
        }
        let then = match *place.phase() {
            Phase::Draining { then, .. } | Phase::Killing { then, .. } => Some(then),
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
        self.log(match then {
            Some(_) => Message::Finished(slot, reason),
            None => Message::Exited(slot, reason),
        });

        if let ExitReason::Code(code) = reason
            && self.state.policy.unrecoverable_exit_codes.contains(&code)
        {
            self.fail(slot, code);
            return;
        }
        // One that was too many may be wanted again by now.
        let wanted = slot < self.state.policy.slots;
        if self.state.stopping.is_some() || !wanted {
            self.change(slot, SlotEvent::ExitedForGood, Phase::Empty);
            return;
        }
        // A clean exit after some work is a wish to be recycled, not a failure.
        let recycled = reason == ExitReason::Code(0) && lived >= self.state.policy.backoff.first;
        if matches!(then, Some(Then::Replace | Then::Leave)) || (then.is_none() && recycled) {
            let until = self.now.saturating_add(self.state.policy.restart_interval);
            self.change(slot, SlotEvent::Exited, Phase::Backoff { until });
            return;
        }
        self.after_failure(slot);
    }

    fn fail(&mut self, slot: SlotId, code: i32) {
        self.state.exit_code = code;
        self.change(slot, SlotEvent::ExitedUnrecoverably, Phase::Failed);
        self.log(Message::Unrecoverable(slot, code));
        if self.state.policy.stop_at_unrecoverable_exit {
            self.stop(Mode::Graceful, Cause::UnrecoverableExit);
        }
    }

    fn after_failure(&mut self, slot: SlotId) {
        if self.state.stopping.is_some() || slot >= self.state.policy.slots {
            self.change(slot, SlotEvent::ExitedForGood, Phase::Empty);
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
        let until = self.now.saturating_add(delay);
        place.change(SlotEvent::Exited, Phase::Backoff { until });
        if failures > 1 {
            self.log(Message::Failing {
                slot,
                failures,
                delay,
            });
        }
    }

    fn change(&mut self, slot: SlotId, event: SlotEvent, phase: Phase) {
        if let Some(place) = self.state.slots.get_mut(slot) {
            place.change(event, phase);
        }
    }
}
