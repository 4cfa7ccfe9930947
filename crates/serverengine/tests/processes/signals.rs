//! What each signal does.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::death::server_of;
use crate::driver::{Driver, Introduced, send};
use crate::proc;

crate::tests![
    term_and_int_stop_gracefully,
    quit_stops_at_once_without_hooks,
    b5_quit_after_term_acts_at_once,
    b4_a_worker_that_closed_every_descriptor_is_stoppable,
    b16_a_server_that_does_not_stop_is_killed_by_its_own_deadlines,
    b18_the_compatible_schedule_repeats_the_graceful_stop,
    acceptance_19_b26_a_stop_is_logged_once_however_often_it_is_asked_for,
    a_graceful_restart_of_all_at_once_waits_for_nobody,
    b18_a_worker_that_ignores_its_stop_is_killed_at_the_deadline,
    b20_usr1_restarts_one_by_one,
    hup_restarts_all_at_once,
    usr2_reloads_in_every_process,
    a_refused_reload_reaches_nobody,
    b19_a_reload_changes_the_number_of_workers_at_once,
    b6_a_reload_reaches_every_worker_and_is_acknowledged,
    cont_dumps,
    cont_writes_a_private_file_for_every_process,
    meanings_can_be_changed_and_signals_forwarded,
    a_supervisor_passes_everything_down,
    a_supervisor_restarts_the_server_process_if_told_to,
    signals_to_a_worker_itself,
    a_cont_that_follows_a_stop_dumps_nothing,
];

fn term_and_int_stop_gracefully() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let mut driver = Driver::working("workers=2", 2);
        driver.signal(signal);
        assert_eq!(driver.ends().code(), Some(0));
        let text = driver.text();
        assert_eq!(
            driver.count(" stop"),
            2 + 1,
            "each worker once, and the log: {text}"
        );
        assert_eq!(driver.count("returns"), 2);
        assert!(text.ends_with("after_run\n"), "{text}");
    }
}

fn quit_stops_at_once_without_hooks() {
    let mut driver = Driver::working("workers=2", 2);
    driver.signal(Signal::SIGQUIT);
    assert_eq!(driver.ends().code(), Some(0));
    assert_eq!(driver.count("returns"), 0);
    assert_eq!(driver.count("after_run"), 1);
}

fn b5_quit_after_term_acts_at_once() {
    let mut driver = Driver::working("workers=2 ignores_stop=1", 2);
    driver.signal(Signal::SIGTERM);
    driver.wait_for_count("worker - ", 2);
    let asked = Instant::now();
    driver.signal(Signal::SIGQUIT);
    assert_eq!(driver.ends().code(), Some(0));
    assert!(
        asked.elapsed() < Duration::from_secs(1),
        "{:?}",
        asked.elapsed()
    );
}

fn b4_a_worker_that_closed_every_descriptor_is_stoppable() {
    for behaviour in ["closes_all", "closes_every"] {
        for signal in [Signal::SIGTERM, Signal::SIGQUIT] {
            let mut driver = Driver::working(&format!("behave={behaviour} kill=300"), 1);
            driver.signal(signal);
            assert_eq!(driver.ends().code(), Some(0));
        }
    }
}

fn b16_a_server_that_does_not_stop_is_killed_by_its_own_deadlines() {
    let mut driver = Driver::working("supervisor=1 server_kill=200", 1);
    let family = proc::descendants(driver.pid());
    send(server_of(&driver), Signal::SIGSTOP);
    let asked = Instant::now();
    driver.signal(Signal::SIGTERM);
    assert_eq!(driver.ends().code(), Some(0));
    assert!(asked.elapsed() >= Duration::from_millis(400));
    driver.wait_for("log WARN Server 0 did not stop in time: stopping it immediately");
    driver.wait_for("log WARN Server 0 did not stop: killed");
    assert!(family.iter().all(|pid| !proc::runs(*pid)));
}

