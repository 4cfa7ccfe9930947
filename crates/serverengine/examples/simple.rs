//! The simplest server: one worker that greets every second. `kill -TERM` stops it.
use serverengine::{BoxError, Config, Worker, WorkerContext};
use std::{process::ExitCode, time::Duration};
struct Greeter;
impl Worker for Greeter {
    fn run(&self, context: &WorkerContext) -> Result<(), BoxError> {
        while !context.stopping().wait_for_set(Duration::from_secs(1)) {
            println!("hello");
        }
        Ok(())
    }
}
fn main() -> ExitCode {
    serverengine::create((), |_| Greeter, Config::default()).run()
}
