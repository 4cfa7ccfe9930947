//! Plays recorded scenarios of Fluentd against millrun and compares what happens.
//!
//! A case (`cases/<kind>.jsonl`, one to a line) is a configuration, steps to take, and what Fluentd
//! answered: results of the steps, files left behind, log lines. The runner takes the steps in a
//! directory of its own, masks what differs from run to run as the recording does, and tells the
//! first difference of each case. What is known to differ stands in `expected/<kind>.txt` with its
//! reason.
//!
//! It is not a test of units and knows nothing of millrun's insides: any program with Fluentd's command
//! line could be played against. Cases of pure functions (parsers, formatters, patterns …) are
//! played by the tests of the crates that have these functions.
//!
//! ```text
//! case → step (masks expanded) → scene (program, client, files) → observation (masked) → compare
//! ```
//!
//! ```no_run
//! use millrun_conformance::{Options, program_beside, run};
//!
//! let options = Options {
//!     program: program_beside().ok_or_else(|| anyhow::anyhow!("build millrun first"))?,
//!     home: env!("CARGO_MANIFEST_DIR").into(),
//!     filter: Some("append".to_owned()),
//!     jobs: 4,
//!     logs: false,
//! };
//! println!("{}", run(&options, "out_file")?.line());
//! # Ok::<(), anyhow::Error>(())
//! ```
#![forbid(unsafe_code)]

mod case;
mod client;
mod compare;
mod content;
mod expected;
mod glob;
mod mask;
mod message;
mod pattern;
mod ports;
mod program;
mod promises;
mod runner;
mod scene;
mod step;
mod tree;

pub use program::program_beside;
pub use runner::{Options, Summary, run};
