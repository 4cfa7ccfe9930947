//! Every hook: in which process, on which thread, in which order.
//!
//! The server under test here does nothing but say so: `hook <pid> <thread> <name>`.

use std::process::{Command, ExitCode};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serverengine::{BlockingFlag, BoxError, Config, Program, Server, Worker, WorkerContext};

use crate::death::server_of;
use crate::driver::{Driver, send};

crate::tests![
    hooks_of_process_workers,
    hooks_of_thread_workers,
    hooks_of_an_embedded_worker,
    hooks_of_programs,
    hooks_under_a_supervisor,
    b15_disable_reload_keeps_the_supervisor_as_it_was_and_reloads_the_server,
    b12_a_worker_tears_down_and_a_teardown_that_hangs_is_ended,
    what_stop_does_after_run_returned_is_waited_for,
    a_stop_that_does_not_return_holds_no_worker_up_for_long,
    a_server_that_cannot_be_initialized_ends_at_first_and_is_tried_again_later,
    a_panic_in_a_hook_before_the_start_ends_the_server_and_names_the_hook,
    a_panic_in_a_hook_at_either_end_of_a_worker_is_an_exit_like_any_other,
];

/// The hook that panics.
static PANICS: OnceLock<String> = OnceLock::new();

/// Starts the server that says which hook is called.
pub(crate) fn run(config: Config, habit: Option<&str>) -> ExitCode {
    let hangs = habit == Some("teardown_hangs");
    let lingers = match habit {
        Some("stop_lingers") => Duration::from_millis(100),
        Some("stop_hangs") => Duration::from_secs(60),
        _ => Duration::ZERO,
    };
    if let Some(hook) = habit.and_then(|it| it.strip_prefix("panics:")) {
        PANICS.set(hook.to_owned()).unwrap();
    }
    let fails_from = match habit {
        Some("fails_at_first") => 1,
        Some("fails_later") => 2,
        _ => u32::MAX,
    };
    let server = Hooked {
        initialized: 0,
        fails_from,
    };
    let build = move |_| {
        record("build");
        HookedWorker {
            stop: BlockingFlag::new(),
            hangs,
            lingers,
        }
    };
    serverengine::create(server, build, config).run()
}

fn record(name: &str) {
    let thread = std::thread::current();
    let thread = thread.name().unwrap_or("?");
    println!("hook {} {thread} {name}", std::process::id());
    assert!(
        PANICS.get().is_none_or(|it| it != name),
        "{name} on purpose"
    );
}

struct Hooked {
    initialized: u32,
    fails_from: u32,
}

impl Server for Hooked {
    fn initialize(&mut self) -> Result<(), BoxError> {
        record("initialize");
        self.initialized += 1;
        // Twice at most, so that a later attempt succeeds.
        if self.initialized >= self.fails_from && self.initialized < self.fails_from + 2 {
            return Err("no licence".into());
        }
        Ok(())
    }

    fn after_start(&mut self, _process_id: u32) {
        record("server_after_start");
    }

    fn install_signal_handlers(&mut self) {
        record("install_signal_handlers");
    }

    fn before_run(&mut self) -> Result<(), BoxError> {
        record("before_run");
        // What `server_of` looks for.
        println!("server {} before_run", std::process::id());
        Ok(())
    }

    fn after_run(&mut self) {
        record("after_run");
    }

    fn stop(&mut self, graceful: bool) {
        record(&format!("stop({graceful})"));
    }

    fn restart(&mut self, graceful: bool) {
        record(&format!("restart({graceful})"));
    }

    fn reload(&mut self) {
        record("reload");
    }

    fn dump(&mut self) {
        record("dump");
    }

    fn detach(&mut self) {
        record("detach");
    }

    fn reload_config(&mut self) -> Result<(), BoxError> {
        record("reload_config");
        Ok(())
    }
}

struct HookedWorker {
    stop: BlockingFlag,
    hangs: bool,
    /// How long `stop` goes on after `run` was told.
    lingers: Duration,
}

impl Worker for HookedWorker {
    fn run(&self, context: &WorkerContext) -> Result<(), BoxError> {
        record("run");
        let id = context.worker_id();
        println!("worker {id} {} works", std::process::id());
        while !self.stop.wait_for_set(Duration::from_secs(1)) {}
        // An embedded worker runs again.
        self.stop.reset();
        Ok(())
    }

    fn spawn(&self) -> Result<Program, BoxError> {
        record("spawn");
        let mut command = Command::new("sh");
        let script = "trap 'exit 0' TERM; echo worker 0 $$ works; while :; do sleep 0.02; done";
        command.args(["-c", script]);
        Ok(Program::from(command))
    }

    fn teardown(&self) {
        record("teardown");
        if self.hangs {
            std::thread::sleep(Duration::from_secs(60));
        }
    }

    fn install_signal_handlers(&self) {
        record("install_worker_handlers");
    }

    fn stop(&self) {
        record("stop");
        self.stop.set();
        if !self.lingers.is_zero() {
            std::thread::sleep(self.lingers);
            record("stopped");
        }
    }

