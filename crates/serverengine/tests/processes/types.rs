//! Worker types other than `process`, and command words.

use std::io::Write;
use std::process::Stdio;
use std::thread::sleep;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::death::server_of;
use crate::driver::{Driver, assert_gone_within, send};
use crate::proc;

crate::tests![
    threads_work_in_the_server_process_and_stop,
    a_thread_that_ends_is_replaced_and_leaves_nothing_running,
    threads_restart_one_by_one,
    b6_a_reload_reaches_threads,
    threads_get_listening_sockets,
    a_thread_that_ignores_its_stop_ends_with_the_process,
    a_thread_that_ignores_its_restart_is_waited_for,
    a_thread_that_ignores_its_restart_ends_the_server_under_a_supervisor,
    b31_a_thread_that_fails_at_once_does_not_spin,
    b31_an_embedded_worker_that_returns_at_once_does_not_spin,
    an_embedded_worker_is_one_and_the_same,
    a_killed_server_with_threads_is_replaced,
    a_program_gets_the_descriptors_it_was_allowed_and_no_other,
    programs_stop_by_signal_and_are_replaced,
    b1_no_program_survives_a_killed_server,
    b4_a_program_that_closed_every_descriptor_is_stoppable,
    b17_a_program_is_not_killed_for_its_silence,
    words_reach_a_program_on_its_standard_input,
    a_reload_signal_reaches_a_program,
    a_program_that_does_not_exist_is_named,
    a_worker_without_a_program_says_so,
    b9_the_end_of_a_command_pipe_takes_no_time_and_no_signal_away,
    b10_an_unknown_word_is_reported_and_the_next_one_obeyed,
];

/// A program that obeys signals.
pub(crate) const WAITS: &str = r#"
    trap 'echo "worker - $$ hup"' HUP
    trap 'echo "worker - $$ term"; exit 0' TERM
    echo "worker $ID $$ works"
    while :; do sleep 0.02; done"#;

/// A program that obeys words.
pub(crate) const READS: &str = r#"
    trap 'echo "worker - $$ term"; exit 0' TERM
    echo "worker $ID $$ works"
    while read word; do echo "word $word"; done
    echo "worker $ID $$ returns""#;

fn threads_work_in_the_server_process_and_stop() {
    let mut driver = Driver::working("type=thread workers=3", 3);
    assert!(driver.workers().iter().all(|it| it.pid == driver.pid()));
    assert_eq!(proc::descendants(driver.pid()).len(), 0);
    assert_eq!(driver.count("before_fork"), 3);
    driver.wait_for_count(&format!("after_start {}", driver.pid()), 3);
    driver.signal(Signal::SIGTERM);
    assert_eq!(driver.ends().code(), Some(0));
    assert_eq!(driver.count("returns"), 3);
    assert!(driver.text().ends_with("after_run\n"), "{}", driver.text());
}

fn a_thread_that_ends_is_replaced_and_leaves_nothing_running() {
    let driver = Driver::working("type=thread workers=2 lives=110 no_backoff=1", 2);
    driver.wait_for_workers(8);
    driver.wait_for("log INFO Worker 1 exited with status 0");
    // The control loop, and three threads for each worker.
    let at_most = 1 + 2 * 3;
    driver.wait("no thread but the living ones", || {
        (proc::threads_of(driver.pid()) <= at_most).then_some(())
    });
    let open = proc::descriptors_of(driver.pid()).len();
    driver.wait_for_workers(14);
    driver.wait("no descriptor left open", || {
        (proc::descriptors_of(driver.pid()).len() <= open).then_some(())
    });
}

fn threads_restart_one_by_one() {
    let driver = Driver::working("type=thread workers=3 ready_after=20", 3);
    driver.signal(Signal::SIGUSR1);
    let workers = driver.wait_for_workers(6);
    let ids = workers[3..].iter().map(|it| it.id).collect::<Vec<_>>();
    assert_eq!(ids, [0, 1, 2]);
    assert_eq!(driver.count("returns"), 3);
}

fn b6_a_reload_reaches_threads() {
    for worker_type in ["thread", "embedded"] {
        let driver = Driver::working(&format!("type={worker_type}"), 1);
        driver.signal(Signal::SIGUSR2);
        driver.wait_for_count("worker - ", 1);
        assert_eq!(driver.count("reload_config"), 1);
        driver.signal(Signal::SIGCONT);
        driver.wait_for("log INFO dump: Worker 0 thread configuration");
        driver.wait_for_count("worker - ", 2);
    }
}

