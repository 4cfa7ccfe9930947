//! A supervisor above the server: whatever dies is started again, and nothing outlives what is above it.
//!
//! ```text
//! cargo run --example supervisor
//! kill -9 <a worker>           # replaced by the server
//! kill -9 <the server>         # its workers go with it; the supervisor starts a new one when they are gone
//! kill -9 <the supervisor>     # nothing is left
//! ```

use std::process::ExitCode;
use std::time::Duration;

use serverengine::{BoxError, Config, Server, Worker, WorkerContext};

struct Announcing;

impl Server for Announcing {
    fn before_run(&mut self) -> Result<(), BoxError> {
        println!("server {} begins", std::process::id());
        Ok(())
    }
}

struct Counter;

impl Worker for Counter {
    fn run(&self, context: &WorkerContext) -> Result<(), BoxError> {
        println!(
            "worker {} {} works",
            context.worker_id(),
            std::process::id()
        );
        while !context.stopping().wait_for_set(Duration::from_secs(1)) {}
        Ok(())
    }
}

fn main() -> ExitCode {
    let config = Config {
        supervisor: true,
        workers: 2,
        server_restart_wait: Duration::from_millis(10),
        daemon_process_name: Some("counter-supervisor".to_owned()),
        server_process_name: Some("counter-server".to_owned()),
        worker_process_name: Some("counter:%d".to_owned()),
        ..Config::default()
    };
    serverengine::create(Announcing, |_| Counter, config).run()
}
