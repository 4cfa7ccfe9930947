//! Four processes, each with a number that is stable over its restarts.
//!
//! ```text
//! cargo run --example multiprocess
//! kill -9 <a worker>           # replaced
//! kill -TERM <the server>      # all finish
//! ```

use std::process::ExitCode;
use std::time::Duration;

use serverengine::{BoxError, Config, Worker, WorkerContext};

struct Counter;

impl Worker for Counter {
    fn run(&self, context: &WorkerContext) -> Result<(), BoxError> {
        println!(
            "worker {} {} works",
            context.worker_id(),
            std::process::id()
        );
        while !context.stopping().wait_for_set(Duration::from_secs(1)) {}
        println!("worker {} returns", context.worker_id());
        Ok(())
    }
}

fn main() -> ExitCode {
    let config = Config {
        workers: 4,
        worker_process_name: Some("counter:%d".to_owned()),
        ..Config::default()
    };
    serverengine::create((), |_| Counter, config).run()
}
