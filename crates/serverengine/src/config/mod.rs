//! What a server can be told: one struct of public fields, each with a default.
//!
//! ```text
//!   the list below ──keys!──► Config, ConfigBuilder, FIELDS (name, type, unit, default, reload, doc)
//!                                                       │
//!   file ─► json │ yaml │ toml ─► Node (with places) ─► read ─► Config ─► check
//!                                                       │
//!   reload: the callback's Config ─► reload::write ─► JSON ─► reload::read ─► what may change
//! ```

mod application;
#[cfg(feature = "files")]
mod bridge;
mod builder;
mod convert;
#[cfg(feature = "files")]
mod file;
mod json;
pub(crate) mod keys;
mod node;
mod problem;
#[cfg(feature = "files")]
mod read;
mod reference;
pub(crate) mod reload;
mod source;
#[cfg(feature = "files")]
mod suggestion;
#[cfg(feature = "toml")]
mod toml;
#[cfg(feature = "yaml")]
mod yaml;

use std::fmt;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::core::Backoff;
use crate::dump::{Allocator, SystemAllocator};
use crate::listen::manager;
use crate::log::{Log, StderrLog};
use crate::logger::DaemonLogger;
use crate::signals::{Signal, SignalMeanings};
use crate::worker::{CommandSender, WorkerType};

use keys::keys;

pub use application::Application;
pub use builder::{ConfigBuilder, IntoSetting};
#[cfg(feature = "files")]
pub use file::Format;
pub use problem::{ConfigError, ConfigProblem};
pub use reference::reference_table;
pub use source::ConfigSource;

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

