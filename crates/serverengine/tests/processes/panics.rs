//! Hooks that panic or leave threads behind: what is said, and what goes on.

use nix::sys::signal::Signal;

use crate::death::server_of;
use crate::driver::{Driver, send};
use crate::proc;

crate::tests![
    a_panic_in_before_run_ends_the_server_and_says_why,
    a_panic_in_after_run_changes_nothing_about_the_end,
    a_panic_where_a_worker_is_built_is_a_failed_start,
    a_panic_in_after_start_is_logged_and_the_worker_works,
    a_panic_in_a_reload_hook_of_the_server_refuses_the_configuration,
    a_panic_in_a_workers_hook_leaves_it_working_and_stoppable,
    a_panic_in_a_stop_hook_is_followed_by_the_immediate_stop,
    a_thread_that_before_fork_left_running_is_an_error_that_says_so,
];

fn a_panic_in_before_run_ends_the_server_and_says_why() {
    let mut driver = Driver::start("panics=before_run logger=output");
    assert_eq!(driver.ends().code(), Some(1));
    driver.wait_for(
        "FATAL -- : the server could not start: before_run panicked: before_run on purpose",
    );
    assert_eq!(driver.count("after_run"), 0);
    // Under a supervisor it is tried again, later and later.
    let mut driver = Driver::start("panics=before_run supervisor=1");
    driver.wait_for("log ERROR Server 0 exited unexpectedly with status 1");
    driver.wait_for("failed 3 times in a row: next start in");
    driver.signal(Signal::SIGTERM);
    assert_eq!(driver.ends().code(), Some(0));
}

fn a_panic_in_after_run_changes_nothing_about_the_end() {
    for options in ["", "supervisor=1", "logger=output"] {
        let mut driver = Driver::working(&format!("panics=after_run {options}"), 1);
        driver.signal(Signal::SIGTERM);
        assert_eq!(driver.ends().code(), Some(0), "{}", driver.text());
        driver.wait_for("after_run panicked: after_run on purpose");
    }
}

fn a_panic_where_a_worker_is_built_is_a_failed_start() {
    for hook in ["build", "before_fork"] {
        let mut driver = Driver::start(&format!("panics={hook}"));
        driver.wait_for(&format!(
            "log ERROR Worker 0 could not be started: building it panicked: {hook} on purpose"
        ));
        driver.wait_for("failed 3 times in a row: next start in");
        driver.signal(Signal::SIGTERM);
        assert_eq!(driver.ends().code(), Some(0));
    }
}

fn a_panic_in_after_start_is_logged_and_the_worker_works() {
    let mut driver = Driver::working("panics=after_start workers=2", 2);
    driver.wait_for_count(
        "log ERROR the after_start hook panicked: after_start on purpose",
        2,
    );
    driver.signal(Signal::SIGTERM);
    assert_eq!(driver.ends().code(), Some(0));
    assert_eq!(driver.count(" returns"), 2);
}

fn a_panic_in_a_reload_hook_of_the_server_refuses_the_configuration() {
    for hook in ["reload_config", "workers", "worker_config"] {
        let mut driver = Driver::working(&format!("panics={hook} config=1"), 1);
        driver.signal(Signal::SIGUSR2);
        driver.wait_for("log ERROR new configuration refused, nothing was reloaded: ");
        assert_eq!(driver.count(&format!("panicked: {hook} on purpose")), 1);
        assert!(proc::runs(driver.workers()[0].pid));
        driver.signal(Signal::SIGTERM);
        assert_eq!(driver.ends().code(), Some(0));
        let text = driver.text();
        let reloads = text
            .lines()
            .filter(|it| it.starts_with("worker -") && it.ends_with(" reload"));
        assert_eq!(reloads.count(), 0, "no worker was told: {text}");
    }
}

fn a_panic_in_a_workers_hook_leaves_it_working_and_stoppable() {
    for (hook, signal, name) in [
        ("reload", Signal::SIGUSR2, "Reload"),
        ("dump", Signal::SIGCONT, "Dump"),
        ("signal", Signal::SIGUSR1, "Signal(Usr1)"),
    ] {
        let forward = if hook == "signal" { "forward=1" } else { "" };
        let mut driver = Driver::working(&format!("panics={hook} {forward}"), 1);
        driver.signal(signal);
        driver.wait_for(&format!("log ERROR the worker's hook for {name} panicked"));
        driver.signal(Signal::SIGTERM);
        assert_eq!(driver.ends().code(), Some(0));
        assert_eq!(driver.count(" returns"), 1);
        assert_eq!(driver.workers().len(), 1);
    }
}

fn a_panic_in_a_stop_hook_is_followed_by_the_immediate_stop() {
    let mut driver = Driver::working("panics=stop kill=3000", 1);
    driver.signal(Signal::SIGTERM);
    assert_eq!(driver.ends().code(), Some(0));
    driver.wait_for("log ERROR the worker's hook for Stop panicked");
    assert_eq!(driver.count(" returns"), 0);
}

fn a_thread_that_before_fork_left_running_is_an_error_that_says_so() {
    let driver = Driver::working("before_fork=thread supervisor=1 type=thread", 1);
    // Where nothing is forked, it is nobody's concern.
    assert!(proc::runs(server_of(&driver)));
    let driver = Driver::start("before_fork=thread supervisor=1");
    let text = driver.wait_for("log ERROR Worker 0 could not be started: fork: ");
    assert!(text.starts_with("a control process must have one thread when it forks"));
    // The server is not lost: a new one starts without the thread.
    send(server_of(&driver), Signal::SIGTERM);
    driver.wait_for_count("before_run", 2);
}
