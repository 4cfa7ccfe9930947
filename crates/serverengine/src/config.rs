//! What a server can be told: one struct of public fields, each with a default.

use std::fmt;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::core::Backoff;
use crate::log::{Log, StderrLog};
use crate::logger::DaemonLogger;
use crate::signals::{Signal, SignalMeanings};
use crate::worker::{CommandSender, WorkerType};

/// Most workers of one server.
pub const WORKERS_MAX: usize = 4096;

/// How many workers a graceful restart replaces at the same time. In configuration files a number, or
/// `all`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestartParallel {
    /// So many, at least 1: the next one leaves when a successor is ready.
    Workers(usize),
    /// All together, as in Ruby's ServerEngine.
    All,
}

impl Default for RestartParallel {
    /// One by one.
    fn default() -> Self {
        Self::Workers(1)
    }
}

impl RestartParallel {
    pub(crate) fn limit(self) -> usize {
        match self {
            Self::Workers(count) => count,
            Self::All => usize::MAX,
        }
    }
}

/// Configuration of a server.
///
/// ```
/// use serverengine::Config;
///
/// let config = Config { workers: 4, ..Config::default() };
/// assert_eq!(config.worker_immediate_kill_timeout, Some(std::time::Duration::from_secs(5)));
/// ```
///
/// The names are ServerEngine's where the meaning is the same.
#[derive(Clone)]
pub struct Config {
    /// Number of workers, 1 to [`WORKERS_MAX`]. Each has a number from 0 that is stable over restarts.
    pub workers: usize,
    /// What workers are: forked processes, threads, or programs.
    pub worker_type: WorkerType,
    /// Puts a supervisor above the server. It holds the listening sockets, restarts a server that dies,
    /// and finds and kills what a dead server's workers left behind.
    pub supervisor: bool,
    /// Under a supervisor: a restart replaces the server process, not only its workers.
    pub restart_server_process: bool,
    /// Least distance between two starts of the server by its supervisor.
    pub server_restart_wait: Duration,
    /// Under a supervisor: a reload or restart calls [`Server::reload_config`](crate::Server::reload_config)
    /// in the server only, not in the supervisor, which starts a later server with what it began with.
    pub disable_reload: bool,
    /// How often a server tells its supervisor that it is alive.
    pub server_heartbeat_interval: Duration,
    /// A server that was silent this long (frozen, or in a hook that does not return) is replaced. `None`:
    /// never.
    pub server_heartbeat_timeout: Option<Duration>,
    /// A supervisor's patience after a graceful stop of its server, before the immediate one. `None`: as
    /// long as the server has with its workers, and 2 s. `Duration::MAX`: for ever.
    pub server_graceful_kill_timeout: Option<Duration>,
    /// Its patience after an immediate stop, before the kill. `None` and `Duration::MAX` as above.
    pub server_immediate_kill_timeout: Option<Duration>,
    /// The schedule of [`worker_graceful_kill_interval`](Self::worker_graceful_kill_interval) for the server.
    pub server_graceful_kill_interval: Option<Duration>,
    /// By how much `server_graceful_kill_interval` grows with each repetition.
    pub server_graceful_kill_interval_increment: Duration,
    /// The schedule of [`worker_immediate_kill_interval`](Self::worker_immediate_kill_interval) for the server.
    pub server_immediate_kill_interval: Option<Duration>,
    /// By how much `server_immediate_kill_interval` grows with each repetition.
    pub server_immediate_kill_interval_increment: Duration,

    /// Under a supervisor: a detach ([`Meaning::Detach`](crate::Meaning::Detach)) is a live restart. The server stops
    /// gracefully, and if it has not ended after `server_detach_wait`, a new one is started beside it.
    /// Otherwise a detach is a graceful stop.
    pub enable_detach: bool,
    /// With `enable_detach`: instead of starting a new server, the supervisor leaves the old one behind,
    /// which finishes by itself, and ends.
    pub exit_on_detach: bool,
    /// How long a detached server may take before that.
    pub server_detach_wait: Duration,

