//! Programs of others that speak with millrun in tests: where they are, or why a test is skipped.
//!
//! `.ci/run` installs them below the workspace's `.tools` and beside their scripts.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

/// A program with a library that a fresh machine lacks.
#[derive(Clone, Copy)]
pub(crate) enum Counterpart {
    /// Python with the package `fluent-logger`.
    Python,
    /// Node with the package `@fluent-org/logger`.
    Node,
    /// Python with the package `pygls`.
    Editor,
    /// Python with what belongs to it.
    HttpServer,
}

impl Counterpart {
    /// The command that runs one of the scripts in `tests/clients`; `None`, after one line
    /// that says why the calling test is skipped, when something is missing.
    pub(crate) fn script(self, name: &str) -> Option<Command> {
        let clients = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients");
        let (program, probe, package) = match self {
            Self::Python => (python(), ["-c", "import fluent.sender"], "fluent-logger"),
            Self::Editor => (python(), ["-c", "import pygls.lsp.client"], "pygls"),
            Self::HttpServer => (python(), ["-c", "import http.server, ssl"], "ssl"),
            Self::Node => (
                PathBuf::from("node"),
                ["-e", "require('@fluent-org/logger')"],
                "@fluent-org/logger",
            ),
        };
        let found = Command::new(&program)
            .args(probe)
            .current_dir(&clients)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        let reason = match found {
            Ok(status) if status.success() => {
                let mut command = Command::new(program);
                command.arg(clients.join(name));
                return Some(command);
            }
            Ok(_) => format!("{} lacks the package {package}", program.display()),
            Err(error) => format!("{} cannot be run: {error}", program.display()),
        };
        let test = thread::current().name().unwrap_or("a test").to_owned();
        // Straight to the stream: the harness would swallow what `eprintln!` says.
        let _ = writeln!(
            std::io::stderr(),
            "skipped: {test}, because {reason} (see .ci/run)"
        );
        None
    }
}

fn python() -> PathBuf {
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.tools/python/bin/python3");
    if ours.exists() {
        ours
    } else {
        PathBuf::from("python3")
    }
}

/// Runs a client to its end; it must succeed.
pub(crate) fn run(client: Command, arguments: &[&str]) {
    if let Err(said) = try_run(client, arguments) {
        panic!("the client ended with an error:\n{said}");
    }
}

/// Runs a client to its end; gives what it said where it did not succeed.
pub(crate) fn try_run(mut client: Command, arguments: &[&str]) -> Result<(), String> {
    let output = client
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    match output.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

/// A running `receive.js`.
pub(crate) struct NodeReceiver {
    child: Child,
    pub(crate) port: u16,
    lines: Arc<Mutex<Vec<serde_json::Value>>>,
}

impl NodeReceiver {
    /// Starts it and waits until it listens; `None` when it is not installed.
    pub(crate) fn start() -> Option<Self> {
        Self::start_at(0, &[], Arc::default())
    }

    /// The same for clients that prove who they are: `more` are its further arguments.
    pub(crate) fn start_with(more: &[&str]) -> Option<Self> {
        Self::start_at(0, more, Arc::default())
    }

    /// Kills it and starts it again at the same port. What it printed stays among the events.
    pub(crate) fn kill9_and_start_again(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        *self = Self::start_at(self.port, &[], Arc::clone(&self.lines)).unwrap();
    }

    fn start_at(
        port: u16,
        more: &[&str],
        lines: Arc<Mutex<Vec<serde_json::Value>>>,
    ) -> Option<Self> {
        let mut command = Counterpart::Node.script("receive.js")?;
        let mut child = command
            .arg(port.to_string())
            .args(more)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("node was found");
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        let hello: serde_json::Value = serde_json::from_str(&line).unwrap();
        let port = hello["port"].as_u64().unwrap().try_into().unwrap();
        collect(output, Arc::clone(&lines));
        Some(Self { child, port, lines })
    }

    /// How many events were received so far.
    pub(crate) fn count(&self) -> usize {
        self.lines.lock().unwrap().len()
    }

    /// The events received so far, as `{"tag", "time", "record"}`.
    pub(crate) fn events(&self) -> Vec<serde_json::Value> {
        self.lines.lock().unwrap().clone()
    }
}

impl Drop for NodeReceiver {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn collect(output: BufReader<ChildStdout>, lines: Arc<Mutex<Vec<serde_json::Value>>>) {
    thread::spawn(move || {
        for line in output.lines().map_while(Result::ok) {
            // The last line of one that was killed may be half a line: it was not acknowledged.
            if let Ok(event) = serde_json::from_str(&line) {
                lines.lock().unwrap().push(event);
            }
        }
    });
}
