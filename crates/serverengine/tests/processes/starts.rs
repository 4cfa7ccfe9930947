//! Starts: what can go wrong in them, and stops that arrive during one.

use std::thread::sleep;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::driver::{Driver, assert_gone_within};

crate::tests![
    b3_a_term_at_any_instant_of_the_start_is_honoured,
    b3_a_term_during_start_delays_is_honoured,
    b3_a_term_during_before_run_starts_no_worker,
    a_failed_before_run_ends_the_server_with_its_reason,
    a_thread_before_the_fork_is_an_error_that_says_so,
    a_configuration_that_cannot_work_is_refused,
];

fn b3_a_term_at_any_instant_of_the_start_is_honoured() {
    for (round, supervisor) in (0..24).zip(["", "supervisor=1"].into_iter().cycle()) {
        let mut driver = Driver::start(&format!("workers=3 {supervisor}"));
        // Not before the program has come as far as `run`.
        driver.wait_for("inherited ");
        sleep(Duration::from_micros(round * 150));
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
