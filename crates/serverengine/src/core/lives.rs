//! What children do by themselves: get ready, speak, fail to start, exit.

use std::time::Duration;

use crate::log::Level;

use super::slot::{Phase, Then};
use super::transition::Step;
use super::{ExitReason, Generation, Mode, SlotId};

impl Step<'_> {
    pub(super) fn child_ready(&mut self, slot: SlotId, generation: Generation) {
        self.heartbeat(slot, generation, Duration::ZERO);
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

    pub(super) fn spawn_failed(&mut self, slot: SlotId, generation: Generation, message: &str) {
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
        // One that was too many may be wanted again by now.
        let wanted = slot < self.state.policy.slots;
        if self.state.stopping.is_some() || !wanted {
            self.set_phase(slot, Phase::Empty);
            return;
        }
        // A clean exit after some work is a wish to be recycled, not a failure.
        let recycled = reason == ExitReason::Code(0) && lived >= self.state.policy.backoff.first;
        if matches!(then, Some(Then::Replace | Then::Leave)) || (then.is_none() && recycled) {
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
            self.stop(Mode::Graceful, " (unrecoverable exit)");
        }
    }

    fn after_failure(&mut self, slot: SlotId) {
        if self.state.stopping.is_some() || slot >= self.state.policy.slots {
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
