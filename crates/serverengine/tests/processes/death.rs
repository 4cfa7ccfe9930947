//! kill -9 at every level: what survives, what is replaced, what is left open.

use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::driver::{Driver, assert_gone_within, send, send_if_there};
use crate::proc;

crate::tests![
    b1_no_worker_survives_a_killed_server,
    b1_no_process_survives_a_killed_supervisor,
    b1_a_worker_without_a_parent_death_signal_notices_the_end_of_its_life_line,
    b1_a_worker_holds_no_descriptor_of_the_engine_but_its_own,
    b1b_a_killed_server_is_replaced_after_all_of_it_is_gone,
    b1c_a_frozen_server_is_replaced_after_all_of_it_is_gone,
    a_killed_worker_is_replaced_and_its_process_group_goes_with_it,
    a_frozen_worker_is_replaced,
    b32_a_busy_worker_is_not_taken_for_a_frozen_one,
    a_server_that_was_frozen_replaces_nobody,
    b30_a_control_process_has_one_thread_whatever_it_does,
    replacements_leak_no_descriptor_and_are_quick,
    workers_have_process_groups_and_names_of_their_own,
    b1_random_kills_and_freezes_leave_nothing_behind,
];

/// What the acceptance tests allow. Workers that ignore their stop have ten times as long without the kernel.
const GONE: Duration = Duration::from_secs(1);

fn b1_no_worker_survives_a_killed_server() {
    let mut driver = Driver::working("workers=3 ignores_stop=1", 3);
    let family = proc::descendants(driver.pid());
    assert_eq!(family.len(), 3);
    driver.kill();
    assert_gone_within(&family, GONE);
}

fn b1_no_process_survives_a_killed_supervisor() {
    let mut driver = Driver::working("workers=2 supervisor=1 ignores_stop=1", 2);
    let family = proc::descendants(driver.pid());
    assert_eq!(family.len(), 3);
    driver.kill();
    assert_gone_within(&family, GONE);
}

fn b1_a_worker_without_a_parent_death_signal_notices_the_end_of_its_life_line() {
    // As after a change of credentials, which clears the signal.
    let mut driver = Driver::working("workers=2 behave=disarms", 2);
    let family = proc::descendants(driver.pid());
    driver.kill();
    assert_gone_within(&family, GONE);
    assert_eq!(
        driver.count("returns"),
        2,
        "they ended gracefully:\n{}",
        driver.text()
    );
    assert_eq!(driver.count("log FATAL the server is gone: stopping"), 2);
}

fn b1_a_worker_holds_no_descriptor_of_the_engine_but_its_own() {
    let driver = Driver::working("workers=3 supervisor=1", 3);
    let inherited = driver.wait_for("inherited ").parse::<usize>().unwrap();
    for worker in driver.workers() {
        let open = proc::descriptors_of(worker.pid);
        let count = |kind: &str| {
            open.values()
                .filter(|target| target.starts_with(kind))
                .count()
        };
        assert_eq!(count("socket:"), 1, "its life-line: {open:?}");
        assert_eq!(count("anon_inode:[signalfd]"), 1, "{open:?}");
        assert_eq!(count("anon_inode:"), 1, "no epoll, no pidfd: {open:?}");
        assert_eq!(open.len(), inherited + 2, "{open:?}");
    }
}

fn b1b_a_killed_server_is_replaced_after_all_of_it_is_gone() {
    let driver = Driver::working("workers=2 supervisor=1 behave=daemon", 2);
    // Server, workers, and what the workers started in sessions of their own.
    let family = driver.wait("the daemons", || {
        let family = proc::descendants(driver.pid());
        (family.len() == 5).then_some(family)
    });
    send(server_of(&driver), Signal::SIGKILL);
    driver.wait_for_count("before_run", 2);
    // Not "soon": when the new one starts.
    let left = family
        .iter()
        .filter(|pid| proc::runs(**pid))
        .collect::<Vec<_>>();
    assert!(left.is_empty(), "{left:?} met the new generation");
    driver.wait_for_workers(4);
}

fn b1c_a_frozen_server_is_replaced_after_all_of_it_is_gone() {
    let driver = Driver::working("workers=1 supervisor=1 heartbeat=500 kill=100", 1);
    let family = proc::descendants(driver.pid());
    send(server_of(&driver), Signal::SIGSTOP);
    driver.wait_for_count("before_run", 2);
    assert!(
        family.iter().all(|pid| !proc::runs(*pid)),
        "two generations at once"
    );
    driver.wait_for_workers(2);
}

fn a_killed_worker_is_replaced_and_its_process_group_goes_with_it() {
    let driver = Driver::working("workers=2 behave=child", 2);
    let first = driver.workers()[0];
    let child = proc::descendants(first.pid);
    assert_eq!(child.len(), 1);
    send(first.pid, Signal::SIGKILL);
    let workers = driver.wait_for_workers(3);
    assert_eq!(workers[2].id, first.id);
    assert_gone_within(&child, GONE);
    driver.wait_for("exited unexpectedly with signal SIGKILL");
    assert_eq!(
        proc::descendants(driver.pid()).len(),
        4,
        "the other one was left alone"
    );
}

fn a_frozen_worker_is_replaced() {
    let driver = Driver::working("workers=1 heartbeat=500 kill=100", 1);
    let frozen = driver.workers()[0].pid;
    send(frozen, Signal::SIGSTOP);
    driver.wait_for_workers(2);
    assert!(!proc::runs(frozen));
    driver.wait_for("log WARN Worker 0 was silent for 500ms: stopping it immediately");
}

