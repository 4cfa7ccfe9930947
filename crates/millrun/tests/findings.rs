//! Every kind of finding of `millrun check`, its whole printed text: `findings/NAME.conf` and what is said of it,
//! `findings/NAME.txt`.
//!
//! After a change of the words, `UPDATE_FINDINGS=1 cargo test -p millrun --test findings` writes the texts
//! anew; the difference is for a person to read.
#![allow(
    clippy::unwrap_used,
    reason = "the house's exception for tests does not reach their helpers"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What `check` says about a file of the directory, with its exit status.
fn said(directory: &Path, name: &str) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_millrun"));
    command.args(["check", name]).current_dir(directory);
    command.env_remove("NO_SUCH_VARIABLE");
    let output = command.output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8(text).unwrap();
    let lines = text.lines().map(|line| format!("{}\n", line.trim_end()));
    let status = output.status.code().unwrap();
    format!("{}exit status {status}\n", lines.collect::<String>())
}

#[test]
fn every_finding_is_told_as_written_down() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/findings");
    let mut files: Vec<PathBuf> = fs::read_dir(&directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|kind| kind == "conf" || kind == "yaml")
        })
        .collect();
    files.sort();
    assert!(files.len() > 10, "{files:?}");
    let mut wrong = Vec::new();
    for file in files {
        let name = file.file_name().unwrap().to_str().unwrap();
        let said = said(&directory, name);
        let expected = file.with_extension("txt");
        if std::env::var_os("UPDATE_FINDINGS").is_some() {
            fs::write(&expected, &said).unwrap();
        }
        if fs::read_to_string(&expected).unwrap_or_default() != said {
            wrong.push(format!("=== {name} ===\n{said}"));
        }
    }
    assert!(wrong.is_empty(), "it said:\n{}", wrong.concat());
}
