//! How workers end, and what the server makes of it.

use nix::sys::signal::Signal;

use crate::driver::{Driver, send};

crate::tests![
    b11_every_way_to_exit_is_seen_as_it_was,
    b13_an_unrecoverable_exit_code_becomes_the_servers,
    b13_an_unrecoverable_exit_code_goes_through_a_supervisor,
    b31_a_worker_that_fails_at_once_does_not_spin,
];

fn b11_every_way_to_exit_is_seen_as_it_was() {
    for (behaviour, seen) in [
        (
            "error",
            "log ERROR Worker 0 exited unexpectedly with status 1",
        ),
        (
            "code",
            "log ERROR Worker 0 exited unexpectedly with status 9",
        ),
        (
            "panic",
            "log ERROR Worker 0 exited unexpectedly with status 101",
        ),
        (
            "exit",
            "log ERROR Worker 0 exited unexpectedly with status 7",
        ),
    ] {
        let driver = Driver::start(&format!("behave={behaviour}"));
        driver.wait_for(seen);
    }
    let driver = Driver::working("", 1);
    send(driver.workers()[0].pid, Signal::SIGALRM);
    driver.wait_for("log ERROR Worker 0 exited unexpectedly with signal SIGALRM");
    let second = driver.wait_for_workers(2)[1].pid;
    send(second, Signal::SIGTERM);
    driver.wait_for("log INFO Worker 0 exited with status 0");
    driver.wait_for_workers(3);
}

fn b13_an_unrecoverable_exit_code_becomes_the_servers() {
    let mut driver = Driver::start("workers=2 behave=unrecoverable");
    assert_eq!(driver.ends().code(), Some(77), "{}", driver.text());
    assert_eq!(driver.count("after_run"), 1);
    assert_eq!(
        driver.count("Received graceful stop (unrecoverable exit)"),
        1
    );
}

fn b13_an_unrecoverable_exit_code_goes_through_a_supervisor() {
    let mut driver = Driver::start("workers=2 supervisor=1 behave=unrecoverable");
    assert_eq!(driver.ends().code(), Some(77), "{}", driver.text());
    assert_eq!(driver.count("before_run"), 1);
}

fn b31_a_worker_that_fails_at_once_does_not_spin() {
    let mut driver = Driver::start("behave=error");
    driver.wait_for("failed 4 times in a row: next start in");
    driver.signal(Signal::SIGTERM);
    assert_eq!(driver.ends().code(), Some(0));
    assert!(driver.count("log ERROR Worker 0: nothing to do") <= 5);
}
