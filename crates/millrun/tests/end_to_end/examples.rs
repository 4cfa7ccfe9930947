//! The example configurations, run as the README says.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::mill::Mill;

/// A mill whose directory holds `examples/` as the repository does, with a port of its own.
fn examples(names: &[&str]) -> Mill {
    let mill = Mill::idle("");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    mill.write(
        "examples/access.log",
        &fs::read_to_string(root.join("access.log")).unwrap(),
    );
    for name in names {
        let text = fs::read_to_string(root.join(name)).unwrap();
        assert!(text.contains("port 24224"), "{name} uses another port");
        mill.write(
            &format!("examples/{name}"),
            &text.replace("24224", &mill.port(1).to_string()),
        );
    }
    mill
}

fn log_lines() -> usize {
    let log = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/access.log");
    fs::read_to_string(log).unwrap().lines().count()
}

/// The README's line that appends to the log.
fn readme_line() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md");
    let readme = fs::read_to_string(path).unwrap();
    let line = readme
        .lines()
        .find(|line| line.ends_with(">> examples/access.log"));
    line.expect("the README no longer says how to append a line")
        .to_owned()
}

#[test]
fn the_quick_start_carries_every_line_to_the_terminal_and_to_disk() {
    let mut mill = examples(&["quickstart.conf"]);
    let count = log_lines();
    mill.start_with(&["-c", "examples/quickstart.conf"]);
    mill.wait_for_lines("examples/run/collected", count);

    let mut shell = Command::new("sh");
    shell
        .arg("-c")
        .arg(readme_line())
        .current_dir(mill.path(""));
    assert!(shell.status().unwrap().success());
    let lines = mill.wait_for_lines("examples/run/collected", count + 1);
    let hello = lines
        .iter()
        .filter(|line| line.contains("\"path\":\"/hello\""))
        .count();
    assert_eq!((lines.len(), hello), (count + 1, 1));
    mill.wait_for_log("\"path\":\"/hello\"", 1);
    assert_eq!(mill.log().matches(" web.access: {").count(), count + 1);

    assert_eq!(mill.stop().code(), Some(0));
}

#[test]
fn agent_and_collector_are_the_quick_start_as_two_processes() {
    let mut collector = examples(&["agent.conf", "collector.conf"]);
    collector.start_with(&["-c", "examples/collector.conf"]);

    let mut agent = examples(&[]);
    let conf = fs::read_to_string(collector.path("examples/agent.conf")).unwrap();
    agent.write("examples/agent.conf", &conf);
    agent.start_with(&["-c", "examples/agent.conf"]);

    let count = log_lines();
    assert_eq!(
        collector
            .wait_for_lines("examples/run/collector/collected", count)
            .len(),
        count
    );
    assert_eq!(agent.stop().code(), Some(0));
    assert_eq!(collector.stop().code(), Some(0));
}