    /// Least distance between two starts of workers, the replacement of a dead one included.
    pub start_worker_delay: Duration,
    /// Random part of `start_worker_delay`: the distance lies within `delay · (1 ± rand/2)`.
    pub start_worker_delay_rand: f64,
    /// Wait between a worker's exit and its replacement.
    pub restart_worker_interval: Duration,
    /// What happens to a worker that keeps dying young.
    pub restart_backoff: Backoff,
    /// How many workers a graceful restart replaces at the same time.
    pub restart_parallel: RestartParallel,

    /// Whether a worker says itself when it is ready, by
    /// [`WorkerContext::ready`](crate::WorkerContext::ready). Otherwise it counts as ready when `run` is
    /// called. A graceful restart goes on to the next worker when the last one is ready.
    pub explicit_readiness: bool,
    /// A worker that is not ready after this time is replaced. `None`: never.
    pub worker_start_timeout: Option<Duration>,
    /// How often a worker says that it is alive.
    pub worker_heartbeat_interval: Duration,
    /// A worker that was silent this long (frozen, not merely busy) is replaced. `None`: never.
    pub worker_heartbeat_timeout: Option<Duration>,
    /// Patience after a graceful stop, before the immediate one. `None`: for ever.
    pub worker_graceful_kill_timeout: Option<Duration>,
    /// Patience after an immediate stop, before the kill. `None`: for ever.
    pub worker_immediate_kill_timeout: Option<Duration>,

    /// ServerEngine's schedule: until the end of its patience a graceful stop is repeated after this time
    /// (15 s there), and after more each time. `None`: it is sent once.
    pub worker_graceful_kill_interval: Option<Duration>,
    /// By how much `worker_graceful_kill_interval` grows with each repetition.
    pub worker_graceful_kill_interval_increment: Duration,
    /// The same for the immediate stop (10 s there). The kill then comes with the first repetition that is
    /// due after `worker_immediate_kill_timeout`, rather than at that time. `None`: it is sent once.
    pub worker_immediate_kill_interval: Option<Duration>,
    /// By how much `worker_immediate_kill_interval` grows with each repetition.
    pub worker_immediate_kill_interval_increment: Duration,

    /// A listening socket that no worker of the running generation asked for is closed when the workers
    /// have been ready for this long.
    pub listener_release_after: Duration,

    /// Exit codes after which a worker is not replaced. The server ends with such a code when no worker
    /// is left.
    pub unrecoverable_exit_codes: Vec<i32>,
    /// Whether one unrecoverable exit stops the other workers, too.
    pub stop_immediately_at_unrecoverable_exit: bool,

    /// Runs in the background: in a session of its own, with standard streams that lead nowhere. The
    /// process that was started returns from [`Engine::run`](crate::Engine::run) when the server is ready, with
    /// code 0, or when it failed.
    pub daemonize: bool,
    /// Exit code of a daemon's launcher when it failed.
    pub daemonize_error_exit_code: u8,
    /// A file with the number of the topmost process. It is locked while that process lives: a second server
    /// with the same file is refused.
    pub pid_path: Option<PathBuf>,
    /// User of all processes, by name or number: with exactly the groups that the system knows of.
    pub chuser: Option<String>,
    /// Group of all processes; without it the one of `chuser`.
    pub chgroup: Option<String>,
    /// File mode creation mask of all processes, for example `0o027`.
    pub chumask: Option<u32>,
    /// User of the workers, if they are processes. The server must be root for that.
    pub worker_chuser: Option<String>,
    /// Group of the workers.
    pub worker_chgroup: Option<String>,
    /// File mode creation mask of the workers.
    pub worker_chumask: Option<u32>,

    /// Name of the topmost process, as `ps` shows it: its command line, and its `comm` of 15 bytes.
    pub daemon_process_name: Option<String>,
    /// Name of the server process.
    pub server_process_name: Option<String>,
    /// Name of a worker process; `%d` stands for the worker's number.
    pub worker_process_name: Option<String>,

