//! What must be true at any time, whatever happens.

use std::collections::BTreeSet;

use crate::core::{Mode, Urgency};

use super::{KILL_TAKES_MAX, World};

impl World {
    /// What must be true after every step.
    pub(super) fn check_slots(&self) {
        let mut slots = BTreeSet::new();
        for (generation, child) in &self.children {
            assert!(
                slots.insert(child.slot),
                "two children in slot {}",
                child.slot
            );
            let life = self.state.slots[child.slot].life();
            assert_eq!(
                life.map(|life| life.generation),
                Some(*generation),
                "a child forgotten"
            );
        }
        let surplus = self
            .children
            .values()
            .filter(|it| it.slot >= self.state.policy.slots);
        for child in surplus {
            assert!(child.asked.is_some(), "one too many, and nobody told it");
        }
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
            taken <= self.state.policy.restart_at_once,
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
