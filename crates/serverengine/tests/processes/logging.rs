//! The logger process: what is written, and what happens when it cannot be.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use nix::sys::stat::Mode;

use crate::death::server_of;
use crate::driver::{Driver, assert_gone_within, send};
use crate::proc;

crate::tests![
    every_process_logs_and_prints_into_one_file,
    json_lines_hold_prints_too,
    programs_and_threads_print_into_the_log,
    half_of_a_line_is_logged_when_its_writer_dies,
    b6_a_level_changed_by_reload_reaches_running_workers,
    a_reload_opens_the_file_anew,
    a_killed_logger_is_replaced_and_no_voice_is_lost,
    b1_the_logger_ends_with_the_tree_that_was_killed,
    b1_a_worker_holds_its_own_pipe_to_the_logger_only,
    a_full_disk_stops_nobody,
    a_disk_that_was_full_has_whole_lines_and_the_number_of_the_lost,
    a_hanging_disk_holds_up_neither_workers_nor_the_control_loop,
    a_frozen_logger_holds_up_neither_workers_nor_the_control_loop,
];

/// Returns the logger process of a server.
fn logger_of(driver: &Driver) -> Option<u32> {
    proc::descendants(driver.pid())
        .into_iter()
        .find(|pid| proc::runs(*pid) && proc::name_of(*pid) == "logger")
}

fn every_process_logs_and_prints_into_one_file() {
    for supervisor in ["", "supervisor=1"] {
        let mut driver = Driver::working(&format!("logger=output workers=2 {supervisor}"), 2);
        driver.signal(Signal::SIGTERM);
        assert_eq!(driver.ends().code(), Some(0));
        let text = driver.text();
        let line = text
            .lines()
            .find(|line| line.contains("INFO -- : Worker 1 finished with status 0"))
            .unwrap();
        // I, [2026-11-21T01:02:13.030487 #24557]  INFO -- : text
        assert!(line.starts_with("I, [20"), "{line}");
        assert_eq!(line.find(" #"), Some(30), "{line}");
        assert!(line.contains("]  INFO -- : Worker 1"), "{line}");
        assert_eq!(driver.count("returns"), 2, "printed by workers");
        assert_eq!(driver.count("after_run"), 1, "printed by the server");
    }
}

fn json_lines_hold_prints_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let mut driver = Driver::start(&format!("logger={} json=1", path.display()));
    driver.wait("a worker", || {
        let text = fs::read_to_string(&path).ok()?;
        text.contains(" works").then_some(())
    });
    driver.signal(Signal::SIGTERM);
    assert_eq!(driver.ends().code(), Some(0));
    let text = fs::read_to_string(&path).unwrap();
    let mut lines = text.lines();
    assert!(lines.next().unwrap().starts_with("# Logfile created on 20"));
    for line in lines {
        assert!(line.starts_with("{\"time\":\"20"), "{line}");
        assert!(line.ends_with("\"}"), "{line}");
    }
    let printed = text.lines().find(|line| line.contains(" works")).unwrap();
    let (_, pid) = printed.split_once("\"pid\":").unwrap();
    let pid = pid.split(',').next().unwrap();
    assert!(printed.ends_with(&format!("\"message\":\"worker 0 {pid} works\"}}")));
}

fn programs_and_threads_print_into_the_log() {
    for kind in ["type=spawn program=waits", "type=thread"] {
        let mut driver = Driver::working(&format!("logger=output {kind}"), 1);
        let printed = proc::descriptors_of(driver.workers()[0].pid);
        assert!(printed[&1].starts_with("pipe:"), "{printed:?}");
        assert!(printed[&2].starts_with("pipe:"), "{printed:?}");
        driver.signal(Signal::SIGTERM);
        assert_eq!(driver.ends().code(), Some(0));
        driver.wait_for("INFO -- : Received graceful stop");
    }
}

fn b6_a_level_changed_by_reload_reaches_running_workers() {
    for options in ["", "supervisor=1", "type=thread"] {
        let driver = Driver::working(&format!("logger=output level_then=debug {options}"), 1);
        driver.signal(Signal::SIGUSR2);
        driver.wait_for("DEBUG -- : the worker sees the level");
    }
}

