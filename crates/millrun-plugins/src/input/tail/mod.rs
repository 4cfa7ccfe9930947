//! The `tail` input: follows log files, through every rotation, to the last line.
//!
//! ```text
//! <source>
//!   @type tail
//!   path /var/log/nginx/*.log
//!   pos_file /var/lib/millrun/nginx.pos
//!   tag nginx.*
//!   <parse>
//!     @type none
//!   </parse>
//! </source>
//! ```
//!
//! One thread per source, with blocking reads (regular files are always ready):
//!
//! ```text
//! wake ──▶ follow ──▶ watch ──▶ pump ──▶ sink
//! inotify,  which     whose     one       the emitter; the ledger
//! 1 s       files     turn      block     remembers the position
//!             │                  │        (a parser's blocks in pieces, by a `team`)
//!           paths, glob        life    read, and check that it still is the same content
//!           search, generations  encode  lines (no parser) or crate::parser
//!                                charset, throttle: encodings, and how much may be read now
//!           positions          Fluentd's position file, written after delivery
//! ```
//!
//! `life`, `watch`, `follow`, `search` and `pump` see the world through [`files::FileSystem`] and
//! [`sink::Sink`]; `model` puts a world behind them that changes between any two calls.
//!
//! Where Fluentd loses or doubles lines, this does not (fluentd.md, quirks 23, 24, 61, 62, 63):
//! the position follows the commit, also that of lines which wait for others; a rotated file is read until it is quiet, also when it was
//! rotated while nobody watched; a truncated file that is longer again is known by its first
//! bytes; a pattern that matches rotated names reads no file twice; and positions are kept without
//! a `pos_file` too.

mod block;
mod encode;
mod files;
mod follow;
mod generations;
mod glob;
mod groups;
mod ledger_sink;
mod life;
mod lines;
mod listings;
#[cfg(test)]
mod model;
mod open;
mod packed;
mod parameters;
mod paths;
mod positions;
mod pump;
mod rotated;
mod search;
mod sink;
mod successor;
mod team;
#[cfg(test)]
mod tests;
mod thread;
mod throttle;
mod visits;
mod wake;
mod watch;

pub(crate) use parameters::TailParameters;
pub(crate) use positions::rewritten as rewritten_positions;
pub(crate) use thread::build;