fn threads_get_listening_sockets() {
    let driver = Driver::working("type=thread workers=2 behave=serves address=127.0.0.1:0", 2);
    let address = driver.wait_for("listener ");
    let address = address.split(' ').next_back().unwrap();
    let connection = std::net::TcpStream::connect(address).unwrap();
    assert_eq!(std::io::read_to_string(connection).unwrap(), "served\n");
}

fn a_thread_that_ignores_its_stop_ends_with_the_process() {
    let mut driver = Driver::working("type=thread workers=2 ignores_stop=1 kill=150", 2);
    driver.signal(Signal::SIGTERM);
    assert_eq!(driver.ends().code(), Some(0));
    driver.wait_for("log FATAL Worker 0 is a thread that did not stop: ending the process");
    assert_eq!(driver.count("after_run"), 1);
}

fn a_thread_that_ignores_its_restart_is_waited_for() {
    let mut driver = Driver::working("type=thread ignores_stop=1 kill=100", 1);
    driver.signal(Signal::SIGUSR1);
    driver.wait_for("log ERROR Worker 0 is a thread that did not stop: waiting on");
    driver.signal(Signal::SIGTERM);
    // The kill is repeated when the stop has begun.
    assert_eq!(driver.ends().code(), Some(0));
}

fn a_thread_that_ignores_its_restart_ends_the_server_under_a_supervisor() {
    let driver = Driver::working("type=thread supervisor=1 ignores_stop=1 kill=100", 1);
    let first = driver.workers()[0].pid;
    send(first, Signal::SIGUSR1);
    let second = driver.wait_for_workers(2)[1].pid;
    assert_ne!(first, second);
    driver.wait_for("log ERROR Server 0 exited unexpectedly with status 1");
}

fn b31_a_thread_that_fails_at_once_does_not_spin() {
    for behaviour in ["error", "panic"] {
        let mut driver = Driver::start(&format!("type=thread behave={behaviour}"));
        driver.wait_for("failed 3 times in a row: next start in");
        driver.signal(Signal::SIGTERM);
        assert_eq!(driver.ends().code(), Some(0));
        assert!(driver.count(" run generation ") <= 4);
    }
    let driver = Driver::start("type=thread behave=panic");
    driver.wait_for("log ERROR Worker 0 exited unexpectedly with status 101");
}

fn b31_an_embedded_worker_that_returns_at_once_does_not_spin() {
    let mut driver = Driver::start("type=embedded lives=0");
    driver.wait_for("failed 3 times in a row: next start in");
    driver.signal(Signal::SIGTERM);
    assert_eq!(driver.ends().code(), Some(0));
    assert!(driver.count(" run generation ") <= 4);
}

fn an_embedded_worker_is_one_and_the_same() {
    let mut driver = Driver::working("type=embedded workers=3 lives=110", 2);
    driver.signal(Signal::SIGTERM);
    assert_eq!(driver.ends().code(), Some(0));
    assert_eq!(driver.count("builds"), 1);
    assert_eq!(driver.count("before_fork"), 0);
    assert_eq!(driver.count("after_start"), 0);
    assert!(driver.workers().iter().all(|worker| worker.id == 0));
}

fn a_killed_server_with_threads_is_replaced() {
    let driver = Driver::working("type=thread workers=2 supervisor=1", 2);
    send(server_of(&driver), Signal::SIGKILL);
    driver.wait_for_workers(4);
}

fn a_program_gets_the_descriptors_it_was_allowed_and_no_other() {
    for words in ["program=waits", "program=reads words=1"] {
        let driver = Driver::working(&format!("type=spawn workers=2 {words}"), 1);
        let open = proc::descriptors_of(driver.workers()[0].pid);
        let numbers = open.keys().copied().collect::<Vec<_>>();
        // sh keeps a copy of nothing; 7 is what it was allowed.
        assert_eq!(numbers, [0, 1, 2, 7], "{open:?}");
        assert_eq!(
            open[&0].starts_with("pipe:"),
            words.contains("words"),
            "{open:?}"
        );
    }
}

fn programs_stop_by_signal_and_are_replaced() {
    let mut driver = Driver::working("type=spawn workers=2 program=waits", 2);
    let killed = driver.workers()[1];
    send(killed.pid, Signal::SIGKILL);
    assert_eq!(driver.wait_for_workers(3)[2].id, killed.id);
    driver.wait_for("exited unexpectedly with signal SIGKILL");
    driver.signal(Signal::SIGTERM);
    assert_eq!(driver.ends().code(), Some(0));
    assert_eq!(driver.count(" term"), 2);
    assert_eq!(driver.count("before_fork"), 3);
}