fn b18_the_compatible_schedule_repeats_the_graceful_stop() {
    let mut driver = Driver::working("ignores_stop=1 compatible=1 kill=1000", 1);
    let asked = Instant::now();
    driver.signal(Signal::SIGTERM);
    assert_eq!(driver.ends().code(), Some(0));
    assert!(asked.elapsed() >= Duration::from_secs(1));
    // The first TERM keeps the hooks busy; those at 150, 400 and 750 ms wait behind it, and are counted
    // by whoever asks the worker. Here it is enough that the schedule ends in the immediate stop.
    driver.wait_for("log WARN Worker 0 did not stop in time: stopping it immediately");
}

fn acceptance_19_b26_a_stop_is_logged_once_however_often_it_is_asked_for() {
    let mut driver = Driver::working("workers=2 finishes=300", 2);
    for _ in 0..5 {
        driver.signal(Signal::SIGTERM);
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(driver.ends().code(), Some(0));
    assert_eq!(driver.count("log INFO Received graceful stop"), 1);
    assert_eq!(driver.count("worker - "), 2, "each was told once");

    // Where ServerEngine says it every half second.
    let mut driver = Driver::start("workers=2 behave=unrecoverable finishes=1200");
    assert_eq!(driver.ends().code(), Some(77));
    assert_eq!(
        driver.count("Received graceful stop"),
        1,
        "{}",
        driver.text()
    );
}

fn a_graceful_restart_of_all_at_once_waits_for_nobody() {
    let driver = Driver::working("workers=3 all_at_once=1 ready_after=100", 3);
    driver.signal(Signal::SIGUSR1);
    driver.wait_for_count("returns", 3);
    assert_eq!(driver.workers().len(), 3, "{}", driver.text());
    driver.wait_for_workers(6);
}

fn b18_a_worker_that_ignores_its_stop_is_killed_at_the_deadline() {
    let mut driver = Driver::working("ignores_stop=1 kill=200", 1);
    // So that it ignores the immediate stop, too.
    let worker = driver.workers()[0].pid;
    send(worker, Signal::SIGSTOP);
    let asked = Instant::now();
    driver.signal(Signal::SIGTERM);
    assert_eq!(driver.ends().code(), Some(0));
    assert!(asked.elapsed() >= Duration::from_millis(400));
    driver.wait_for("log WARN Worker 0 did not stop: killed");
    driver.wait_for("log INFO Worker 0 finished with signal SIGKILL");
}

fn b20_usr1_restarts_one_by_one() {
    let driver = Driver::working("workers=3 ready_after=50", 3);
    driver.signal(Signal::SIGUSR1);
    let workers = driver.wait_for_workers(6);
    let replaced = ids(&workers[3..]);
    assert_eq!(replaced, [0, 1, 2]);
    // Between the end of one and the readiness of its successor nobody else leaves.
    let text = driver.text();
    let steps = text
        .lines()
        .skip_while(|line| !line.contains("Received graceful restart"))
        .filter_map(|line| {
            ["returns", "works"]
                .into_iter()
                .find(|step| line.ends_with(step))
        })
        .collect::<Vec<_>>();
    assert_eq!(steps, ["returns", "works"].repeat(3), "{text}");
    assert_eq!(
        driver.count("reload_config"),
        1,
        "a restart reads the configuration"
    );
}

fn hup_restarts_all_at_once() {
    let driver = Driver::working("workers=2", 2);
    let before = driver.workers();
    driver.signal(Signal::SIGHUP);
    driver.wait_for_workers(4);
    assert!(before.iter().all(|worker| !proc::runs(worker.pid)));
    assert_eq!(driver.count("returns"), 0);
}

fn usr2_reloads_in_every_process() {
    let driver = Driver::working("workers=2", 2);
    driver.signal(Signal::SIGUSR2);
    driver.wait_for_count(" reload", 4);
    assert_eq!(driver.count("before_run"), 1);
    assert_eq!(driver.count("reload_config"), 1);
    assert!(driver.workers().iter().all(|worker| proc::runs(worker.pid)));
    assert_eq!(driver.workers().len(), 2);
}

fn a_refused_reload_reaches_nobody() {
    let mut driver = Driver::working("workers=1 refuse=1", 1);
    driver.signal(Signal::SIGUSR2);
    let refused = "log ERROR new configuration refused, nothing was reloaded: line 3 is wrong";
    driver.wait_for(refused);
    driver.signal(Signal::SIGUSR1);
    driver.wait_for("nothing was restarted: line 3 is wrong");
    driver.signal(Signal::SIGTERM);
    assert_eq!(driver.ends().code(), Some(0));
    assert_eq!(driver.workers().len(), 1);
    assert_eq!(
        driver.count("worker - "),
        1,
        "no hook but stop: {}",
        driver.text()
    );
}

fn b19_a_reload_changes_the_number_of_workers_at_once() {
    let driver = Driver::working("workers=2 workers_after_1=4 workers_after_2=1", 2);
    driver.signal(Signal::SIGUSR2);
    // They start side by side.
    let mut started = ids(&driver.wait_for_workers(4)[2..]);
    started.sort_unstable();
    assert_eq!(started, [2, 3]);
    driver.signal(Signal::SIGUSR2);
    driver.wait_for_count("returns", 3);
    driver.wait("the end of three", || {
        (proc::descendants(driver.pid()).len() == 1).then_some(())
    });
    assert_eq!(driver.workers().len(), 4, "nobody was replaced");
}

fn b6_a_reload_reaches_every_worker_and_is_acknowledged() {
    for options in ["", "type=thread"] {
        // Without a text of the server's there is a version all the same.
        let driver = Driver::working(&format!("workers=2 {options}"), 2);
        driver.signal(Signal::SIGUSR2);
        driver.wait_for("log INFO configuration 2 is taken over by all 2 workers");
        driver.signal(Signal::SIGCONT);
        for worker in 0..2 {
            let line = driver.wait_for(&format!("log INFO dump: Worker {worker} "));
            assert!(line.contains(" configuration 2 "), "{line}");
        }
    }
    for options in ["", "type=thread", "supervisor=1"] {
        let driver = Driver::working(&format!("workers=2 config=1 {options}"), 2);
        assert_eq!(driver.count("begins with 1: loaded 0 times"), 2);
        driver.signal(Signal::SIGUSR2);
        driver.wait_for_count("sees 2: loaded 1 times", 2);
        driver.wait_for("log INFO configuration 2 is taken over by all 2 workers");
        driver.signal(Signal::SIGUSR1);
        driver.wait_for_count("begins with 3: loaded 2 times", 2);
    }
}

fn cont_writes_a_private_file_for_every_process() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let dumps = folder.path().display();
    let driver = Driver::working(&format!("dumps={dumps} workers=2 supervisor=1 config=1"), 2);
    driver.signal(Signal::SIGCONT);
    driver.wait_for_count("log INFO dump: written to ", 4);
    let mut family = proc::descendants(driver.pid());
    family.push(driver.pid());
    for pid in family {
        let path = folder.path().join(format!("sigdump-{pid}.log"));
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("Sigdump at 20"), "{text}");
        assert!(text.contains(&format!(" process {pid} (")), "{text}");
        assert!(
            text.contains("    0 /dev/null\n"),
            "its descriptors: {text}"
        );
        assert!(text.contains("    VmRSS "), "{text}");
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    let worker = driver.workers()[0].pid;
    let path = folder.path().join(format!("sigdump-{worker}.log"));
    let text = std::fs::read_to_string(path).unwrap();
    assert!(
        text.contains("configuration 1 running, 0 requests"),
        "{text}"
    );
    assert!(
        text.contains(" serverengine-co"),
        "threads have names: {text}"
    );
    // And none when nobody wants any.
    let driver = Driver::working("", 1);
    driver.signal(Signal::SIGCONT);
    driver.wait_for(" dump");
    driver.wait_for("log INFO dump: Worker 0 pid ");
    assert_eq!(driver.count("dump: written"), 0);
}