    fn reload(&self) {
        record("reload");
    }

    fn dump(&self) {
        record("dump");
    }

    fn before_fork(&self) {
        record("before_fork");
    }

    fn after_start(&self, _process_id: u32) {
        record("after_start");
    }
}

/// Returns the hooks of one thread of one process, in their order.
fn hooks_of(driver: &Driver, pid: u32, thread: &str) -> Vec<String> {
    let start = format!("hook {pid} {thread} ");
    let text = driver.text();
    let names = text.lines().filter_map(|line| line.strip_prefix(&start));
    names.map(str::to_owned).collect()
}

/// Reloads, dumps, restarts gracefully and stops.
fn go_through_life(options: &str, worker_reloads: bool) -> Driver {
    let mut driver = Driver::working(&format!("hooked=1 {options}"), 1);
    for (signal, hook) in [(Signal::SIGUSR2, " reload"), (Signal::SIGCONT, " dump")] {
        driver.signal(signal);
        // The server's and the worker's.
        let count = 1 + usize::from(worker_reloads);
        driver.wait(hook, || {
            let text = driver.text();
            let found = text
                .lines()
                .filter(|it| it.starts_with("hook ") && it.ends_with(hook));
            (found.count() >= count).then_some(())
        });
    }
    driver.signal(Signal::SIGUSR1);
    driver.wait_for_workers(2);
    driver.signal(Signal::SIGTERM);
    assert_eq!(driver.ends().code(), Some(0), "{}", driver.text());
    driver
}

/// What the server's main thread does in such a life, where each start of a worker is `birth`.
fn life_of_a_server(birth: &[&str]) -> Vec<String> {
    let begin = ["install_signal_handlers", "before_run"];
    let middle = [
        "reload_config",
        "reload",
        "dump",
        "restart(true)",
        "reload_config",
    ];
    let end = ["stop(true)", "after_run"];
    let all = [&begin[..], birth, &middle, birth, &end].concat();
    all.into_iter().map(str::to_owned).collect()
}

fn assert_server(driver: &Driver, birth: &[&str]) {
    let mut expected = life_of_a_server(birth);
    expected.insert(0, "initialize".to_owned());
    let found = hooks_of(driver, driver.pid(), "main");
    assert_eq!(found, expected, "{}", driver.text());
}

fn hooks_of_process_workers() {
    let driver = go_through_life("", true);
    assert_server(&driver, &["build", "before_fork", "after_start"]);
    let [first, second] = [0, 1].map(|it| driver.workers()[it].pid);
    for (pid, hooks) in [
        (first, &["reload", "dump", "stop"][..]),
        (second, &["stop"]),
    ] {
        let main = hooks_of(&driver, pid, "main");
        assert_eq!(main, ["install_worker_handlers", "run", "teardown"]);
        assert_eq!(hooks_of(&driver, pid, "serverengine-hooks"), hooks);
    }
}

fn hooks_of_thread_workers() {
    let driver = go_through_life("type=thread", true);
    assert_server(&driver, &["build", "before_fork", "after_start"]);
    assert_threads(&driver);
}

fn hooks_of_an_embedded_worker() {
    let driver = go_through_life("type=embedded", true);
    // Built once; nothing is forked, nothing starts.
    let mut expected = life_of_a_server(&[]);
    expected.insert(0, "initialize".to_owned());
    expected.insert(3, "build".to_owned());
    assert_eq!(hooks_of(&driver, driver.pid(), "main"), expected);
    assert_threads(&driver);
}

fn assert_threads(driver: &Driver) {
    let of = |thread| hooks_of(driver, driver.pid(), thread);
    assert_eq!(of("worker:0"), ["run", "teardown", "run", "teardown"]);
    assert_eq!(of("hooks:0"), ["reload", "dump", "stop", "stop"]);
}

fn hooks_of_programs() {
    let driver = go_through_life("type=spawn", false);
    assert_server(&driver, &["build", "before_fork", "spawn", "after_start"]);
    // The program is somebody else's.
    assert!(hooks_of(&driver, driver.workers()[0].pid, "main").is_empty());
}

fn hooks_under_a_supervisor() {
    let driver = go_through_life("supervisor=1", true);
    let server = server_of(&driver);
    let supervisor = [
        "initialize",
        "server_after_start",
        "reload_config",
        "reload_config",
    ];
    assert_eq!(hooks_of(&driver, driver.pid(), "main"), supervisor);
    let birth = ["build", "before_fork", "after_start"];
    assert_eq!(hooks_of(&driver, server, "main"), life_of_a_server(&birth));

    // A later server is initialized, too, and one that is detached is told so.
    let mut driver = Driver::working("hooked=1 supervisor=1 detach=5000", 1);
    let first = server_of(&driver);
    driver.signal(Signal::SIGINT);
    driver.wait_for_workers(2);
    let told = hooks_of(&driver, first, "main");
    assert_eq!(
        told[told.len() - 3..],
        ["detach", "stop(true)", "after_run"]
    );
    let started = ["initialize", "server_after_start"].repeat(2);
    driver.wait_for_count("server_after_start", 2);
    assert_eq!(hooks_of(&driver, driver.pid(), "main"), started);
    driver.signal(Signal::SIGTERM);
    assert_eq!(driver.ends().code(), Some(0));
}