fn a_reload_opens_the_file_anew() {
    let folder = tempfile::tempdir().unwrap();
    let (path, moved) = (folder.path().join("log"), folder.path().join("moved"));
    let driver = Driver::start(&format!("logger={}", path.display()));
    driver.wait("a file", || path.exists().then_some(()));
    fs::rename(&path, &moved).unwrap();
    driver.signal(Signal::SIGUSR2);
    driver.wait("another file", || {
        let text = fs::read_to_string(&path).ok()?;
        text.contains("reload").then_some(())
    });
}

fn a_killed_logger_is_replaced_and_no_voice_is_lost() {
    for supervisor in ["", "supervisor=1"] {
        let mut driver = Driver::working(&format!("logger=output workers=2 {supervisor}"), 2);
        let first = driver.wait("a logger", || logger_of(&driver));
        send(first, Signal::SIGKILL);
        driver.wait_for("ERROR -- : the logger process ended with signal SIGKILL");
        assert_ne!(logger_of(&driver), Some(first));
        // Old voices, new voices, and the prints of both.
        driver.signal(Signal::SIGUSR2);
        driver.wait_for_count("worker - ", 2);
        send(driver.workers()[0].pid, Signal::SIGKILL);
        driver.wait_for_workers(3);
        driver.signal(Signal::SIGTERM);
        assert_eq!(driver.ends().code(), Some(0));
        assert_eq!(driver.count("returns"), 2);
        driver.wait_for("INFO -- : Worker 1 finished with status 0");
    }
}

fn b1_the_logger_ends_with_the_tree_that_was_killed() {
    for supervisor in ["", "supervisor=1"] {
        let mut driver = Driver::working(&format!("logger=output workers=2 {supervisor}"), 2);
        let family = proc::descendants(driver.pid());
        driver.kill();
        assert_gone_within(&family, Duration::from_secs(1));
    }
    // A killed server keeps its log.
    let driver = Driver::working("logger=output supervisor=1", 1);
    let logger = logger_of(&driver);
    send(server_of(&driver), Signal::SIGKILL);
    driver.wait_for_workers(2);
    assert_eq!(logger_of(&driver), logger);
}

fn b1_a_worker_holds_its_own_pipe_to_the_logger_only() {
    let driver = Driver::working("logger=output workers=3 supervisor=1", 3);
    for worker in driver.workers() {
        let open = proc::descriptors_of(worker.pid);
        let inherited = proc::descriptors_of(std::process::id());
        let count = |kind: &str| {
            open.iter()
                .filter(|(number, target)| inherited.get(number) != Some(target))
                .filter(|(_, target)| target.starts_with(kind))
                .count()
        };
        assert_eq!(count("pipe:"), 3, "output, error, lines: {open:?}");
        assert_eq!(count("socket:"), 1, "its life-line: {open:?}");
        assert_eq!(count("anon_inode:"), 1, "signalfd: {open:?}");
        assert_eq!(open[&1], open[&2]);
    }
}

fn a_full_disk_stops_nobody() {
    let mut driver = Driver::start("logger=/dev/full workers=1");
    driver.wait_for("cannot write the log /dev/full: No space left on device (os error 28)");
    driver.signal(Signal::SIGTERM);
    assert_eq!(driver.ends().code(), Some(0));
    assert_eq!(driver.count("cannot write the log"), 1, "said once");
}

/// A small file system of its own, for as long as it lives.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    /// `None`: this machine lets nobody mount one.
    fn mount() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"]);
        let mounted = mount.arg(folder.path()).output();
        mounted
            .is_ok_and(|it| it.status.success())
            .then_some(Self(folder))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}

fn a_disk_that_was_full_has_whole_lines_and_the_number_of_the_lost() {
    let Some(disk) = SmallDisk::mount() else {
        println!("  skipped: a file system cannot be mounted here");
        return;
    };
    let (path, ballast) = (disk.0.path().join("log"), disk.0.path().join("ballast"));
    fs::write(&ballast, vec![0; 900_000]).unwrap();
    let mut driver = Driver::start(&format!(
        "logger={} behave=floods lines=1000",
        path.display()
    ));
    driver.wait_for("cannot write the log");
    fs::remove_file(&ballast).unwrap();
    driver.signal(Signal::SIGTERM);
    assert_eq!(driver.ends().code(), Some(0));
    let text = fs::read_to_string(&path).unwrap();
    let lost: Vec<u64> = text
        .lines()
        .filter_map(|line| {
            line.split_once("WARN -- : log: ")?
                .1
                .split(' ')
                .next()?
                .parse()
                .ok()
        })
        .collect();
    let whole = |line: &&str| {
        let flood = line.split_once(" -- : flood ").map(|(_, rest)| rest);
        let words = flood.map(|it| it.split(' ').collect::<Vec<_>>());
        words.is_none_or(|it| it[3].len() == it[2].parse::<usize>().unwrap() % 300)
    };
    // One line may have been begun when the disk became full.
    let torn = text.lines().filter(|line| line.contains(" -- : flood "));
    let torn = torn.filter(|line| line.split(' ').count() < 10 || !whole(line));
    assert!(torn.count() <= 1, "{text}");
    let counted = text
        .lines()
        .filter(|it| it.contains("flood 0 ") || it.starts_with("print 0 "));
    let counted = counted.count() as u64;
    let lost: u64 = lost.iter().sum();
    assert!(lost > 0, "{text}");
    // Half of one counts twice: it is there, and it is lost.
    assert!(
        (2_000..=2_001).contains(&(counted + lost)),
        "{counted} written, {lost} lost"
    );
}

