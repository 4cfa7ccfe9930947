//! The entry: from the user's parts to a running tree of processes.

use std::io;
use std::process::ExitCode;
use std::sync::Arc;

use crate::belongings::Belongings;
use crate::config::{Config, ConfigSource};
use crate::daemon::{Daemonized, daemonize};
use crate::handle::DaemonHandle;
use crate::listen::{activation, manager};
use crate::loading::Loader;
use crate::log::{Level, Log, StderrLog};
use crate::pid_file::PidFile;
use crate::privilege::{self, Identity};
use crate::server::{Above, Server, exit_status, serve, worker_identity};
use crate::supervisor::supervise;
use crate::sys;
use crate::worker::Worker;

/// Exit code of a configuration that cannot work.
const EXIT_CONFIG: u8 = 78;

/// Exit code of a server that could not be started.
const EXIT_ERROR: u8 = 1;

/// A server that is put together and not started.
///
/// Made by [`create`]; see the crate's documentation for an example.
#[must_use = "a server does nothing until it is run"]
pub struct Daemon<S, F> {
    /// Until it runs.
    parts: Option<(S, F, ConfigSource)>,
    /// Once it runs in the background.
    process: Option<DaemonHandle>,
}

/// Puts a server together.
///
/// `build_worker` is called with a worker's number, in the server process, before each start of that
/// worker. `config` is a [`Config`], or a function that returns one: see [`ConfigSource`].
pub fn create<S, F, W>(server: S, build_worker: F, config: impl Into<ConfigSource>) -> Daemon<S, F>
where
    S: Server,
    F: FnMut(usize) -> W,
    W: Worker,
{
    Daemon {
        parts: Some((server, build_worker, config.into())),
        process: None,
    }
}

impl<S, F, W> Daemon<S, F>
where
    S: Server,
    F: FnMut(usize) -> W,
    W: Worker,
{
    /// Runs until a signal stops it, or no worker can be recovered; with [`Config::daemonize`] until the
    /// daemon is ready. To be called once, on the main thread of a process that has no other.
    ///
    /// Returns the exit code for `main`: 0 after a stop; the code of a worker that ended unrecoverably; 1
    /// when the server could not do its work; 78 for a configuration that cannot work. The reason is in
    /// the log.
    pub fn run(&mut self) -> ExitCode {
        self.start(true)
    }

    /// Runs as [`Daemon::run`] does, but in this process, whatever [`Config::daemonize`] says.
    pub fn main(&mut self) -> ExitCode {
        self.start(false)
    }

    /// Returns the server, until it runs: then it belongs to the server process.
    #[must_use]
    pub fn server(&self) -> Option<&S> {
        self.parts.as_ref().map(|(server, _, _)| server)
    }

    fn start(&mut self, may_daemonize: bool) -> ExitCode {
        let fatal = |log: &dyn Log, code: u8, text: &str| {
            log.log(Level::Fatal, text);
            ExitCode::from(code)
        };
        let Some((server, build_worker, source)) = self.parts.take() else {
            return fatal(&StderrLog, EXIT_ERROR, "a server can be run once");
        };
        // Before anything else is opened.
        let activated = activation::take();
        let mut loader = match Loader::first(source) {
            Ok(loader) => loader,
            Err(text) => {
                let text = format!("configuration: {text}");
                return fatal(&StderrLog, EXIT_CONFIG, &text);
            }
        };
        let config = &mut loader.config;
        if let Err(text) = config.check() {
            let text = format!("configuration: {text}");
            return fatal(&*config.log, EXIT_CONFIG, &text);
        }
        let mut belongings = Belongings {
            // Only the topmost process reads it, so nobody else may have it.
            commands: config.command_pipe.take(),
            sockets: activated.sockets,
            ..Belongings::default()
        };
        for fault in activated.faults {
            config.log.log(Level::Warn, &fault);
        }
        config.daemonize &= may_daemonize;
        if config.daemonize {
            let code = config.daemonize_error_exit_code;
            match daemonize() {
                Ok(Daemonized::Daemon(readiness)) => belongings.readiness = Some(readiness),
                Ok(Daemonized::Launcher(Ok(pid))) => {
                    self.process = DaemonHandle::of_process(pid, config.signals).ok();
                    return ExitCode::SUCCESS;
                }
                Ok(Daemonized::Launcher(Err(text))) => {
                    return fatal(&*config.log, code, &text);
                }
                Err(error) => {
                    let text = format!("cannot run in the background: {error}");
                    return fatal(&*config.log, code, &text);
                }
            }
        }
        if let Err(text) = settle(config, &mut belongings) {
            return fatal(&*config.log, EXIT_ERROR, &text);
        }
        let logger = config.logger.clone();
        let code = if config.supervisor {
            supervise(server, build_worker, loader, belongings)
        } else {
            let above = Above::Nobody(belongings);
            serve(server, build_worker, loader, above)
        };
        if let Some(logger) = logger {
            logger.finish();
        }
        ExitCode::from(exit_status(code))
    }
}

