//! What a test can hold of the house's rules, for the whole workspace.
#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests may be blunt, as tests may"
)]

use std::fs;
use std::path::{Path, PathBuf};

/// A longer file holds more than one idea (CONTRIBUTING.md, "Style"). Its tests are not counted.
const SOURCE_LINES_MAX: usize = 600;

const SKIPPED_DIRECTORIES: [&str; 4] = ["target", "node_modules", "run", "runs"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap()
}

/// All files below the workspace's root with this extension, hidden directories left out.
fn files(extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut directories = vec![root()];
    while let Some(directory) = directories.pop() {
        for path in fs::read_dir(directory)
            .unwrap()
            .map(|entry| entry.unwrap().path())
        {
            let name = path.file_name().unwrap().to_string_lossy();
            if path.is_dir() {
                if !name.starts_with('.') && !SKIPPED_DIRECTORIES.contains(&&*name) {
                    directories.push(path);
                }
            } else if path.extension().is_some_and(|found| found == extension) {
                found.push(path);
            }
        }
    }
    assert!(!found.is_empty(), "no .{extension} file was found");
    found
}

/// Fails with all faults at once.
fn assert_none(faults: &[String]) {
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

#[test]
fn every_source_file_holds_one_idea() {
    let faults: Vec<String> = files("rs")
        .into_iter()
        .filter_map(|path| {
            let text = fs::read_to_string(&path).unwrap();
            let lines = text
                .lines()
                .take_while(|line| *line != "#[cfg(test)]")
                .count();
            let too_long = lines > SOURCE_LINES_MAX;
            too_long.then(|| format!("{}: {lines} lines, split it", path.display()))
        })
        .collect();
    assert_none(&faults);
}

#[test]
fn every_crate_forbids_unsafe_code_but_the_one_with_system_calls() {
    let mut faults = Vec::new();
    for path in files("rs") {
        let is_root = path.ends_with("src/lib.rs") || path.ends_with("src/main.rs");
        let has_exception = path.ends_with("serverengine/src/lib.rs");
        let text = fs::read_to_string(&path).unwrap();
        if is_root && !has_exception && !text.contains("#![forbid(unsafe_code)]") {
            faults.push(format!("{}: lacks #![forbid(unsafe_code)]", path.display()));
        }
    }
    assert_none(&faults);
}

#[test]
fn every_link_between_documents_leads_somewhere() {
    let mut faults = Vec::new();
    for path in files("md") {
        let text = fs::read_to_string(&path).unwrap();
        for target in text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next())
        {
            let file = target.split('#').next().unwrap();
            let is_elsewhere = file.is_empty() || file.contains("://");
            if !is_elsewhere && !path.parent().unwrap().join(file).exists() {
                faults.push(format!("{}: leads nowhere: {target}", path.display()));
            }
        }
    }
    assert_none(&faults);
}

#[test]
fn no_merge_left_its_marks() {
    let mut faults = Vec::new();
    for extension in ["rs", "md", "toml"] {
        for path in files(extension) {
            let text = fs::read_to_string(&path).unwrap();
            let marks = (1..).zip(text.lines()).filter(|(_, line)| {
                ["<<<<<<< ", ">>>>>>> "]
                    .iter()
                    .any(|mark| line.starts_with(mark))
            });
            faults.extend(marks.map(|(line, _)| format!("{}:{line}: a mark", path.display())));
        }
    }
    assert_none(&faults);
}

/// The fuzz targets are a workspace of their own, which the gate does not build: where a crate of ours has other dependencies
/// than its lock file knows, their next build would change it, or not be possible.
#[test]
fn the_lock_file_of_the_fuzz_targets_is_not_stale() {
    let read = |path: &str| fs::read_to_string(root().join(path)).unwrap();
    let (main, fuzz) = (
        locked(&read("Cargo.lock")),
        locked(&read("fuzz/Cargo.lock")),
    );
    let mut faults = Vec::new();
    let mut crates = 0;
    for package in fuzz.iter().filter(|package| package.is_ours) {
        let manifest = match package.name.as_str() {
            "millrun-fuzz" => "fuzz/Cargo.toml".to_owned(),
            name => format!("crates/{name}/Cargo.toml"),
        };
        crates += 1;
        let named = dependencies(&read(&manifest));
        for (name, is_optional) in &named {
            if !is_optional && !package.dependencies.contains(name) {
                faults.push(format!("{}: {name} is missing", package.name));
            }
            // What the workspace was brought up to is another version for the fuzz targets, too.
            let lines = |lock: &[Locked]| -> Vec<String> {
                let such = lock.iter().filter(|other| other.name == *name);
                such.map(|other| compatible(&other.version)).collect()
            };
            let (ours, theirs) = (lines(&main), lines(&fuzz));
            if !ours.is_empty() && theirs.iter().any(|version| !ours.contains(version)) {
                faults.push(format!(
                    "{}: {name} {theirs:?} is {ours:?} elsewhere",
                    package.name
                ));
            }
        }
        let is_named = |name: &&String| !named.iter().any(|(known, _)| known == *name);
        let gone = package.dependencies.iter().filter(is_named);
        faults
            .extend(gone.map(|name| format!("{}: {name} is no dependency any more", package.name)));
    }
    assert!(
        crates > 5,
        "only {crates} crates of ours are in fuzz/Cargo.lock"
    );
    faults.iter_mut().for_each(|fault| {
        fault.push_str("; cd fuzz && cargo metadata >/dev/null, and commit Cargo.lock");
    });
    assert_none(&faults);
}

