//! Restarts, reloads and other commands to children that stay.

use super::*;

#[test]
fn b20_a_graceful_restart_rolls_and_waits_for_readiness() {
    let mut machine = Machine::ready(policy(3));
    let load = Action::LoadConfig(Change::Restart(Mode::Graceful));
    assert_eq!(
        machine.command(0, Command::Restart(Mode::Graceful)),
        [Action::ReopenLog, load]
    );
    let loaded = Event::ConfigLoaded {
        change: Change::Restart(Mode::Graceful),
        result: Ok(None),
    };
    assert_eq!(machine.at(0, loaded), [stop(0, 1, Urgency::Graceful)]);
    assert_eq!(machine.exits(10, 0, 1, 0), [spawn(0, 4)]);
    assert_eq!(machine.at(20, Event::Timer), []);
    let ready = |slot, generation| Event::ChildReady {
        slot,
        generation: G(generation),
    };
    assert_eq!(machine.at(30, ready(0, 4)), [stop(1, 2, Urgency::Graceful)]);
    // The new one dies before it is ready: the third keeps working until a new one stands.
    assert_eq!(machine.exits(40, 1, 2, 0), [spawn(1, 5)]);
    assert_eq!(machine.exits(50, 1, 5, 1), [spawn(1, 6)]);
    assert_eq!(machine.at(60, ready(1, 6)), [stop(2, 3, Urgency::Graceful)]);
    assert_eq!(machine.exits(70, 2, 3, 0), [spawn(2, 7)]);
    assert_eq!(machine.at(80, ready(2, 7)), []);
    assert_eq!(machine.deadline(), None);
}

#[test]
fn restart_parallel_takes_so_many_or_all_away_at_once() {
    let change = Change::Restart(Mode::Graceful);
    for (parallel, asked) in [(2, 2), (usize::MAX, 3)] {
        let mut machine = Machine::ready(Policy {
            restart_parallel: parallel,
            ..policy(3)
        });
        let result = Ok(None);
        let stops = machine.at(0, Event::ConfigLoaded { change, result });
        assert_eq!(stops.len(), asked);
        // The next one goes when one of them is replaced, not before.
        assert_eq!(machine.exits(1, 0, 1, 0), [spawn(0, 4)]);
        let (slot, generation) = (0, G(4));
        let next = machine.at(2, Event::ChildReady { slot, generation });
        assert_eq!(next.len(), 3 - asked);
    }
}

#[test]
fn an_immediate_restart_takes_all_at_once() {
    let mut machine = Machine::ready(policy(2));
    let loaded = Event::ConfigLoaded {
        change: Change::Restart(Mode::Immediate),
        result: Ok(None),
    };
    assert_eq!(
        machine.at(0, loaded),
        [
            stop(0, 1, Urgency::Immediate),
            stop(1, 2, Urgency::Immediate)
        ]
    );
    assert_eq!(machine.exits(1, 0, 1, 1), [spawn(0, 3)]);
    assert_eq!(machine.exits(1, 1, 2, 1), [spawn(1, 4)]);
}

#[test]
fn a_stop_during_a_restart_wins() {
    let mut machine = Machine::ready(policy(2));
    let change = Change::Restart(Mode::Graceful);
    machine.at(
        0,
        Event::ConfigLoaded {
            change,
            result: Ok(None),
        },
    );
    assert_eq!(machine.command(1, TERM), [stop(1, 2, Urgency::Graceful)]);
    assert_eq!(machine.exits(2, 0, 1, 0), []);
    assert_eq!(machine.exits(3, 1, 2, 0), [Action::Exit(0)]);
}

#[test]
fn a_refused_configuration_changes_nothing() {
    let mut machine = Machine::ready(policy(1));
    for (change, kept) in [
        (Change::Reload, "nothing was reloaded"),
        (Change::Restart(Mode::Graceful), "nothing was restarted"),
    ] {
        let result = Err("line 3: no such plugin".to_owned());
        assert_eq!(machine.at(0, Event::ConfigLoaded { change, result }), []);
        let line = format!("new configuration refused, {kept}: line 3: no such plugin");
        assert_eq!(machine.logged.pop(), Some(line));
    }
}

