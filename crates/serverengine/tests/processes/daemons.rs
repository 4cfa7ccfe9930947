//! Daemons, pid files, users and groups, titles.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::driver::{Driver, Introduced, assert_gone_within, send, send_if_there};
use crate::proc;

crate::tests![
    a_daemon_is_ready_when_its_launcher_ends,
    a_daemon_that_fails_says_why_and_its_launcher_fails,
    b24_a_second_server_with_the_same_pid_file_is_refused,
    b24_a_pid_file_left_by_a_killed_server_is_replaced,
    b25_the_launcher_leaves_no_zombie,
    a_launcher_steers_the_daemon_it_has_started,
    b7_b8_user_and_groups_are_exact_in_the_foreground,
    b7_workers_have_their_own_user_and_die_with_their_server,
    b7_programs_have_the_user_and_nothing_else,
    b8_masks_apply_in_the_foreground,
    a_user_that_does_not_exist_is_refused,
    processes_have_the_titles_that_ps_shows,
    titles_stay_after_reload_and_restart_and_long_ones_are_cut,
];

/// A daemon that a test started, and nobody's child.
struct Daemon(u32);

impl Daemon {
    /// Waits until the pid file names it.
    fn of(driver: &Driver, path: &Path) -> Self {
        driver.wait("a pid file", || {
            let text = fs::read_to_string(path).ok()?;
            Some(Self(text.trim().parse().ok()?))
        })
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if proc::runs(self.0) {
            send_if_there(self.0, Signal::SIGKILL);
        }
    }
}

fn is_root() -> bool {
    let is_root = nix::unistd::geteuid().is_root();
    if !is_root {
        println!("  skipped: only root can change users");
    }
    is_root
}

fn a_daemon_is_ready_when_its_launcher_ends() {
    for options in ["", "supervisor=1", "type=thread"] {
        for logger in [false, true] {
            let folder = tempfile::tempdir().unwrap();
            let (pid, log) = (folder.path().join("pid"), folder.path().join("log"));
            let logger = if logger {
                format!("logger={}", log.display())
            } else {
                String::new()
            };
            let mut launcher = Driver::start(&format!(
                "daemonize=1 pid_path={} before_run=100 workers=2 {options} {logger}",
                pid.display()
            ));
            assert_eq!(launcher.ends().code(), Some(0), "{}", launcher.text());
            // At once: there is nothing to wait for.
            let daemon = Daemon::of(&launcher, &pid);
            assert!(proc::runs(daemon.0));
            assert_ne!(
                proc::session_of(daemon.0),
                proc::session_of(std::process::id())
            );
            assert_ne!(
                proc::session_of(daemon.0),
                daemon.0,
                "it can get no terminal"
            );
            let family = [vec![daemon.0], proc::descendants(daemon.0)].concat();
            for process in &family {
                let open = proc::descriptors_of(*process);
                let inherited = open[&2].starts_with("/tmp") || open[&1].starts_with("/tmp");
                assert!(!inherited, "{open:?}");
                assert_eq!(open[&0], "/dev/null");
            }
            send(daemon.0, Signal::SIGTERM);
            assert_gone_within(&family, Duration::from_secs(2));
            assert!(!pid.exists(), "{}", launcher.text());
            if !logger.is_empty() {
                let text = fs::read_to_string(&log).unwrap();
                assert!(text.contains("after_run"), "{text}");
            }
        }
    }
}

fn a_daemon_that_fails_says_why_and_its_launcher_fails() {
    let folder = tempfile::tempdir().unwrap();
    let pid = folder.path().join("pid");
    let options = format!(
        "daemonize=1 pid_path={} before_run=error stderr=1",
        pid.display()
    );
    let mut launcher = Driver::start(&options);
    assert_eq!(launcher.ends().code(), Some(1));
    launcher.wait_for("the server could not start: no disk");
    launcher.wait_for("the daemon ended before it was ready");
    assert!(!pid.exists());

    let mut launcher = Driver::start("daemonize=1 logger=/no/such/folder/log stderr=1");
    assert_eq!(launcher.ends().code(), Some(1));
    launcher.wait_for("cannot start the log: No such file or directory (os error 2)");
}

fn b24_a_second_server_with_the_same_pid_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pid");
    let options = format!("pid_path={}", path.display());
    let mut first = Driver::working(&options, 1);
    let mut second = Driver::start(&options);
    assert_eq!(second.ends().code(), Some(1));
    let (path, pid) = (path.display(), first.pid());
    second.wait_for(&format!(
        "log FATAL already running: pid file {path} is locked by process {pid}"
    ));
    // No child holds the lock: neither does a worker that is left in a session of its own.
    let open = proc::descriptors_of(first.workers()[0].pid);
    assert!(!open.values().any(|it| it.ends_with("/pid")), "{open:?}");
    first.signal(Signal::SIGTERM);
    assert_eq!(first.ends().code(), Some(0));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

