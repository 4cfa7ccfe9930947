//! A YAML file with keys of the engine and of the application. A reload reads it again and reaches the
//! workers that run.
//!
//! ```text
//! printf 'workers: 1\ngreeting: hello\n' > /tmp/greeting.yml && cargo run --example reload -- /tmp/greeting.yml
//! printf 'workers: 2\ngreeting: salut\n' > /tmp/greeting.yml && kill -USR2 <the server>
//! ```

use std::process::ExitCode;
use std::time::Duration;

use serde::Deserialize;
use serverengine::{BoxError, ConfigSource, Worker, WorkerContext};

/// The application's own keys. What is in none of them, and none of the engine's, is an error.
#[derive(Deserialize)]
struct Greeting {
    greeting: String,
}

struct Greeter;

impl Worker for Greeter {
    fn run(&self, context: &WorkerContext) -> Result<(), BoxError> {
        println!(
            "worker {} {} works",
            context.worker_id(),
            std::process::id()
        );
        let mut version = 0;
        while !context.stopping().wait_for_set(Duration::from_millis(100)) {
            if context.config_version() != version {
                version = context.config_version();
                let Greeting { greeting } = context.application().read()?;
                println!("{greeting}");
            }
        }
        Ok(())
    }
}

fn main() -> ExitCode {
    let Some(path) = std::env::args().nth(1) else {
        eprintln!("which YAML file holds the greeting?");
        return ExitCode::from(64);
    };
    serverengine::create((), |_| Greeter, ConfigSource::file_with::<Greeting>(path)).run()
}
