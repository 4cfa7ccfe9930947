//! The flag `--log`: where the program writes, and what happens when the file is moved away.

use nix::sys::signal::Signal;

use crate::mill::Mill;

const CONF: &str = "<match app.**>\n  @type stdout\n</match>\n";

#[test]
fn the_log_goes_to_the_file_and_a_moved_file_is_opened_anew() {
    let mut mill = Mill::idle(CONF);
    let log = mill.path("own.log");
    mill.start_unready_with(&["--log", &log.to_string_lossy()]);
    let is_running = |name: &str, count: usize| {
        let text = std::fs::read_to_string(mill.path(name)).unwrap_or_default();
        text.matches("worker is now running").count() == count
    };
    mill.wait_until("the worker runs", || is_running("own.log", 1));

    mill.rename("own.log", "own.log.1");
    mill.signal(Signal::SIGHUP);
    mill.wait_until("its successor runs", || is_running("own.log", 1));
    assert!(is_running("own.log.1", 1));
    assert_eq!(mill.stop().code(), Some(0));
}

#[test]
fn a_log_that_cannot_be_written_is_said_and_nothing_starts() {
    let mill = Mill::idle(CONF);
    let outcome = mill.run_bare(&[
        "-c",
        &mill.path("f.conf").to_string_lossy(),
        "--log",
        "/nowhere/own.log",
    ]);
    assert_eq!(outcome.code, Some(1));
    assert!(
        outcome
            .text
            .contains("cannot write the log to /nowhere/own.log: No such file or directory"),
        "{}",
        outcome.text
    );
}