/// A package of a lock file.
#[derive(Default)]
struct Locked {
    name: String,
    version: String,
    is_ours: bool,
    dependencies: Vec<String>,
}

fn locked(text: &str) -> Vec<Locked> {
    let quoted = |line: &str| line.split('"').nth(1).unwrap_or_default().to_owned();
    let package = |text: &str| {
        let value = |key: &str| {
            let mut lines = text.lines();
            let line = lines.find(|line| line.starts_with(&format!("{key} = ")));
            line.map(quoted)
        };
        let dependencies = text.lines().filter(|line| line.starts_with(" \""));
        Locked {
            name: value("name").unwrap_or_default(),
            version: value("version").unwrap_or_default(),
            is_ours: value("source").is_none(),
            // A version stands behind the name where there are several.
            dependencies: dependencies
                .map(|line| {
                    quoted(line)
                        .split(' ')
                        .next()
                        .unwrap_or_default()
                        .to_owned()
                })
                .collect(),
        }
    };
    text.split("[[package]]").skip(1).map(package).collect()
}

/// The dependencies that a manifest names, without those of tests, and whether each is optional.
fn dependencies(manifest: &str) -> Vec<(String, bool)> {
    let sections = manifest.split("\n[").filter(|section| {
        let name = section.split(']').next().unwrap_or_default();
        name.ends_with("dependencies") && !name.ends_with("dev-dependencies")
    });
    let lines = sections.flat_map(|section| section.lines().skip(1));
    let entries =
        lines.filter(|line| line.starts_with(|letter: char| letter.is_ascii_alphabetic()));
    let of = |line: &str| {
        let end = line.find([' ', '.', '=']).unwrap_or(line.len());
        (line[..end].to_owned(), line.contains("optional = true"))
    };
    entries.map(of).collect()
}

/// What versions that can stand for each other have in common: `1` of 1.2.3, `0.9` of 0.9.4.
fn compatible(version: &str) -> String {
    let mut parts = version.split('.');
    match parts.next() {
        Some("0") => format!("0.{}", parts.next().unwrap_or_default()),
        major => major.unwrap_or_default().to_owned(),
    }
}

/// The README's first command names no package: with a second program among the default members
/// cargo would ask, or run that one.
#[test]
fn a_plain_cargo_run_means_the_collector() {
    let output = std::process::Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--offline",
            "--no-deps",
            "--format-version",
            "1",
        ])
        .current_dir(root())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let (_, members) = text.split_once("\"workspace_default_members\":[").unwrap();
    let (members, _) = members.split_once(']').unwrap();
    assert!(
        members.contains("/crates/millrun#") && !members.contains(','),
        "{members}"
    );
}

/// The small agent of the README: what is behind a feature stays out of a build without it.
#[test]
fn a_build_without_features_carries_no_cryptography() {
    let crates = |options: &[&str]| {
        let tree = std::process::Command::new(env!("CARGO"))
            .args(["tree", "--offline", "--locked", "-p", "millrun"])
            .args(["-e", "normal", "--prefix", "none"])
            .args(options)
            .current_dir(root())
            .output()
            .unwrap();
        let error = String::from_utf8_lossy(&tree.stderr);
        assert!(tree.status.success(), "{error}");
        String::from_utf8(tree.stdout).unwrap()
    };
    let heavy = |tree: &str| -> Vec<&str> {
        let behind_features = [
            "rustls",
            "aws-lc-rs",
            "ring",
            "rcgen",
            "hyper",
            "domain",
            "saphyr-parser",
        ];
        let is_there = |name: &&str| {
            tree.lines()
                .any(|line| line.split(' ').next() == Some(*name))
        };
        behind_features.into_iter().filter(is_there).collect()
    };
    assert_eq!(heavy(&crates(&["--no-default-features"])), [""; 0]);
    let tree = crates(&[]);
    let whole = heavy(&tree);
    assert!(
        whole.contains(&"rustls") && whole.contains(&"hyper"),
        "{whole:?}"
    );
}
