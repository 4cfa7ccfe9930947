//! Dumps of real processes: names, functions, and threads that cannot answer.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::ptrace;
use nix::sys::signal::Signal;
use nix::sys::wait::WaitPidFlag;
use nix::unistd::Pid;
use serverengine::{Allocator, Config};

use crate::death::server_of;
use crate::driver::{Driver, assert_gone_within, send};
use crate::proc;

crate::tests![
    a_dump_shows_what_each_named_thread_does,
    a_dump_of_control_processes_shows_their_loop,
    a_worker_whose_hooks_are_stuck_is_dumped_and_so_is_a_deaf_thread,
    a_dump_through_a_link_is_refused_and_nothing_is_written_to_its_target,
    dumps_in_a_row_are_held_back,
    a_dump_that_hangs_holds_up_no_control_loop,
];

/// Sets where the server under test writes its dumps, if anywhere.
pub(crate) fn configure(config: &mut Config, folder: Option<&str>, profile_hangs: bool) {
    config.sigdump_folder = folder.map(Into::into);
    config.disable_sigdump = folder.is_none();
    if profile_hangs {
        config.allocator = Arc::new(HangingProfile);
    }
}

/// An allocator whose heap profile takes for ever, like one that is written to a disk which hangs.
struct HangingProfile;

impl Allocator for HangingProfile {
    fn statistics(&self) -> Vec<String> {
        Vec::new()
    }

    fn has_heap_profile(&self) -> bool {
        true
    }

    fn write_heap_profile(&self, _file: &fs::File) -> std::io::Result<()> {
        sleep(Duration::from_secs(1000));
        Ok(())
    }
}

/// Waits until the dump of a process is complete.
fn dump_of(driver: &Driver, folder: &Path, pid: u32) -> String {
    driver.wait_for(&format!("sigdump-{pid}.log"));
    fs::read_to_string(file_of(folder, pid)).unwrap()
}

fn file_of(folder: &Path, pid: u32) -> PathBuf {
    folder.join(format!("sigdump-{pid}.log"))
}

/// Returns the lines of one thread's stack.
fn stack_of<'a>(dump: &'a str, thread: &str) -> Vec<&'a str> {
    let mut lines = dump.lines();
    let named = |line: &&str| line.split_whitespace().nth(1) == Some(thread);
    lines
        .find(named)
        .unwrap_or_else(|| panic!("no thread {thread}:\n{dump}"));
    lines
        .take_while(|line| line.starts_with("      "))
        .collect()
}

/// Returns the thread of this name.
fn thread_of(pid: u32, name: &str) -> Pid {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let named = |path: &PathBuf| {
        let comm = fs::read_to_string(path.join("comm")).unwrap_or_default();
        comm.trim() == name
    };
    let path = tasks.map(|it| it.unwrap().path()).find(named).unwrap();
    let number = path.file_name().unwrap().to_str().unwrap();
    Pid::from_raw(number.parse().unwrap())
}

#[track_caller]
fn assert_in_order(stack: &[&str], functions: &[&str]) {
    let mut left = stack.iter();
    for function in functions {
        let is_there = left.any(|line| line.contains(function));
        assert!(is_there, "{function} is not in its place: {stack:#?}");
    }
}

fn a_dump_shows_what_each_named_thread_does() {
    let folder = tempfile::tempdir().unwrap();
    let options = format!("dumps={} behave=threads", folder.path().display());
    let driver = Driver::working(&options, 1);
    let worker = driver.workers()[0].pid;
    send(worker, Signal::SIGCONT);
    let dump = dump_of(&driver, folder.path(), worker);
    // Blocked in a system call, below functions of libc and of std.
    assert_in_order(
        &stack_of(&dump, "blocked"),
        &["subject::deepest", "subject::deeper", "subject::blocks"],
    );
    assert_in_order(&stack_of(&dump, "spinning"), &["subject::spins"]);
    assert_in_order(&stack_of(&dump, "serverengine-co"), &["ControlThread::run"]);
    assert_in_order(&stack_of(&dump, "serverengine-du"), &["serverengine::dump"]);
    let main = dump
        .lines()
        .skip_while(|line| !line.contains(" subject:0 "));
    let main: Vec<_> = main
        .skip(1)
        .take_while(|it| it.starts_with("      "))
        .collect();
    assert_in_order(
        &main,
        &["Worker>::run", "processes::main", "__libc_start_main"],
    );
    // It goes on working, and the interrupted calls with it.
    send(worker, Signal::SIGTERM);
    driver.wait_for(" returns");
}