fn cont_dumps() {
    let driver = Driver::working("workers=2", 2);
    driver.signal(Signal::SIGCONT);
    driver.wait_for_count(" dump", 2);
    driver.wait_for("log INFO dump: Worker 1 pid ");
}

fn meanings_can_be_changed_and_signals_forwarded() {
    let mut driver = Driver::working("workers=2 forward=1", 2);
    driver.signal(Signal::SIGUSR1);
    driver.wait_for_count("signal Usr1", 2);
    send(driver.workers()[0].pid, Signal::SIGUSR1);
    driver.wait_for_count("signal Usr1", 3);
    assert_eq!(driver.workers().len(), 2);
    driver.signal(Signal::SIGHUP);
    driver.wait_for_workers(4);
    assert_eq!(driver.count("returns"), 2, "gracefully");
    driver.signal(Signal::SIGINT);
    assert_eq!(driver.ends().code(), Some(0));
}

fn a_supervisor_passes_everything_down() {
    let mut driver = Driver::working("workers=2 supervisor=1", 2);
    driver.signal(Signal::SIGUSR2);
    driver.wait_for_count(" reload", 2);
    driver.signal(Signal::SIGCONT);
    driver.wait_for_count(" dump", 2);
    driver.signal(Signal::SIGUSR1);
    assert_eq!(ids(&driver.wait_for_workers(4)[2..]), [0, 1]);
    driver.signal(Signal::SIGHUP);
    driver.wait_for_workers(6);
    assert_eq!(driver.count("before_run"), 1, "the server itself stays");
    let family = proc::descendants(driver.pid());
    driver.signal(Signal::SIGTERM);
    assert_eq!(driver.ends().code(), Some(0));
    assert!(family.iter().all(|pid| !proc::runs(*pid)));
    assert_eq!(driver.count("after_run"), 1);
}

