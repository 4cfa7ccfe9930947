//! The states of a slot, what can happen to it, and what follows: one table, which the code obeys.
//!
//! [`Slot::change`](super::slot::Slot::change) is the only way to another state, and it goes where this
//! table says. `STATES.md` is made of it.

/// Where a slot is in its life, without the details of [`Phase`](super::slot::Phase).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SlotState {
    /// No child, and none is wanted.
    Empty,
    /// No child; one is started when its time has come.
    Backoff,
    /// A child runs and has not said that it works.
    Starting,
    /// A child works.
    Ready,
    /// A child was asked to leave gracefully, and is asked again if there is a schedule for it.
    Draining,
    /// A child was asked to leave at once; when its time is over it is killed, again and again.
    Killing,
    /// Its child ended with a code that nothing can recover from.
    Failed,
}

/// What can happen to a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SlotEvent {
    /// It is among the slots that are wanted, again: the server grows.
    Wanted,
    /// Its child is started.
    Due,
    /// Its child says that it works.
    Ready,
    /// It is given up, its child leaves gracefully: a stop, or one slot too many.
    GiveUp,
    /// The same at once.
    GiveUpAtOnce,
    /// Its child leaves gracefully for a successor: a restart or a detach.
    Replace,
    /// The same at once.
    ReplaceAtOnce,
    /// Its child was silent, not ready, or not gone in time.
    Overdue,
    /// Its child has exited, or could not be started, and a successor is wanted.
    Exited,
    /// Its child has exited, and no successor is wanted.
    ExitedForGood,
    /// Its child has exited with a code that nothing can recover from.
    ExitedUnrecoverably,
    /// Its child lives on without this process.
    Released,
}

use SlotState::{Backoff, Draining, Empty, Failed, Killing, Ready, Starting};

impl SlotState {
    #[cfg(test)]
    pub(crate) const ALL: [Self; 7] = [Empty, Backoff, Starting, Ready, Draining, Killing, Failed];
}

impl SlotEvent {
    #[cfg(test)]
    pub(crate) const ALL: [Self; 12] = [
        Self::Wanted,
        Self::Due,
        Self::Ready,
        Self::GiveUp,
        Self::GiveUpAtOnce,
        Self::Replace,
        Self::ReplaceAtOnce,
        Self::Overdue,
        Self::Exited,
        Self::ExitedForGood,
        Self::ExitedUnrecoverably,
        Self::Released,
    ];
}

/// Where a new slot begins.
#[cfg(test)]
pub(crate) const FIRST: SlotState = Backoff;

/// One row for each event, one column for each state.
#[rustfmt::skip]
const TABLE: [[SlotState; 7]; 12] = [
    // from:         Empty    Backoff  Starting  Ready     Draining  Killing   Failed
    /* Wanted     */ [Backoff, Backoff, Starting, Ready,    Draining, Killing,  Failed],
    /* Due        */ [Empty,   Starting,Starting, Ready,    Draining, Killing,  Failed],
    /* Ready      */ [Empty,   Backoff, Ready,    Ready,    Draining, Killing,  Failed],
    /* GiveUp     */ [Empty,   Empty,   Draining, Draining, Draining, Killing,  Failed],
    /*   AtOnce   */ [Empty,   Empty,   Killing,  Killing,  Killing,  Killing,  Failed],
    /* Replace    */ [Empty,   Backoff, Draining, Draining, Draining, Killing,  Failed],
    /*   AtOnce   */ [Empty,   Backoff, Killing,  Killing,  Killing,  Killing,  Failed],
    /* Overdue    */ [Empty,   Backoff, Killing,  Killing,  Killing,  Killing,  Failed],
    /* Exited     */ [Empty,   Backoff, Backoff,  Backoff,  Backoff,  Backoff,  Failed],
    /*   ForGood  */ [Empty,   Backoff, Empty,    Empty,    Empty,    Empty,    Failed],
    /*   Unrecov. */ [Empty,   Backoff, Failed,   Failed,   Failed,   Failed,   Failed],
    /* Released   */ [Empty,   Backoff, Empty,    Empty,    Empty,    Empty,    Failed],
];

/// Returns where an event leads a slot: back to the same state where it changes nothing, or nothing that
/// is visible here.
pub(crate) fn next(state: SlotState, event: SlotEvent) -> SlotState {
    let row = TABLE.get(event as usize);
    row.and_then(|row| row.get(state as usize))
        .copied()
        .unwrap_or(state)
}