#[test]
fn a_reload_reaches_every_child_and_replaces_none() {
    let mut machine = Machine::ready(policy(2));
    assert_eq!(
        machine.command(0, Command::Reload),
        [Action::ReopenLog, Action::LoadConfig(Change::Reload)]
    );
    let order = |slot, generation| Action::Order {
        slot,
        generation,
        order: Order::Reload,
    };
    assert_eq!(
        machine.at(
            0,
            Event::ConfigLoaded {
                change: Change::Reload,
                result: Ok(None)
            }
        ),
        [order(0, G(1)), order(1, G(2))]
    );
}

#[test]
fn a_dump_is_ignored_once_stopping() {
    let mut machine = Machine::ready(policy(1));
    assert_eq!(machine.command(0, Command::Dump)[0], Action::Dump);
    machine.command(1, TERM);
    assert_eq!(
        machine.command(2, Command::Dump),
        [],
        "systemd sends CONT after each TERM"
    );
}

#[test]
fn a_supervisor_passes_restarts_down() {
    let mut machine = Machine::ready(Policy {
        restart: Delegation::Children,
        ..policy(1)
    });
    let change = Change::Restart(Mode::Immediate);
    assert_eq!(
        machine.command(0, Command::Restart(Mode::Immediate)),
        [Action::ReopenLog, Action::LoadConfig(change)]
    );
    let order = Order::Restart(Mode::Immediate);
    let (slot, generation) = (0, G(1));
    let passed = Action::Order {
        slot,
        generation,
        order,
    };
    let result = Ok(None);
    assert_eq!(
        machine.at(0, Event::ConfigLoaded { change, result }),
        [passed]
    );
}

#[test]
fn news_of_a_past_child_change_nothing() {
    let mut machine = Machine::ready(policy(1));
    machine.exits(0, 0, 1, 1);
    let before = format!("{:?}", machine.state);
    assert_eq!(machine.exits(1, 0, 1, 1), []);
    machine.at(
        1,
        Event::ChildReady {
            slot: 0,
            generation: G(1),
        },
    );
    machine.at(
        1,
        Event::Heartbeat {
            slot: 0,
            generation: G(1),
            ago: Duration::ZERO,
        },
    );
    machine.at(
        1,
        Event::ChildReady {
            slot: 9,
            generation: G(2),
        },
    );
    assert_eq!(format!("{:?}", machine.state), before);
}

#[test]
fn b19_surplus_children_leave_at_once_and_missing_ones_start_at_once() {
    let scaled = |slots| Event::ConfigLoaded {
        change: Change::Restart(Mode::Immediate),
        result: Ok(Some(Box::new(policy(slots)))),
    };
    let mut machine = Machine::ready(policy(3));
    let reloaded = |slots| Event::ConfigLoaded {
        change: Change::Reload,
        result: Ok(Some(Box::new(policy(slots)))),
    };
    let order = Action::Order {
        slot: 0,
        generation: G(1),
        order: Order::Reload,
    };
    assert_eq!(
        machine.at(0, reloaded(1)),
        [
            stop(2, 3, Urgency::Graceful),
            stop(1, 2, Urgency::Graceful),
            order
        ]
    );
    assert_eq!(machine.logged, ["Worker slots: 3 before, 1 now"]);
    assert_eq!(machine.exits(1, 2, 3, 0), []);
    // Slot 2 is empty, slot 1 still drains: both are wanted again.
    assert_eq!(
        machine.at(2, scaled(4))[1..],
        [stop(1, 2, Urgency::Immediate), spawn(2, 4)]
    );
    assert_eq!(machine.at(2, Event::Timer), [spawn(3, 5)]);
    assert_eq!(machine.exits(3, 1, 2, 1), [spawn(1, 6)]);
    assert_eq!(machine.exits(3, 0, 1, 1), [spawn(0, 7)]);
}
