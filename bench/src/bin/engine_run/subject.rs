//! Our contender: this program itself, as a server whose workers wait.

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use serverengine::{
    Backoff, BoxError, Config, DaemonLogger, Destination, Level, LoggerOptions, RestartParallel,
    Worker, WorkerContext,
};

use crate::contender::READY;

/// First word of a command line that means the server.
const WORD: &str = "be-the-engine";

/// Last word of one that means a worker in reserve; any other is the path of the log.
const RESERVE: &str = "reserve";

struct Idle;

impl Worker for Idle {
    fn run(&self, context: &WorkerContext) -> Result<(), BoxError> {
        let path = std::env::var_os(READY).ok_or("nobody listens")?;
        let mut pipe = std::fs::File::options().write(true).open(path)?;
        // One system call, so that lines of several workers do not mix.
        pipe.write_all(format!("{}\n", std::process::id()).as_bytes())?;
        drop(pipe);
        while !context.stopping().wait_for_set(Duration::from_secs(3600)) {}
        Ok(())
    }
}

/// As what our contender runs.
#[derive(Clone, Copy)]
pub(crate) enum Subject {
    /// A server over its workers, and no more.
    Bare,
    /// With a worker in reserve.
    Reserve,
    /// Supervised, logged, restarted one by one: all that there is.
    Supervised,
}

impl Subject {
    pub(crate) fn arguments(self, workers: usize) -> Vec<String> {
        let mut words = vec![WORD.to_owned(), workers.to_string()];
        words.extend(match self {
            Self::Bare => None,
            Self::Reserve => Some(RESERVE.to_owned()),
            Self::Supervised => Some("%DIR%/log".to_owned()),
        });
        words
    }
}

pub(crate) fn is_asked_for() -> bool {
    std::env::args().nth(1).as_deref() == Some(WORD)
}

pub(crate) fn run() -> Result<ExitCode> {
    let mut words = std::env::args().skip(2);
    let workers = words.next().context("no number of workers")?.parse()?;
    let last = words.next();
    let reserve_worker = last.as_deref() == Some(RESERVE);
    let log = last.filter(|_| !reserve_worker);
    let mut config = Config {
        workers,
        supervisor: log.is_some(),
        reserve_worker,
        worker_process_name: Some("engine worker %d".to_owned()),
        server_process_name: Some("engine server".to_owned()),
        log: Arc::new(|_: Level, _: &str| {}),
        // It is killed again and again on purpose.
        restart_backoff: Backoff {
            reset_after: Duration::ZERO,
            ..Backoff::default()
        },
        ..Config::default()
    };
    match log {
        Some(path) => {
            config.daemon_process_name = Some("engine supervisor".to_owned());
            config.logger = Some(Arc::new(DaemonLogger::new(LoggerOptions {
                destination: Destination::File(path.into()),
                ..LoggerOptions::default()
            })?));
        }
        // As the others restart.
        None => config.restart_parallel = RestartParallel::All,
    }
    Ok(serverengine::create((), |_| Idle, config).run())
}
