//! A configuration file that is read anew by a reload, and reaches the workers that run.
//!
//! ```text
//! echo hello > /tmp/greeting && cargo run --example reload -- /tmp/greeting
//! echo salut > /tmp/greeting && kill -USR2 <the server>
//! ```

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use serverengine::{BoxError, Config, Server, Worker, WorkerContext};

struct Greeting {
    path: PathBuf,
    text: String,
}

impl Server for Greeting {
    fn before_run(&mut self) -> Result<(), BoxError> {
        self.reload_config()
    }

    fn reload_config(&mut self) -> Result<(), BoxError> {
        self.text = std::fs::read_to_string(&self.path)?.trim().to_owned();
        Ok(())
    }

    fn worker_config(&self) -> Option<String> {
        Some(self.text.clone())
    }
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
                println!("{}", context.config().unwrap_or_default());
            }
        }
        Ok(())
    }
}

fn main() -> ExitCode {
    let Some(path) = std::env::args().nth(1) else {
        eprintln!("which file holds the greeting?");
        return ExitCode::from(64);
    };
    let server = Greeting {
        path: path.into(),
        text: String::new(),
    };
    serverengine::create(server, |_| Greeter, Config::default()).run()
}
