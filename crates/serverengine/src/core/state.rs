//! The whole state of a control process: its slots, and what it is about to do.

use super::policy::spread;
use super::slot::{Phase, Slot, earliest};
use super::{Generation, Mode, Monotonic, Policy, SlotId};

/// A child that was told to finish by itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Detaching {
    pub(crate) generation: Generation,
    /// When something is done about it.
    pub(crate) until: Monotonic,
    pub(crate) exit: bool,
}

/// State of one control process. Changed by [`super::step`] only.
#[derive(Clone, Debug)]
pub(crate) struct State {
    pub(crate) policy: Policy,
    pub(crate) slots: Vec<Slot>,
    /// Set once and never cleared: no child is started any more.
    pub(crate) stopping: Option<Mode>,
    /// Code of the last child that ended unrecoverably.
    pub(crate) exit_code: i32,
    pub(crate) ended: bool,
    /// A child that was told to finish by itself.
    pub(crate) detaching: Option<Detaching>,
    next_generation: u64,
    /// No child is started before this moment.
    pub(super) next_start: Monotonic,
    random: u64,
}

impl State {
    /// Makes the state of a control process that has not started anything. `seed` feeds the random
    /// parts of delays.
    pub(crate) fn new(policy: Policy, seed: u64, now: Monotonic) -> Self {
        let slots = (0..policy.slots).map(|_| Slot::new(now)).collect();
        Self {
            policy,
            slots,
            stopping: None,
            exit_code: 0,
            ended: false,
            detaching: None,
            next_generation: 1,
            next_start: now,
            random: seed,
        }
    }

    /// Returns when the next `Timer` event is due. `None`: not before something else happens.
    pub(crate) fn deadline(&self) -> Option<Monotonic> {
        if self.ended {
            return None;
        }
        self.slots
            .iter()
            .map(|slot| {
                let deadline =
                    slot.deadline(self.policy.start_timeout, self.policy.heartbeat_timeout);
                match *slot.phase() {
                    Phase::Backoff { .. } => deadline.map(|until| until.max(self.next_start)),
                    Phase::Empty
                    | Phase::Starting(_)
                    | Phase::Ready(_)
                    | Phase::Draining { .. }
                    | Phase::Killing { .. }
                    | Phase::Failed => deadline,
                }
            })
            .chain(self.detaching.map(|it| Some(it.until)))
            .fold(None, earliest)
    }

    /// Returns the slot that a child is in: it was started in `slot`, and may have been moved since.
    pub(crate) fn place_of(&self, slot: SlotId, generation: Generation) -> SlotId {
        if self.slots.get(slot).is_some_and(|it| it.is_at(generation)) {
            return slot;
        }
        let mut surplus = self.slots.iter().skip(self.policy.slots);
        surplus
            .position(|it| it.is_at(generation))
            .map_or(slot, |place| self.policy.slots + place)
    }

    /// Returns the slot whose child should be started now.
    pub(crate) fn next_due(&self, now: Monotonic) -> Option<SlotId> {
        if self.stopping.is_some() || now < self.next_start {
            return None;
        }
        self.slots
            .iter()
            .position(|slot| matches!(*slot.phase(), Phase::Backoff { until } if until <= now))
    }

    /// Takes the name of the next child and notes when another one may start.
    pub(crate) fn next_life(&mut self, now: Monotonic) -> Generation {
        let generation = Generation(self.next_generation);
        self.next_generation += 1;
        let random = self.next_random();
        let delay = spread(
            self.policy.start_delay,
            self.policy.start_delay_rand,
            random,
        );
        self.next_start = now.saturating_add(delay);
        generation
    }

    /// Returns the youngest generation ever started.
    pub(crate) fn youngest(&self) -> Generation {
        Generation(self.next_generation - 1)
    }

    /// Returns a number in 0..1 (splitmix64: good enough to spread delays).
    pub(crate) fn next_random(&mut self) -> f64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        // 32 bits are exact in an f64.
        f64::from((mixed >> 32) as u32) / (f64::from(u32::MAX) + 1.0)
    }
}
