//! A supervisor that starts a new server while the old one finishes a long job.
//!
//! ```text
//! cargo run --example live_restart
//! kill -INT <the supervisor>
//! ```

use std::process::ExitCode;
use std::time::Duration;

use serverengine::{BoxError, Config, Worker, WorkerContext};

struct LongJob;

impl Worker for LongJob {
    fn run(&self, context: &WorkerContext) -> Result<(), BoxError> {
        println!(
            "worker {} {} works",
            context.worker_id(),
            std::process::id()
        );
        while !context.stopping().wait_for_set(Duration::from_secs(1)) {}
        std::thread::sleep(Duration::from_secs(2));
        println!("worker {} returns", context.worker_id());
        Ok(())
    }
}

fn main() -> ExitCode {
    let config = Config {
        supervisor: true,
        enable_detach: true,
        server_detach_wait: Duration::from_millis(500),
        ..Config::default()
    };
    serverengine::create((), |_| LongJob, config).run()
}