fn b1_no_program_survives_a_killed_server() {
    for supervisor in ["", "supervisor=1"] {
        let options = format!("type=spawn workers=2 program=closes {supervisor}");
        let mut driver = Driver::working(&options, 2);
        let family = proc::descendants(driver.pid());
        driver.kill();
        assert_gone_within(&family, Duration::from_secs(1));
    }
}

fn b4_a_program_that_closed_every_descriptor_is_stoppable() {
    for words in ["", "words=1"] {
        let mut driver = Driver::working(&format!("type=spawn program=closes kill=150 {words}"), 1);
        driver.signal(Signal::SIGTERM);
        assert_eq!(driver.ends().code(), Some(0));
    }
}

fn b17_a_program_is_not_killed_for_its_silence() {
    let driver = Driver::working("type=spawn program=waits heartbeat=150", 1);
    sleep(Duration::from_millis(500));
    assert_eq!(driver.workers().len(), 1);
    assert!(proc::runs(driver.workers()[0].pid));
}

fn words_reach_a_program_on_its_standard_input() {
    let mut driver = Driver::working("type=spawn program=reads words=1", 1);
    driver.signal(Signal::SIGUSR2);
    driver.wait_for("word RELOAD");
    driver.signal(Signal::SIGCONT);
    driver.wait_for("word DUMP");
    driver.signal(Signal::SIGUSR1);
    driver.wait_for_workers(2);
    driver.signal(Signal::SIGTERM);
    assert_eq!(driver.ends().code(), Some(0));
    assert_eq!(driver.count("word GRACEFUL_STOP"), 2);
    // The pipe is closed after the word, so a program that waits for the end sees it.
    assert_eq!(driver.count("returns"), 2);
    assert_eq!(driver.count("term"), 0);

    let mut driver = Driver::working("type=spawn program=reads words=1", 1);
    driver.signal(Signal::SIGQUIT);
    assert_eq!(driver.ends().code(), Some(0));
    assert_eq!(driver.count("word IMMEDIATE_STOP"), 1);
}

fn a_reload_signal_reaches_a_program() {
    let driver = Driver::working("type=spawn program=waits reload_signal=1", 1);
    driver.signal(Signal::SIGUSR2);
    driver.wait_for(" hup");
    let driver = Driver::working("type=spawn program=waits", 1);
    driver.signal(Signal::SIGUSR2);
    driver.wait_for("reload_config");
    sleep(Duration::from_millis(50));
    assert_eq!(driver.workers().len(), 1);
    assert_eq!(driver.count(" hup"), 0);
}

fn a_program_that_does_not_exist_is_named() {
    let driver = Driver::start("type=spawn program=missing");
    driver
        .wait_for("log ERROR cannot run /no/such/program: No such file or directory (os error 2)");
    driver.wait_for("log ERROR Worker 0 exited unexpectedly with status 127");
    driver.wait_for("failed 3 times in a row: next start in");
}

fn a_worker_without_a_program_says_so() {
    let driver = Driver::start("type=spawn program=error");
    driver.wait_for("log ERROR Worker 0 could not be started: no licence");
}

fn b9_the_end_of_a_command_pipe_takes_no_time_and_no_signal_away() {
    for supervisor in ["", "supervisor=1"] {
        let options = format!("command_pipe=1 {supervisor}");
        let mut driver = Driver::start_with(&options, Stdio::piped());
        driver.wait_for_workers(1);
        drop(driver.input());
        driver.wait_for("log INFO command pipe: closed; signals still work");
        let before = proc::ticks_of(driver.pid());
        sleep(Duration::from_millis(300));
        assert!(proc::ticks_of(driver.pid()) - before < 5, "it spins");
        driver.signal(Signal::SIGTERM);
        assert_eq!(driver.ends().code(), Some(0));
    }
}

fn b10_an_unknown_word_is_reported_and_the_next_one_obeyed() {
    for (supervisor, last) in [("", "GRACEFUL_STOP"), ("supervisor=1", "DETACH")] {
        let options = format!("command_pipe=1 workers=2 {supervisor}");
        let mut driver = Driver::start_with(&options, Stdio::piped());
        driver.wait_for_workers(2);
        let mut input = driver.input();
        input.write_all(b"HOLD_IT\nREL").unwrap();
        driver.wait_for("log WARN command pipe: \"HOLD_IT\" is no command: ignored");
        input.write_all(b"OAD\n").unwrap();
        driver.wait_for_count(" reload", 2);
        input.write_all(b"IMMEDIATE_RESTART\n").unwrap();
        driver.wait_for_workers(4);
        writeln!(input, "{last}").unwrap();
        assert_eq!(driver.ends().code(), Some(0), "{}", driver.text());
    }
}
