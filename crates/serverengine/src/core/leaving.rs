//! How children are made to leave: gracefully, immediately, by force; and when.

use std::time::Duration;

use super::message::{Message, Overdue};
use super::slot::{Again, Life, Phase, Then};
use super::table::{SlotEvent, SlotState, next};
use super::transition::Step;
use super::{Action, Mode, Monotonic, SlotId, Urgency};

/// A kill that did not end its child (it is stuck in the kernel) is repeated after this time.
const KILL_REPEAT: Duration = Duration::from_secs(5);

/// A child that seems silent for so much longer than its timeout was not watched: this process itself was
/// frozen or suspended. Its children may have been, too, and get the time of one more timeout.
const OVERSLEPT: Duration = Duration::from_secs(1);

impl Step<'_> {
    /// Asks the child of a slot to leave, or asks harder, and notes what follows. A slot without a child
    /// is given up if nothing is to follow.
    pub(super) fn ask_to_leave(&mut self, slot: SlotId, mode: Mode, then: Then) {
        let event = match (then, mode) {
            (Then::Leave, Mode::Graceful) => SlotEvent::GiveUp,
            (Then::Leave, Mode::Immediate) => SlotEvent::GiveUpAtOnce,
            (Then::Replace, Mode::Graceful) => SlotEvent::Replace,
            (Then::Replace, Mode::Immediate) => SlotEvent::ReplaceAtOnce,
            (Then::ReplaceFailed, _) => SlotEvent::Overdue,
        };
        self.leave(slot, event, then);
    }

    fn leave(&mut self, slot: SlotId, event: SlotEvent, then: Then) {
        let Some(place) = self.state.slots.get(slot) else {
            return;
        };
        let phase = match (*place.phase(), next(place.state(), event)) {
            (Phase::Starting(life) | Phase::Ready(life), SlotState::Draining) => {
                self.draining(life, then)
            }
            (Phase::Starting(life) | Phase::Ready(life), SlotState::Killing) => {
                self.killing(life, then)
            }
            (
                Phase::Draining {
                    life, then: was, ..
                },
                SlotState::Killing,
            ) => self.killing(life, merge(was, then)),
            // It was asked like that before: what was said last may still change what follows.
            (mut same, SlotState::Draining | SlotState::Killing) => {
                if let Phase::Draining { then: was, .. } | Phase::Killing { then: was, .. } =
                    &mut same
                {
                    *was = merge(*was, then);
                }
                same
            }
            (_, SlotState::Empty) => Phase::Empty,
            (
                same,
                SlotState::Backoff | SlotState::Starting | SlotState::Ready | SlotState::Failed,
            ) => same,
        };
        let Some(place) = self.state.slots.get_mut(slot) else {
            return;
        };
        let before = place.state();
        place.change(event, phase);
        if before == place.state() {
            return;
        }
        let (Phase::Draining { life, .. } | Phase::Killing { life, .. }) = phase else {
            return;
        };
        self.actions.push(Action::Stop {
            slot,
            generation: life.generation,
            urgency: match phase {
                Phase::Killing { .. } => Urgency::Immediate,
                Phase::Draining { .. }
                | Phase::Empty
                | Phase::Backoff { .. }
                | Phase::Starting(_)
                | Phase::Ready(_)
                | Phase::Failed => Urgency::Graceful,
            },
        });
    }

    fn draining(&self, life: Life, then: Then) -> Phase {
        let policy = &self.state.policy;
        Phase::Draining {
            life,
            then,
            escalate_at: policy
                .graceful_timeout
                .map(|limit| self.now.saturating_add(limit)),
            again: Again::first(policy.graceful_repeat, self.now),
        }
    }

    fn killing(&self, life: Life, then: Then) -> Phase {
        let policy = &self.state.policy;
        Phase::Killing {
            life,
            then,
            killed: false,
            escalate_at: policy
                .immediate_timeout
                .map(|limit| self.now.saturating_add(limit)),
            again: Again::first(policy.immediate_repeat, self.now),
        }
    }

    pub(super) fn check_deadlines(&mut self) {
        for slot in 0..self.state.slots.len() {
            self.check_deadline(slot);
        }
        self.check_detached();
    }

    fn check_deadline(&mut self, slot: SlotId) {
        let now = self.now;
        let Some(place) = self.state.slots.get_mut(slot) else {
            return;
        };
        match place.phase_mut() {
            Phase::Empty | Phase::Backoff { .. } | Phase::Failed => {}
            Phase::Starting(_) | Phase::Ready(_) => self.check_silence(slot),
            Phase::Draining {
                life,
                escalate_at,
                again,
                ..
            } => {
                let generation = life.generation;
                if escalate_at.is_some_and(|moment| moment <= now) {
                    return self.overdue(slot, Overdue::Stop);
                }
                if let Some(again) = again
                    && again.at <= now
                {
                    again.next(now);
                    self.actions.push(Action::Stop {
                        slot,
                        generation,
                        urgency: Urgency::Graceful,
                    });
                }
                self.check_silence(slot);
            }
            Phase::Killing { .. } => self.check_kill(slot),
        }
    }

    /// A child may have been silent, or have been getting ready, for too long.
    fn check_silence(&mut self, slot: SlotId) {
        let now = self.now;
        let policy = &self.state.policy;
        let Some(place) = self.state.slots.get_mut(slot) else {
            return;
        };
        let starting = place.state() == SlotState::Starting;
        let Some(life) = place.life_mut() else { return };
        let passed = |since: Monotonic, limit: Duration| since.saturating_add(limit) <= now;
        if let (Some(heard), Some(limit)) = (life.heard, policy.heartbeat_timeout)
            && passed(heard, limit)
        {
            if passed(heard, limit.saturating_add(OVERSLEPT)) {
                life.heard = Some(now);
                return;
            }
            return self.overdue(slot, Overdue::Speak(limit));
        }
        if let Some(limit) = policy.start_timeout
            && starting
            && passed(life.started, limit)
        {
            self.overdue(slot, Overdue::GetReady(limit));
        }
    }

    fn overdue(&mut self, slot: SlotId, what: Overdue) {
        self.log(Message::Overdue(slot, what));
        self.ask_to_leave(slot, Mode::Immediate, Then::ReplaceFailed);
    }

    /// The immediate stop is to be repeated, or the kill is due, or due again.
    fn check_kill(&mut self, slot: SlotId) {
        let now = self.now;
        let Some(place) = self.state.slots.get_mut(slot) else {
            return;
        };
        let Phase::Killing {
            life,
            killed,
            escalate_at,
            again,
            ..
        } = place.phase_mut()
        else {
            return;
        };
        let generation = life.generation;
        let timed_out = escalate_at.is_some_and(|moment| moment <= now);
        let urgency = match again {
            // With a schedule everything waits for its turn, the kill included.
            Some(again) if now < again.at => return,
            Some(again) => {
                again.next(now);
                if *killed || timed_out {
                    Urgency::Kill
                } else {
                    Urgency::Immediate
                }
            }
            None if !timed_out => return,
            None => {
                *escalate_at = Some(now.saturating_add(KILL_REPEAT));
                Urgency::Kill
            }
        };
        let first_kill = urgency == Urgency::Kill && !std::mem::replace(killed, true);
        self.actions.push(Action::Stop {
            slot,
            generation,
            urgency,
        });
        if first_kill {
            self.log(Message::Killed(slot));
        }
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
