//! The server under test. It says on standard output what happens to it, one line per event:
//! `worker <id> <pid> <what>` or `server <pid> <what>`; its log goes there, too.

use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::time::Duration;

use serverengine::socket_manager::Client;
use serverengine::{
    Backoff, BlockingFlag, BoxError, CommandSender, Config, ConfigSource, DaemonLogger,
    Destination, Level, LineFormat, ListenOptions, LoggerOptions, Meaning, Program,
    RestartParallel, Rotation, Server, Signal, SignalMeanings, Worker, WorkerContext, WorkerType,
};

use crate::callback;

/// Holds the options of the server under test: `key=value` words.
pub(crate) const ENVIRONMENT: &str = "SERVERENGINE_TEST_SUBJECT";

/// Options of the server under test.
#[derive(Clone)]
struct Options(String);

impl Options {
    fn text(&self, key: &str) -> Option<&str> {
        self.0
            .split_whitespace()
            .find_map(|word| word.strip_prefix(key)?.strip_prefix('='))
    }

    fn number(&self, key: &str) -> Option<u64> {
        self.text(key).map(|value| value.parse().unwrap())
    }

    fn millis(&self, key: &str) -> Option<Duration> {
        self.number(key).map(Duration::from_millis)
    }

    fn has(&self, key: &str) -> bool {
        self.text(key).is_some()
    }

    /// Panics if this is the hook that is to.
    fn panic_in(&self, hook: &str) {
        assert!(self.text("panics") != Some(hook), "{hook} on purpose");
    }
}

