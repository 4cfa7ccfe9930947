//! The memory of a process, as the kernel counts it.

use super::proc::{field, read};

/// Of `/proc/self/status`.
const SIZES: [&str; 8] = [
    "VmPeak", "VmSize", "VmHWM", "VmRSS", "RssAnon", "RssFile", "RssShmem", "VmSwap",
];

/// Of `/proc/self/smaps_rollup`: what of it others share.
const SHARES: [&str; 6] = [
    "Pss",
    "Pss_Anon",
    "Shared_Clean",
    "Shared_Dirty",
    "Private_Clean",
    "Private_Dirty",
];

pub(super) fn describe() -> Vec<String> {
    let (status, rollup) = (read("/proc/self/status"), read("/proc/self/smaps_rollup"));
    let of = |text: &str, names: &[&str]| -> Vec<String> {
        let lines = names
            .iter()
            .filter_map(|name| Some(format!("{name} {}", field(text, name)?)));
        lines.collect()
    };
    [of(&status, &SIZES), of(&rollup, &SHARES)].concat()
}
