//! Live restart: a child finishes by itself while its successor works, or while this process leaves.
//!
//! ```text
//!   detach ──► Draining ──exits in time──► replaced, or this process ends
//!                 │ wait is over
//!                 ├─ goes on beside its successor, in a slot of its own, until it exits or its
//!                 │  deadline comes
//!                 └─ (exit) RELEASE ──acknowledged──► this process ends, the child lives on
//! ```
//!
//! At most one child is left like that: while it lives, a further detach is refused. So there are two
//! generations at most, and both are known.

use std::time::Duration;

use super::message::Message;
use super::policy::Detachment;
use super::slot::{Phase, Slot, Then};
use super::state::Detaching;
use super::table::SlotEvent;
use super::transition::Step;
use super::{Action, Generation, Mode, Order, SlotId};

/// A release that was not acknowledged is repeated after this time.
const RELEASE_REPEAT: Duration = Duration::from_secs(5);

impl Step<'_> {
    pub(super) fn detach(&mut self, rules: Detachment) {
        if self.state.stopping.is_some() {
            return;
        }
        let one_is_left = self.state.detaching.is_some()
            || self
                .state
                .slots
                .iter()
                .skip(self.state.policy.slots)
                .any(|slot| slot.life().is_some());
        if one_is_left && !rules.exit {
            return self.log(Message::DetachRefused);
        }
        self.log(Message::Detach);
        // A control process below has a hook for it.
        self.order_all(Order::Detach);
        let generation = self
            .state
            .slots
            .first()
            .and_then(Slot::life)
            .map(|life| life.generation);
        if rules.exit {
            self.state.stopping = Some(Mode::Graceful);
        }
        let then = if rules.exit {
            Then::Leave
        } else {
            Then::Replace
        };
        for slot in 0..self.state.slots.len() {
            self.ask_to_leave(slot, Mode::Graceful, then);
        }
        self.state.detaching = generation.map(|generation| Detaching {
            generation,
            until: self.now.saturating_add(rules.wait),
            exit: rules.exit,
        });
    }

    /// The wait for a detached child may be over.
    pub(super) fn check_detached(&mut self) {
        let Some(detaching) = self.state.detaching else {
            return;
        };
        if self.now < detaching.until {
            return;
        }
        let slot = self.state.place_of(0, detaching.generation);
        let is_there = self
            .state
            .slots
            .get(slot)
            .is_some_and(|it| it.is_at(detaching.generation));
        if !is_there {
            self.state.detaching = None;
        } else if detaching.exit {
            self.state.detaching = Some(Detaching {
                until: self.now.saturating_add(RELEASE_REPEAT),
                ..detaching
            });
            self.actions.push(Action::Release {
                slot,
                generation: detaching.generation,
            });
        } else {
            self.state.detaching = None;
            self.make_room(slot);
        }
    }

    /// Moves a child that leaves out of its successor's way.
    fn make_room(&mut self, slot: SlotId) {
        let (now, slots) = (self.now, self.state.policy.slots);
        let Some(place) = self.state.slots.get_mut(slot) else {
            return;
        };
        let (Phase::Draining { then, .. } | Phase::Killing { then, .. }) = place.phase_mut() else {
            return;
        };
        if self.state.stopping.is_some() || *then == Then::Leave {
            return;
        }
        *then = Then::Leave;
        let old = std::mem::replace(place, Slot::new(now));
        let mut surplus = self.state.slots.iter_mut().skip(slots);
        match surplus.find(|it| *it.phase() == Phase::Empty) {
            Some(free) => *free = old,
            None => self.state.slots.push(old),
        }
        self.log(Message::Overlap(slot));
    }

    /// A child has taken its release: it is nobody's any more.
    pub(super) fn released(&mut self, slot: SlotId, generation: Generation) {
        let awaited = self
            .state
            .detaching
            .is_some_and(|it| it.exit && it.generation == generation);
        if let Some(place) = self.state.slots.get_mut(slot)
            && awaited
            && place.is_at(generation)
        {
            place.change(SlotEvent::Released, Phase::Empty);
            self.state.detaching = None;
            self.log(Message::Released(slot));
        }
    }
}
