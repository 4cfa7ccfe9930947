//! The table of states is what the code does: every state with every event.

use crate::core::slot::{Life, Then};
use crate::core::state::Detaching;
use crate::core::table::{FIRST, SlotEvent, SlotState, next};

use super::*;

/// The slot under test; its neighbour is ready and stays.
const SLOT: SlotId = 1;
const GENERATION: Generation = Generation(2);
const NOW: u64 = 1_000_000;

/// Puts the slot into a state in which nothing is due.
fn machine_in(state: SlotState) -> Machine {
    let mut machine = Machine::ready(Policy {
        start_timeout: None,
        restart_parallel: usize::MAX,
        ..policy(2)
    });
    let life = Life {
        generation: GENERATION,
        started: millis(0),
        heard: None,
    };
    let (then, escalate_at, again) = (Then::Replace, None, None);
    *machine.state.slots[SLOT].phase_mut() = match state {
        SlotState::Empty => Phase::Empty,
        SlotState::Backoff => Phase::Backoff {
            until: millis(2 * NOW),
        },
        SlotState::Starting => Phase::Starting(life),
        SlotState::Ready => Phase::Ready(life),
        SlotState::Draining => Phase::Draining {
            life,
            then,
            escalate_at,
            again,
        },
        SlotState::Killing => Phase::Killing {
            life,
            then,
            killed: false,
            escalate_at,
            again,
        },
        SlotState::Failed => Phase::Failed,
    };
    // No start hides that it was decided.
    machine.state.next_start = millis(2 * NOW);
    machine
}

/// Lets an event happen to the slot.
fn happen(machine: &mut Machine, event: SlotEvent) {
    let (slot, generation) = (SLOT, GENERATION);
    let exited = |code| Event::ChildExited {
        slot,
        generation,
        reason: ExitReason::Code(code),
    };
    let loaded = |change, result| Event::ConfigLoaded { change, result };
    let now = millis(NOW);
    let event = match event {
        SlotEvent::Wanted => {
            let wanted = machine.state.policy.clone();
            machine.state.policy.slots = 1;
            loaded(Change::Reload, Ok(Some(Box::new(wanted))))
        }
        SlotEvent::Due => {
            machine.state.next_start = now;
            if let Phase::Backoff { until } = machine.state.slots[SLOT].phase_mut() {
                *until = now;
            }
            Event::Timer
        }
        SlotEvent::Ready => Event::ChildReady { slot, generation },
        SlotEvent::GiveUp => Event::Command(TERM),
        SlotEvent::GiveUpAtOnce => Event::Command(QUIT),
        SlotEvent::Replace => loaded(Change::Restart(Mode::Graceful), Ok(None)),
        SlotEvent::ReplaceAtOnce => loaded(Change::Restart(Mode::Immediate), Ok(None)),
        SlotEvent::Overdue => {
            machine.state.policy.start_timeout = Some(millis(1));
            if let Phase::Draining { escalate_at, .. } | Phase::Killing { escalate_at, .. } =
                machine.state.slots[SLOT].phase_mut()
            {
                *escalate_at = Some(now);
            }
            if machine.state.slots[SLOT].state() == SlotState::Ready {
                let limit = millis(5_000);
                machine.state.policy.heartbeat_timeout = Some(limit);
                let life = machine.state.slots[SLOT].life_mut().unwrap();
                life.heard = Some(now - limit);
                machine.state.slots[0].life_mut().unwrap().heard = Some(now);
            }
            Event::Timer
        }
        SlotEvent::Exited => exited(0),
        SlotEvent::ExitedForGood => {
            machine.state.policy.slots = 1;
            exited(0)
        }
        SlotEvent::ExitedUnrecoverably => {
            machine.state.policy.unrecoverable_exit_codes = vec![3];
            exited(3)
        }
        SlotEvent::Released => {
            machine.state.detaching = Some(Detaching {
                generation,
                until: millis(2 * NOW),
                exit: true,
            });
            Event::Released { slot, generation }
        }
    };
    machine.at(NOW, event);
}

#[test]
fn every_state_with_every_event_goes_where_the_table_says() {
    let mut left = 0;
    for state in SlotState::ALL {
        for event in SlotEvent::ALL {
            let mut machine = machine_in(state);
            happen(&mut machine, event);
            let found = machine.state.slots[SLOT].state();
            assert_eq!(found, next(state, event), "{state:?} with {event:?}");
            left += usize::from(found != state);
        }
    }
    assert_eq!(left, 34, "transitions to another state");
}

#[test]
fn rows_and_columns_are_in_order() {
    for (place, state) in SlotState::ALL.into_iter().enumerate() {
        assert_eq!(state as usize, place);
    }
    for (place, event) in SlotEvent::ALL.into_iter().enumerate() {
        assert_eq!(event as usize, place);
    }
    let machine = Machine::new(policy(1));
    assert_eq!(machine.state.slots[0].state(), FIRST);
}
