//! Workers that are programs, told what to do by lines on their standard input.
//!
//! ```text
//! cargo run --example spawn
//! kill -USR2 <the server>      # "RELOAD"
//! kill -TERM <the server>      # "GRACEFUL_STOP", and the end of the input
//! ```

use std::process::{Command, ExitCode};

use serverengine::{BoxError, CommandSender, Config, Program, Worker, WorkerType};

const SCRIPT: &str = r#"
    echo "worker $0 $$ works"
    while read word; do echo "told to $word"; done
    echo "worker $0 returns""#;

struct Script(usize);

impl Worker for Script {
    fn spawn(&self) -> Result<Program, BoxError> {
        let mut command = Command::new("sh");
        command.args(["-c", SCRIPT, &self.0.to_string()]);
        Ok(command.into())
    }
}

fn main() -> ExitCode {
    let config = Config {
        workers: 2,
        worker_type: WorkerType::Spawn,
        command_sender: CommandSender::Pipe,
        ..Config::default()
    };
    serverengine::create((), Script, config).run()
}