fn half_of_a_line_is_logged_when_its_writer_dies() {
    let mut driver = Driver::start("logger=output behave=half_lines no_backoff=1");
    driver.wait_for(" works");
    let worker = proc::descendants(driver.pid())
        .into_iter()
        .find(|pid| proc::name_of(*pid).starts_with("subject:"))
        .unwrap();
    send(worker, Signal::SIGKILL);
    driver.wait_for_count(" works", 2);
    driver.signal(Signal::SIGTERM);
    assert_eq!(driver.ends().code(), Some(0));
    let text = driver.text();
    // Standard output and error share a pipe, so that what is printed keeps its order.
    let half = format!("half of worker {worker}other half of worker {worker}");
    assert!(text.lines().any(|line| line.starts_with(&half)), "{text}");
    let glued = text.lines().filter(|line| line.contains(&half));
    assert!(
        glued.clone().all(|line| !line.contains("]  INFO")),
        "{text}"
    );
}

fn a_hanging_disk_holds_up_neither_workers_nor_the_control_loop() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    // Nobody reads it: whoever opens it for writing waits, as for a dead disk.
    nix::unistd::mkfifo(&path, Mode::S_IRWXU).unwrap();
    let mut driver = Driver::start(&format!(
        "logger={} workers=2 no_backoff=1 behave=floods lines=20000",
        path.display()
    ));
    let workers = || -> Vec<u32> {
        let mut all = proc::descendants(driver.pid());
        all.retain(|pid| proc::runs(*pid) && proc::name_of(*pid).starts_with("subject:"));
        all
    };
    let before = driver.wait("two workers", || Some(workers()).filter(|it| it.len() == 2));
    std::thread::sleep(Duration::from_millis(300));
    let killed = Instant::now();
    send(before[0], Signal::SIGKILL);
    driver.wait("a replacement", || {
        let now = workers();
        (now.len() == 2 && !now.contains(&before[0])).then_some(())
    });
    assert!(killed.elapsed() < Duration::from_millis(500));
    let family = proc::descendants(driver.pid());
    driver.signal(Signal::SIGQUIT);
    assert_eq!(driver.ends().code(), Some(0));
    driver.wait_for("ERROR -- : the logger process was killed: it could not write the last lines");
    assert_gone_within(&family, Duration::from_secs(1));
}

fn a_frozen_logger_holds_up_neither_workers_nor_the_control_loop() {
    // Its pipes are full in no time; what is too much is dropped where it is said.
    let mut driver =
        Driver::start("logger=output workers=2 no_backoff=1 behave=floods lines=20000");
    let logger = driver.wait("a logger", || logger_of(&driver));
    let workers = || -> Vec<u32> {
        let mut all = proc::descendants(driver.pid());
        all.retain(|pid| proc::runs(*pid) && proc::name_of(*pid).starts_with("subject:"));
        all
    };
    let before = driver.wait("two workers", || Some(workers()).filter(|it| it.len() == 2));
    send(logger, Signal::SIGSTOP);
    std::thread::sleep(Duration::from_millis(300));
    let killed = Instant::now();
    send(before[0], Signal::SIGKILL);
    driver.wait("a replacement", || {
        let now = workers();
        (now.len() == 2 && !now.contains(&before[0])).then_some(())
    });
    assert!(killed.elapsed() < Duration::from_millis(500));
    let family = proc::descendants(driver.pid());
    driver.signal(Signal::SIGQUIT);
    assert_eq!(driver.ends().code(), Some(0));
    assert_gone_within(&family, Duration::from_secs(1));
}
