//! Live restart.

use super::*;

const DETACH: Command = Command::Detach;

fn supervisor(exit: bool) -> Machine {
    let wait = millis(10_000);
    Machine::ready(Policy {
        noun: "Server",
        detach: Some(Detachment { wait, exit }),
        graceful_timeout: Some(millis(60_000)),
        ..policy(1)
    })
}

/// What a server that is detached is told: why, and that it is to stop.
fn detached(slot: SlotId, generation: u64) -> [Action; 2] {
    let order = Action::Order {
        slot,
        generation: G(generation),
        order: Order::Detach,
    };
    [order, stop(slot, generation, Urgency::Graceful)]
}

#[test]
fn b2_a_slow_server_gets_a_successor_beside_it() {
    let mut machine = supervisor(false);
    assert_eq!(machine.command(0, DETACH), detached(0, 1));
    assert_eq!(machine.deadline(), Some(10_000));
    assert_eq!(machine.at(9_999, Event::Timer), []);
    assert_eq!(machine.at(10_000, Event::Timer), [spawn(0, 2)]);
    // Both are known: each is heard, and the old one has kept its deadline.
    let (slot, generation) = (0, G(2));
    machine.at(10_001, Event::ChildReady { slot, generation });
    assert_eq!(machine.deadline(), Some(60_000));
    assert_eq!(machine.exits(20_000, 0, 1, 0), []);
    assert_eq!(machine.deadline(), None);
    assert_eq!(
        machine.logged,
        [
            "Received detach",
            "Server 0 is still finishing: starting another one beside it",
            "Server 1 finished with status 0",
        ]
    );
    // And again.
    assert_eq!(machine.command(30_000, DETACH), detached(0, 2));
    assert_eq!(machine.at(40_000, Event::Timer), [spawn(0, 3)]);
    assert_eq!(machine.state.slots.len(), 2, "the place was used again");
}

#[test]
fn b2b_a_quick_server_is_replaced_when_it_has_ended() {
    let mut machine = supervisor(false);
    machine.command(0, DETACH);
    assert_eq!(machine.exits(50, 0, 1, 0), [spawn(0, 2)]);
    assert_eq!(machine.at(10_000, Event::Timer), []);
    assert!(!machine.state.ended);
}

#[test]
fn there_are_never_three_generations() {
    let mut machine = supervisor(false);
    machine.command(0, DETACH);
    assert_eq!(machine.command(5, DETACH), []);
    machine.at(10_000, Event::Timer);
    assert_eq!(machine.command(10_001, DETACH), []);
    let refusal = "detach refused: an earlier Server is still finishing";
    assert_eq!(machine.logged.iter().filter(|it| *it == refusal).count(), 2);
}

#[test]
fn a_stop_reaches_both_generations() {
    let mut machine = supervisor(false);
    machine.command(0, DETACH);
    machine.at(10_000, Event::Timer);
    assert_eq!(
        machine.command(11_000, TERM),
        [stop(0, 2, Urgency::Graceful)]
    );
    assert_eq!(
        machine.command(11_001, QUIT),
        [
            stop(0, 2, Urgency::Immediate),
            stop(1, 1, Urgency::Immediate)
        ]
    );
    assert_eq!(machine.exits(11_002, 0, 1, 1), []);
    assert_eq!(machine.exits(11_003, 0, 2, 1), [Action::Exit(0)]);
}

#[test]
fn exit_on_detach_leaves_a_slow_server_behind_when_it_has_agreed() {
    let mut machine = supervisor(true);
    assert_eq!(machine.command(0, DETACH), detached(0, 1));
    let (slot, generation) = (0, G(1));
    for moment in [10_000, 15_000] {
        let release = Action::Release { slot, generation };
        assert_eq!(machine.at(moment, Event::Timer), [release]);
    }
    let released = machine.at(15_001, Event::Released { slot, generation });
    assert_eq!(released, [Action::Exit(0)]);
}

#[test]
fn exit_on_detach_ends_with_a_quick_server() {
    let mut machine = supervisor(true);
    machine.command(0, DETACH);
    assert_eq!(machine.exits(50, 0, 1, 0), [Action::Exit(0)]);
}

#[test]
fn a_release_nobody_asked_for_is_nothing() {
    let mut machine = supervisor(true);
    let (slot, generation) = (0, G(1));
    assert_eq!(machine.at(1, Event::Released { slot, generation }), []);
    assert!(machine.state.slots[0].is_at(generation));
}
