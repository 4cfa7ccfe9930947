//! Starts, failures and replacements.

use super::*;

#[test]
fn children_start_one_per_step_and_an_idle_server_sleeps() {
    let mut machine = Machine::new(policy(2));
    assert_eq!(machine.deadline(), Some(0));
    assert_eq!(machine.at(0, Event::Timer), [spawn(0, 1)]);
    assert_eq!(machine.deadline(), Some(0));
    assert_eq!(machine.at(0, Event::Timer), [spawn(1, 2)]);
    machine.at(
        5,
        Event::ChildReady {
            slot: 0,
            generation: G(1),
        },
    );
    machine.at(
        5,
        Event::ChildReady {
            slot: 1,
            generation: G(2),
        },
    );
    assert_eq!(machine.deadline(), None);
}

#[test]
fn b31_the_first_replacement_is_immediate_the_next_ones_wait_ever_longer() {
    let mut machine = Machine::ready(policy(1));
    assert_eq!(machine.exits(0, 0, 1, 1), [spawn(0, 2)]);
    let mut now = 0;
    let mut delays = Vec::new();
    for generation in 2..14 {
        assert_eq!(machine.exits(now, 0, generation, 0), []);
        delays.push(machine.deadline().unwrap() - now);
        now = machine.deadline().unwrap();
        assert_eq!(machine.at(now, Event::Timer), [spawn(0, generation + 1)]);
    }
    let doubled = [
        100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 30_000, 30_000,
    ];
    assert_eq!(delays[..11], doubled);
    // A long life is a new beginning.
    machine.at(
        now,
        Event::ChildReady {
            slot: 0,
            generation: G(14),
        },
    );
    assert_eq!(machine.exits(now + 10_000, 0, 14, 1), [spawn(0, 15)]);
    assert_eq!(
        machine.logged[1..3],
        [
            "Worker 0 exited with status 0",
            "Worker 0 failed 2 times in a row: next start in 100.0ms",
        ]
    );
}

#[test]
fn a_child_that_exits_cleanly_after_some_work_is_replaced_at_once_every_time() {
    let mut machine = Machine::ready(policy(1));
    for generation in 1..20 {
        let now = generation * 100;
        assert_eq!(
            machine.exits(now, 0, generation, 0),
            [spawn(0, generation + 1)]
        );
    }
}

#[test]
fn a_failed_start_is_a_failure() {
    let mut machine = Machine::new(policy(1));
    machine.at(0, Event::Timer);
    let failed = |generation| Event::SpawnFailed {
        slot: 0,
        generation: G(generation),
        message: "fork: no memory".to_owned(),
    };
    assert_eq!(machine.at(0, failed(1)), [spawn(0, 2)]);
    assert_eq!(machine.at(0, failed(2)), []);
    assert_eq!(machine.deadline(), Some(100));
    assert_eq!(
        machine.logged[0],
        "Worker 0 could not be started: fork: no memory"
    );
}

#[test]
fn starts_keep_their_distance() {
    let mut machine = Machine::new(Policy {
        start_delay: millis(100),
        ..policy(3)
    });
    let mut starts = Vec::new();
    for _ in 0..3 {
        let now = machine.deadline().unwrap();
        assert_eq!(machine.at(now, Event::Timer).len(), 1);
        starts.push(now);
    }
    assert_eq!(starts, [0, 100, 200]);
}

#[test]
fn a_silent_child_is_replaced_a_talking_one_is_not() {
    let mut machine = Machine::ready(Policy {
        heartbeat_timeout: Some(millis(1_000)),
        ..policy(1)
    });
    machine.at(
        950,
        Event::Heartbeat {
            slot: 0,
            generation: G(1),
            ago: millis(50),
        },
    );
    assert_eq!(machine.at(1_500, Event::Timer), []);
    assert_eq!(
        machine.at(1_900, Event::Timer),
        [stop(0, 1, Urgency::Immediate)]
    );
    assert_eq!(machine.at(6_900, Event::Timer), [stop(0, 1, Urgency::Kill)]);
    let reason = ExitReason::Signal(9);
    let exited = Event::ChildExited {
        slot: 0,
        generation: G(1),
        reason,
    };
    assert_eq!(machine.at(6_901, exited), [spawn(0, 2)]);
    assert_eq!(
        machine.logged[0],
        "Worker 0 was silent for 1s: stopping it immediately"
    );
    assert_eq!(machine.logged[2], "Worker 0 finished with signal SIGKILL");
}

#[test]
fn a_control_process_that_was_frozen_grants_one_more_interval() {
    let mut machine = Machine::ready(Policy {
        heartbeat_timeout: Some(millis(5_000)),
        ..policy(1)
    });
    assert_eq!(machine.deadline(), Some(5_000));
    // It wakes an hour too late: nobody can have been heard.
    assert_eq!(machine.at(3_600_000, Event::Timer), []);
    assert_eq!(machine.deadline(), Some(3_605_000));
    assert_eq!(
        machine.at(3_605_000, Event::Timer),
        [stop(0, 1, Urgency::Immediate)],
        "the second silence counts"
    );
}

#[test]
fn a_child_that_is_never_ready_is_replaced() {
    let mut machine = Machine::new(policy(1));
    machine.at(0, Event::Timer);
    assert_eq!(
        machine.at(60_000, Event::Timer),
        [stop(0, 1, Urgency::Immediate)]
    );
    assert_eq!(
        machine.logged,
        ["Worker 0 was not ready within 60s: stopping it immediately"]
    );
}
