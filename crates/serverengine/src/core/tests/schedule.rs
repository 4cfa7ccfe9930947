//! ServerEngine's kill schedule, when its keys are set.

use super::*;

/// Returns what a child that never ends is asked, and when, in seconds.
fn schedule(mut machine: Machine, mode: Mode, until: u64) -> Vec<(u64, Urgency)> {
    let mut found = Vec::new();
    let mut note = |now: u64, actions: Vec<Action>| {
        for action in actions {
            if let Action::Stop { urgency, .. } = action {
                found.push((now / 1_000, urgency));
            }
        }
    };
    note(0, machine.command(0, Command::Stop(mode)));
    while let Some(now) = machine.deadline().filter(|now| *now <= until * 1_000) {
        note(now, machine.at(now, Event::Timer));
    }
    found
}

fn compatible(interval: u64, increment: u64, graceful: u64, immediate: u64) -> Machine {
    let repeat = |interval: u64| {
        Some(Repeat {
            interval: millis(interval * 1_000),
            increment: millis(increment * 1_000),
        })
    };
    Machine::ready(Policy {
        graceful_timeout: Some(millis(graceful * 1_000)),
        immediate_timeout: Some(millis(immediate * 1_000)),
        graceful_repeat: repeat(interval),
        immediate_repeat: repeat(interval.min(10)),
        ..policy(1)
    })
}

fn all(urgency: Urgency, seconds: &[u64]) -> impl Iterator<Item = (u64, Urgency)> {
    seconds.iter().map(move |second| (*second, urgency))
}

#[test]
fn b18_the_default_schedule_of_serverengine() {
    let machine = compatible(15, 10, 600, 600);
    let graceful = [0, 15, 40, 75, 120, 175, 240, 315, 400, 495];
    // The one that would be due together with the end of the phase is not sent.
    let immediate = [0, 10, 30, 60, 100, 150, 210, 280, 360, 450, 550].map(|it| 600 + it);
    let expected: Vec<_> = all(Urgency::Graceful, &graceful)
        .chain(all(Urgency::Immediate, &immediate))
        .chain(all(Urgency::Kill, &[1_260, 1_380]))
        .collect();
    assert_eq!(schedule(machine, Mode::Graceful, 1_400), expected);
}

#[test]
fn b18_a_schedule_that_was_measured() {
    let repeat = |interval: u64| {
        Some(Repeat {
            interval: millis(interval * 1_000),
            increment: millis(1_000),
        })
    };
    let machine = Machine::ready(Policy {
        graceful_timeout: Some(millis(12_000)),
        immediate_timeout: Some(millis(8_000)),
        graceful_repeat: repeat(2),
        immediate_repeat: repeat(1),
        ..policy(1)
    });
    let expected: Vec<_> = all(Urgency::Graceful, &[0, 2, 5, 9])
        .chain(all(Urgency::Immediate, &[12, 13, 15, 18]))
        .chain(all(Urgency::Kill, &[22]))
        .collect();
    assert_eq!(schedule(machine, Mode::Graceful, 25), expected);
}

#[test]
fn b5_an_immediate_stop_begins_its_schedule_at_once() {
    let machine = compatible(15, 10, 600, 25);
    let expected: Vec<_> = all(Urgency::Immediate, &[0, 10])
        .chain(all(Urgency::Kill, &[30, 60]))
        .collect();
    assert_eq!(schedule(machine, Mode::Immediate, 60), expected);
    let mut machine = compatible(15, 10, 600, 25);
    machine.command(0, TERM);
    assert_eq!(
        machine.command(1_000, QUIT),
        [stop(0, 1, Urgency::Immediate)]
    );
    assert_eq!(machine.deadline(), Some(11_000));
}

#[test]
fn a_timeout_of_never_repeats_for_ever() {
    let mut machine = compatible(15, 10, 600, 600);
    machine.state.policy.graceful_timeout = None;
    let found = schedule(machine, Mode::Graceful, 100_000);
    assert!(
        found
            .iter()
            .all(|(_, urgency)| *urgency == Urgency::Graceful)
    );
    // interval·n + increment·n(n−1)/2
    for (count, (second, _)) in found.iter().enumerate() {
        let count = count as u64;
        assert_eq!(
            *second,
            15 * count + 10 * (count * count.saturating_sub(1) / 2)
        );
    }
}
