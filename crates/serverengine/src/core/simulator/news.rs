//! What happens in the simulated world, and when.

use std::cmp::Ordering;
use std::time::Duration;

use crate::core::{Change, Command, ExitReason, Generation, Monotonic, SlotId};

/// Something that happens at its time.
#[derive(Clone, Copy, Debug)]
pub(super) enum News {
    Ready(SlotId, Generation),
    Exit(SlotId, Generation, ExitReason),
    Heartbeat(SlotId, Generation),
    Released(SlotId, Generation),
    SpawnFailed(SlotId, Generation),
    Command(Command),
    /// The configuration was loaded, or refused.
    Loaded(Change),
    /// The control process is stopped, or the machine suspended, for so long.
    Freeze(Duration),
}

/// News on their way. The earliest is the greatest, for a heap that gives out the greatest.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pending {
    pub(super) at: Monotonic,
    /// Of two at the same instant the one sent first comes first.
    pub(super) number: u32,
    pub(super) news: News,
}

impl Ord for Pending {
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.number).cmp(&(self.at, self.number))
    }
}

impl PartialOrd for Pending {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Pending {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Pending {}