fn b15_disable_reload_keeps_the_supervisor_as_it_was_and_reloads_the_server() {
    let mut driver = Driver::working("hooked=1 supervisor=1 disable_reload=1", 1);
    driver.signal(Signal::SIGUSR2);
    driver.wait_for(" serverengine-hooks reload");
    assert_eq!(driver.count("reload_config"), 1);
    let server = server_of(&driver);
    let reloaded = hooks_of(&driver, server, "main");
    assert!(reloaded.contains(&"reload_config".to_owned()));
    driver.signal(Signal::SIGTERM);
    assert_eq!(driver.ends().code(), Some(0));
}

fn b12_a_worker_tears_down_and_a_teardown_that_hangs_is_ended() {
    let mut driver = Driver::working("hooked=teardown_hangs kill=200", 1);
    // Nobody asked it to end, so no deadline of a stop runs.
    let asked = Instant::now();
    send(driver.workers()[0].pid, Signal::SIGTERM);
    driver.wait_for("log ERROR the worker's teardown did not end within 200ms: ending it");
    assert!(asked.elapsed() >= Duration::from_millis(200));
    driver.wait_for("log ERROR Worker 0 exited unexpectedly with status 1");
    driver.wait_for_workers(2);
    driver.signal(Signal::SIGQUIT);
    assert_eq!(driver.ends().code(), Some(0));
}

fn what_stop_does_after_run_returned_is_waited_for() {
    for kind in ["", "type=thread"] {
        let mut driver = Driver::working(&format!("hooked=stop_lingers {kind}"), 1);
        driver.signal(Signal::SIGTERM);
        assert_eq!(driver.ends().code(), Some(0), "{}", driver.text());
        let text = driver.text();
        let at = |what: &str| text.find(what).unwrap_or_else(|| panic!("{what}: {text}"));
        assert!(at(" stopped\n") < at(" teardown\n"), "{text}");
    }
}

fn a_stop_that_does_not_return_holds_no_worker_up_for_long() {
    let mut driver = Driver::working("hooked=stop_hangs", 1);
    let asked = Instant::now();
    driver.signal(Signal::SIGTERM);
    assert_eq!(driver.ends().code(), Some(0), "{}", driver.text());
    assert!(asked.elapsed() >= Duration::from_secs(1));
    assert_eq!(driver.count(" teardown"), 1);
    assert_eq!(driver.count(" stopped"), 0);
}

fn a_server_that_cannot_be_initialized_ends_at_first_and_is_tried_again_later() {
    for supervisor in ["", "supervisor=1"] {
        let mut driver = Driver::start(&format!("hooked=fails_at_first {supervisor}"));
        assert_eq!(driver.ends().code(), Some(1));
        driver.wait_for("log FATAL the server could not start: no licence");
    }
    let mut driver = Driver::working("hooked=fails_later supervisor=1", 1);
    send(server_of(&driver), Signal::SIGKILL);
    driver.wait_for_workers(2);
    assert_eq!(
        driver.count("log ERROR Server 0 could not be started: no licence"),
        2
    );
    driver.signal(Signal::SIGTERM);
    assert_eq!(driver.ends().code(), Some(0));
}

fn a_panic_in_a_hook_before_the_start_ends_the_server_and_names_the_hook() {
    for hook in ["initialize", "install_signal_handlers", "before_run"] {
        let mut driver = Driver::start(&format!("hooked=panics:{hook}"));
        assert_eq!(driver.ends().code(), Some(1));
        driver.wait_for(&format!(
            "log FATAL the server could not start: {hook} panicked: {hook} on purpose"
        ));
    }
    // In a supervisor the same, for the first server.
    let mut driver = Driver::start("hooked=panics:initialize supervisor=1");
    assert_eq!(driver.ends().code(), Some(1));
    driver.wait_for(
        "log FATAL the server could not start: initialize panicked: initialize on purpose",
    );
    assert_eq!(driver.count("server_after_start"), 0);
}

fn a_panic_in_a_hook_at_either_end_of_a_worker_is_an_exit_like_any_other() {
    let mut driver = Driver::start("hooked=panics:install_worker_handlers");
    driver.wait_for("log ERROR Worker 0 exited unexpectedly with status 101");
    driver.wait_for("failed 3 times in a row: next start in");
    assert_eq!(driver.count("works"), 0);
    driver.signal(Signal::SIGTERM);
    assert_eq!(driver.ends().code(), Some(0));

    let mut driver = Driver::working("hooked=panics:teardown", 1);
    send(driver.workers()[0].pid, Signal::SIGTERM);
    driver.wait_for("log ERROR Worker 0 exited unexpectedly with status 101");
    driver.wait_for_workers(2);
    driver.signal(Signal::SIGTERM);
    assert_eq!(driver.ends().code(), Some(0));
}