keys! {
    /// Configuration of a server.
    ///
    /// ```
    /// use serverengine::Config;
    ///
    /// let config = Config { workers: 4, ..Config::default() };
    /// assert_eq!(config.worker_immediate_kill_timeout, Some(std::time::Duration::from_secs(5)));
    /// ```
    ///
    /// The names are ServerEngine's where the meaning is the same. [`Config::builder`] checks what it
    /// builds; a file is read by `Config::from_file` of the features `yaml`, `toml` and `json`.
    pub struct Config;

    /// Number of workers, 1 to [`WORKERS_MAX`]. Each has a number from 0 that is stable over restarts.
    workers: usize = 1, "workers", Live;
    /// What workers are: forked processes, threads, or programs.
    worker_type: WorkerType = WorkerType::Process, "", Fixed;
    /// Puts a supervisor above the server. It holds the listening sockets, restarts a server that dies,
    /// and finds and kills what a dead server's workers left behind.
    supervisor: bool = false, "", Fixed;
    /// Under a supervisor: a restart replaces the server process, not only its workers.
    restart_server_process: bool = false, "", Fixed;
    /// Least distance between two starts of the server by its supervisor.
    server_restart_wait: Duration = Duration::from_secs(1), "s", Live;
    /// Under a supervisor: a reload or restart calls [`Server::reload_config`](crate::Server::reload_config)
    /// in the server only, not in the supervisor, which starts a later server with what it began with.
    disable_reload: bool = false, "", Fixed;
    /// How often a server tells its supervisor that it is alive.
    server_heartbeat_interval: Duration = Duration::from_secs(1), "s", NextStart;
    /// A server that was silent this long (frozen, or in a hook that does not return) is replaced. `None`:
    /// never.
    server_heartbeat_timeout: Option<Duration> = Some(Duration::from_secs(30)), "s", Live;
    /// A supervisor's patience after a graceful stop of its server, before the immediate one. `None`: as
    /// long as the server has with its workers, and 2 s. `Duration::MAX`, in a file -1: for ever.
    server_graceful_kill_timeout: Option<Duration> = None, "s", Live, forever;
    /// Its patience after an immediate stop, before the kill. `None` and `Duration::MAX` as above.
    server_immediate_kill_timeout: Option<Duration> = None, "s", Live, forever;
    /// The schedule of [`worker_graceful_kill_interval`](Self::worker_graceful_kill_interval) for the server.
    server_graceful_kill_interval: Option<Duration> = None, "s", Live;
    /// By how much `server_graceful_kill_interval` grows with each repetition.
    server_graceful_kill_interval_increment: Duration = Duration::from_secs(10), "s", Live;
    /// The schedule of [`worker_immediate_kill_interval`](Self::worker_immediate_kill_interval) for the server.
    server_immediate_kill_interval: Option<Duration> = None, "s", Live;
    /// By how much `server_immediate_kill_interval` grows with each repetition.
    server_immediate_kill_interval_increment: Duration = Duration::from_secs(10), "s", Live;
    /// How long the callback that loads the configuration may take, at a reload, before it is given up and
    /// everything stays as it is.
    config_load_timeout: Duration = Duration::from_secs(10), "s", Live;

    /// Under a supervisor: a detach ([`Meaning::Detach`](crate::Meaning::Detach)) is a live restart. The server stops
    /// gracefully, and if it has not ended after `server_detach_wait`, a new one is started beside it.
    /// Otherwise a detach is a graceful stop.
    enable_detach: bool = false, "", Fixed;
    /// With `enable_detach`: instead of starting a new server, the supervisor leaves the old one behind,
    /// which finishes by itself, and ends.
    exit_on_detach: bool = false, "", Fixed;
    /// How long a detached server may take before that.
    server_detach_wait: Duration = Duration::from_secs(10), "s", Live;

    /// Least distance between two starts of workers, the replacement of a dead one included.
    start_worker_delay: Duration = Duration::ZERO, "s", Live;
    /// Random part of `start_worker_delay`: the distance lies within `delay · (1 ± rand/2)`.
    start_worker_delay_rand: f64 = 0.2, "", Live;
    /// Wait between a worker's exit and its replacement.
    restart_worker_interval: Duration = Duration::ZERO, "s", Live;
    /// What happens to a worker that keeps dying young.
    restart_backoff: Backoff = Backoff::default(), "", Live;
    /// How many workers a graceful restart replaces at the same time.
    restart_parallel: RestartParallel = RestartParallel::default(), "workers", Live;

    /// Whether a process is kept in reserve, forked in advance, that becomes the next worker: for servers that
    /// cannot miss one even for the millisecond that a fork takes. Workers of the type `process` only. Its
    /// worker is built in it, when it is known which one it is;
    /// [`Worker::before_fork`](crate::Worker::before_fork) is called in the server as ever, and what it changes
    /// there reaches the reserve that is forked after that. A reload makes a new reserve.
    reserve_worker: bool = false, "", Live;
    /// Whether a worker says itself when it is ready, by
    /// [`WorkerContext::ready`](crate::WorkerContext::ready). Otherwise it counts as ready when `run` is
    /// called. A graceful restart goes on to the next worker when the last one is ready.
    explicit_readiness: bool = false, "", NextStart;
    /// A worker that is not ready after this time is replaced. `None`: never.
    worker_start_timeout: Option<Duration> = Some(Duration::from_secs(60)), "s", Live;
    /// How often a worker says that it is alive.
    worker_heartbeat_interval: Duration = Duration::from_secs(1), "s", NextStart;
    /// A worker that was silent this long (frozen, not merely busy) is replaced. `None`: never.
    worker_heartbeat_timeout: Option<Duration> = Some(Duration::from_secs(30)), "s", Live;
    /// Patience after a graceful stop, before the immediate one. `None`: for ever.
    worker_graceful_kill_timeout: Option<Duration> = Some(Duration::from_secs(30)), "s", Live;
    /// Patience after an immediate stop, before the kill. `None`: for ever.
    worker_immediate_kill_timeout: Option<Duration> = Some(Duration::from_secs(5)), "s", Live;

    /// ServerEngine's schedule: until the end of its patience a graceful stop is repeated after this time
    /// (15 s there), and after more each time. `None`: it is sent once.
    worker_graceful_kill_interval: Option<Duration> = None, "s", Live;
    /// By how much `worker_graceful_kill_interval` grows with each repetition.
    worker_graceful_kill_interval_increment: Duration = Duration::from_secs(10), "s", Live;
    /// The same for the immediate stop (10 s there). The kill then comes with the first repetition that is
    /// due after `worker_immediate_kill_timeout`, rather than at that time. `None`: it is sent once.
    worker_immediate_kill_interval: Option<Duration> = None, "s", Live;
    /// By how much `worker_immediate_kill_interval` grows with each repetition.
    worker_immediate_kill_interval_increment: Duration = Duration::from_secs(10), "s", Live;

    /// Where other programs, and workers by name, get listening sockets: see
    /// [`socket_manager::Server`](crate::socket_manager::Server), which is the other way to say it.
    socket_manager_path: Option<PathBuf> = None, "", Fixed;
    /// If another server serves `socket_manager_path` when this one starts, takes all of its listening
    /// sockets over. Otherwise that is an error.
    socket_manager_take_over: bool = false, "", Fixed;
    /// An opened socket manager, in place of `socket_manager_path`.
    socket_manager: Option<Arc<manager::Server>> = None;
    /// A listening socket that no worker of the running generation asked for is closed when the workers
    /// have been ready for this long.
    listener_release_after: Duration = Duration::from_secs(10), "s", Live;

    /// Exit codes after which a worker is not replaced. The server ends with such a code when no worker
    /// is left.
    unrecoverable_exit_codes: Vec<i32> = Vec::new(), "exit codes", Live;
    /// Whether one unrecoverable exit stops the other workers, too.
    stop_immediately_at_unrecoverable_exit: bool = false, "", Live;

    /// Runs in the background: in a session of its own, with standard streams that lead nowhere. The
    /// process that was started returns from [`Daemon::run`](crate::Daemon::run) when the server is ready, with
    /// code 0, or when it failed.
    daemonize: bool = false, "", Fixed;
    /// Exit code of a daemon's launcher when it failed.
    daemonize_error_exit_code: u8 = 1, "", Fixed;
    /// A file with the number of the topmost process. It is locked while that process lives: a second server
    /// with the same file is refused.
    pid_path: Option<PathBuf> = None, "", Fixed;
    /// User of all processes, by name or number: with exactly the groups that the system knows of.
    chuser: Option<String> = None, "", Fixed;
    /// Group of all processes; without it the one of `chuser`.
    chgroup: Option<String> = None, "", Fixed;
    /// File mode creation mask of all processes, for example `0o027`.
    chumask: Option<u32> = None, "", Fixed;
    /// User of the workers, if they are processes. The server must be root for that.
    worker_chuser: Option<String> = None, "", NextStart;
    /// Group of the workers.
    worker_chgroup: Option<String> = None, "", NextStart;
    /// File mode creation mask of the workers.
    worker_chumask: Option<u32> = None, "", NextStart;

    /// Name of the topmost process, as `ps` shows it: its command line, and its `comm` of 15 bytes.
    daemon_process_name: Option<String> = None, "", Fixed;
    /// Name of the server process.
    server_process_name: Option<String> = None, "", Fixed;
    /// Name of a worker process; `%d` stands for the worker's number.
    worker_process_name: Option<String> = None, "", NextStart;

    /// Where the topmost process reads command words from, one per line, beside obeying signals: those
    /// of [`CommandSender::Pipe`]. Usually the reading end of a pipe, or standard input. When it is
    /// closed, signals still work.
    command_pipe: Option<Arc<OwnedFd>> = None;
    /// How commands reach a worker that is a program.
    command_sender: CommandSender = CommandSender::Signal, "", Fixed;
    /// The signal that makes a worker that is a program reload, if there is one. It is not needed with
    /// [`CommandSender::Pipe`].
    worker_reload_signal: Option<Signal> = None, "", Fixed;
    /// Writes no dump files; a dump is in the log only, and the workers' dump hooks are called.
    disable_sigdump: bool = false, "", Live;
    /// Folder of the dump files, `sigdump-<pid>.log`, one for each process. `None`: the runtime folder of
    /// the service (`$RUNTIME_DIRECTORY`) or of the user (`$XDG_RUNTIME_DIR`), or the folder for temporary
    /// files. The files are private: a link or a file of somebody else in their place is refused.
    sigdump_folder: Option<PathBuf> = None, "", Fixed;
    /// What dumps say of the allocator: for a program that does not use the C library's.
    allocator: Arc<dyn Allocator> = Arc::new(SystemAllocator);
    /// What each signal means to the server.
    signals: SignalMeanings = SignalMeanings::default();
    /// The log of all processes, written by a process of its own; it takes the place of `log`. `None`:
    /// there is no such process, and what server and workers print is left alone.
    logger: Option<Arc<DaemonLogger>> = None;
    /// Where the engine's messages go.
    log: Arc<dyn Log> = Arc::new(StderrLog);
}

/// Reads a text as JSON and writes it again.
pub(crate) fn fuzz_json(text: &str) -> Option<String> {
    let node = json::parse(text).ok()?;
    let written = json::write(&node);
    // An infinite number is none of JSON's, and cannot be read either.
    assert_eq!(json::parse(&written).ok(), Some(node));
    Some(written)
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

impl Config {
    /// Begins a configuration with the default of each key.
    ///
    /// ```
    /// use serverengine::Config;
    ///
    /// # fn main() -> Result<(), serverengine::ConfigError> {
    /// let config = Config::builder().workers(4).pid_path("/run/app.pid").build()?;
    /// assert_eq!(config.workers, 4);
    /// # Ok(())
    /// # }
    /// ```
    pub fn builder() -> ConfigBuilder {
        ConfigBuilder::default()
    }

    /// Says what is wrong with these values, if anything.
    pub(crate) fn check(&self) -> Result<(), String> {
        crate::check::check(self)
    }
}