/// Commands to the daemon that [`Daemon::run`] has started in the background. A program that did not
/// start it has a [`DaemonHandle`].
///
/// # Errors
///
/// Of all of these: there is no daemon (any more), or it belongs to somebody else, or no signal has that
/// meaning.
impl<S, F> Daemon<S, F> {
    /// Stops it: gracefully, or at once.
    pub fn stop(&self, graceful: bool) -> io::Result<()> {
        self.handle()?.stop(graceful)
    }

    /// Restarts its workers, or its server process with [`Config::restart_server_process`].
    pub fn restart(&self, graceful: bool) -> io::Result<()> {
        self.handle()?.restart(graceful)
    }

    /// Makes it reload its configuration.
    pub fn reload(&self) -> io::Result<()> {
        self.handle()?.reload()
    }

    /// Makes it detach: see [`Config::enable_detach`].
    pub fn detach(&self) -> io::Result<()> {
        self.handle()?.detach()
    }

    /// Makes it write dumps.
    pub fn dump(&self) -> io::Result<()> {
        self.handle()?.dump()
    }

    /// Returns what steers it.
    pub fn handle(&self) -> io::Result<&DaemonHandle> {
        self.process.as_ref().ok_or_else(|| {
            let text = "no daemon was started from here (Config::daemonize, Daemon::run)";
            io::Error::new(io::ErrorKind::NotConnected, text)
        })
    }
}

/// Becomes who it is to be, and starts the log. In this order: the pid file may need privileges, what
/// comes after must do without.
fn settle(config: &mut Config, belongings: &mut Belongings) -> Result<(), String> {
    if let Some(name) = &config.daemon_process_name {
        // A name is a convenience.
        let _ = sys::set_name(name);
        sys::set_title(name);
    }
    let (user, group) = (config.chuser.as_deref(), config.chgroup.as_deref());
    let identity = Identity::resolve(privilege::DAEMON, user, group, config.chumask)
        .map_err(|text| format!("configuration: {text}"))?;
    let worker = worker_identity(config).map_err(|text| format!("configuration: {text}"))?;
    if let Some(path) = &config.pid_path {
        belongings.pid_file = Some(PidFile::create(path)?);
    }
    identity
        .assume()
        .map_err(|error| format!("cannot change user or group: {error}"))?;
    start_logger(config).map_err(|error| format!("cannot start the log: {error}"))?;
    belongings.manager_users.extend(worker.user());
    belongings.manager =
        open_manager(config).map_err(|error| format!("cannot open the socket manager: {error}"))?;
    Ok(())
}

fn open_manager(config: &mut Config) -> io::Result<Option<manager::Server>> {
    if let Some(manager) = config.socket_manager.take() {
        let manager = Arc::try_unwrap(manager).map_err(|_| {
            io::Error::other("it is in use elsewhere; keep its path or a client of it instead")
        })?;
        return Ok(Some(manager));
    }
    let Some(path) = &config.socket_manager_path else {
        return Ok(None);
    };
    let path = path.to_string_lossy();
    match manager::Server::open(&*path) {
        Err(error)
            if error.kind() == io::ErrorKind::AddrInUse && config.socket_manager_take_over =>
        {
            manager::Server::share_sockets_with_another_server(&path).map(Some)
        }
        opened => opened.map(Some),
    }
}

fn start_logger(config: &mut Config) -> io::Result<()> {
    let Some(logger) = config.logger.clone() else {
        return Ok(());
    };
    if config.daemonize {
        logger.check()?;
    }
    logger.start(config.daemonize)?;
    logger.speak(!config.supervisor)?;
    config.log = logger;
    Ok(())
}
