//! One log of all processes, with what they print, rotated by size.
//!
//! ```text
//! cargo run --example logging -- /tmp/example.log
//! ```

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use serverengine::{
    BoxError, Config, DaemonLogger, Destination, Level, LoggerOptions, Rotation, Worker,
    WorkerContext,
};

struct Talker(Arc<DaemonLogger>);

impl Worker for Talker {
    fn run(&self, context: &WorkerContext) -> Result<(), BoxError> {
        self.0
            .info(&format!("worker {} began", context.worker_id()));
        self.0.debug("below the level");
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
    let path = std::env::args().nth(1).unwrap_or("/tmp/example.log".into());
    let options = LoggerOptions {
        destination: Destination::File(path.into()),
        level: Level::Info,
        rotation: Rotation::Size {
            bytes: 10 * 1024 * 1024,
            keep: 5,
        },
        ..LoggerOptions::default()
    };
    let Ok(logger) = DaemonLogger::new(options) else {
        return ExitCode::FAILURE;
    };
    let logger = Arc::new(logger);
    let config = Config {
        workers: 2,
        logger: Some(Arc::clone(&logger)),
        ..Config::default()
    };
    serverengine::create((), move |_| Talker(Arc::clone(&logger)), config).run()
}
