//! One slot: the place of one child, over all its lives.

use std::time::Duration;

use super::policy::Repeat;
use super::table::{SlotEvent, SlotState, next};
use super::{Generation, Monotonic};

/// Place of one child.
#[derive(Clone, Debug)]
pub(crate) struct Slot {
    phase: Phase,
    /// Deaths in a row that came too early; see [`super::Backoff`].
    pub(crate) failures: u32,
    /// A restart reached this slot's child and has not replaced it yet: the child of this generation
    /// or an older one is to be replaced.
    pub(crate) replace_up_to: Option<Generation>,
    /// A rolling restart took this slot's child away and its successor is not ready yet.
    pub(crate) rolling: bool,
}

/// Where a slot is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// No child and none wanted.
    Empty,
    /// No child yet; one is wanted at `until`.
    Backoff {
        until: Monotonic,
    },
    /// A child runs and has not said that it is ready.
    Starting(Life),
    Ready(Life),
    /// Asked to leave gracefully; asked harder at `escalate_at`.
    Draining {
        life: Life,
        then: Then,
        escalate_at: Option<Monotonic>,
        again: Option<Again>,
    },
    /// Asked to leave at once, or killed; asked again, harder, at `escalate_at`.
    Killing {
        life: Life,
        then: Then,
        killed: bool,
        escalate_at: Option<Monotonic>,
        again: Option<Again>,
    },
    /// Its child ended with an exit code that nothing can recover from.
    Failed,
}

/// When the same is asked again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Again {
    pub(crate) at: Monotonic,
    /// How often it was asked, after the first time.
    pub(crate) count: u32,
    pub(crate) repeat: Repeat,
}

impl Again {
    /// The first time is now.
    pub(crate) fn first(repeat: Option<Repeat>, now: Monotonic) -> Option<Self> {
        repeat.map(|repeat| Self {
            at: now.saturating_add(repeat.distance(0)),
            count: 0,
            repeat,
        })
    }

    /// Another time is now.
    pub(crate) fn next(&mut self, now: Monotonic) {
        self.count = self.count.saturating_add(1);
        self.at = now.saturating_add(self.repeat.distance(self.count));
    }
}

/// A child that runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Life {
    pub(crate) generation: Generation,
    pub(crate) started: Monotonic,
    /// When it gave its last sign of life. Before the first one it is not silent, it is starting.
    pub(crate) heard: Option<Monotonic>,
}

/// What follows the exit that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    /// Nothing: the slot is given up.
    Leave,
    /// A successor, by operator's wish.
    Replace,
    /// A successor; the exit counts as a failure of the child.
    ReplaceFailed,
}

impl Phase {
    pub(crate) fn state(&self) -> SlotState {
        match self {
            Self::Empty => SlotState::Empty,
            Self::Backoff { .. } => SlotState::Backoff,
            Self::Starting(_) => SlotState::Starting,
            Self::Ready(_) => SlotState::Ready,
            Self::Draining { .. } => SlotState::Draining,
            Self::Killing { .. } => SlotState::Killing,
            Self::Failed => SlotState::Failed,
        }
    }
}

impl Slot {
    pub(crate) fn new(until: Monotonic) -> Self {
        Self {
            phase: Phase::Backoff { until },
            failures: 0,
            replace_up_to: None,
            rolling: false,
        }
    }

    pub(crate) fn phase(&self) -> &Phase {
        &self.phase
    }

    /// The details of a phase may change without an event; the state stays.
    pub(crate) fn phase_mut(&mut self) -> &mut Phase {
        &mut self.phase
    }

    pub(crate) fn state(&self) -> SlotState {
        self.phase.state()
    }

    /// Goes to another phase because of an event: to the one that the table names.
    pub(crate) fn change(&mut self, event: SlotEvent, phase: Phase) {
        debug_assert_eq!(
            next(self.state(), event),
            phase.state(),
            "{event:?} leads from {:?} to {phase:?}",
            self.phase
        );
        if matches!(phase, Phase::Empty | Phase::Failed) {
            self.rolling = false;
        }
        self.phase = phase;
    }

    /// Returns the child that runs, in whatever state.
    pub(crate) fn life(&self) -> Option<&Life> {
        match &self.phase {
            Phase::Empty | Phase::Backoff { .. } | Phase::Failed => None,
            Phase::Starting(life) | Phase::Ready(life) => Some(life),
            Phase::Draining { life, .. } | Phase::Killing { life, .. } => Some(life),
        }
    }

    pub(crate) fn life_mut(&mut self) -> Option<&mut Life> {
        match &mut self.phase {
            Phase::Empty | Phase::Backoff { .. } | Phase::Failed => None,
            Phase::Starting(life) | Phase::Ready(life) => Some(life),
            Phase::Draining { life, .. } | Phase::Killing { life, .. } => Some(life),
        }
    }

    pub(crate) fn is_at(&self, generation: Generation) -> bool {
        self.life()
            .is_some_and(|life| life.generation == generation)
    }

    /// Returns whether a restart still has to replace this slot's child, which nobody has asked to
    /// leave yet.
    pub(crate) fn awaits_restart(&self) -> bool {
        let (Phase::Starting(life) | Phase::Ready(life)) = &self.phase else {
            return false;
        };
        self.replace_up_to
            .is_some_and(|limit| life.generation <= limit)
    }

    /// Returns when this slot needs a `Timer` event.
    pub(crate) fn deadline(
        &self,
        start_timeout: Option<Duration>,
        heartbeat_timeout: Option<Duration>,
    ) -> Option<Monotonic> {
        let silence = |life: &Life| {
            life.heard
                .zip(heartbeat_timeout)
                .map(|(heard, limit)| heard.saturating_add(limit))
        };
        match &self.phase {
            Phase::Empty | Phase::Failed => None,
            Phase::Backoff { until } => Some(*until),
            Phase::Starting(life) => earliest(
                start_timeout.map(|limit| life.started.saturating_add(limit)),
                silence(life),
            ),
            Phase::Ready(life) => silence(life),
            Phase::Draining {
                life,
                escalate_at,
                again,
                ..
            } => earliest(
                earliest(*escalate_at, silence(life)),
                again.map(|again| again.at),
            ),
            // The kill waits for its turn.
            Phase::Killing {
                again: Some(again), ..
            } => Some(again.at),
            Phase::Killing { escalate_at, .. } => *escalate_at,
        }
    }
}

/// Returns the earlier of two moments that may never come.
pub(crate) fn earliest(left: Option<Monotonic>, right: Option<Monotonic>) -> Option<Monotonic> {
    match (left, right) {
        (Some(left), Some(right)) => Some(left.min(right)),
        (moment, None) | (None, moment) => moment,
    }
}