fn b24_a_pid_file_left_by_a_killed_server_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pid");
    let options = format!("pid_path={}", path.display());
    let mut first = Driver::working(&options, 1);
    first.kill();
    assert!(path.exists());
    let second = Driver::working(&options, 1);
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(text, format!("{}\n", second.pid()));
}

/// Gives the daemon these commands, in a launcher, and says what came of each.
pub(crate) fn steer<S, F>(daemon: &serverengine::Daemon<S, F>, words: &str) {
    for word in words.split(',') {
        let done = match word {
            "reload" => daemon.reload(),
            "restart" => daemon.restart(true),
            "dump" => daemon.dump(),
            "detach" => daemon.detach(),
            "stop" => daemon.stop(true),
            "abort" => daemon.stop(false),
            "ended" => daemon
                .handle()
                .and_then(|it| match it.wait(Duration::from_secs(10))? {
                    true => Ok(()),
                    false => Err(std::io::ErrorKind::TimedOut.into()),
                }),
            _ => panic!("{word}"),
        };
        println!("launcher {word} {done:?}");
        // Each arrives on its own.
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn a_launcher_steers_the_daemon_it_has_started() {
    for end in ["stop", "abort"] {
        let folder = tempfile::tempdir().unwrap();
        let (pid, log) = (folder.path().join("pid"), folder.path().join("log"));
        let mut launcher = Driver::start(&format!(
            "daemonize=1 pid_path={} logger={} dumps={} steers=reload,dump,restart,{end},ended,{end}",
            pid.display(),
            log.display(),
            folder.path().display()
        ));
        assert_eq!(launcher.ends().code(), Some(0), "{}", launcher.text());
        for word in ["reload", "dump", "restart", end, "ended"] {
            launcher.wait_for(&format!("launcher {word} Ok(())"));
        }
        // It is gone, and its number will never mean another process here.
        launcher.wait_for(&format!(
            "launcher {end} Err(Custom {{ kind: NotFound, error: \"process "
        ));
        assert!(!pid.exists());
        let text = fs::read_to_string(&log).unwrap();
        for said in [
            "Received reload",
            "dump: up for",
            "Received graceful restart",
            if end == "stop" {
                "Received graceful stop"
            } else {
                "Received immediate stop"
            },
        ] {
            assert!(text.contains(said), "{said}: {text}");
        }
    }
    // Who runs in the foreground has started none.
    let mut driver = Driver::working("steers=stop", 1);
    driver.signal(Signal::SIGTERM);
    assert_eq!(driver.ends().code(), Some(0));
    driver.wait_for("no daemon was started from here (Config::daemonize, Daemon::run)");
}

fn b25_the_launcher_leaves_no_zombie() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pid");
    let options = format!("daemonize=1 pid_path={} before_run=300", path.display());
    let mut launcher = Driver::start(&options);
    let daemon = Daemon::of(&launcher, &path);
    assert!(proc::runs(launcher.pid()), "it waits for readiness");
    launcher.wait("the end of the process between", || {
        proc::descendants(launcher.pid()).is_empty().then_some(())
    });
    assert_eq!(launcher.ends().code(), Some(0));
    send(daemon.0, Signal::SIGTERM);
    assert_gone_within(&[daemon.0], Duration::from_secs(2));
}

fn b7_b8_user_and_groups_are_exact_in_the_foreground() {
    if !is_root() {
        return;
    }
    for (options, groups) in [
        ("chuser=nobody", vec!["65534"]),
        ("chuser=65534 chgroup=4 supervisor=1", vec!["4", "65534"]),
        ("chuser=3999999999 chgroup=3999999998", vec!["3999999998"]),
    ] {
        let mut driver = Driver::working(&format!("groups=1 workers=2 {options}"), 2);
        let mut family = proc::descendants(driver.pid());
        family.push(driver.pid());
        let user = if options.contains("399") {
            "3999999999"
        } else {
            "65534"
        };
        for pid in family {
            assert_eq!(proc::status_of(pid, "Uid"), [user; 4]);
            // The account of nobody is in its own group only, and that is what a change of group adds to.
            let found = proc::status_of(pid, "Groups");
            assert!(found.iter().all(|it| groups.contains(&&**it)), "{found:?}");
            assert_eq!(proc::status_of(pid, "CapEff"), ["0000000000000000"]);
        }
        driver.signal(Signal::SIGTERM);
        assert_eq!(driver.ends().code(), Some(0));
    }
}

fn b7_workers_have_their_own_user_and_die_with_their_server() {
    if !is_root() {
        return;
    }
    let mut driver = Driver::working("groups=1 workers=2 worker_chuser=nobody ignores_stop=1", 2);
    assert_eq!(proc::status_of(driver.pid(), "Uid"), ["0"; 4]);
    let workers: Vec<_> = driver.workers().iter().map(|it| it.pid).collect();
    for worker in &workers {
        assert_eq!(proc::status_of(*worker, "Uid"), ["65534"; 4]);
        assert_eq!(proc::status_of(*worker, "Groups"), ["65534"]);
    }
    // The change of user has cleared the wish to die with the parent; it was repeated.
    driver.kill();
    assert_gone_within(&workers, Duration::from_secs(1));
}

fn b7_programs_have_the_user_and_nothing_else() {
    if !is_root() {
        return;
    }
    for options in ["worker_chuser=nobody", "chuser=nobody"] {
        let options = format!("groups=1 type=spawn program=reads words=1 {options}");
        let mut driver = Driver::working(&options, 1);
        let program = driver.workers()[0].pid;
        assert_eq!(proc::status_of(program, "Uid"), ["65534"; 4]);
        assert_eq!(proc::status_of(program, "Groups"), ["65534"]);
        let open = proc::descriptors_of(program);
        assert_eq!(open.keys().copied().collect::<Vec<_>>(), [0, 1, 2, 7]);
        driver.kill();
        assert_gone_within(&[program], Duration::from_secs(1));
    }
}

fn b8_masks_apply_in_the_foreground() {
    let driver = Driver::working("umask=1", 1);
    assert_eq!(proc::status_of(driver.pid(), "Umask"), ["0027"]);
    let worker = driver.workers()[0].pid;
    assert_eq!(proc::status_of(worker, "Umask"), ["0077"]);
}

fn a_user_that_does_not_exist_is_refused() {
    for key in ["chuser", "worker_chuser"] {
        let mut driver = Driver::start(&format!("{key}=no.such.user"));
        assert_eq!(driver.ends().code(), Some(1));
        driver.wait_for(&format!(
            "log FATAL configuration: {key} \"no.such.user\": there is no such user"
        ));
    }
}

fn processes_have_the_titles_that_ps_shows() {
    let driver = Driver::working("titles=1 supervisor=1 workers=2", 2);
    let server = crate::death::server_of(&driver);
    assert_eq!(proc::title_of(driver.pid()), "subject supervisor");
    assert_eq!(proc::title_of(server), "subject server");
    assert_eq!(proc::name_of(server), "subject server");
    for worker in driver.workers() {
        let title = format!("subject worker {}", worker.id);
        assert_eq!(proc::title_of(worker.pid), title);
    }
    // What was there before is still found by those who ask for it.
    driver.wait_for(" of \"titles=1 supervisor=1 workers=2\"");
    let line = driver.wait_for(" is processes-");
    assert!(!line.is_empty());
}

/// Returns command line and name of a process as `ps` prints them. `None`: there is no `ps` here.
fn ps(pid: u32) -> Option<(String, String)> {
    let column = |name: &str| {
        let output = Command::new("ps")
            .args(["-ww", "-o", &format!("{name}="), "-p", &pid.to_string()])
            .output()
            .ok()?;
        Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    Some((column("args")?, column("comm")?))
}

fn titles_stay_after_reload_and_restart_and_long_ones_are_cut() {
    let driver = Driver::working("titles=1 supervisor=1 workers=2", 2);
    let server = crate::death::server_of(&driver);
    let expect = |pid: u32, title: &str| {
        let Some((line, name)) = ps(pid) else {
            println!("  partly skipped: there is no ps here");
            return;
        };
        assert_eq!(line, title);
        // The kernel keeps 15 bytes of it.
        assert_eq!(name, title.get(..15).unwrap_or(title).trim_end());
    };
    let all = |workers: &[Introduced]| {
        expect(driver.pid(), "subject supervisor");
        expect(server, "subject server");
        for worker in workers {
            expect(worker.pid, &format!("subject worker {}", worker.id));
        }
    };
    all(&driver.workers());
    driver.signal(Signal::SIGUSR2);
    driver.wait_for_count("worker - ", 2);
    all(&driver.workers());
    driver.signal(Signal::SIGUSR1);
    let workers = driver.wait_for_workers(4);
    all(&workers[2..]);

    // There is as much room as arguments and environment have taken.
    let long = 100_000;
    let driver = Driver::working(&format!("long_title={long}"), 1);
    let title = proc::title_of(driver.workers()[0].pid);
    assert!((20..long).contains(&title.len()), "{}", title.len());
    assert!(title.bytes().all(|it| it == b't'));
    assert_eq!(proc::name_of(driver.workers()[0].pid), "t".repeat(15));
}
