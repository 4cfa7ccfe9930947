//! What the kernel says of a process and of all that it started.

use std::collections::HashMap;
use std::fs;

/// A process and its descendants, in no order.
pub(crate) fn family(root: u32) -> Vec<u32> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let name = entry.file_name();
        let pid = name.to_str().and_then(|name| name.parse::<u32>().ok());
        if let Some(pid) = pid
            && let Some(parent) = field(&format!("/proc/{pid}/status"), "PPid:")
            && let Ok(parent) = u32::try_from(parent)
        {
            children.entry(parent).or_default().push(pid);
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

/// Returns the memory of a process in KiB, what it shares counted in part: the proportional set size.
pub(crate) fn pss_kib(pid: u32) -> Option<u64> {
    field(&format!("/proc/{pid}/smaps_rollup"), "Pss:")
}

/// Returns how often the threads of a process have gone to sleep, and so been woken, by now.
pub(crate) fn sleeps(pid: u32) -> u64 {
    let tasks = fs::read_dir(format!("/proc/{pid}/task"));
    let counts = tasks.into_iter().flatten().flatten().filter_map(|task| {
        let status = task.path().join("status");
        field(status.to_str()?, "voluntary_ctxt_switches:")
    });
    counts.sum()
}

/// Returns what `ps` shows as its command line.
pub(crate) fn title(pid: u32) -> String {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes).replace('\0', " ");
    let comm = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    match comm.trim() {
        // It keeps the command line of the process that started it.
        "logger" => "engine logger".to_owned(),
        _ => text.trim().to_owned(),
    }
}

fn field(path: &str, name: &str) -> Option<u64> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}