fn a_supervisor_restarts_the_server_process_if_told_to() {
    let driver = Driver::working("workers=1 supervisor=1 restart_server=1", 1);
    for (signal, before_runs) in [(Signal::SIGUSR1, 2), (Signal::SIGHUP, 3)] {
        let family = proc::descendants(driver.pid());
        driver.signal(signal);
        driver.wait_for_count("before_run", before_runs);
        assert!(
            family.iter().all(|pid| !proc::runs(*pid)),
            "two generations at once"
        );
        driver.wait_for_workers(before_runs);
    }
    assert_eq!(driver.count("returns"), 1, "the first one ended gracefully");
}

fn signals_to_a_worker_itself() {
    let driver = Driver::working("", 1);
    let worker = |number: usize| driver.wait_for_workers(number + 1)[number].pid;
    send(worker(0), Signal::SIGUSR2);
    driver.wait_for_count(" reload", 1);
    send(worker(0), Signal::SIGINT);
    send(worker(1), Signal::SIGQUIT);
    driver.wait_for("exited unexpectedly with status 1");
    worker(2);
}

fn ids(workers: &[Introduced]) -> Vec<usize> {
    workers.iter().map(|worker| worker.id).collect()
}

fn a_cont_that_follows_a_stop_dumps_nothing() {
    // What systemd does to every process of a service.
    let mut driver = Driver::working("workers=2 finishes=100", 2);
    let mut family = proc::descendants(driver.pid());
    family.push(driver.pid());
    for signal in [Signal::SIGTERM, Signal::SIGCONT] {
        for pid in &family {
            send(*pid, signal);
        }
    }
    assert_eq!(driver.ends().code(), Some(0));
    assert_eq!(driver.count("dump"), 0, "{}", driver.text());
}
