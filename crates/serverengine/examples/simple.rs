//! The simplest server: one worker that greets every second. `kill -TERM` stops it.
use serverengine::{BlockingFlag, BoxError, Config, Worker, WorkerContext};
use std::{process::ExitCode, time::Duration};
#[derive(Default)]
struct Greeter(BlockingFlag);
impl Worker for Greeter {
    fn run(&self, _: &WorkerContext) -> Result<(), BoxError> {
        while !self.0.wait_for_set(Duration::from_secs(1)) {
            println!("hello");
        }
        Ok(())
    }
    fn stop(&self) {
        self.0.set();
    }
}
fn main() -> ExitCode {
    serverengine::create((), |_| Greeter::default(), Config::default()).run()
}
