//! What a worker is to the operating system.

/// How workers run.
///
/// ```text
///               process          thread           embedded         spawn
///   is          a forked child   a thread         a thread         any program
///   how many    workers          workers          1                workers
///   built       for each life    for each life    once             for each life
///   calls       run              run              run              spawn
///   stop        TERM             stop hook        stop hook        TERM or GRACEFUL_STOP
///   stop now    QUIT             stop hook        stop hook        QUIT or IMMEDIATE_STOP
///   at the      KILL             the process      the process      KILL
///   deadline                     ends             ends
///   heartbeats  yes              no               no               no
///
///   hooks on the server's one thread
///     before_fork,
///     after_start  yes           yes              no               yes
///     spawn      no              no               no               yes
///   hooks on threads of the worker's own
///     install_signal_handlers
///                yes             no               no               no
///     run, then
///     teardown   yes             yes              yes              no
///     stop, reload,
///     dump, signal yes           yes              yes              no
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WorkerType {
    /// A process each, forked from the server: it inherits what the server opened and built.
    #[default]
    Process,
    /// A thread each, in the server process, beside its control loop.
    ///
    /// Such a server never forks. A worker that ignores its stop cannot be killed alone: at the deadline
    /// the process ends if it is stopping anyway, or if a supervisor is there to start it again (with
    /// status 1); otherwise the server waits on and says so.
    Thread,
    /// One worker, on one thread of the server process, whatever [`Config::workers`] says. The same
    /// value runs again after each return of `run`; `before_fork` and `after_start` are not called.
    ///
    /// [`Config::workers`]: crate::Config::workers
    Embedded,
    /// A program each: what [`Worker::spawn`](crate::Worker::spawn) names. It gets the descriptors that
    /// were allowed to it and no other.
    Spawn,
}

impl WorkerType {
    /// Returns whether workers are threads of the server process.
    pub(crate) fn is_threaded(self) -> bool {
        match self {
            Self::Thread | Self::Embedded => true,
            Self::Process | Self::Spawn => false,
        }
    }
}

/// How commands reach a program that is a worker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CommandSender {
    /// Signals: TERM and QUIT, and [`Config::worker_reload_signal`](crate::Config::worker_reload_signal).
    #[default]
    Signal,
    /// Lines on its standard input: `GRACEFUL_STOP`, `IMMEDIATE_STOP`, `GRACEFUL_RESTART`,
    /// `IMMEDIATE_RESTART`, `RELOAD`, `DETACH`, `DUMP`. A stop closes the pipe.
    ///
    /// Signals remain the way to stop a program that does not read, or did not obey.
    Pipe,
}