pub(crate) fn run() -> ExitCode {
    let options = Options(std::env::var(ENVIRONMENT).unwrap());
    if let Some(path) = options.text("client") {
        // No server at all: somebody who asks one.
        let answer = Client::new(path).listen_tcp("127.0.0.1", 0);
        println!(
            "answer {}",
            answer.map_or_else(|it| it.to_string(), |_| "yes".to_owned())
        );
        return ExitCode::SUCCESS;
    }
    say(
        "server",
        &format!(
            "inherited {}",
            crate::proc::descriptors_of(std::process::id()).len()
        ),
    );
    let mut config = Config {
        workers: options.number("workers").unwrap_or(1) as usize,
        supervisor: options.has("supervisor"),
        restart_server_process: options.has("restart_server"),
        disable_reload: options.has("disable_reload"),
        server_restart_wait: Duration::ZERO,
        start_worker_delay: options.millis("start_delay").unwrap_or_default(),
        explicit_readiness: options.has("ready_after"),
        unrecoverable_exit_codes: vec![77],
        stop_immediately_at_unrecoverable_exit: true,
        worker_process_name: Some("subject:%d".to_owned()),
        worker_heartbeat_interval: Duration::from_millis(100),
        server_heartbeat_interval: Duration::from_millis(100),
        log: Arc::new(|level: Level, text: &str| {
            println!("log {level} {text}");
        }),
        ..Config::default()
    };
    if let Some(timeout) = options.millis("heartbeat") {
        config.worker_heartbeat_timeout = Some(timeout);
        config.server_heartbeat_timeout = Some(timeout);
    }
    if let Some(timeout) = options.millis("kill") {
        config.worker_graceful_kill_timeout = Some(timeout);
        config.worker_immediate_kill_timeout = Some(timeout);
    }
    if let Some(delay) = options.millis("release") {
        config.listener_release_after = delay;
    }
    if let Some(timeout) = options.millis("server_kill") {
        config.server_graceful_kill_timeout = Some(timeout);
        config.server_immediate_kill_timeout = Some(timeout);
    }
    if options.has("compatible") {
        // ServerEngine's schedule, a hundred times faster.
        config.worker_graceful_kill_interval = Some(Duration::from_millis(150));
        config.worker_graceful_kill_interval_increment = Duration::from_millis(100);
    }
    if let Some(wait) = options.millis("restart_wait") {
        config.server_restart_wait = wait;
        config.restart_worker_interval = wait;
    }
    if options.has("all_at_once") {
        config.restart_parallel = RestartParallel::All;
    }
    if options.has("no_backoff") {
        config.restart_backoff = Backoff {
            reset_after: Duration::ZERO,
            ..Backoff::default()
        };
    }
    if options.has("forward") {
        config.signals = SignalMeanings {
            usr1: Meaning::Forward,
            hup: Meaning::GracefulRestart,
            int: Meaning::GracefulStop,
            ..SignalMeanings::default()
        };
    }
    config.worker_type = match options.text("type") {
        Some("thread") => WorkerType::Thread,
        Some("embedded") => WorkerType::Embedded,
        Some("spawn") => WorkerType::Spawn,
        _ => WorkerType::Process,
    };
    config.reserve_worker = options.has("reserve");
    if options.has("words") {
        config.command_sender = CommandSender::Pipe;
    }
    if options.has("reload_signal") {
        config.worker_reload_signal = Some(Signal::Hup);
    }
    if options.has("command_pipe") {
        let input = std::io::stdin().as_fd().try_clone_to_owned().unwrap();
        config.command_pipe = Some(Arc::new(input));
    }
    if let Some(wait) = options.millis("detach") {
        config.enable_detach = true;
        config.server_detach_wait = wait;
        config.exit_on_detach = options.has("exit_on_detach");
    }
    if options.has("stderr") {
        config.log = Arc::new(serverengine::StderrLog);
    }
    let hangs = options.has("profile_hangs");
    crate::dumps::configure(&mut config, options.text("dumps"), hangs);
    config.daemonize = options.has("daemonize");
    config.pid_path = options.text("pid_path").map(Into::into);
    config.chuser = options.text("chuser").map(Into::into);
    config.chgroup = options.text("chgroup").map(Into::into);
    config.worker_chuser = options.text("worker_chuser").map(Into::into);
    if options.has("umask") {
        config.chumask = Some(0o027);
        config.worker_chumask = Some(0o077);
    }
    if options.has("titles") {
        config.daemon_process_name = Some("subject supervisor".to_owned());
        config.server_process_name = Some("subject server".to_owned());
        config.worker_process_name = Some("subject worker %d".to_owned());
    }
    if let Some(length) = options.number("long_title") {
        config.worker_process_name = Some("t".repeat(length as usize));
    }
    if options.has("groups") {
        // What a service manager or sudo may leave behind.
        let groups = [0, 4, 27].map(nix::unistd::Gid::from_raw);
        nix::unistd::setgroups(&groups).unwrap();
    }
    config.logger = logger(&options);
    config.socket_manager_path = options.text("manager").map(Into::into);
    config.socket_manager_take_over = options.has("take_over");
    if let Some(limit) = options.millis("load_timeout") {
        config.config_load_timeout = limit;
    }
    let callback = options.text("callback").map(PathBuf::from);
    let steers = options.text("steers").map(str::to_owned);
    if let Some(habit) = options.text("hooked") {
        return crate::hooks::run(config, Some(habit));
    }
    let server = Subject {
        options: options.clone(),
        logger: config.logger.clone(),
        loads: 0,
    };
    let logger = config.logger.clone();
    let build = move |id| {
        say("server", &format!("builds {id}"));
        options.panic_in("build");
        SubjectWorker {
            id,
            logger: logger.clone(),
            options: options.clone(),
            stop: BlockingFlag::new(),
            reloaded: BlockingFlag::new(),
        }
    };
    match callback {
        None => {
            let mut daemon = serverengine::create(server, build, config);
            let code = daemon.run();
            if let Some(words) = steers {
                crate::daemons::steer(&daemon, &words);
            }
            code
        }
        Some(path) => {
            let file = path.clone();
            let source = ConfigSource::from(move || callback::load(&config, &path)).watching(file);
            serverengine::create(server, build, source).run()
        }
    }
}

