//! The children of the simulated world: what they do by themselves, and what is done to them.

use std::time::Duration;

use crate::core::{Event, ExitReason, Generation, Monotonic, SlotId, Urgency};

use super::news::News;
use super::rules::{Rule, Verdict};
use super::{KILL_TAKES_MAX, World};

/// How often a child that speaks says that it is alive.
const HEARTBEAT: Duration = Duration::from_secs(3);

/// A child that runs, or that has died and was not reaped.
pub(super) struct Child {
    pub(super) slot: SlotId,
    pub(super) generation: Generation,
    pub(super) asked: Option<Urgency>,
    pub(super) asked_at: Monotonic,
    obeys_graceful: bool,
    obeys_immediate: bool,
    beats: bool,
}

impl World {
    pub(super) fn child(&mut self, generation: Generation) -> Option<&mut Child> {
        self.children
            .iter_mut()
            .find(|it| it.generation == generation)
    }

    fn remove(&mut self, generation: Generation) -> Option<Child> {
        let place = self
            .children
            .iter()
            .position(|it| it.generation == generation)?;
        Some(self.children.swap_remove(place))
    }

    pub(super) fn deliver(&mut self, news: News) -> Verdict {
        let event = match news {
            News::Command(command) => Event::Command(command),
            News::Exit(slot, generation, reason) => {
                // It may have died of something else before.
                let Some(child) = self.remove(generation) else {
                    return Ok(());
                };
                self.past = Some((child.slot, generation));
                Event::ChildExited {
                    slot,
                    generation,
                    reason,
                }
            }
            News::Released(slot, generation) => {
                // A more urgent stop may have overtaken it: then the child is still to be seen off.
                if self.state.detaching.is_some() {
                    self.remove(generation);
                }
                Event::Released { slot, generation }
            }
            News::Ready(slot, generation) => {
                if self.child(generation).is_none() {
                    return Ok(());
                }
                Event::ChildReady { slot, generation }
            }
            News::Heartbeat(slot, generation) => {
                let Some(child) = self.child(generation) else {
                    return Ok(());
                };
                if child.beats {
                    self.after(HEARTBEAT, News::Heartbeat(slot, generation));
                }
                Event::Heartbeat {
                    slot,
                    generation,
                    ago: self.random.millis(500),
                }
            }
            News::SpawnFailed(slot, generation) => {
                self.unborn.retain(|it| *it != generation);
                let message = String::new();
                Event::SpawnFailed {
                    slot,
                    generation,
                    message,
                }
            }
            News::Loaded(change) => Event::ConfigLoaded {
                change,
                result: self.reloaded(),
            },
            News::Freeze(lasts) => {
                self.freeze(lasts);
                return Ok(());
            }
        };
        self.step(event)?;
        // News of the dead, late and twice.
        if let Some((slot, generation)) = self.past
            && !self.ended
            && self.random.one_in(32)
        {
            let reason = ExitReason::Code(3);
            self.step(Event::ChildExited {
                slot,
                generation,
                reason,
            })?;
            self.step(Event::ChildReady { slot, generation })?;
        }
        Ok(())
    }

    /// Nobody can have done anything in that time.
    fn freeze(&mut self, lasts: Duration) {
        self.tally.freezes += 1;
        self.now += lasts;
        if let Some((_, since)) = &mut self.stop {
            *since += lasts;
        }
        for child in &mut self.children {
            child.asked_at += lasts;
        }
    }

    pub(super) fn spawn(&mut self, slot: SlotId, generation: Generation) -> Verdict {
        if self.stop.is_some() {
            return Err(Rule::EveryStopEnds);
        }
        let meets_another = self
            .children
            .iter()
            .any(|it| self.state.place_of(it.slot, it.generation) == slot);
        if generation <= self.youngest || meets_another {
            return Err(Rule::NoSecondGeneration);
        }
        self.youngest = generation;
        self.tally.children += 1;
        if self.random.one_in(20) {
            self.unborn.push(generation);
            self.after(Duration::ZERO, News::SpawnFailed(slot, generation));
            return Ok(());
        }
        let habits = self.random.below(6 * 6 * 6);
        self.children.push(Child {
            slot,
            generation,
            asked: None,
            asked_at: self.now,
            obeys_graceful: !habits.is_multiple_of(6),
            obeys_immediate: !(habits / 6).is_multiple_of(6),
            beats: !(habits / 36).is_multiple_of(6),
        });
        if self.state.policy.heartbeat_timeout.is_some() {
            let soon = Duration::from_millis(1);
            self.after(soon, News::Heartbeat(slot, generation));
        }
        if !self.random.one_in(10) {
            let takes = self.random.millis(2_000);
            self.after(takes, News::Ready(slot, generation));
        }
        let lives = match self.random.below(3) {
            0 => self.random.millis(50),
            1 => self.random.millis(20_000),
            _ => return Ok(()),
        };
        let reason = match self.random.below(4) {
            2 => ExitReason::Signal(11),
            code => ExitReason::Code(code.cast_signed()),
        };
        self.after(lives, News::Exit(slot, generation, reason));
        Ok(())
    }

    pub(super) fn ask(
        &mut self,
        slot: SlotId,
        generation: Generation,
        urgency: Urgency,
    ) -> Verdict {
        if self.unborn.contains(&generation) {
            // It could not be started, and the news is on its way.
            return Ok(());
        }
        let (now, slots) = (self.now, self.state.policy.slots);
        let Some(child) = self.child(generation) else {
            return Err(Rule::NoSignalToTheDead);
        };
        if child.slot != slot && slot < slots {
            return Err(Rule::NoSecondGeneration);
        }
        let before = child.asked;
        // Harder each time, and a kill only for those who were asked to leave at once.
        if before > Some(urgency) || (urgency == Urgency::Kill && before < Some(Urgency::Immediate))
        {
            return Err(Rule::EscalationProgresses);
        }
        if before != Some(urgency) || urgency == Urgency::Kill {
            child.asked_at = now;
        }
        child.asked = Some(urgency);
        let (obeys, takes_max, reason) = match urgency {
            Urgency::Graceful => (child.obeys_graceful, 20_000, ExitReason::Code(0)),
            Urgency::Immediate => (child.obeys_immediate, 1_000, ExitReason::Code(1)),
            Urgency::Kill => {
                let millis = KILL_TAKES_MAX.as_millis() as u32;
                (true, millis, ExitReason::Signal(9))
            }
        };
        self.tally.stops += 1;
        self.tally.kills += u64::from(urgency == Urgency::Kill);
        if obeys && before != Some(urgency) {
            let takes = self.random.millis(takes_max);
            self.after(takes, News::Exit(slot, generation, reason));
        }
        Ok(())
    }

    pub(super) fn release(&mut self, slot: SlotId, generation: Generation) -> Verdict {
        if self.child(generation).is_none() {
            return Err(Rule::NoSignalToTheDead);
        }
        if !self.random.one_in(4) {
            self.after(Duration::from_millis(1), News::Released(slot, generation));
        }
        Ok(())
    }
}
