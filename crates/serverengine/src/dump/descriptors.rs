//! The open descriptors of a process: number and target.

use std::fs;
use std::io;

use super::proc;

pub(super) fn describe() -> Vec<String> {
    match proc::numbers("/proc/self/fd") {
        // The one that this look itself needed is closed by now.
        Ok(numbers) => numbers.into_iter().filter_map(one).collect(),
        Err(why) => vec![why],
    }
}

fn one(number: u32) -> Option<String> {
    match fs::read_link(format!("/proc/self/fd/{number}")) {
        Ok(target) => Some(format!("{number} {}", target.display())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => Some(format!("{number} {error}")),
    }
}
