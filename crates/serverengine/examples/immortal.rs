//! The well-known experiment: kill -9 whatever you like, and see what is left.
//!
//! ```text
//! cargo run --example immortal [supervisor]
//! kill -9 <a worker>           # replaced
//! kill -9 <the server>         # no worker survives it
//! ```
//!
//! Without a supervisor nothing survives the server;
//! with one there is a new server when the last process of the old one is gone, never two at a time.

use std::process::ExitCode;
use std::thread::{sleep, spawn};
use std::time::Duration;

use serverengine::{BoxError, Config, Worker, WorkerContext};

struct Victim;

impl Worker for Victim {
    fn run(&self, context: &WorkerContext) -> Result<(), BoxError> {
        println!(
            "worker {} {} works",
            context.worker_id(),
            std::process::id()
        );
        if context.worker_id() == 0 {
            let server = std::os::unix::process::parent_id();
            println!("server {server} is its parent");
            // Work that would go on for ever, on a thread that nobody stops.
            spawn(|| sleep(Duration::MAX));
        }
        // Deaf to every wish to stop: only the kernel ends it.
        loop {
            sleep(Duration::from_secs(60));
        }
    }
}

fn main() -> ExitCode {
    let config = Config {
        workers: 3,
        supervisor: std::env::args().nth(1).is_some(),
        server_restart_wait: Duration::from_millis(10),
        worker_graceful_kill_timeout: Some(Duration::from_millis(100)),
        worker_immediate_kill_timeout: Some(Duration::from_millis(100)),
        ..Config::default()
    };
    serverengine::create((), |_| Victim, config).run()
}