fn a_dump_of_control_processes_shows_their_loop() {
    let folder = tempfile::tempdir().unwrap();
    let options = format!("dumps={} supervisor=1", folder.path().display());
    let driver = Driver::working(&options, 1);
    let server = server_of(&driver);
    driver.signal(Signal::SIGCONT);
    for pid in [driver.pid(), server] {
        let dump = dump_of(&driver, folder.path(), pid);
        assert!(dump.contains("Control<"), "{dump}");
        assert!(dump.contains("  Allocator:\n    "), "{dump}");
        assert!(dump.contains(" KiB in use, "), "{dump}");
        assert!(dump.contains("Pss "), "{dump}");
    }
}

fn a_worker_whose_hooks_are_stuck_is_dumped_and_so_is_a_deaf_thread() {
    let folder = tempfile::tempdir().unwrap();
    let options = format!(
        "dumps={} behave=threads reload_hangs=1",
        folder.path().display()
    );
    let driver = Driver::working(&options, 1);
    let worker = driver.workers()[0].pid;
    send(worker, Signal::SIGUSR2);
    driver.wait_for(" reload");
    let wedged = thread_of(worker, "wedged");
    // A debugger's stop: like an uninterruptible wait, no signal comes through.
    ptrace::seize(wedged, ptrace::Options::empty()).unwrap();
    ptrace::interrupt(wedged).unwrap();
    nix::sys::wait::waitpid(wedged, Some(WaitPidFlag::__WALL)).unwrap();
    let start = Instant::now();
    send(worker, Signal::SIGCONT);
    let dump = dump_of(&driver, folder.path(), worker);
    assert!(start.elapsed() < Duration::from_secs(5), "the dump hangs");
    ptrace::detach(wedged, None).unwrap();
    assert_in_order(
        &stack_of(&dump, "serverengine-ho"),
        &["subject::SubjectWorker", "serverengine::worker::hooks::run"],
    );
    let deaf = stack_of(&dump, "deaf");
    assert!(
        deaf[0].contains("no backtrace: it blocks signal "),
        "{deaf:?}"
    );
    let wedged = stack_of(&dump, "wedged");
    assert!(dump.contains("wedged          t (tracing stop)"), "{dump}");
    assert_eq!(
        wedged,
        ["      no backtrace: it did not answer within 50ms"],
        "{dump}"
    );
}

fn a_dump_through_a_link_is_refused_and_nothing_is_written_to_its_target() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("target");
    fs::write(&target, "precious").unwrap();
    let options = format!("dumps={}", folder.path().display());
    let driver = Driver::working(&options, 1);
    let worker = driver.workers()[0].pid;
    for (pid, signalled) in [(driver.pid(), false), (worker, true)] {
        symlink(&target, file_of(folder.path(), pid)).unwrap();
        if signalled {
            send(worker, Signal::SIGCONT);
        } else {
            driver.signal(Signal::SIGCONT);
        }
    }
    driver.wait_for("log ERROR dump: cannot be written: Too many levels of symbolic links");
    sleep(Duration::from_millis(100));
    assert_eq!(fs::read(&target).unwrap(), b"precious");
    assert!(proc::runs(worker));
}

fn dumps_in_a_row_are_held_back() {
    let folder = tempfile::tempdir().unwrap();
    let driver = Driver::working(&format!("dumps={}", folder.path().display()), 1);
    let worker = driver.workers()[0].pid;
    send(worker, Signal::SIGCONT);
    let first = dump_of(&driver, folder.path(), worker);
    send(worker, Signal::SIGCONT);
    driver.wait_for("log WARN dump: not written, the last one was less than a second ago");
    let second = fs::read_to_string(file_of(folder.path(), worker)).unwrap();
    assert_eq!(first, second);
}

fn a_dump_that_hangs_holds_up_no_control_loop() {
    let folder = tempfile::tempdir().unwrap();
    let options = format!(
        "dumps={} profile_hangs=1 supervisor=1 no_backoff=1 heartbeat=1000",
        folder.path().display()
    );
    let mut driver = Driver::working(&options, 1);
    let (worker, server) = (driver.workers()[0].pid, server_of(&driver));
    driver.signal(Signal::SIGCONT);
    driver.wait_for_count("dump: up for", 2);
    sleep(Duration::from_millis(300));
    let killed = Instant::now();
    send(worker, Signal::SIGKILL);
    driver.wait_for_workers(2);
    assert!(killed.elapsed() < Duration::from_millis(500));
    // Longer than a server may be silent.
    sleep(Duration::from_millis(1_500));
    assert_eq!(server_of(&driver), server, "{}", driver.text());
    driver.signal(Signal::SIGCONT);
    driver.wait_for("log WARN dump: not written, the last one is still being written");
    let family = proc::descendants(driver.pid());
    driver.signal(Signal::SIGTERM);
    assert_eq!(driver.ends().code(), Some(0));
    // Those who write have gone with those who asked them to.
    assert_gone_within(&family, Duration::from_secs(1));
}
