//! Players of the kinds that need the running program: it is started, spoken to and looked at as
//! the recordings' harness did with Fluentd (`LIVE.md` of the recordings).
//!
//! ```text
//! case → step (masks expanded) → scene (program, clients, servers, files) → observation (masked)
//!      → comparison
//! ```

mod client;
mod command;
mod compare;
mod content;
mod digest;
mod exchange;
mod fake;
mod fake_forward;
mod fake_http;
mod fakes;
mod files;
mod glob;
mod handshake;
mod http;
mod launch;
mod logs;
mod mangle;
mod mask;
mod message;
mod network;
mod pattern;
mod ports;
mod processes;
mod program;
mod promises;
mod said;
mod scene;
mod step;
mod tail;
mod tree;

use std::path::PathBuf;

use crate::case::{Case, Unplayable};
use crate::difference::Difference;

pub(crate) use network::network;
pub(crate) use tail::tail;

/// Plays a case against the program: every place where it does not do what was recorded.
pub(crate) type Player = fn(&Case, &World) -> Result<Vec<Difference>, Unplayable>;

/// What live kinds are played with.
#[derive(Debug)]
pub(crate) struct World {
    /// The program under test.
    pub(crate) program: PathBuf,
    /// What it was configured with when the kind `network` was recorded.
    pub(crate) network: PathBuf,
}

/// A case that brings its configuration, its steps, and what they answered.
pub(crate) fn scenario(case: &Case, world: &World) -> Result<Vec<Difference>, Unplayable> {
    let run = scene::play(&case.configuration(), case.need_list("steps")?, world)?;
    Ok(compare::differences(case, &run))
}
