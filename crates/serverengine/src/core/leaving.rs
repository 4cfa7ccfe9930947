//! How children are made to leave: gracefully, immediately, by force; and when.

use std::time::Duration;

use crate::log::Level;

use super::slot::{Again, Life, Phase, Then};
use super::transition::Step;
use super::{Action, Mode, Monotonic, SlotId, Urgency};

/// A kill that did not end its child (it is stuck in the kernel) is repeated after this time.
const KILL_REPEAT: Duration = Duration::from_secs(5);

impl Step<'_> {
    /// Asks the child of a slot to leave, or asks harder, and notes what follows. A slot without a child
    /// is given up if nothing is to follow.
    pub(super) fn ask_to_leave(&mut self, slot: SlotId, mode: Mode, then: Then) {
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
        let again = Again::first(policy.graceful_repeat, now);
        let immediate_again = Again::first(policy.immediate_repeat, now);
        let killing = |life: Life, then: Then| Phase::Killing {
            life,
            then,
            killed: false,
            escalate_at: immediate_until,
            again: immediate_again,
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
                    again,
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
                    again,
                },
                Mode::Graceful,
            ) => (
                Phase::Draining {
                    life,
                    then: merge(before, then),
                    escalate_at,
                    again,
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
                    again,
                },
                _,
            ) => (
                Phase::Killing {
                    life,
                    then: merge(before, then),
                    killed,
                    escalate_at,
                    again,
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

    pub(super) fn check_deadlines(&mut self) {
        for slot in 0..self.state.slots.len() {
            self.check_deadline(slot);
        }
        self.check_detached();
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
                again,
                ..
            } => {
                let generation = life.generation;
                let timed_out = *killed || escalate_at.is_some_and(|moment| moment <= now);
                match again {
                    Some(again) if now < again.at => return,
                    Some(again) => again.next(now),
                    None if !timed_out => return,
                    None => {}
                }
                if !timed_out {
                    self.actions.push(Action::Stop {
                        slot,
                        generation,
                        urgency: Urgency::Immediate,
                    });
                    return;
                }
                let repeated = std::mem::replace(killed, true);
                if again.is_none() {
                    if escalate_at.is_some_and(|moment| now < moment) {
                        return;
                    }
                    *escalate_at = Some(now.saturating_add(KILL_REPEAT));
                }
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
        let why = if let Some(limit) = life
            .heard
            .and_then(|heard| passed(heard, policy.heartbeat_timeout))
        {
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
            if let Phase::Draining {
                again: Some(again), ..
            } = &mut place.phase
                && again.at <= now
            {
                again.next(now);
                self.actions.push(Action::Stop {
                    slot,
                    generation: life.generation,
                    urgency: Urgency::Graceful,
                });
            }
            return;
        };
        self.log(
            Level::Warn,
            format!("{noun} {slot} {why}: stopping it immediately"),
        );
        self.ask_to_leave(slot, Mode::Immediate, Then::ReplaceFailed);
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