    /// Where the topmost process reads command words from, one per line, beside obeying signals: those
    /// of [`CommandSender::Pipe`]. Usually the reading end of a pipe, or standard input. When it is
    /// closed, signals still work.
    pub command_pipe: Option<Arc<OwnedFd>>,
    /// How commands reach a worker that is a program.
    pub command_sender: CommandSender,
    /// The signal that makes a worker that is a program reload, if there is one. It is not needed with
    /// [`CommandSender::Pipe`].
    pub worker_reload_signal: Option<Signal>,
    /// Writes no dump files; a dump is in the log only, and the workers' dump hooks are called.
    pub disable_sigdump: bool,
    /// Folder of the dump files, `sigdump-<pid>.log`, one for each process. `None`: the runtime folder of
    /// the service (`$RUNTIME_DIRECTORY`) or of the user (`$XDG_RUNTIME_DIR`), or the folder for temporary
    /// files. The files are private: a link or a file of somebody else in their place is refused.
    pub sigdump_folder: Option<PathBuf>,
    /// What each signal means to the server.
    pub signals: SignalMeanings,
    /// The log of all processes, written by a process of its own; it takes the place of `log`. `None`:
    /// there is no such process, and what server and workers print is left alone.
    pub logger: Option<Arc<DaemonLogger>>,
    /// Where the engine's messages go.
    pub log: Arc<dyn Log>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            workers: 1,
            worker_type: WorkerType::Process,
            supervisor: false,
            restart_server_process: false,
            server_restart_wait: Duration::from_secs(1),
            disable_reload: false,
            server_heartbeat_interval: Duration::from_secs(1),
            server_heartbeat_timeout: Some(Duration::from_secs(30)),
            server_graceful_kill_timeout: None,
            server_immediate_kill_timeout: None,
            server_graceful_kill_interval: None,
            server_graceful_kill_interval_increment: Duration::from_secs(10),
            server_immediate_kill_interval: None,
            server_immediate_kill_interval_increment: Duration::from_secs(10),
            enable_detach: false,
            exit_on_detach: false,
            server_detach_wait: Duration::from_secs(10),
            start_worker_delay: Duration::ZERO,
            start_worker_delay_rand: 0.2,
            restart_worker_interval: Duration::ZERO,
            restart_backoff: Backoff::default(),
            restart_parallel: RestartParallel::default(),
            explicit_readiness: false,
            worker_start_timeout: Some(Duration::from_secs(60)),
            worker_heartbeat_interval: Duration::from_secs(1),
            worker_heartbeat_timeout: Some(Duration::from_secs(30)),
            worker_graceful_kill_timeout: Some(Duration::from_secs(30)),
            worker_immediate_kill_timeout: Some(Duration::from_secs(5)),
            worker_graceful_kill_interval: None,
            worker_graceful_kill_interval_increment: Duration::from_secs(10),
            worker_immediate_kill_interval: None,
            worker_immediate_kill_interval_increment: Duration::from_secs(10),
            listener_release_after: Duration::from_secs(10),
            unrecoverable_exit_codes: Vec::new(),
            stop_immediately_at_unrecoverable_exit: false,
            daemonize: false,
            daemonize_error_exit_code: 1,
            pid_path: None,
            chuser: None,
            chgroup: None,
            chumask: None,
            worker_chuser: None,
            worker_chgroup: None,
            worker_chumask: None,
            daemon_process_name: None,
            server_process_name: None,
            worker_process_name: None,
            command_pipe: None,
            command_sender: CommandSender::Signal,
            worker_reload_signal: None,
            disable_sigdump: false,
            sigdump_folder: None,
            signals: SignalMeanings::default(),
            logger: None,
            log: Arc::new(StderrLog),
        }
    }
}

impl Config {
    /// Says what is wrong with these values, if anything.
    pub(crate) fn check(&self) -> Result<(), String> {
        crate::check::check(self)
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Config")
            .field("workers", &self.workers)
            .field("supervisor", &self.supervisor)
            .finish_non_exhaustive()
    }
}