fn logger(options: &Options) -> Option<Arc<DaemonLogger>> {
    let path = match options.text("logger")? {
        // What the driver reads.
        "output" => std::fs::read_link("/proc/self/fd/1").unwrap(),
        path => path.into(),
    };
    let rotation = options.number("rotate").map(|bytes| Rotation::Size {
        bytes,
        keep: 10_000,
    });
    let logger = DaemonLogger::new(LoggerOptions {
        destination: Destination::File(path),
        level: Level::Info,
        format: if options.has("json") {
            LineFormat::Json
        } else {
            LineFormat::Ruby
        },
        rotation: rotation.unwrap_or(Rotation::Never),
        ..LoggerOptions::default()
    });
    Some(Arc::new(logger.unwrap()))
}

/// Writes one line by one system call, so that lines of several processes do not mix.
fn say(who: &str, what: &str) {
    println!("{who} {} {what}", std::process::id());
}

/// Options, and how often they were read anew.
struct Subject {
    options: Options,
    logger: Option<Arc<DaemonLogger>>,
    loads: u64,
}

impl Server for Subject {
    fn before_run(&mut self) -> Result<(), BoxError> {
        say("server", "before_run");
        self.options.panic_in("before_run");
        match self.options.text("before_run") {
            Some("error") => return Err("no disk".into()),
            Some("thread") => {
                std::thread::spawn(|| std::thread::sleep(Duration::from_secs(60)));
            }
            Some(millis) => std::thread::sleep(Duration::from_millis(millis.parse().unwrap())),
            None => {}
        }
        Ok(())
    }

    fn after_run(&mut self) {
        say("server", "after_run");
        self.options.panic_in("after_run");
    }

    fn reload_config(&mut self) -> Result<(), BoxError> {
        say("server", "reload_config");
        self.options.panic_in("reload_config");
        self.loads += 1;
        if let Some(level) = self.options.text("level_then") {
            let level = level.parse::<Level>()?;
            self.logger.as_ref().unwrap().set_level(level);
        }
        if self.options.has("refuse") {
            Err("line 3 is wrong".into())
        } else {
            Ok(())
        }
    }

    fn worker_config(&self) -> Option<String> {
        if self.loads > 0 {
            self.options.panic_in("worker_config");
        }
        self.options
            .has("config")
            .then(|| format!("loaded {} times", self.loads))
    }

    fn workers(&self) -> Option<usize> {
        if self.loads > 0 {
            self.options.panic_in("workers");
        }
        let key = format!("workers_after_{}", self.loads);
        self.options.number(&key).map(|workers| workers as usize)
    }
}

struct SubjectWorker {
    id: usize,
    logger: Option<Arc<DaemonLogger>>,
    options: Options,
    stop: BlockingFlag,
    reloaded: BlockingFlag,
}

