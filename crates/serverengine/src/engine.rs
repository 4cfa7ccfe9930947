//! The entry: from the user's parts to a running tree of processes.

use std::io;
use std::process::ExitCode;
use std::sync::Arc;

use crate::config::Config;
use crate::log::{Level, Log};
use crate::logger::DaemonLogger;
use crate::server::{Above, Server, exit_status, serve};
use crate::supervisor::supervise;
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
    config: Config,
}

/// Puts a server together.
///
/// `build_worker` is called with a worker's number, in the server process, before each start of that
/// worker.
pub fn create<S, F, W>(server: S, build_worker: F, config: Config) -> Engine<S, F>
where
    S: Server,
    F: FnMut(usize) -> W,
    W: Worker,
{
    Engine {
        server,
        build_worker,
        config,
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
        if let Err(text) = self.config.check() {
            self.config
                .log
                .log(Level::Fatal, &format!("configuration: {text}"));
            return ExitCode::from(EXIT_CONFIG);
        }
        let logger = match self.start_logger() {
            Ok(logger) => logger,
            Err(error) => {
                let text = format!("cannot start the logger process: {error}");
                self.config.log.log(Level::Fatal, &text);
                return ExitCode::from(EXIT_ERROR);
            }
        };
        // Only the topmost process reads it, so nobody else may have it.
        let commands = self.config.command_pipe.take();
        let code = if self.config.supervisor {
            supervise(self.server, self.build_worker, self.config, commands)
        } else {
            let above = Above::Nobody { commands };
            serve(self.server, self.build_worker, &self.config, above)
        };
        if let Some(logger) = logger {
            logger.finish();
        }
        ExitCode::from(exit_status(code))
    }

    fn start_logger(&mut self) -> io::Result<Option<Arc<DaemonLogger>>> {
        let Some(logger) = self.config.logger.clone() else {
            return Ok(None);
        };
        logger.start()?;
        logger.speak(!self.config.supervisor)?;
        self.config.log = Arc::clone(&logger) as Arc<dyn Log>;
        Ok(Some(logger))
    }
}
