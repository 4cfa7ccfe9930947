//! A configuration callback, and what a reload brings to whom.

use std::fs;
use std::path::PathBuf;
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::driver::Driver;
use crate::proc;

crate::tests![
    b06_acceptance_08_a_reload_reaches_every_worker_type,
    a_reload_changes_the_number_of_workers,
    a_new_server_begins_with_what_was_reloaded,
    a_callback_that_fails_hangs_panics_or_dies_changes_nothing,
    a_callback_that_hangs_holds_up_nobody,
    an_unchanged_file_is_not_loaded_again,
    a_level_changed_by_reload_reaches_running_workers,
];

/// The file that the callback reads.
struct File {
    folder: tempfile::TempDir,
}

impl File {
    fn new(text: &str) -> Self {
        let file = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        file.write(text);
        file
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("config.json")
    }

    /// Writes it as long ago as a person needs to send a signal.
    fn write(&self, text: &str) {
        fs::write(self.path(), text).unwrap();
        sleep(Duration::from_millis(60));
    }

    fn calls(&self) -> usize {
        fs::read(self.path().with_extension("calls")).unwrap().len()
    }

    fn start(&self, options: &str) -> Driver {
        Driver::working(&format!("callback={} {options}", self.path().display()), 1)
    }
}

const HELLO: &str = r#"{"greeting":"hello"}"#;
const SALUT: &str = r#"{"greeting":"salut"}"#;

fn b06_acceptance_08_a_reload_reaches_every_worker_type() {
    for kind in ["process", "thread", "embedded"] {
        for supervisor in ["", "supervisor=1"] {
            let file = File::new(HELLO);
            let mut driver = file.start(&format!("type={kind} {supervisor}"));
            driver.wait_for(&format!("begins with 1: {HELLO}"));
            file.write(SALUT);
            driver.signal(Signal::SIGUSR2);
            driver.wait_for(&format!("sees 2: {SALUT}"));
            driver.wait_for("configuration 2 is taken over by all 1 workers");
            assert_eq!(driver.workers().len(), 1, "{}", driver.text());
            assert_eq!(file.calls(), 2, "once at the start, once for the reload");
            driver.signal(Signal::SIGTERM);
            assert_eq!(driver.ends().code(), Some(0));
        }
    }
}

fn a_reload_changes_the_number_of_workers() {
    for kind in ["process", "thread"] {
        let file = File::new("{}");
        let driver = file.start(&format!("type={kind}"));
        file.write(r#"{"workers":3}"#);
        driver.signal(Signal::SIGUSR2);
        driver.wait_for_workers(3);
        file.write(r#"{"workers":1}"#);
        driver.signal(Signal::SIGUSR2);
        driver.wait_for_count(" returns", 2);
    }
}

fn a_new_server_begins_with_what_was_reloaded() {
    let file = File::new(HELLO);
    let driver = file.start("supervisor=1");
    for (signal, greeting) in [(Signal::SIGUSR2, "one"), (Signal::SIGUSR1, "two")] {
        file.write(&format!("{{\"greeting\":\"{greeting}\"}}"));
        driver.signal(signal);
        driver.wait_for(&format!("greeting\":\"{greeting}\""));
    }
    // As the supervisor knows it: by then it is not asked again.
    fs::write(file.path(), "fail").unwrap();
    let calls = file.calls();
    let workers = driver.workers().len();
    crate::driver::send(crate::death::server_of(&driver), Signal::SIGKILL);
    driver.wait_for_workers(workers + 1);
    driver.wait_for_count("\":\"two\"", 2);
    assert_eq!(file.calls(), calls);
}

fn a_callback_that_fails_hangs_panics_or_dies_changes_nothing() {
    for kind in ["type=process", "type=thread", "supervisor=1"] {
        let file = File::new(HELLO);
        let driver = file.start(&format!("load_timeout=2000 {kind}"));
        let mut cases = vec![
            (
                "[]",
                "config.json:1:1: expected a mapping of keys to values, found a list",
            ),
            (
                "{\"worker\":1}",
                "config.json:1:2: worker: invalid type: integer `1`, expected a string",
            ),
            (
                "{\"workers\":0}",
                "config.json:1:1: workers must be 1 to 4096, but is 0",
            ),
            ("panic", "the configuration callback panicked: on purpose"),
        ];
        if kind != "type=thread" {
            cases.push(("die", "the process that loaded it died"));
        }
        cases.push(("hang", "it was not loaded within 2s (config_load_timeout)"));
        for (text, message) in cases {
            file.write(text);
            driver.signal(Signal::SIGUSR2);
            driver.wait_for(message);
        }
        let refused = "new configuration refused, nothing was reloaded: ";
        assert!(driver.count(refused) >= 5, "{}", driver.text());
        assert_eq!(driver.workers().len(), 1, "{}", driver.text());
        assert_eq!(driver.count("sees"), 0);
        if kind != "type=thread" {
            // The last one was killed, and nobody waited for its death.
            driver.wait("no helper left", || {
                (proc::descendants(driver.pid()).len() <= 2).then_some(())
            });
            file.write(SALUT);
            driver.signal(Signal::SIGUSR2);
            driver.wait_for(&format!("sees 2: {SALUT}"));
        }
    }
}

fn a_callback_that_hangs_holds_up_nobody() {
    let file = File::new(HELLO);
    let mut driver = file.start("load_timeout=60000 workers=1");
    file.write("hang");
    driver.signal(Signal::SIGUSR2);
    driver.wait("the callback", || (file.calls() == 2).then_some(()));
    let start = Instant::now();
    crate::driver::send(driver.workers()[0].pid, Signal::SIGKILL);
    driver.wait_for_workers(2);
    driver.signal(Signal::SIGTERM);
    assert_eq!(driver.ends().code(), Some(0));
    assert!(start.elapsed() < Duration::from_secs(30));
}

fn an_unchanged_file_is_not_loaded_again() {
    for supervisor in ["", "supervisor=1"] {
        let file = File::new(HELLO);
        let driver = file.start(supervisor);
        driver.signal(Signal::SIGUSR2);
        driver.wait_for("the file has not changed since it was loaded just now");
        driver.wait_for("worker - ");
        assert_eq!(file.calls(), 1, "{}", driver.text());
        file.write(SALUT);
        driver.signal(Signal::SIGUSR2);
        driver.wait_for(&format!("sees 3: {SALUT}"));
        assert_eq!(file.calls(), 2);
    }
}

fn a_level_changed_by_reload_reaches_running_workers() {
    for supervisor in ["", "supervisor=1"] {
        let file = File::new(HELLO);
        let driver = file.start(&format!("logger=output {supervisor}"));
        assert_eq!(driver.count("the worker sees the level"), 0);
        file.write(r#"{"greeting":"hello","log_level":"debug"}"#);
        driver.signal(Signal::SIGUSR2);
        driver.wait_for("DEBUG -- : the worker sees the level");
        assert_eq!(driver.workers().len(), 1);
    }
}
