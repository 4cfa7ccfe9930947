//! The server: what the user may add to it, and its role as a control process.

use std::sync::Arc;

use crate::BoxError;
use crate::config::{Config, check_workers};
use crate::control::{Birth, Control, Role, StopsBy, Upstream, take_signals};
use crate::core::{Delegation, Policy, SlotId};
use crate::log::Level;
use crate::sys;
use crate::worker::Worker;
use crate::worker::process::{Settings, be_worker};

/// Exit code of a server that could not do its work.
const EXIT_ERROR: i32 = 1;

/// Hooks of the server process, called on its one thread.
///
/// They must not leave a thread running: a process with threads cannot fork workers safely, and the
/// engine refuses. They hold up the control loop while they run; under a supervisor, `reload_config` must
/// take less than [`Config::worker_heartbeat_timeout`], or the server counts as frozen. `()` is a server
/// without hooks.
pub trait Server {
    /// Is called once, before any worker exists. What it opens or builds, workers inherit.
    ///
    /// # Errors
    ///
    /// Whatever makes it pointless to start. The server ends with status 1, `after_run` is not called.
    fn before_run(&mut self) -> Result<(), BoxError> {
        Ok(())
    }

    /// Is called when the last worker has ended, before the process does.
    fn after_run(&mut self) {}

    /// Loads the configuration anew, before a reload and before a restart. Workers that are started from
    /// then on see what it changed.
    ///
    /// # Errors
    ///
    /// What is wrong with the new configuration. It is logged, and nothing is reloaded or restarted.
    fn reload_config(&mut self) -> Result<(), BoxError> {
        Ok(())
    }

    /// Returns how many workers there are to be after a successful `reload_config`; `None`: as many as
    /// before. Missing ones start at once, surplus ones, those with the highest numbers, stop gracefully.
    fn workers(&self) -> Option<usize> {
        None
    }
}

impl Server for () {}

/// Is the server process: starts, runs until told to stop, and returns the exit code. `upstream` leads
/// to the supervisor, if there is one.
pub(crate) fn serve<S, F, W>(
    mut server: S,
    build_worker: F,
    config: &Config,
    upstream: Option<Upstream>,
) -> i32
where
    S: Server,
    F: FnMut(usize) -> W,
    W: Worker,
{
    let fatal = |text: &str| {
        config.log.log(Level::Fatal, text);
        EXIT_ERROR
    };
    if let Err(error) = take_signals() {
        return fatal(&format!("cannot take the signals over: {error}"));
    }
    if let Some(name) = &config.server_process_name {
        // A name is a convenience.
        let _ = sys::set_name(name);
    }
    if let Err(error) = server.before_run() {
        return fatal(&format!("the server could not start: {error}"));
    }
    let role = ServerRole {
        server,
        build_worker,
        settings: settings(config),
    };
    match Control::new(
        role,
        policy(config),
        config.signals,
        Arc::clone(&config.log),
        upstream,
        config.listener_release_after,
    )
    .and_then(Control::run)
    {
        Ok((mut role, code)) => {
            role.server.after_run();
            code
        }
        Err(error) => fatal(&format!("the server's control loop failed: {error}")),
    }
}

struct ServerRole<S, F> {
    server: S,
    build_worker: F,
    settings: Settings,
}

impl<S, F, W> Role for ServerRole<S, F>
where
    S: Server,
    F: FnMut(usize) -> W,
    W: Worker,
{
    type Body = Arc<W>;

    // What a worker leaves in its process group goes with it; what it put elsewhere may be on purpose.
    const KILLS_SURVIVORS: bool = false;
    const STOPS_BY: StopsBy = StopsBy::Signals;

    fn prepare(&mut self, slot: SlotId) -> Result<Arc<W>, String> {
        let worker = Arc::new((self.build_worker)(slot));
        worker.before_fork();
        Ok(worker)
    }

    fn be_child(&mut self, worker: Arc<W>, birth: Birth) -> ! {
        be_worker(worker, birth, self.settings.clone())
    }

    fn after_start(&mut self, worker: Arc<W>, pid: i32) {
        worker.after_start(pid.unsigned_abs());
    }

    fn load_config(&mut self) -> Result<Option<usize>, String> {
        self.server
            .reload_config()
            .map_err(|error| error.to_string())?;
        match self.server.workers() {
            Some(workers) => check_workers(workers).map(Some),
            None => Ok(None),
        }
    }
}

fn settings(config: &Config) -> Settings {
    Settings {
        name: config.worker_process_name.clone(),
        explicit_readiness: config.explicit_readiness,
        heartbeat_interval: config.worker_heartbeat_interval,
        signals: config.signals,
        log: Arc::clone(&config.log),
    }
}

fn policy(config: &Config) -> Policy {
    Policy {
        noun: "Worker",
        slots: config.workers,
        start_delay: config.start_worker_delay,
        start_delay_rand: config.start_worker_delay_rand,
        restart_interval: config.restart_worker_interval,
        backoff: config.restart_backoff,
        start_timeout: config.worker_start_timeout,
        heartbeat_timeout: config.worker_heartbeat_timeout,
        graceful_timeout: config.worker_graceful_kill_timeout,
        immediate_timeout: config.worker_immediate_kill_timeout,
        restart_at_once: config.restart_workers_at_once,
        unrecoverable_exit_codes: config.unrecoverable_exit_codes.clone(),
        stop_at_unrecoverable_exit: config.stop_immediately_at_unrecoverable_exit,
        restart: Delegation::Here,
    }
}

/// Turns a code of the core into one a process can exit with.
pub(crate) fn exit_status(code: i32) -> u8 {
    u8::try_from(code).unwrap_or(u8::MAX)
}
