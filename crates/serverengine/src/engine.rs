//! The entry: from the user's parts to a running tree of processes.

use std::io;
use std::process::ExitCode;

use crate::belongings::Belongings;
use crate::config::{Config, ConfigSource};
use crate::daemon::{Daemonized, daemonize};
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
pub struct Engine<S, F> {
    server: S,
    build_worker: F,
    source: ConfigSource,
    config: Config,
}

/// Puts a server together.
///
/// `build_worker` is called with a worker's number, in the server process, before each start of that
/// worker. `config` is a [`Config`], or a function that returns one: see [`ConfigSource`].
pub fn create<S, F, W>(server: S, build_worker: F, config: impl Into<ConfigSource>) -> Engine<S, F>
where
    S: Server,
    F: FnMut(usize) -> W,
    W: Worker,
{
    Engine {
        server,
        build_worker,
        source: config.into(),
        config: Config::default(),
    }
}

impl<S, F, W> Engine<S, F>
where
    S: Server,
    F: FnMut(usize) -> W,
    W: Worker,
{
    /// Runs until a signal stops it, or no worker can be recovered. To be called on the main thread of a
    /// process that has no other.
    ///
    /// Returns the exit code for `main`: 0 after a stop; the code of a worker that ended unrecoverably; 1
    /// when the server could not do its work; 78 for a configuration that cannot work. The reason is in
    /// the log.
    pub fn run(mut self) -> ExitCode {
        let fatal = |log: &dyn Log, code: u8, text: &str| {
            log.log(Level::Fatal, text);
            ExitCode::from(code)
        };
        match self.source.load() {
            Ok(config) => self.config = config,
            Err(error) => {
                let text = format!("configuration: {error}");
                return fatal(&StderrLog, EXIT_CONFIG, &text);
            }
        }
        if let Err(text) = self.config.check() {
            let text = format!("configuration: {text}");
            return fatal(&*self.config.log, EXIT_CONFIG, &text);
        }
        let mut belongings = Belongings {
            // Only the topmost process reads it, so nobody else may have it.
            commands: self.config.command_pipe.take(),
            ..Belongings::default()
        };
        if self.config.daemonize {
            let code = self.config.daemonize_error_exit_code;
            match daemonize() {
                Ok(Daemonized::Daemon(readiness)) => belongings.readiness = Some(readiness),
                Ok(Daemonized::Launcher(Ok(()))) => return ExitCode::SUCCESS,
                Ok(Daemonized::Launcher(Err(text))) => {
                    return fatal(&*self.config.log, code, &text);
                }
                Err(error) => {
                    let text = format!("cannot run in the background: {error}");
                    return fatal(&*self.config.log, code, &text);
                }
            }
        }
        if let Err(text) = self.settle(&mut belongings) {
            return fatal(&*self.config.log, EXIT_ERROR, &text);
        }
        let logger = self.config.logger.clone();
        let code = if self.config.supervisor {
            supervise(self.server, self.build_worker, self.config, belongings)
        } else {
            let above = Above::Nobody(belongings);
            serve(self.server, self.build_worker, &self.config, above)
        };
        if let Some(logger) = logger {
            logger.finish();
        }
        ExitCode::from(exit_status(code))
    }

    /// Becomes who it is to be, and starts the log. In this order: the pid file may need privileges, what
    /// comes after must do without.
    fn settle(&mut self, belongings: &mut Belongings) -> Result<(), String> {
        let config = &self.config;
        if let Some(name) = &config.daemon_process_name {
            // A name is a convenience.
            let _ = sys::set_name(name);
            sys::set_title(name);
        }
        let (user, group) = (config.chuser.as_deref(), config.chgroup.as_deref());
        let identity = Identity::resolve(privilege::DAEMON, user, group, config.chumask)
            .map_err(|text| format!("configuration: {text}"))?;
        worker_identity(config).map_err(|text| format!("configuration: {text}"))?;
        if let Some(path) = &config.pid_path {
            belongings.pid_file = Some(PidFile::create(path)?);
        }
        identity
            .assume()
            .map_err(|error| format!("cannot change user or group: {error}"))?;
        self.start_logger()
            .map_err(|error| format!("cannot start the log: {error}"))
    }

    fn start_logger(&mut self) -> io::Result<()> {
        let Some(logger) = self.config.logger.clone() else {
            return Ok(());
        };
        if self.config.daemonize {
            logger.check()?;
        }
        logger.start(self.config.daemonize)?;
        logger.speak(!self.config.supervisor)?;
        self.config.log = logger;
        Ok(())
    }
}
