//! What buffers and ledgers keep, through the public interface.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests may be blunt, as tests may"
)]

mod appends;
mod common;
mod compressed;
mod dispatches;
mod faults;
mod filling;
mod flushing;
mod ledgers;
mod mount;
mod neighbours;
mod relays;
mod reuse;
mod takeover;
mod transactions;
mod vanished;
