//! What must be true at any time, whatever happens.

use std::collections::BTreeSet;

use crate::core::{Mode, Urgency};

use super::{KILL_TAKES_MAX, World};

impl World {
    /// What must be true after every step.
    pub(super) fn check_slots(&self) {
        let mut slots = BTreeSet::new();
        for (generation, child) in &self.children {
            let slot = self.state.place_of(child.slot, *generation);
            assert!(slots.insert(slot), "two children in slot {slot}");
            assert!(
                self.state.slots[slot].is_at(*generation),
                "a child forgotten"
            );
            if slot >= self.state.policy.slots {
                assert!(child.asked.is_some(), "one too many, and nobody told it");
            }
        }
        assert!(
            self.state.policy.detach.is_none() || self.children.len() <= 2,
            "more than two generations"
        );
        if let Some((mode, _)) = self.stop {
            let least = match mode {
                Mode::Graceful => Urgency::Graceful,
                Mode::Immediate => Urgency::Immediate,
            };
            for child in self.children.values() {
                assert!(
                    child.asked >= Some(least),
                    "not told to stop at once: {:?}",
                    child.asked
                );
            }
        }
        let taken = self.state.slots.iter().filter(|slot| slot.rolling).count();
        assert!(
            taken <= self.state.policy.restart_parallel,
            "a restart takes too many away"
        );
    }

    pub(super) fn check_stop_ends(&self) {
        let Some((mode, since)) = self.stop else {
            return;
        };
        let rules = &self.state.policy;
        let mut patience = rules.immediate_timeout.unwrap() + KILL_TAKES_MAX;
        if mode == Mode::Graceful {
            patience += rules.graceful_timeout.unwrap();
        }
        assert!(
            self.now <= since + patience,
            "stopped at {since:?}, still there at {:?}",
            self.now
        );
    }
}
