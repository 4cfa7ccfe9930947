//! The supervisor: a control process whose one child is the server.
//!
//! ```text
//!   supervisor ── holds the listening sockets, restarts the server, adopts and kills what it left
//!     └─ server ── starts, restarts and stops workers; user hooks run here
//!          └─ worker 0 … n-1
//! ```
//!
//! Killed, the supervisor takes the tree with it (each level asks the kernel for that); the server
//! killed, the supervisor starts a new one when the last process of the old generation is reaped.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::belongings::Belongings;
use crate::config::{Config, reload};
use crate::control::{
    Birth, Control, Kind, Load, Logging, Role, StopsBy, Upstream, guarded, take_signals,
};
use crate::core::{Change, Delegation, Detachment, Policy, Repeat, SlotId};
use crate::loading::Loader;
use crate::log::{Level, Log};
use crate::privilege::Identity;
use crate::server::{Above, Server, serve};
use crate::sys;
use crate::worker::Worker;
use crate::worker::process::tie_to_parent;

/// Exit code of a supervisor that could not do its work.
const EXIT_ERROR: i32 = 1;

/// How much longer than its workers a server may take to stop.
const SERVER_STOP_MARGIN: Duration = Duration::from_secs(2);

/// Is the supervisor process: keeps a server running until told to stop, and returns the exit code.
pub(crate) fn supervise<S, F, W>(
    mut server: S,
    build_worker: F,
    loader: Loader,
    belongings: Belongings,
) -> i32
where
    S: Server,
    F: FnMut(usize) -> W,
    W: Worker,
{
    let config = &loader.config;
    let log = Arc::clone(&config.log);
    let fatal = |text: &str| {
        log.log(Level::Fatal, text);
        EXIT_ERROR
    };
    if let Err(error) = take_signals() {
        return fatal(&format!("cannot take the signals over: {error}"));
    }
    let policy = policy(config);
    let signals = config.signals;
    let daemonize = config.daemonize;
    let release_after = config.listener_release_after;
    let logging = match Logging::new(config, true) {
        Ok(logging) => logging,
        Err(error) => return fatal(&format!("cannot watch the logger process: {error}")),
    };
    let begun = guarded("initialize", || {
        server.initialize().map_err(|error| error.to_string())
    });
    if let Err(error) = begun {
        return fatal(&format!("the server could not start: {error}"));
    }
    let role = SupervisorRole {
        parts: Some((server, build_worker, loader)),
        initialized: true,
        log: Arc::clone(&log),
        handed_down: None,
    };
    match Control::new(role, policy, signals, logging, None, release_after)
        .and_then(|control| control.with_belongings(belongings, daemonize))
        .and_then(Control::run)
    {
        Ok((_, code, _)) => code,
        Err(error) => fatal(&format!("the supervisor's control loop failed: {error}")),
    }
}

struct SupervisorRole<S, F> {
    /// Used up in the forked child only; the supervisor keeps its copy untouched.
    parts: Option<(S, F, Loader)>,
    /// The first server was initialized before the loop, where an error ends everything.
    initialized: bool,
    log: Arc<dyn Log>,
    /// What was loaded last, for the server that runs.
    handed_down: Option<String>,
}

impl<S, F, W> Role for SupervisorRole<S, F>
where
    S: Server,
    F: FnMut(usize) -> W,
    W: Worker,
{
    type Body = ();

    const KILLS_SURVIVORS: bool = true;
    const CHILDREN_CONTROL: bool = true;

    fn kind(&self) -> Kind {
        Kind::Process
    }

    fn stops_by(&self) -> StopsBy {
        StopsBy::Orders
    }

    fn prepare(&mut self, _slot: SlotId) -> Result<(), String> {
        if std::mem::take(&mut self.initialized) {
            return Ok(());
        }
        let server = self.parts.as_mut().map(|(server, _, _)| server);
        server.map_or(Ok(()), |server| {
            server.initialize().map_err(|error| error.to_string())
        })
    }

    fn be_child(&mut self, (): (), birth: Birth) -> ! {
        // No return in this process ever leads back to the supervisor's code, so it is taken once.
        let Some((server, build_worker, loader)) = self.parts.take() else {
            sys::exit_now(EXIT_ERROR)
        };
        match tie_to_parent(birth.parent, &Identity::default()) {
            Ok(true) => {}
            Ok(false) => sys::exit_now(EXIT_ERROR),
            Err(error) => {
                let text = format!("the server process could not be set up: {error}");
                loader.config.log.log(Level::Fatal, &text);
                sys::exit_now(EXIT_ERROR);
            }
        }
        let upstream = Upstream::new(
            birth.lifeline,
            birth.heart,
            loader.config.server_heartbeat_interval,
        );
        let code = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            serve(server, build_worker, loader, Above::Supervisor(upstream))
        }));
        sys::exit_now(code.unwrap_or(EXIT_ERROR))
    }

    fn start_thread(&mut self, (): &(), _birth: Birth) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn after_start(&mut self, (): (), pid: i32) {
        if let Some((server, _, _)) = &mut self.parts {
            server.after_start(pid.unsigned_abs());
        }
    }

    fn worker_config(&self) -> Option<String> {
        self.handed_down.clone()
    }

    fn loader(&mut self) -> Option<&mut Loader> {
        let (_, _, loader) = self.parts.as_mut()?;
        // Then the server loads it; this only lets the order pass.
        (!loader.config.disable_reload).then_some(loader)
    }

    /// Takes it over for later servers. The one that runs calls its own hook, whatever comes of this; only
    /// where it is replaced as a whole nothing happens with a configuration that is refused.
    fn load_config(&mut self, change: Change, loaded: Option<&str>) -> Result<Load, String> {
        let Some((server, _, loader)) = &mut self.parts else {
            return Ok(Load::default());
        };
        if loader.config.disable_reload {
            return Ok(Load::default());
        }
        let changed = loaded
            .map(|text| reload::read(text, &loader.config))
            .transpose()?;
        let replaced = matches!(change, Change::Restart(_)) && loader.config.restart_server_process;
        match server.reload_config() {
            Err(error) if replaced => return Err(error.to_string()),
            Err(error) => {
                let text = format!("the supervisor keeps the configuration it has: {error}");
                self.log.log(Level::Error, &text);
            }
            Ok(()) => {}
        }
        let Some(changed) = changed else {
            return Ok(Load::default());
        };
        if let Some(logger) = &changed.config.logger {
            logger.set_level(changed.log_level);
        }
        self.handed_down = loaded.map(str::to_owned);
        loader.config = changed.config.clone();
        Ok(Load {
            policy: Some(Box::new(policy(&changed.config))),
            config: Some(changed.config),
            fixed: changed.fixed,
        })
    }
}

