//! What must be true at any time, whatever happens.

use std::time::Duration;

use crate::core::slot::Phase;
use crate::core::{Mode, Policy, Urgency};

use super::{KILL_TAKES_MAX, World};

/// A killed child is killed again after this time.
const KILL_AGAIN_MAX: Duration = Duration::from_secs(5);

/// A rule that was broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    /// Every slot that is wanted has a child, or will get one in bounded time; every child has a slot; no
    /// slot waits for a child that is gone.
    NoSlotUnattended,
    /// Only what runs is signalled, ordered, released.
    NoSignalToTheDead,
    /// A stop reaches everything that runs, starts nothing, and ends.
    EveryStopEnds,
    /// A slot has one child, a detach leaves one at most, no generation comes twice.
    NoSecondGeneration,
    /// Who does not leave is asked harder, in time and step by step, and never less hard.
    EscalationProgresses,
    /// At one instant and in one second there is a bounded number of steps and actions.
    NoBusyLoop,
    /// A rolling restart takes no more children away than it may.
    RestartsRoll,
}

pub(super) type Verdict = Result<(), Rule>;

fn holds(it: bool, rule: Rule) -> Verdict {
    if it { Ok(()) } else { Err(rule) }
}

impl World {
    /// What must be true after every step.
    pub(super) fn check_slots(&self) -> Verdict {
        let policy = &self.state.policy;
        let mut taken = 0_u64;
        for child in &self.children {
            let slot = self.state.place_of(child.slot, child.generation);
            let mark = 1 << slot;
            holds(taken & mark == 0, Rule::NoSecondGeneration)?;
            taken |= mark;
            let place = self.state.slots.get(slot);
            let known = place.is_some_and(|it| it.is_at(child.generation));
            holds(known, Rule::NoSlotUnattended)?;
            holds(
                slot < policy.slots || child.asked.is_some(),
                Rule::NoSlotUnattended,
            )?;
            if let Some((mode, _)) = self.stop {
                let least = match mode {
                    Mode::Graceful => Urgency::Graceful,
                    Mode::Immediate => Urgency::Immediate,
                };
                holds(child.asked >= Some(least), Rule::EveryStopEnds)?;
            }
        }
        let (mut lives, mut rolling) = (0, 0);
        for (slot, place) in self.state.slots.iter().enumerate() {
            lives += usize::from(place.life().is_some());
            rolling += usize::from(place.rolling);
            match place.phase() {
                Phase::Empty => holds(
                    slot >= policy.slots || self.state.stopping.is_some(),
                    Rule::NoSlotUnattended,
                )?,
                Phase::Backoff { until } => {
                    holds(self.state.stopping.is_none(), Rule::EveryStopEnds)?;
                    let longest = policy.backoff.max.mul_f64(1.2).max(policy.restart_interval);
                    holds(*until <= self.now + longest, Rule::NoSlotUnattended)?;
                }
                Phase::Starting(_)
                | Phase::Ready(_)
                | Phase::Draining { .. }
                | Phase::Killing { .. }
                | Phase::Failed => {}
            }
        }
        let expected = self.children.len() + self.unborn.len();
        holds(lives == expected || self.ended, Rule::NoSlotUnattended)?;
        holds(
            policy.detach.is_none() || self.children.len() <= 2,
            Rule::NoSecondGeneration,
        )?;
        holds(rolling <= policy.restart_parallel, Rule::RestartsRoll)
    }

    /// What must be true whenever time has passed.
    pub(super) fn check_patience(&self) -> Verdict {
        let policy = &self.state.policy;
        let graceful = longest(policy, Urgency::Graceful);
        let immediate = longest(policy, Urgency::Immediate);
        let kill = longest(policy, Urgency::Kill);
        for child in &self.children {
            let limit = match child.asked {
                None => continue,
                Some(Urgency::Graceful) => graceful,
                Some(Urgency::Immediate) => immediate,
                Some(Urgency::Kill) => kill,
            };
            holds(
                self.now <= child.asked_at + limit,
                Rule::EscalationProgresses,
            )?;
        }
        if let Some((mode, since)) = self.stop {
            let mut patience = immediate + KILL_TAKES_MAX;
            if mode == Mode::Graceful {
                patience += graceful;
            }
            holds(self.now <= since + patience, Rule::EveryStopEnds)?;
        }
        Ok(())
    }
}

/// Returns how long a child may be left with what it was last asked.
fn longest(policy: &Policy, urgency: Urgency) -> Duration {
    let timeout = |limit: Option<Duration>| limit.unwrap_or(Duration::MAX / 4);
    match urgency {
        Urgency::Graceful => timeout(policy.graceful_timeout),
        Urgency::Immediate => {
            let limit = timeout(policy.immediate_timeout);
            // With a schedule the kill waits for its turn.
            let turn = policy.immediate_repeat.map_or(Duration::ZERO, |repeat| {
                let sent = limit.as_secs() / repeat.interval.as_secs() + 1;
                repeat.distance(u32::try_from(sent).unwrap_or(u32::MAX))
            });
            limit + turn
        }
        Urgency::Kill => {
            let turn = policy.immediate_repeat.map_or(Duration::ZERO, |repeat| {
                let sent = timeout(policy.immediate_timeout).as_secs() / repeat.interval.as_secs();
                repeat.distance(u32::try_from(sent + 8).unwrap_or(u32::MAX))
            });
            KILL_AGAIN_MAX.max(turn)
        }
    }
}
