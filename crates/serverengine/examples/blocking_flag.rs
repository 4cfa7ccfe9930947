//! A worker that sleeps between its jobs and wakes up at once when it is to stop.
//!
//! ```text
//! cargo run --example blocking_flag
//! kill -TERM <the server>
//! ```

use std::process::ExitCode;
use std::time::Duration;

use serverengine::{BlockingFlag, BoxError, Config, Worker, WorkerContext};

struct Sleeper {
    stop: BlockingFlag,
}

impl Worker for Sleeper {
    fn run(&self, context: &WorkerContext) -> Result<(), BoxError> {
        println!(
            "worker {} {} works",
            context.worker_id(),
            std::process::id()
        );
        // An hour, or less: other than a sleep this ends with the flag.
        while !self.stop.wait_for_set(Duration::from_secs(3600)) {
            println!("an hour has passed");
        }
        println!("worker {} returns", context.worker_id());
        Ok(())
    }

    fn stop(&self) {
        // Whether it was this call that set it: `stop` may be called again.
        if self.stop.set() {
            println!("told to stop");
        }
    }
}

fn main() -> ExitCode {
    let build = |_| Sleeper {
        stop: BlockingFlag::new(),
    };
    serverengine::create((), build, Config::default()).run()
}
