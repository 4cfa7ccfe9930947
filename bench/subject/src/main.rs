//! A server whose workers say that they work, and wait: what `bench/engine` measures of serverengine.
//!
//! ```text
//! idle-engine WORKERS [reserve | LOG]
//! ```
//!
//! `reserve`: with a worker in reserve. A path: supervised, logged there, restarted one by one. It is a
//! program of its own because what a process maps is what its fork copies and its end takes apart.
#![forbid(unsafe_code)]

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use serverengine::{
    Backoff, BoxError, Config, DaemonLogger, Destination, Level, LoggerOptions, RestartParallel,
    Worker, WorkerContext,
};

/// Names the pipe on which workers announce themselves; `bench/engine` sets it.
const READY: &str = "ENGINE_BENCH_READY";

/// Last word of a command line that means a worker in reserve; any other is the path of the log.
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

fn main() -> Result<ExitCode, BoxError> {
    let mut words = std::env::args().skip(1);
    let workers = words.next().ok_or("no number of workers")?.parse()?;
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
