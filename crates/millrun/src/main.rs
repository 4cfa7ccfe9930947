//! The millrun log collector.
#![forbid(unsafe_code)]
fn main() {}