fn b32_a_busy_worker_is_not_taken_for_a_frozen_one() {
    let driver = Driver::working("heartbeat=400 busy=1500", 1);
    assert_eq!(driver.count(" run generation "), 1, "{}", driver.text());
    assert_eq!(driver.count("was silent"), 0);
}

fn a_server_that_was_frozen_replaces_nobody() {
    let driver = Driver::working("workers=2 heartbeat=500", 2);
    let family = proc::descendants(driver.pid());
    // With its workers, as in a suspended machine: nobody can have given a sign of life.
    for pid in family.iter().chain([&driver.pid()]) {
        send(*pid, Signal::SIGSTOP);
    }
    sleep(Duration::from_millis(1_700));
    send(driver.pid(), Signal::SIGCONT);
    // The server is the first to wake.
    sleep(Duration::from_millis(50));
    for pid in &family {
        send(*pid, Signal::SIGCONT);
    }
    sleep(Duration::from_millis(700));
    assert_eq!(driver.workers().len(), 2, "{}", driver.text());
    assert!(family.iter().all(|pid| proc::runs(*pid)));
}

fn b30_a_control_process_has_one_thread_whatever_it_does() {
    let driver = Driver::working("workers=2 supervisor=1", 2);
    let server = server_of(&driver);
    let one_thread = || {
        assert_eq!(proc::threads_of(driver.pid()), 1, "the supervisor");
        assert_eq!(proc::threads_of(server), 1, "the server");
    };
    one_thread();
    driver.signal(Signal::SIGUSR2);
    driver.wait_for_count(" reload", 2);
    one_thread();
    driver.signal(Signal::SIGHUP);
    driver.wait_for_workers(4);
    one_thread();
}

fn replacements_leak_no_descriptor_and_are_quick() {
    const KILLS: usize = 30;
    let driver = Driver::working("workers=2 no_backoff=1", 2);
    let before = proc::descriptors_of(driver.pid());
    let mut times = Vec::with_capacity(KILLS);
    for round in 0..KILLS {
        let youngest = driver.workers().last().unwrap().pid;
        let killed = Instant::now();
        send(youngest, Signal::SIGKILL);
        driver.wait_for_workers(3 + round);
        times.push(killed.elapsed());
    }
    let after = proc::descriptors_of(driver.pid());
    assert_eq!(
        before.len(),
        after.len(),
        "before {before:?}, after {after:?}"
    );
    times.sort();
    // As seen from outside, which looks every 0.2 ms.
    println!(
        "  kill to working replacement: p50 {:.1?}, max {:.1?}",
        times[KILLS / 2],
        times[KILLS - 1]
    );
    assert!(times[KILLS / 2] < Duration::from_millis(500));
}

fn workers_have_process_groups_and_names_of_their_own() {
    let driver = Driver::working("workers=2", 2);
    for worker in driver.workers() {
        assert_eq!(
            proc::group_of(worker.pid),
            worker.pid,
            "out of reach of Ctrl-C"
        );
        assert_eq!(proc::name_of(worker.pid), format!("subject:{}", worker.id));
    }
}

/// Blows at random places and instants, the last one at the top; then nobody may be left.
fn b1_random_kills_and_freezes_leave_nothing_behind() {
    const ROUNDS: u64 = 12;
    const BLOWS: u64 = 6;
    let mut random = 0x5eed_u64;
    let mut below = |limit: u64| {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % limit
    };
    for round in 0..ROUNDS {
        let kill_top = round % 2 == 0;
        // What workers start is found by the supervisor, as long as there is one.
        let behave = if kill_top { "" } else { "behave=child" };
        let kind = [
            "",
            "logger=output",
            "type=spawn program=waits",
            "detach=5 finishes=10",
        ];
        let kind = kind[(round / 2 % 4) as usize];
        let mut driver = Driver::start(&format!(
            "workers=3 supervisor=1 heartbeat=300 kill=100 no_backoff=1 {behave} {kind}"
        ));
        driver.wait_for("inherited ");
        for _ in 0..BLOWS {
            sleep(Duration::from_micros(below(20_000)));
            if kind.starts_with("detach") && below(3) == 0 {
                driver.signal(Signal::SIGINT);
            }
            let family = proc::descendants(driver.pid());
            if let Some(victim) = family.get(below(family.len().max(1) as u64) as usize) {
                let blow = [Signal::SIGKILL, Signal::SIGSTOP][usize::from(below(4) == 0)];
                // It may be gone already.
                send_if_there(*victim, blow);
            }
        }
        sleep(Duration::from_micros(below(20_000)));
        let family = proc::descendants(driver.pid());
        if kill_top {
            driver.kill();
        } else {
            driver.signal(Signal::SIGTERM);
            assert_eq!(driver.ends().code(), Some(0), "{}", driver.text());
        }
        assert_gone_within(&family, GONE);
        assert_gone_within(&driver.introduced(), GONE);
    }
}

/// Returns the server under a supervisor.
pub(crate) fn server_of(driver: &Driver) -> u32 {
    let text = driver.text();
    let line = text
        .lines()
        .rfind(|line| line.ends_with(" before_run"))
        .unwrap();
    line.split(' ').nth(1).unwrap().parse().unwrap()
}
