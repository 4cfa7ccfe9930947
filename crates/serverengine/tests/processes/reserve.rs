//! The worker in reserve: who becomes what, what it knows, and what becomes of it.

use std::time::Duration;

use nix::sys::signal::Signal;

use crate::driver::{Driver, assert_gone_within, send};
use crate::proc;

crate::tests![
    the_reserve_becomes_the_worker_that_is_missing,
    a_worker_out_of_the_reserve_is_one_like_any_other,
    a_worker_out_of_the_reserve_knows_the_newest_configuration,
    a_reserve_that_dies_is_missed_by_nobody,
    a_reserve_does_not_outlive_its_server,
    a_stopped_server_leaves_no_reserve_behind,
    a_rolling_restart_with_a_reserve_misses_nobody,
    random_kills_with_a_reserve_leave_nobody_missing,
];

/// What the acceptance tests allow.
const GONE: Duration = Duration::from_secs(1);

/// Waits until there is a reserve that is not `other`.
fn reserve_of(driver: &Driver, other: u32) -> u32 {
    driver.wait("a worker in reserve", || {
        let mut family = proc::descendants(driver.pid()).into_iter();
        family.find(|pid| *pid != other && is_reserve(*pid))
    })
}

/// A process that may be gone meanwhile.
fn is_reserve(pid: u32) -> bool {
    let name = std::fs::read_to_string(format!("/proc/{pid}/comm"));
    name.is_ok_and(|name| name.trim() == "subject:reserve")
}

fn the_reserve_becomes_the_worker_that_is_missing() {
    let driver = Driver::working("workers=2 reserve=1", 2);
    let mut reserve = reserve_of(&driver, 0);
    for round in 0..5 {
        let victim = driver.workers()[round];
        send(victim.pid, Signal::SIGKILL);
        let born = driver.wait_for_workers(3 + round)[2 + round];
        assert_eq!(
            (born.id, born.pid),
            (victim.id, reserve),
            "{}",
            driver.text()
        );
        reserve = reserve_of(&driver, reserve);
    }
    // The server builds it, too, for the hooks that are called there.
    driver.wait_for_count("before_fork", 7);
    driver.wait_for(&format!("after_start {}", driver.workers()[6].pid));
    assert_eq!(driver.count("in reserve"), 0, "{}", driver.text());
}

fn a_worker_out_of_the_reserve_is_one_like_any_other() {
    let mut driver = Driver::working("workers=1 reserve=1 titles=1 supervisor=1", 1);
    let reserve = driver.wait("a worker in reserve", || {
        let mut family = proc::descendants(driver.pid()).into_iter();
        family.find(|pid| proc::title_of(*pid) == "subject worker reserve")
    });
    let first = driver.workers()[0].pid;
    let inherited = proc::descriptors_of(first).len();
    send(first, Signal::SIGKILL);
    let second = driver.wait_for_workers(2)[1];
    assert_eq!(second.pid, reserve);
    assert_eq!(proc::title_of(reserve), "subject worker 0");
    assert_eq!(proc::group_of(reserve), reserve);
    assert_eq!(proc::threads_of(reserve), 2);
    assert_eq!(proc::descriptors_of(reserve).len(), inherited);
    for field in ["SigBlk", "SigIgn", "SigCgt"] {
        let third = driver.wait("a worker in reserve", || {
            let mut family = proc::descendants(driver.pid()).into_iter();
            family.find(|pid| proc::title_of(*pid) == "subject worker reserve")
        });
        assert_eq!(
            proc::status_of(reserve, field),
            proc::status_of(third, field),
            "{field}"
        );
    }
    // It hears signals and stops by itself.
    send(reserve, Signal::SIGTERM);
    driver.wait_for(&format!("{reserve} returns"));
    driver.signal(Signal::SIGTERM);
    assert_eq!(driver.ends().code(), Some(0), "{}", driver.text());
}

fn a_worker_out_of_the_reserve_knows_the_newest_configuration() {
    let driver = Driver::working("workers=1 reserve=1 config=1", 1);
    let old = reserve_of(&driver, 0);
    driver.signal(Signal::SIGUSR2);
    driver.wait_for("configuration 2 is taken over by all 1 workers");
    let new = reserve_of(&driver, old);
    assert_gone_within(&[old], GONE);
    send(driver.workers()[0].pid, Signal::SIGKILL);
    let born = driver.wait_for_workers(2)[1];
    assert_eq!(born.pid, new);
    driver.wait_for("begins with 2: loaded 1 times");
}

fn a_reserve_that_dies_is_missed_by_nobody() {
    let driver = Driver::working("workers=2 reserve=1", 2);
    let reserve = reserve_of(&driver, 0);
    send(reserve, Signal::SIGKILL);
    driver.wait_for(&format!(
        "log WARN the worker in reserve (pid {reserve}) has ended; there is another one in 1s"
    ));
    // Until then, workers are forked as they are without it.
    send(driver.workers()[0].pid, Signal::SIGKILL);
    driver.wait_for_workers(3);
    let other = reserve_of(&driver, reserve);
    // Asked to stop, it does, as a worker would.
    send(other, Signal::SIGTERM);
    assert_gone_within(&[other], GONE);
    reserve_of(&driver, other);
}

fn a_reserve_does_not_outlive_its_server() {
    let mut driver = Driver::working("workers=2 reserve=1", 2);
    let reserve = reserve_of(&driver, 0);
    let family = proc::descendants(driver.pid());
    assert!(family.contains(&reserve));
    driver.kill();
    assert_gone_within(&family, GONE);
}

fn a_stopped_server_leaves_no_reserve_behind() {
    let mut driver = Driver::working("workers=2 reserve=1", 2);
    let reserve = reserve_of(&driver, 0);
    driver.signal(Signal::SIGTERM);
    assert_eq!(driver.ends().code(), Some(0), "{}", driver.text());
    assert!(!proc::runs(reserve));
    assert_eq!(driver.count("in reserve"), 0, "{}", driver.text());
}

fn a_rolling_restart_with_a_reserve_misses_nobody() {
    let driver = Driver::working("workers=3 reserve=1", 3);
    reserve_of(&driver, 0);
    driver.signal(Signal::SIGHUP);
    let workers = driver.wait_for_workers(6);
    let mut ids = workers[3..].iter().map(|it| it.id).collect::<Vec<_>>();
    ids.sort_unstable();
    assert_eq!(ids, [0, 1, 2], "{}", driver.text());
    reserve_of(&driver, 0);
    assert_eq!(proc::descendants(driver.pid()).len(), 4);
}

fn random_kills_with_a_reserve_leave_nobody_missing() {
    const ROUNDS: usize = 60;
    let driver = Driver::working("workers=4 reserve=1 no_backoff=1", 4);
    let mut random = 1_u64;
    for _ in 0..ROUNDS {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        // Workers and the reserve, whoever they are at the moment.
        let family = proc::descendants(driver.pid());
        let chosen = usize::try_from(random >> 33).unwrap() % family.len().max(1);
        if let Some(pid) = family.get(chosen) {
            crate::driver::send_if_there(*pid, Signal::SIGKILL);
        }
        std::thread::sleep(Duration::from_micros(random >> 51));
    }
    driver.wait("four workers and a reserve", || {
        let family = proc::descendants(driver.pid());
        let reserves = family.iter().filter(|pid| is_reserve(**pid)).count();
        (family.len() == 5 && reserves == 1).then_some(())
    });
}
