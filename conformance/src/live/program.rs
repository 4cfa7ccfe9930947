use std::fs::{self, OpenOptions};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::sys::signal::{self, Signal};
use nix::unistd::Pid;
use serde_json::{Value, json};

/// What every worker logs when its plugins run.
const READY: &str = "worker is now running";
/// How long a stop may take.
const STOP_TIMEOUT: Duration = Duration::from_secs(40);
/// How often a wait looks.
const LOOK_INTERVAL: Duration = Duration::from_millis(10);

/// The program under test, running or ended.
pub(crate) struct Program {
    child: Child,
    ended: Option<ExitStatus>,
}

/// What to start and where.
pub(crate) struct Launch<'a> {
    pub(crate) program: &'a Path,
    pub(crate) arguments: &'a [String],
    pub(crate) environment: &'a [(String, String)],
    pub(crate) directory: &'a Path,
    /// Takes standard output and error.
    pub(crate) output: &'a Path,
    /// Where the program keeps what it does not keep in the work directory.
    pub(crate) state: &'a Path,
}

impl Program {
    pub(crate) fn start(launch: &Launch<'_>) -> Result<Self> {
        let mut options = OpenOptions::new();
        let output = options.create(true).append(true).open(launch.output)?;
        let child = Command::new(launch.program)
            .args(launch.arguments)
            .current_dir(launch.directory)
            .env("TZ", "UTC")
            .env("STATE_DIRECTORY", launch.state)
            .envs(launch.environment.iter().map(|(key, value)| (key, value)))
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start {}", launch.program.display()))?;
        Ok(Self { child, ended: None })
    }

    /// Waits until so many further workers run, or the program has ended.
    pub(crate) fn wait_until_ready(
        &mut self,
        log: &Path,
        ready_before: usize,
        workers: usize,
        timeout: Duration,
    ) -> Value {
        let answer = poll(timeout, || {
            if ready_count(log) >= ready_before + workers {
                return Some(json!({ "started": true }));
            }
            self.ended()
                .map(|status| json!({"started": false, "exit": exit_code(status)}))
        });
        answer.unwrap_or_else(|| json!({"started": false, "exit": null}))
    }

    /// Ends it with SIGTERM; one that does not end is killed.
    pub(crate) fn stop(&mut self) -> Value {
        self.signal(Signal::SIGTERM);
        match poll(STOP_TIMEOUT, || self.ended()) {
            Some(status) => json!({ "exit": exit_code(status) }),
            None => {
                self.kill();
                json!({ "exit": "did not stop" })
            }
        }
    }

    /// Sends a signal to the process started, if it still runs.
    pub(crate) fn signal(&mut self, signal: Signal) {
        if self.ended().is_none() {
            let _ = signal::kill(self.pid(), signal);
        }
    }

    /// Kills it and its process group.
    pub(crate) fn kill(&mut self) {
        if self.ended().is_none() {
            let _ = signal::killpg(self.pid(), Signal::SIGKILL);
            self.ended = self.child.wait().ok();
        }
    }

    fn ended(&mut self) -> Option<ExitStatus> {
        if self.ended.is_none() {
            self.ended = self.child.try_wait().ok().flatten();
        }
        self.ended
    }

    /// Whether it still runs.
    pub(crate) fn is_running(&mut self) -> bool {
        self.ended().is_none()
    }

    /// The id of the process started.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().cast_signed())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.kill();
    }
}

/// How often the log says that a worker runs.
pub(crate) fn ready_count(log: &Path) -> usize {
    log_text(log).matches(READY).count()
}

/// What a log holds; nothing if it does not exist yet.
pub(crate) fn log_text(log: &Path) -> String {
    let bytes = fs::read(log).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Looks again and again until there is an answer or the time is over.
pub(crate) fn poll<T>(timeout: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + timeout;
    loop {
        if let Some(answer) = look() {
            return Some(answer);
        }
        if Instant::now() >= deadline {
            return None;
        }
        thread::sleep(LOOK_INTERVAL);
    }
}

/// The exit code; a signal that ended the process as a negative number.
pub(crate) fn exit_code(status: ExitStatus) -> Option<i32> {
    status.code().or(status.signal().map(|number| -number))
}