fn policy(config: &Config) -> Policy {
    let workers = config
        .worker_graceful_kill_timeout
        .zip(config.worker_immediate_kill_timeout);
    let restart = if config.restart_server_process {
        Delegation::Here
    } else {
        Delegation::Children
    };
    Policy {
        noun: "Server",
        slots: 1,
        may_scale: false,
        start_delay: config.server_restart_wait,
        start_delay_rand: 0.0,
        restart_interval: Duration::ZERO,
        backoff: config.restart_backoff,
        // Hooks of the server run in its control loop and may take their time.
        start_timeout: None,
        heartbeat_timeout: config.server_heartbeat_timeout,
        graceful_timeout: patience(
            config.server_graceful_kill_timeout,
            workers.map(|(graceful, immediate)| graceful.saturating_add(immediate)),
        ),
        immediate_timeout: patience(
            config.server_immediate_kill_timeout,
            config.worker_immediate_kill_timeout,
        ),
        restart_parallel: 1,
        unrecoverable_exit_codes: config.unrecoverable_exit_codes.clone(),
        stop_at_unrecoverable_exit: false,
        restart,
        graceful_repeat: Repeat::every(
            config.server_graceful_kill_interval,
            config.server_graceful_kill_interval_increment,
        ),
        immediate_repeat: Repeat::every(
            config.server_immediate_kill_interval,
            config.server_immediate_kill_interval_increment,
        ),
        detach: config.enable_detach.then_some(Detachment {
            wait: config.server_detach_wait,
            exit: config.exit_on_detach,
        }),
    }
}

/// Returns what was configured for the server, or else what its workers may take, and some.
fn patience(server: Option<Duration>, workers: Option<Duration>) -> Option<Duration> {
    match server {
        Some(Duration::MAX) => None,
        Some(limit) => Some(limit),
        None => workers.map(|limit| limit.saturating_add(SERVER_STOP_MARGIN)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b16_the_keys_of_the_servers_kill_schedule_have_an_effect() {
        let seconds = Duration::from_secs;
        let default = policy(&Config::default());
        assert_eq!(default.graceful_timeout, Some(seconds(30 + 5 + 2)));
        assert_eq!(default.immediate_timeout, Some(seconds(5 + 2)));
        assert_eq!(default.graceful_repeat, None);
        let rules = policy(&Config {
            server_heartbeat_timeout: Some(seconds(180)),
            server_graceful_kill_interval: Some(seconds(15)),
            server_graceful_kill_timeout: Some(seconds(600)),
            server_immediate_kill_interval: Some(seconds(10)),
            server_immediate_kill_interval_increment: seconds(3),
            server_immediate_kill_timeout: Some(Duration::MAX),
            ..Config::default()
        });
        assert_eq!(rules.heartbeat_timeout, Some(seconds(180)));
        assert_eq!(rules.graceful_timeout, Some(seconds(600)));
        assert_eq!(rules.immediate_timeout, None, "never");
        let repeat = |interval, increment| {
            Some(Repeat {
                interval: seconds(interval),
                increment: seconds(increment),
            })
        };
        assert_eq!(rules.graceful_repeat, repeat(15, 10));
        assert_eq!(rules.immediate_repeat, repeat(10, 3));
        let patient = policy(&Config {
            worker_graceful_kill_timeout: None,
            ..Config::default()
        });
        assert_eq!(patient.graceful_timeout, None, "as patient as with workers");
    }
}
