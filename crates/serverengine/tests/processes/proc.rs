//! What /proc says about processes.

use std::collections::BTreeMap;
use std::fs;

/// Returns parent, process group and state of a process that exists.
fn stat(pid: u32) -> Option<(u32, u32, char)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    let state = fields.next()?.chars().next()?;
    let parent = fields.next()?.parse().ok()?;
    let group = fields.next()?.parse().ok()?;
    Some((parent, group, state))
}

/// Returns whether a process runs. A dead one that nobody has reaped does not.
pub(crate) fn runs(pid: u32) -> bool {
    stat(pid).is_some_and(|(_, _, state)| !matches!(state, 'Z' | 'X'))
}

/// Returns the parent of a process that may be gone.
pub(crate) fn parent_of(pid: u32) -> Option<u32> {
    stat(pid).map(|(parent, _, _)| parent)
}

pub(crate) fn group_of(pid: u32) -> u32 {
    stat(pid).unwrap().1
}

pub(crate) fn name_of(pid: u32) -> String {
    fs::read_to_string(format!("/proc/{pid}/comm"))
        .unwrap()
        .trim()
        .to_owned()
}

/// Returns a field of a process's status: `Uid`, `Groups`, `Umask` …
pub(crate) fn status_of(pid: u32, field: &str) -> Vec<String> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    let words = line.unwrap().split_ascii_whitespace();
    words.map(str::to_owned).collect()
}

/// Returns the command line of a process, as `ps` shows it.
pub(crate) fn title_of(pid: u32) -> String {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).unwrap();
    String::from_utf8_lossy(&bytes)
        .trim_end_matches('\0')
        .replace('\0', " ")
}

/// Returns the session of a process.
pub(crate) fn session_of(pid: u32) -> u32 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let mut fields = stat.rsplit_once(')').unwrap().1.split_ascii_whitespace();
    fields.nth(3).unwrap().parse().unwrap()
}

/// Returns how many threads a process has.
pub(crate) fn threads_of(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/task")).unwrap().count()
}

/// Returns how often the threads of a process have gone to sleep, and so been woken.
pub(crate) fn sleeps_of(pid: u32) -> u64 {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let status = tasks.map(|task| fs::read_to_string(task.unwrap().path().join("status")).unwrap());
    status
        .filter_map(|text| {
            let line = text
                .lines()
                .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))?;
            line.trim().parse::<u64>().ok()
        })
        .sum()
}

/// Returns the processor time a process has used, in clock ticks.
pub(crate) fn ticks_of(pid: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields = stat.rsplit_once(')').unwrap().1.split_ascii_whitespace();
    fields
        .skip(11)
        .take(2)
        .map(|it| it.parse::<u64>().unwrap())
        .sum()
}

/// Returns all descendants of a process, the dead ones that wait to be reaped included.
pub(crate) fn descendants(ancestor: u32) -> Vec<u32> {
    let mut parents = BTreeMap::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        if let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse::<u32>().ok())
            && let Some((parent, _, _)) = stat(pid)
        {
            parents.insert(pid, parent);
        }
    }
    let mut found = vec![ancestor];
    let mut next = 0;
    while let Some(pid) = found.get(next).copied() {
        found.extend(
            parents
                .iter()
                .filter(|(_, parent)| **parent == pid)
                .map(|(pid, _)| *pid),
        );
        next += 1;
    }
    found.split_off(1)
}

/// Returns number and target of each open descriptor of a process.
pub(crate) fn descriptors_of(pid: u32) -> BTreeMap<u32, String> {
    let folder = format!("/proc/{pid}/fd");
    let own_look = format!("/proc/{pid}/fd");
    fs::read_dir(folder)
        .unwrap()
        .flatten()
        .filter_map(|entry| {
            let number = entry.file_name().to_str()?.parse().ok()?;
            let target = fs::read_link(entry.path())
                .ok()?
                .to_string_lossy()
                .into_owned();
            // The descriptor this look itself needs.
            (target != own_look).then_some((number, target))
        })
        .collect()
}

/// Returns whether a process is one of the `sleep`s that workers under test start.
pub(crate) fn is_sleep(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/cmdline")).is_ok_and(|line| {
        line.split('\0')
            .next()
            .is_some_and(|name| name.ends_with("sleep"))
    })
}
