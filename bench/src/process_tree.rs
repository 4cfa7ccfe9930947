//! What the kernel says about a program and everything it started.

use std::collections::HashMap;
use std::fs;
use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};

/// A process and its descendants, in no order.
pub(crate) fn descendants(root: u32) -> Vec<u32> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        if let Some(parent) = status_number(pid, "PPid:") {
            children.entry(parent as u32).or_default().push(pid);
        }
    }
    let mut found = vec![root];
    let mut next = 0;
    while let Some(pid) = found.get(next) {
        found.extend(children.get(pid).into_iter().flatten());
        next += 1;
    }
    found
}

/// The sum of the peak resident sets of a process and its living descendants, in KiB.
pub(crate) fn peak_memory_kib(root: u32) -> u64 {
    descendants(root)
        .into_iter()
        .filter_map(|pid| status_number(pid, "VmHWM:"))
        .sum()
}

/// User and system time of all children that have ended and been waited for, and of theirs.
pub(crate) fn cpu_of_ended_children() -> Duration {
    let Ok(usage) = getrusage(UsageWho::RUSAGE_CHILDREN) else {
        return Duration::ZERO;
    };
    [usage.user_time(), usage.system_time()]
        .into_iter()
        .map(|time| {
            Duration::from_secs(time.tv_sec().unsigned_abs())
                + Duration::from_micros(time.tv_usec().unsigned_abs())
        })
        .sum()
}

/// The memory of a process in KiB, what it shares counted in part: the proportional set size.
pub(crate) fn pss_kib(pid: u32) -> Option<u64> {
    number(&format!("/proc/{pid}/smaps_rollup"), "Pss:")
}

/// How often the threads of a process have gone to sleep, and so been woken, by now.
pub(crate) fn sleeps(pid: u32) -> u64 {
    let tasks = fs::read_dir(format!("/proc/{pid}/task"));
    let counts = tasks.into_iter().flatten().flatten().filter_map(|task| {
        let status = task.path().join("status");
        number(status.to_str()?, "voluntary_ctxt_switches:")
    });
    counts.sum()
}

fn status_number(pid: u32, field: &str) -> Option<u64> {
    number(&format!("/proc/{pid}/status"), field)
}

fn number(path: &str, field: &str) -> Option<u64> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(field))?;
    line.split_whitespace().next()?.parse().ok()
}
