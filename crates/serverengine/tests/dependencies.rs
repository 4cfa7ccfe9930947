//! The default build stays tiny: a limit on what it pulls in.

#![allow(clippy::unwrap_used)] // Tests.

use std::collections::BTreeSet;
use std::process::Command;

/// Most crates beside this one, direct and indirect, without features.
const CRATES_MAX: usize = 10;

#[test]
fn the_default_build_has_at_most_ten_crates_beside_it() {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--offline", "--locked", "--package", "serverengine"])
        .args(["--edges", "normal,build", "--prefix", "none"])
        .args(["--format", "{p}", "--no-default-features"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{output:?}");
    // "name v1.2.3 (a note)", each as often as somebody needs it.
    let crates: BTreeSet<_> = text
        .lines()
        .filter_map(|line| line.split(' ').next())
        .filter(|name| !name.is_empty() && *name != "serverengine")
        .collect();
    assert!(crates.contains("nix"), "{text}");
    assert!(crates.len() <= CRATES_MAX, "{crates:?}");
}
