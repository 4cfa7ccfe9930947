//! Stops, kills, and the end of it all.

use super::*;

#[test]
fn b3_a_stop_during_start_delays_starts_nothing_more_and_ends() {
    let delayed = Policy {
        start_delay: millis(1_000),
        ..policy(3)
    };
    let mut machine = Machine::new(delayed);
    assert_eq!(machine.at(0, Event::Timer), [spawn(0, 1)]);
    assert_eq!(machine.at(500, Event::Timer), []);
    assert_eq!(machine.deadline(), Some(1_000));
    // The one that is still starting is told at once, the others are never started.
    assert_eq!(machine.command(600, TERM), [stop(0, 1, Urgency::Graceful)]);
    assert_eq!(machine.at(5_000, Event::Timer), []);
    assert_eq!(machine.exits(5_001, 0, 1, 0), [Action::Exit(0)]);
}

#[test]
fn a_stop_before_the_first_start_starts_nothing() {
    let mut machine = Machine::new(policy(3));
    assert_eq!(machine.command(0, TERM), [Action::Exit(0)]);
}

#[test]
fn b5_an_immediate_stop_after_a_graceful_one_acts_at_once() {
    let mut machine = Machine::ready(policy(1));
    assert_eq!(machine.command(0, TERM), [stop(0, 1, Urgency::Graceful)]);
    assert_eq!(machine.command(1, QUIT), [stop(0, 1, Urgency::Immediate)]);
    assert_eq!(machine.deadline(), Some(5_001));
}

#[test]
fn b18_the_kill_comes_at_the_deadline() {
    let mut machine = Machine::ready(policy(1));
    machine.command(1_000, TERM);
    assert_eq!(machine.deadline(), Some(31_000));
    assert_eq!(machine.at(30_999, Event::Timer), []);
    assert_eq!(
        machine.at(31_000, Event::Timer),
        [stop(0, 1, Urgency::Immediate)]
    );
    assert_eq!(machine.deadline(), Some(36_000));
    assert_eq!(
        machine.at(36_000, Event::Timer),
        [stop(0, 1, Urgency::Kill)]
    );
    assert_eq!(
        machine.at(41_000, Event::Timer),
        [stop(0, 1, Urgency::Kill)],
        "repeated"
    );
    assert_eq!(
        machine.logged,
        [
            "Received graceful stop",
            "Worker 0 did not stop in time: stopping it immediately",
            "Worker 0 did not stop: killed",
        ]
    );
}

#[test]
fn b26_a_stop_is_logged_and_sent_once() {
    let mut machine = Machine::ready(policy(1));
    machine.command(0, TERM);
    assert_eq!(machine.command(1, TERM), []);
    assert_eq!(machine.command(2, Command::Detach), []);
    assert_eq!(machine.at(500, Event::Timer), []);
    assert_eq!(machine.logged, ["Received graceful stop"]);
}

#[test]
fn b29_a_stop_while_a_child_waits_for_its_restart_ends_at_once() {
    let waiting = Policy {
        restart_interval: millis(1_000),
        ..policy(1)
    };
    let mut machine = Machine::ready(waiting);
    assert_eq!(machine.exits(0, 0, 1, 1), []);
    assert_eq!(machine.deadline(), Some(1_000));
    assert_eq!(machine.command(500, TERM), [Action::Exit(0)]);
    assert_eq!(machine.at(1_000, Event::Timer), []);
}

#[test]
fn b29_a_stop_while_the_server_waits_for_its_restart_starts_none() {
    let mut machine = Machine::ready(Policy {
        noun: "Server",
        start_delay: millis(60_000),
        ..policy(1)
    });
    let reason = ExitReason::Signal(9);
    let (slot, generation) = (0, G(1));
    machine.at(
        10,
        Event::ChildExited {
            slot,
            generation,
            reason,
        },
    );
    assert_eq!(machine.deadline(), Some(60_000));
    assert_eq!(machine.command(1_000, TERM), [Action::Exit(0)]);
    assert_eq!(machine.at(60_000, Event::Timer), []);
}

#[test]
fn hooks_are_called_once_and_in_order() {
    let mut machine = Machine::ready(policy(1));
    machine.command(0, Command::Reload);
    assert_eq!(machine.hooks, [], "not before the configuration is loaded");
    let change = Change::Reload;
    let result = Ok(None);
    machine.at(0, Event::ConfigLoaded { change, result });
    machine.command(1, Command::Restart(Mode::Immediate));
    machine.command(2, Command::Dump);
    machine.command(3, Command::Detach);
    machine.command(4, TERM);
    machine.command(5, QUIT);
    assert_eq!(
        machine.hooks,
        [
            Command::Reload,
            Command::Restart(Mode::Immediate),
            Command::Dump,
            Command::Detach,
            TERM,
            QUIT
        ]
    );
}

#[test]
fn b13_an_unrecoverable_exit_ends_the_server_with_its_code_when_nobody_is_left() {
    let fatal = Policy {
        unrecoverable_exit_codes: vec![5, 6],
        ..policy(2)
    };
    let mut machine = Machine::ready(fatal.clone());
    assert_eq!(machine.exits(0, 0, 1, 5), []);
    assert_eq!(*machine.state.slots[0].phase(), Phase::Failed);
    assert_eq!(machine.exits(0, 1, 2, 6), [Action::Exit(6)]);

    let at_once = Policy {
        stop_at_unrecoverable_exit: true,
        ..fatal
    };
    let mut machine = Machine::ready(at_once);
    assert_eq!(machine.exits(0, 0, 1, 5), [stop(1, 2, Urgency::Graceful)]);
    assert_eq!(machine.exits(0, 1, 2, 0), [Action::Exit(5)]);
    assert_eq!(
        machine.logged,
        [
            "Worker 0 exited unexpectedly with status 5",
            "Worker 0 is not restarted: exit code 5 is unrecoverable",
            "Received graceful stop (unrecoverable exit)",
            "Worker 1 finished with status 0",
        ]
    );
}
