//! The worker: what the user implements, and the process it runs in.
//!
//! ```text
//!   thread                 runs                                   may block
//!   main                   Worker::run                            yes, it is the user's
//!   serverengine-hooks     stop, reload, dump, signal             yes
//!   serverengine-control   signals, life-line, heartbeats, exits  never
//!   serverengine-dump      one dump, then it ends                 on its file
//! ```
//!
//! The control thread calls no user code, so an immediate stop acts at once whatever the other two do, and
//! a worker that is busy is still heard. What it reads from signalfd and life-line it hands in order to the
//! hooks thread, which is started with the first one. A dump is written even when that one is stuck.

mod context;
mod control_thread;
mod exit;
mod hooks;
mod kind;
pub(crate) mod process;
pub(crate) mod program;
pub(crate) mod reserve;
pub(crate) mod thread;

use crate::BoxError;
use crate::signals::Signal;

pub use context::WorkerContext;
pub use exit::WorkerExit;
pub use kind::{CommandSender, WorkerType};
pub use program::Program;

/// What one worker does.
///
/// A new value is built for each life of a worker, in the server process, before the fork. All methods
/// take `&self`: `run` has the main thread of the worker process, the others are called from a second
/// thread at the same time. [`WorkerType`] says what differs for threads and programs.
pub trait Worker: Send + Sync + 'static {
    /// Does the work, on the main thread of the worker process, until there is none or `stop` was
    /// called.
    ///
    /// The worker exits when it returns: with status 0, or 1 for an error, which is logged, or what a
    /// [`WorkerExit`] says; a panic is 101. Destructors of what the server left in this process do not
    /// run. Programs that it started and that are still in its process group are killed when it has
    /// exited.
    ///
    /// # Errors
    ///
    /// Whatever keeps the worker from working. The server replaces it. Without a `run` of its own a
    /// worker fails like that at once; only those of [`WorkerType::Spawn`] need none.
    fn run(&self, context: &WorkerContext) -> Result<(), BoxError> {
        Err(format!(
            "worker {} has no `run`; only workers of the type `spawn` can do without",
            context.worker_id()
        )
        .into())
    }

    /// Names the program that is this worker, for [`WorkerType::Spawn`]. Is called in the server process,
    /// after `before_fork`.
    ///
    /// # Errors
    ///
    /// Whatever makes it pointless to start the program now. The server tries again later.
    fn spawn(&self) -> Result<Program, BoxError> {
        Err("this worker has no `spawn`, which names the program to run".into())
    }

    /// Ends what `run` leaves to be ended: is called on `run`'s thread when that has returned or panicked.
    /// Exit handlers and destructors of the process do not run, this does. It may take as long as a
    /// graceful stop ([`Config::worker_graceful_kill_timeout`](crate::Config::worker_graceful_kill_timeout)); after
    /// that the process ends with status 1. Not for [`WorkerType::Spawn`].
    fn teardown(&self) {}

    /// Is called in the worker process, before its user changes and before `run`: the place to handle
    /// signals that the engine does not take over. For [`WorkerType::Process`] only.
    fn install_signal_handlers(&self) {}

    /// Makes `run` return. May be called more than once, from another thread than `run`'s. Usually sets a
    /// [`BlockingFlag`](crate::BlockingFlag), or nothing at all where `run` waits for
    /// [`WorkerContext::stopping`], which is set before. What it does after `run` has returned is waited
    /// for, a second at the most, as is every other hook under way.
    fn stop(&self) {}

    /// Takes a changed configuration over: what [`Server::worker_config`](crate::Server::worker_config) said is in
    /// [`WorkerContext::config`] by now. What else the server holds in memory is a copy here, as old as
    /// the fork. The server is told when this returns.
    fn reload(&self) {}

    /// Writes down what a person needs to see what this worker is doing.
    fn dump(&self) {}

    /// Is told of a signal whose meaning is [`Meaning::Forward`](crate::Meaning::Forward).
    fn signal(&self, signal: Signal) {
        let _ = signal;
    }

    /// Is called in the server process just before the fork (or the start of the thread). It must not
    /// leave a thread running.
    fn before_fork(&self) {}

    /// Is called in the server process just after the fork (or the start of the thread), with the id of
    /// the process that is the worker.
    fn after_start(&self, process_id: u32) {
        let _ = process_id;
    }
}
