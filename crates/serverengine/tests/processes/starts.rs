//! Starts: what can go wrong in them, and stops that arrive during one.

use std::thread::sleep;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::death::server_of;
use crate::driver::{Driver, assert_gone_within, send};

crate::tests![
    acceptance_05_b3_a_term_at_any_instant_of_the_start_is_honoured,
    acceptance_21_b29_a_term_during_a_restart_wait_starts_nothing,
    b3_a_term_during_start_delays_is_honoured,
    b3_a_term_during_before_run_starts_no_worker,
    a_failed_before_run_ends_the_server_with_its_reason,
    a_thread_before_the_fork_is_an_error_that_says_so,
    a_configuration_that_cannot_work_is_refused,
];

/// Starts that are stopped; `SERVERENGINE_STARTS=1000` stops more.
const STARTS: u64 = 80;

fn acceptance_05_b3_a_term_at_any_instant_of_the_start_is_honoured() {
    let starts = std::env::var("SERVERENGINE_STARTS").map_or(STARTS, |it| it.parse().unwrap());
    let kinds = [
        "workers=3",
        "workers=3 supervisor=1",
        // Workers start over the next 20 ms and more.
        "workers=5 start_delay=5",
        "workers=5 start_delay=5 supervisor=1",
        "workers=3 type=thread",
        "workers=2 type=spawn program=waits",
    ];
    let mut random = 0x5eed_u64;
    for (round, options) in (0..starts).zip(kinds.into_iter().cycle()) {
        let mut driver = Driver::start(options);
        // Not before the program has come as far as `run`.
        driver.wait_for("inherited ");
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        sleep(Duration::from_micros((random >> 33) % 30_000));
        driver.signal(Signal::SIGTERM);
        let status = driver.ends();
        // Until the signals are taken over, TERM has its default meaning.
        let early = std::os::unix::process::ExitStatusExt::signal(&status) == Some(15);
        assert!(
            early || status.code() == Some(0),
            "round {round}: {status}\n{}",
            driver.text()
        );
        assert_gone_within(&driver.introduced(), Duration::from_secs(1));
    }
}

fn acceptance_21_b29_a_term_during_a_restart_wait_starts_nothing() {
    for (options, victim) in [("", "worker"), ("supervisor=1", "server")] {
        let mut driver = Driver::working(&format!("restart_wait=60000 {options}"), 1);
        let pid = match victim {
            "server" => server_of(&driver),
            _ => driver.workers()[0].pid,
        };
        send(pid, Signal::SIGKILL);
        driver.wait_for("exited unexpectedly with signal SIGKILL");
        driver.signal(Signal::SIGTERM);
        assert_eq!(driver.ends().code(), Some(0));
        assert_eq!(driver.workers().len(), 1, "{}", driver.text());
        assert_eq!(driver.count(" before_run"), 1);
    }
}

fn b3_a_term_during_start_delays_is_honoured() {
    let mut driver = Driver::working("workers=3 start_delay=60000", 1);
    driver.signal(Signal::SIGTERM);
    assert_eq!(driver.ends().code(), Some(0));
    assert_eq!(driver.workers().len(), 1);
}

fn b3_a_term_during_before_run_starts_no_worker() {
    let mut driver = Driver::start("workers=3 before_run=200");
    driver.wait_for("before_run");
    driver.signal(Signal::SIGTERM);
    assert_eq!(driver.ends().code(), Some(0));
    assert_eq!(driver.count("generation"), 0);
    assert_eq!(driver.count("after_run"), 1);
}

fn a_failed_before_run_ends_the_server_with_its_reason() {
    let mut driver = Driver::start("before_run=error");
    assert_eq!(driver.ends().code(), Some(1));
    driver.wait_for("log FATAL the server could not start: no disk");
    assert_eq!(driver.count("after_run"), 0);
}

fn a_thread_before_the_fork_is_an_error_that_says_so() {
    let mut driver = Driver::start("before_run=thread");
    driver.wait_for(
        "log ERROR Worker 0 could not be started: fork: a control process must have one thread when it \
         forks, this one has 2; ",
    );
    driver.signal(Signal::SIGTERM);
    assert_eq!(driver.ends().code(), Some(0));
}

fn a_configuration_that_cannot_work_is_refused() {
    let mut driver = Driver::start("workers=0");
    assert_eq!(driver.ends().code(), Some(78));
    driver.wait_for("log FATAL configuration: workers must be 1 to 4096, but is 0");
}
