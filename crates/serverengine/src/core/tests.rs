//! One test per rule. Times are milliseconds since the start.

use std::time::Duration;

use super::slot::Phase;
use super::*;

const G: fn(u64) -> Generation = Generation;

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(super) fn policy(slots: usize) -> Policy {
    Policy {
        noun: "worker",
        slots,
        start_delay: Duration::ZERO,
        start_delay_rand: 0.0,
        restart_interval: Duration::ZERO,
        backoff: Backoff {
            jitter: 0.0,
            ..Backoff::default()
        },
        start_timeout: Some(millis(60_000)),
        heartbeat_timeout: None,
        graceful_timeout: Some(millis(30_000)),
        immediate_timeout: Some(millis(5_000)),
        restart_at_once: 1,
        unrecoverable_exit_codes: Vec::new(),
        stop_at_unrecoverable_exit: false,
        restart: Delegation::Here,
    }
}

/// A control process without an outside.
struct Machine {
    state: State,
    logged: Vec<String>,
}

impl Machine {
    fn new(policy: Policy) -> Self {
        Self {
            state: State::new(policy, 1, Duration::ZERO),
            logged: Vec::new(),
        }
    }

    /// A machine whose children all run and are ready.
    fn ready(policy: Policy) -> Self {
        let slots = policy.slots;
        let mut machine = Self::new(policy);
        for slot in 0..slots {
            let generation = G(slot as u64 + 1);
            assert_eq!(
                machine.at(0, Event::Timer),
                [Action::Spawn { slot, generation }]
            );
        }
        for slot in 0..slots {
            let generation = G(slot as u64 + 1);
            assert_eq!(machine.at(0, Event::ChildReady { slot, generation }), []);
        }
        machine.logged.clear();
        machine
    }

    /// Takes in an event; returns what is to be done besides logging.
    fn at(&mut self, now: u64, event: Event) -> Vec<Action> {
        let mut actions = Vec::new();
        step(&mut self.state, event, millis(now), &mut actions);
        actions.retain(|action| match action {
            Action::Log(_, line) => {
                self.logged.push(line.clone());
                false
            }
            _ => true,
        });
        actions
    }

    fn command(&mut self, now: u64, command: Command) -> Vec<Action> {
        self.at(now, Event::Command(command))
    }

    fn exits(&mut self, now: u64, slot: SlotId, generation: u64, code: i32) -> Vec<Action> {
        let reason = ExitReason::Code(code);
        self.at(
            now,
            Event::ChildExited {
                slot,
                generation: G(generation),
                reason,
            },
        )
    }

    fn deadline(&self) -> Option<u64> {
        self.state
            .deadline()
            .map(|moment| moment.as_millis() as u64)
    }
}

fn stop(slot: SlotId, generation: u64, urgency: Urgency) -> Action {
    Action::Stop {
        slot,
        generation: G(generation),
        urgency,
    }
}

fn spawn(slot: SlotId, generation: u64) -> Action {
    Action::Spawn {
        slot,
        generation: G(generation),
    }
}

const TERM: Command = Command::Stop(Mode::Graceful);
const QUIT: Command = Command::Stop(Mode::Immediate);

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
            "received graceful stop",
            "worker 0 did not stop in time: stopping it immediately",
            "worker 0 did not stop: killed",
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
    assert_eq!(machine.logged, ["received graceful stop"]);
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
            "worker 0 exited with status 0",
            "worker 0 failed 2 times in a row: next start in 100.0ms",
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
        "worker 0 could not be started: fork: no memory"
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
        900,
        Event::Heartbeat {
            slot: 0,
            generation: G(1),
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
        "worker 0 was silent for 1s: stopping it immediately"
    );
    assert_eq!(machine.logged[2], "worker 0 finished with signal SIGKILL");
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
        ["worker 0 was not ready within 60s: stopping it immediately"]
    );
}

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
        result: Ok(()),
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
fn an_immediate_restart_takes_all_at_once() {
    let mut machine = Machine::ready(policy(2));
    let loaded = Event::ConfigLoaded {
        change: Change::Restart(Mode::Immediate),
        result: Ok(()),
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
            result: Ok(()),
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
                result: Ok(())
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
fn b13_an_unrecoverable_exit_ends_the_server_with_its_code_when_nobody_is_left() {
    let fatal = Policy {
        unrecoverable_exit_codes: vec![5, 6],
        ..policy(2)
    };
    let mut machine = Machine::ready(fatal.clone());
    assert_eq!(machine.exits(0, 0, 1, 5), []);
    assert_eq!(machine.state.slots[0].phase, Phase::Failed);
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
            "worker 0 exited unexpectedly with status 5",
            "worker 0 is not restarted: exit code 5 is unrecoverable",
            "received graceful stop (unrecoverable exit)",
            "worker 1 finished with status 0",
        ]
    );
}

#[test]
fn a_supervisor_passes_restarts_down() {
    let mut machine = Machine::ready(Policy {
        restart: Delegation::Children,
        ..policy(1)
    });
    let order = Order::Restart(Mode::Immediate);
    assert_eq!(
        machine.command(0, Command::Restart(Mode::Immediate)),
        [
            Action::ReopenLog,
            Action::Order {
                slot: 0,
                generation: G(1),
                order
            }
        ]
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
