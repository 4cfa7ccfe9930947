//! Judges millrun by what was recorded of Fluentd.
//!
//! A directory holds cases: a file for each kind, a case to a line, each with what was put in and
//! what Fluentd answered. Kinds that are functions (`match`, `parser`, `formatter` …) are played by
//! calling the libraries; live kinds (`routing`, `buffer`, `handshake` …) against the running
//! program, in a directory and with ports of their own. Every case then agrees, or deviates as a
//! named rule says that it should, or disagrees.
//!
//! It is no test of units. It knows of no case in particular: any directory of this form is judged by
//! it. What is not built yet disagrees.
//!
//! ```text
//! directory → case → kind ─┬─ pure: libraries ──────────────────────┬─► differences → rules → summary
//!                          └─ live: steps → program → observation ──┘
//! ```
//!
//! ```no_run
//! use conformance::{Options, release_program, run};
//!
//! let options = Options { kinds: vec!["match".to_owned()], ..Options::default() };
//! run("conformance/cases".as_ref(), &options, release_program, |summary| {
//!     println!("{}", summary.line());
//! })?;
//! # Ok::<(), anyhow::Error>(())
//! ```
#![forbid(unsafe_code)]

mod case;
mod difference;
mod directory;
mod kind;
mod live;
mod notation;
mod pure;
mod release;
mod rules;
mod run;
mod summary;

pub use release::{program_beside, release_program};
pub use rules::rule_names;
pub use run::{Options, run};
pub use summary::{Deviation, Disagreement, Summary};