impl SubjectWorker {
    fn behave(&self, context: &WorkerContext) -> Result<(), BoxError> {
        match self.options.text("behave") {
            Some("error") => return Err("nothing to do".into()),
            Some("code") => return Err(serverengine::WorkerExit::new(9, "chosen").into()),
            Some("panic") => panic!("on purpose"),
            Some("exit") => std::process::exit(7),
            Some("unrecoverable") if context.worker_id() == 0 => std::process::exit(77),
            // A child in the worker's own process group, and one in a session of its own.
            Some("child") => spawn(Command::new("sleep").arg("1000"), "child"),
            Some("daemon") => spawn(Command::new("setsid").args(["sleep", "1000"]), "daemon"),
            Some("closes_all") => {
                for descriptor in 3..64 {
                    // Foreign code that "cleans up" descriptors it never opened.
                    let _ = nix::unistd::close(descriptor);
                }
            }
            Some("closes_every") => {
                // Standard streams included: this is the last line.
                say(&format!("worker {}", self.id), "works");
                for descriptor in 0..1024 {
                    let _ = nix::unistd::close(descriptor);
                }
                while !self.stop.wait_for_set(Duration::from_secs(1)) {}
                return Err("stopped".into());
            }
            Some("disarms") => nix::sys::prctl::set_pdeathsig(None)?,
            Some("serves") if self.options.has("first_only") && context.generation() > 1 => {}
            Some("serves") => {
                let address = self
                    .options
                    .text("address")
                    .unwrap()
                    .parse::<SocketAddr>()?;
                let listener = context.listen_tcp(address, ListenOptions::default())?;
                say("listener", &listener.local_addr()?.to_string());
                std::thread::spawn(move || serve(&listener));
            }
            Some("named") => {
                let client = Client::new(self.options.text("manager").unwrap());
                let port = self.options.number("port").unwrap();
                let listener = client.listen_tcp("127.0.0.1", port.try_into()?)?;
                say("listener", &listener.local_addr()?.to_string());
                std::thread::spawn(move || serve(&listener));
            }
            Some("conflicts") => {
                let port = self.options.number("port").unwrap();
                for bind in ["127.0.0.1", "0.0.0.0"] {
                    let address = format!("{bind}:{port}").parse::<SocketAddr>()?;
                    let listener = context.listen_tcp(address, ListenOptions::default())?;
                    say("listener", &listener.local_addr()?.to_string());
                }
            }
            Some("floods") => {
                let count = self.options.number("lines").unwrap();
                let (id, pid) = (self.id, std::process::id());
                let progress = self
                    .options
                    .text("progress")
                    .map(|folder| std::fs::File::create(format!("{folder}/{id}.{pid}")).unwrap());
                for number in 0..count {
                    let text = format!(
                        "flood {id} {pid} {number} {}",
                        "x".repeat(number as usize % 300)
                    );
                    self.logger.as_ref().unwrap().info(&text);
                    println!("print {id} {pid} {number}");
                    if let Some(file) = &progress {
                        // What is before this number was said, however this process ends.
                        file.write_all_at(&(number + 1).to_le_bytes(), 0).unwrap();
                    }
                    if let Some(pause) = self.options.millis("pause") {
                        std::thread::sleep(pause);
                    } else if number % 10 == 0 {
                        // So many at once would be more than any disk takes, and be dropped.
                        std::thread::sleep(Duration::from_millis(1));
                    }
                }
            }
            Some("threads") => threads(),
            Some("half_lines") => {
                use std::io::Write;
                let mut output = std::io::stdout();
                write!(output, "half of worker {}", std::process::id())?;
                output.flush()?;
                eprint!("other half of worker {}", std::process::id());
            }
            Some("unix") => {
                let path = self.options.text("path").unwrap();
                let listener = context.listen_unix(path, ListenOptions::default())?;
                std::mem::forget(listener);
            }
            _ => {}
        }
        Ok(())
    }
}

impl Worker for SubjectWorker {
    fn run(&self, context: &WorkerContext) -> Result<(), BoxError> {
        let who = format!("worker {}", context.worker_id());
        say(&who, &format!("run generation {}", context.generation()));
        self.behave(context)
            .inspect_err(|error| say(&who, &format!("error {error}")))?;
        if let Some(delay) = self.options.millis("ready_after") {
            std::thread::sleep(delay);
        }
        if let Some(config) = context.config() {
            let version = context.config_version();
            say(&who, &format!("begins with {version}: {config}"));
        }
        if let Some(time) = self.options.millis("busy") {
            let start = std::time::Instant::now();
            while start.elapsed() < time {
                std::hint::spin_loop();
            }
        }
        if self.options.has("titles") {
            let name = std::env::args().next().unwrap_or_default();
            let name = name.rsplit('/').next().unwrap_or_default().to_owned();
            let options = std::env::var(ENVIRONMENT).unwrap();
            say(&who, &format!("is {name} of {options:?}"));
        }
        say(&who, "works");
        if let Some(life) = self.options.millis("lives") {
            std::thread::sleep(life);
            return Ok(());
        }
        context.ready()?;
        let mut version = context.config_version();
        while !self.stop.wait_for_set(Duration::from_millis(20)) {
            if let Some(late) = self.options.text("late")
                && self.reloaded.reset()
            {
                let listener = context.listen_tcp(late.parse()?, ListenOptions::default())?;
                say("late", &listener.local_addr()?.to_string());
            }
            if context.config_version() != version {
                version = context.config_version();
                if let Some(config) = context.config() {
                    say(&who, &format!("sees {version}: {config}"));
                }
            }
        }
        say(&who, "returns");
        Ok(())
    }

