//! The collector through its binary: real files, real sockets, real counterparts, kill -9.
//!
//! Everything is said in the small language of [`mill::Mill`]. A test uses a directory and ports
//! of its own and ends only processes it started.
#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests may be blunt, as tests may"
)]

mod bad_input;
mod clients;
mod counterpart;
mod crash;
mod discovery;
mod disk_faults;
mod editor;
mod exactly_once;
mod examples;
mod generations;
mod helpers;
mod hostile_pattern;
mod http;
mod log_events;
mod log_file;
mod mill;
mod numbered;
mod relay;
mod rotation;
mod ruby;
mod servers;
mod signals;
mod slow_clients;
mod stdout;
mod tls;
mod wire;
mod workers;
