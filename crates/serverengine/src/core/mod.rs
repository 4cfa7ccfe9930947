//! The decisions of a control process, as a pure function of events and time.
//!
//! ```text
//!              events                         actions
//!   child exited ─┐                       ┌─ Spawn(slot, generation)
//!   child ready  ─┤                       ├─ Stop(slot, generation, Graceful | Immediate | Kill)
//!   heartbeat    ─┼─► step(state, event, ─┼─ Order(slot, generation, Reload | Dump | …)
//!   command      ─┤        now)           ├─ LoadConfig, ReopenLog, Dump
//!   config loaded─┤                       ├─ Log(message)
//!   timer        ─┘                       └─ Hook(command), Exit(code)
//!
//!   slot:   Empty ──► Backoff(until) ──► Starting ──► Ready
//!             ▲            ▲                │ exit      │ exit
//!             │            └────────────────┴───────────┤
//!             │ (stopping)                              │ stop, restart
//!             ├───────── Draining(kill_at) ◄────────────┤
//!             └───────── Killing(Immediate(until) → Kill(until)) ◄─ silence, deadline
//!                        Failed(code): exit code that nothing can recover from
//! ```
//!
//! The same core runs on both levels: a server has one slot per worker, a supervisor one slot for its
//! server. It owns no clock, no randomness and no descriptor. Time is the monotonic age of the control
//! process; a seed is given at the start. [`State::deadline`] says when the next `Timer` event is due, so
//! an idle server never wakes up.
//!
//! Rules that hold at every step (the simulator in `simulator` checks them under random schedules):
//!
//! * A slot has at most one child (one that was detached moves to a slot of its own), named by a generation that is never used twice. An event that names
//!   another generation is about the past and is ignored.
//! * At most one child is spawned by one step; the shell looks at signals before the next one. A stop
//!   that arrives at any instant of the start is therefore honoured before the next spawn.
//! * A stop ends: every child that was asked to leave has a deadline, and the last resort is repeated.
//! * What was asked more urgently replaces what was asked before, at once.

mod detaching;
mod leaving;
mod lives;
mod message;
mod policy;
mod slot;
mod state;
mod table;
mod transition;

#[cfg(test)]
mod simulator;
#[cfg(test)]
mod tests;

use std::fmt;
use std::time::Duration;

pub(crate) use message::Message;
pub use policy::Backoff;
pub(crate) use policy::{Delegation, Detachment, Policy, Repeat};
pub(crate) use state::State;
pub(crate) use transition::step;

/// Time since the start of the control process, on the monotonic clock.
pub(crate) type Monotonic = Duration;

/// Number of a slot: a worker's id, stable over its restarts.
pub(crate) type SlotId = usize;

/// One life of one child. Never reused within a control process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Generation(pub(crate) u64);

/// How a child ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExitReason {
    /// It exited with this status: 0 for success, 1 for an error, 101 for a panic, or what it chose.
    Code(i32),
    /// It was ended by the signal of this number.
    Signal(i32),
}

impl fmt::Display for ExitReason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(formatter, "status {code}"),
            Self::Signal(number) => {
                write!(formatter, "signal {}", crate::sys::signal_name(*number))
            }
        }
    }
}

/// With how much patience children are asked to leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Mode {
    Graceful,
    Immediate,
}

/// What an operator, a signal or a level above asks of a control process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Stop(Mode),
    Restart(Mode),
    Reload,
    Dump,
    /// Leave the service to a successor: see `detaching`. Without a rule for it, a graceful stop.
    Detach,
    /// Hand the signal of this number down to the children's own hook.
    Forward(i32),
}

/// What is asked of a child over its life-line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Stop(Mode),
    Restart(Mode),
    Reload,
    Dump,
    /// A graceful stop, since another server takes over.
    Detach,
    Forward(i32),
}

/// How hard a child is asked to leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Urgency {
    /// Finish what is in hand.
    Graceful,
    /// Leave now, without finishing.
    Immediate,
    /// Not asked: ended by the kernel.
    Kill,
}

/// What a freshly loaded configuration is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Reload,
    Restart(Mode),
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Event {
    /// A deadline may have passed. Also the first event of all: it starts the first child.
    Timer,
    ChildReady {
        slot: SlotId,
        generation: Generation,
    },
    ChildExited {
        slot: SlotId,
        generation: Generation,
        reason: ExitReason,
    },
    Heartbeat {
        slot: SlotId,
        generation: Generation,
        /// How long before this event it was.
        ago: Duration,
    },
    /// It has acknowledged that it is on its own from now on.
    Released {
        slot: SlotId,
        generation: Generation,
    },
    SpawnFailed {
        slot: SlotId,
        generation: Generation,
        message: String,
    },
    Command(Command),
    /// The configuration was loaded anew, with these rules (`None`: as before), or was refused.
    ConfigLoaded {
        change: Change,
        result: Result<Option<Box<Policy>>, String>,
    },
}

/// What the shell has to do, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Spawn {
        slot: SlotId,
        generation: Generation,
    },
    Stop {
        slot: SlotId,
        generation: Generation,
        urgency: Urgency,
    },
    Order {
        slot: SlotId,
        generation: Generation,
        order: Order,
    },
    /// Leave a child on its own; it has to acknowledge that.
    Release {
        slot: SlotId,
        generation: Generation,
    },
    LoadConfig(Change),
    /// Call the user's hook for a command: for a reload when the configuration was loaded, for all
    /// others first of all.
    Hook(Command),
    ReopenLog,
    Dump,
    Log(Message),
    /// Everything has ended. The last action of a state's life.
    Exit(i32),
}