    fn spawn(&self) -> Result<Program, BoxError> {
        let script = match self.options.text("program") {
            Some("waits") => crate::types::WAITS,
            Some("reads") => crate::types::READS,
            Some("closes") => "echo worker $ID $$ works; exec 0<&- 1>&- 2>&-; exec sleep 1000",
            Some("error") => return Err("no licence".into()),
            _ => return Ok(Program::from(Command::new("/no/such/program"))),
        };
        let mut command = Command::new("sh");
        command.args(["-c", script]).env("ID", self.id.to_string());
        let (reader, writer) = std::io::pipe()?;
        // Leaked on purpose, without close-on-exec: what an allow-list is for.
        let leaked = nix::unistd::dup(writer)?;
        std::mem::forget(leaked);
        Ok(Program::from(command).pass(reader, 7)?)
    }

    fn before_fork(&self) {
        say("server", "before_fork");
        self.options.panic_in("before_fork");
        if self.options.text("before_fork") == Some("thread") {
            std::thread::spawn(|| std::thread::sleep(Duration::from_secs(60)));
        }
    }

    fn after_start(&self, process_id: u32) {
        say("server", &format!("after_start {process_id}"));
        self.options.panic_in("after_start");
    }

    fn stop(&self) {
        say("worker -", "stop");
        self.options.panic_in("stop");
        if let Some(delay) = self.options.millis("finishes") {
            std::thread::sleep(delay);
        }
        if self.options.has("ignores_stop") {
            // A hook that never returns, as well as a run that never ends.
            std::thread::sleep(Duration::from_secs(60));
        }
        self.stop.set();
    }

    fn reload(&self) {
        if let Some(logger) = &self.logger {
            logger.debug("the worker sees the level");
        }
        say("worker -", "reload");
        self.reloaded.set();
        self.options.panic_in("reload");
        if self.options.has("reload_hangs") {
            std::thread::sleep(Duration::from_secs(60));
        }
    }

    fn dump(&self) {
        say("worker -", "dump");
        self.options.panic_in("dump");
    }

    fn signal(&self, signal: Signal) {
        say("worker -", &format!("signal {signal:?}"));
        self.options.panic_in("signal");
    }
}

/// Starts a thread of each kind that a dump has to cope with, and waits until they are what they are.
fn threads() {
    let name = |name: &str| std::thread::Builder::new().name(name.to_owned());
    name("blocked").spawn(blocks).unwrap();
    name("spinning").spawn(spins).unwrap();
    name("deaf")
        .spawn(|| {
            nix::sys::signal::SigSet::all().thread_block().unwrap();
            std::thread::sleep(Duration::from_secs(60));
        })
        .unwrap();
    // To be stopped by the test.
    name("wedged").spawn(blocks).unwrap();
    std::thread::sleep(Duration::from_millis(100));
}

#[inline(never)]
fn blocks() {
    deeper(20);
    std::hint::black_box(());
}

#[inline(never)]
fn deeper(depth: u32) {
    if depth == 0 {
        deepest();
    } else {
        deeper(depth - 1);
    }
    std::hint::black_box(());
}

#[inline(never)]
fn deepest() {
    std::thread::sleep(Duration::from_secs(60));
    std::hint::black_box(());
}

#[inline(never)]
fn spins() {
    loop {
        std::hint::spin_loop();
    }
}

#[allow(clippy::zombie_processes)] // It is killed with its parent; that is what the tests are about.
fn spawn(command: &mut Command, name: &str) {
    let child = command.arg0("subject-sleep").spawn().unwrap();
    say(name, &child.id().to_string());
}

fn serve(listener: &TcpListener) {
    for connection in listener.incoming() {
        // A client that is gone already is its own affair.
        let _ = connection.and_then(|mut it| it.write_all(b"served\n"));
    }
}
