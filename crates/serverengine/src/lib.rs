//! A framework for servers that do not die: a control process that forks workers, replaces those that
//! end, restarts them one by one, and holds their listening sockets so that no connection is refused
//! meanwhile.
//!
//! It is not a network framework, a service manager or an async runtime: what a worker does is up to the
//! worker. It runs on Linux (5.4 or newer).
//!
//! ```no_run
//! use std::process::ExitCode;
//! use std::time::Duration;
//!
//! use serverengine::{BoxError, Config, Worker, WorkerContext};
//!
//! struct Greeter;
//!
//! impl Worker for Greeter {
//!     fn run(&self, context: &WorkerContext) -> Result<(), BoxError> {
//!         while !context.stopping().wait_for_set(Duration::from_secs(1)) {
//!             println!("hello from worker {}", context.worker_id());
//!         }
//!         Ok(())
//!     }
//! }
//!
//! fn main() -> ExitCode {
//!     serverengine::create((), |_id| Greeter, Config { workers: 4, ..Config::default() }).run()
//! }
//! ```
//!
//! # The tree
//!
//! ```text
//!   supervisor          with Config::supervisor only
//!     └─ server         Server hooks; forks the workers
//!          └─ worker …  Worker::run
//! ```
//!
//! Supervisor and server are one event loop each, on the main thread; their decisions are a pure function
//! that is tested in simulated time. Workers are forked processes, threads of the server, or programs:
//! [`WorkerType`] compares them. Each process has one socket to the level above, its life-line, and
//! dies with that level: the kernel kills it, and where the kernel forgot to (it does when credentials
//! change), the end of the life-line stops it. No process of the engine outlives a killed parent.
//!
//! Programs that a worker starts are in its process group, which is killed with it. What they put into
//! sessions of their own is found by a supervisor when its server dies. Only when the topmost process
//! itself is killed with -9 nobody is left to look for them.
//!
//! Every descriptor of the engine is close-on-exec from birth, has one owner, and is closed in forked
//! children by that owner; what the user's server opened before the fork is inherited on purpose.

#![deny(unsafe_code)] // Allowed again in `sys` only.

mod belongings;
mod check;
mod config;
mod control;
mod core;
mod daemon;
mod dump;
mod engine;
mod flag;
mod handle;
mod heart;
mod lifeline;
mod listen;
mod loading;
mod log;
mod logger;
mod pid_file;
mod privilege;
mod published;
mod server;
mod signals;
mod supervisor;
mod sys;
mod words;
mod worker;

#[cfg(feature = "files")]
pub use crate::config::Format;
pub use crate::config::{
    Application, Config, ConfigBuilder, ConfigError, ConfigProblem, ConfigSource, IntoSetting,
    RestartParallel, WORKERS_MAX, reference_table,
};
pub use crate::core::Backoff;
pub use crate::dump::{Allocator, SystemAllocator};
pub use crate::engine::{Daemon, create};
pub use crate::flag::BlockingFlag;
pub use crate::handle::DaemonHandle;
pub use crate::listen::{ListenError, ListenOptions};
pub use crate::log::{Level, Log, StderrLog};
pub use crate::logger::{DaemonLogger, Destination, LineFormat, LoggerOptions, Period, Rotation};
pub use crate::server::Server;
pub use crate::signals::{Meaning, Signal, SignalMeanings};
pub use crate::worker::{CommandSender, Program, Worker, WorkerContext, WorkerExit, WorkerType};

/// Listening sockets by name: for programs without a life-line, and for a server that replaces another.
pub mod socket_manager {
    pub use crate::listen::manager::{Client, Protocol, Server};
}

/// Reads a text as JSON. For fuzzing only: not part of the interface.
#[doc(hidden)]
pub fn fuzz_json(text: &str) -> Option<String> {
    config::fuzz_json(text)
}

/// Decodes one frame of the life-line's protocol. For fuzzing only: not part of the interface.
#[doc(hidden)]
pub fn fuzz_frame(bytes: &[u8]) {
    if let Some(frame) = lifeline::frame::Frame::decode(bytes) {
        assert_eq!(lifeline::frame::Frame::decode(&frame.encode()), Some(frame));
    }
}

/// An error of user code, of whatever type.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;
