//! Faults put into the core on purpose: each breaks a rule, and the simulator must see it.

use crate::core::slot::Phase;
use crate::core::{Action, Event, Generation, Monotonic, Urgency, step};

use super::World;
use super::rules::Rule;

/// Schedules within which a fault must be seen.
const SCHEDULES_MAX: u64 = 2_000;

/// A fault of the core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    DropsTimers,
    NeverSleeps,
    FloodsTheLog,
    DropsKills,
    AsksLessHard,
    KillsAtOnce,
    SignalsTheReaped,
    ReleasesTheReaped,
    StartsASecondChild,
    UsesAGenerationTwice,
    ForgetsASlot,
    ForgetsAChild,
    OverlooksAnExit,
    ForgetsTheStop,
    TellsNobodyOfTheStop,
    StartsTwoAtOnce,
    RestartsAllTogether,
}

/// Each with the rule that it breaks.
const FAULTS: [(Fault, Rule); 17] = [
    (Fault::DropsTimers, Rule::EscalationProgresses),
    (Fault::NeverSleeps, Rule::NoBusyLoop),
    (Fault::FloodsTheLog, Rule::NoBusyLoop),
    (Fault::DropsKills, Rule::EscalationProgresses),
    (Fault::AsksLessHard, Rule::EscalationProgresses),
    (Fault::KillsAtOnce, Rule::EscalationProgresses),
    (Fault::SignalsTheReaped, Rule::NoSignalToTheDead),
    (Fault::ReleasesTheReaped, Rule::NoSignalToTheDead),
    (Fault::StartsASecondChild, Rule::NoSecondGeneration),
    (Fault::UsesAGenerationTwice, Rule::NoSecondGeneration),
    (Fault::ForgetsASlot, Rule::NoSlotUnattended),
    (Fault::ForgetsAChild, Rule::NoSlotUnattended),
    (Fault::OverlooksAnExit, Rule::NoSlotUnattended),
    (Fault::ForgetsTheStop, Rule::EveryStopEnds),
    (Fault::TellsNobodyOfTheStop, Rule::EveryStopEnds),
    (Fault::StartsTwoAtOnce, Rule::EveryStopEnds),
    (Fault::RestartsAllTogether, Rule::RestartsRoll),
];

impl World {
    pub(super) fn deadline(&self) -> Option<Monotonic> {
        match self.fault {
            Some(Fault::DropsTimers) if self.youngest >= Generation(1) => None,
            Some(Fault::NeverSleeps) => Some(self.now),
            _ => self.state.deadline(),
        }
    }

    /// A step with the fault in it.
    pub(super) fn step_wrongly(&mut self, event: Event, actions: &mut Vec<Action>) {
        let Some(fault) = self.fault else { return };
        let exited = match &event {
            Event::ChildExited {
                slot, generation, ..
            } => Some((*slot, *generation)),
            _ => None,
        };
        let ready = match &event {
            Event::ChildReady { slot, .. } => Some(*slot),
            _ => None,
        };
        if fault == Fault::OverlooksAnExit && exited.is_some() {
            return;
        }
        step(&mut self.state, event, self.now, actions);
        let stop = |(slot, generation)| Action::Stop {
            slot,
            generation,
            urgency: Urgency::Graceful,
        };
        match fault {
            Fault::DropsTimers | Fault::NeverSleeps | Fault::OverlooksAnExit => {}
            Fault::FloodsTheLog => {
                actions.extend(std::iter::repeat_n(Action::ReopenLog, 100));
            }
            Fault::DropsKills => actions.retain(|it| urgency_of(it) != Some(Urgency::Kill)),
            Fault::AsksLessHard => {
                for action in actions {
                    if let Action::Stop { urgency, .. } = action
                        && *urgency == Urgency::Kill
                    {
                        *urgency = Urgency::Graceful;
                    }
                }
            }
            Fault::KillsAtOnce => {
                for action in actions {
                    if let Action::Stop { urgency, .. } = action {
                        *urgency = Urgency::Kill;
                    }
                }
            }
            Fault::SignalsTheReaped => actions.splice(0..0, exited.map(stop)).for_each(drop),
            Fault::ReleasesTheReaped => {
                let release = |(slot, generation)| Action::Release { slot, generation };
                actions.splice(0..0, exited.map(release)).for_each(drop);
            }
            Fault::StartsASecondChild => actions.extend(ready.map(|slot| Action::Spawn {
                slot,
                generation: Generation(self.youngest.0 + 1),
            })),
            Fault::UsesAGenerationTwice => {
                for action in actions {
                    if let Action::Spawn { generation, .. } = action {
                        *generation = Generation(1);
                    }
                }
            }
            Fault::ForgetsASlot => {
                for place in &mut self.state.slots {
                    if let Phase::Backoff { .. } = place.phase() {
                        *place.phase_mut() = Phase::Empty;
                    }
                }
            }
            Fault::ForgetsAChild => {
                if let Some(place) = ready.and_then(|slot| self.state.slots.get_mut(slot)) {
                    *place.phase_mut() = Phase::Backoff { until: self.now };
                }
            }
            Fault::ForgetsTheStop => self.state.stopping = None,
            Fault::TellsNobodyOfTheStop => {
                if self.stop.is_some() {
                    actions.retain(|it| urgency_of(it).is_none());
                }
            }
            Fault::StartsTwoAtOnce => {
                let start = actions
                    .iter()
                    .find(|it| matches!(it, Action::Spawn { .. }))
                    .cloned();
                actions.extend(start);
            }
            Fault::RestartsAllTogether => {
                for place in &mut self.state.slots {
                    place.rolling = place.life().is_some();
                }
            }
        }
    }
}

fn urgency_of(action: &Action) -> Option<Urgency> {
    match action {
        Action::Stop { urgency, .. } => Some(*urgency),
        _ => None,
    }
}

#[test]
fn every_rule_bites() {
    for (fault, rule) in FAULTS {
        let mut world = World::new();
        world.fault = Some(fault);
        let broken = (0..SCHEDULES_MAX).filter_map(|seed| world.play(seed).err());
        let mut found = broken.collect::<Vec<_>>();
        let count = found.len();
        assert!(
            found.contains(&rule),
            "{fault:?} is not seen by {rule:?}: {found:?}"
        );
        found.dedup();
        println!("{fault:?}: seen in {count} of {SCHEDULES_MAX} schedules");
    }
}
