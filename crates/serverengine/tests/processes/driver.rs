//! Starts a server under test, reads what it says, and takes all of it away in the end.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::NamedTempFile;

use crate::proc;
use crate::subject::ENVIRONMENT;

/// Longest wait for something that should happen at once. Generous: the machine may be busy.
pub(crate) const SOON: Duration = Duration::from_secs(10);

/// A server under test.
pub(crate) struct Driver {
    process: Child,
    output: NamedTempFile,
}

/// A worker as it introduced itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Introduced {
    pub(crate) id: usize,
    pub(crate) pid: u32,
}

impl Driver {
    /// Starts a server with these options; see `subject.rs`.
    pub(crate) fn start(options: &str) -> Self {
        Self::start_with(options, Stdio::null())
    }

    /// Starts a server with these options and this standard input.
    pub(crate) fn start_with(options: &str, input: Stdio) -> Self {
        Self::start_as(options, input, &[])
    }

    /// Starts a server with these options and variables.
    pub(crate) fn start_in(options: &str, environment: &[(&str, &str)]) -> Self {
        Self::start_as(options, Stdio::null(), environment)
    }

    fn start_as(options: &str, input: Stdio, environment: &[(&str, &str)]) -> Self {
        let output = NamedTempFile::new().unwrap();
        let process = Command::new(std::env::current_exe().unwrap())
            .envs(environment.iter().copied())
            // A backtrace is written in pieces, among which the lines of others would not be found.
            .env("RUST_BACKTRACE", "0")
            .env(ENVIRONMENT, options)
            .stdin(input)
            .stdout(append(&output))
            .stderr(append(&output))
            .spawn()
            .unwrap();
        Self { process, output }
    }

    /// Starts a server as a service manager would that has opened this socket for it.
    pub(crate) fn activated(options: &str, socket: OwnedFd) -> Self {
        let output = NamedTempFile::new().unwrap();
        let script = r#"LISTEN_PID=$$ LISTEN_FDS=1 exec "$0" 3<&0 0</dev/null"#;
        let process = Command::new("sh")
            .args(["-c", script])
            .arg(std::env::current_exe().unwrap())
            .env(ENVIRONMENT, options)
            .stdin(socket)
            .stdout(append(&output))
            .stderr(append(&output))
            .spawn()
            .unwrap();
        Self { process, output }
    }

    /// Starts an example program.
    pub(crate) fn example(name: &str, arguments: &[&str]) -> Self {
        let own = std::env::current_exe().unwrap();
        let folder = own.ancestors().nth(2).unwrap();
        let program = folder.join("examples").join(name);
        assert!(program.exists(), "first: cargo build --examples");
        let output = NamedTempFile::new().unwrap();
        let process = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(append(&output))
            .stderr(append(&output))
            .spawn()
            .unwrap();
        Self { process, output }
    }

    /// Starts a server and waits until this many workers work.
    pub(crate) fn working(options: &str, workers: usize) -> Self {
        let driver = Self::start(options);
        driver.wait_for_workers(workers);
        driver
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    pub(crate) fn text(&self) -> String {
        std::fs::read_to_string(self.output.path()).unwrap()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        send(self.pid(), signal);
    }

    /// Returns the workers that ever worked, in the order in which they began to.
    pub(crate) fn workers(&self) -> Vec<Introduced> {
        let text = self.text();
        let working = text.lines().filter_map(|line| line.strip_suffix(" works"));
        working
            .filter_map(|line| {
                let mut words = line.split(' ').skip(1);
                let id = words.next()?.parse().ok()?;
                let pid = words.next()?.parse().ok()?;
                Some(Introduced { id, pid })
            })
            .collect()
    }

    /// Returns the processes that workers started.
    fn sleeps(&self) -> Vec<u32> {
        let text = self.text();
        let lines = text
            .lines()
            .filter(|it| it.starts_with("child ") || it.starts_with("daemon "));
        lines
            .filter_map(|line| line.split(' ').nth(2)?.parse().ok())
            .collect()
    }

    /// Returns every process that ever said something.
    pub(crate) fn introduced(&self) -> Vec<u32> {
        let text = self.text();
        let words = text.lines().map(|line| line.split(' ').skip(1).take(2));
        // `server <pid> …`, `worker <id> <pid> …`
        let mut pids = words
            .filter_map(|words| words.last()?.parse().ok())
            .collect::<Vec<_>>();
        let servers = text.lines().filter_map(|line| line.strip_prefix("server "));
        pids.extend(servers.filter_map(|line| line.split(' ').next()?.parse::<u32>().ok()));
        pids.retain(|pid| *pid != self.pid());
        pids
    }

    pub(crate) fn wait_for_workers(&self, count: usize) -> Vec<Introduced> {
        self.wait("workers", || {
            let workers = self.workers();
            (workers.len() >= count).then_some(workers)
        })
    }

    /// Waits until a line contains `part`, and returns the rest of that line.
    pub(crate) fn wait_for(&self, part: &str) -> String {
        self.wait(part, || {
            let text = self.text();
            let line = text
                .lines()
                .find_map(|line| Some(line.split_once(part)?.1.to_owned()));
            line.filter(|_| text.ends_with('\n'))
        })
    }

    pub(crate) fn count(&self, part: &str) -> usize {
        self.text()
            .lines()
            .filter(|line| line.contains(part))
            .count()
    }

    pub(crate) fn wait_for_count(&self, part: &str, count: usize) {
        self.wait(part, || (self.count(part) >= count).then_some(()));
    }

    /// Waits until `look` finds something.
    pub(crate) fn wait<T>(&self, what: &str, look: impl Fn() -> Option<T>) -> T {
        let start = Instant::now();
        loop {
            if let Some(found) = look() {
                return found;
            }
            assert!(
                start.elapsed() < SOON,
                "waited for {what:?} in vain:\n{}",
                self.text()
            );
            sleep(Duration::from_micros(200));
        }
    }

    /// Waits until the process this driver started has ended by itself.
    pub(crate) fn ends(&mut self) -> ExitStatus {
        let start = Instant::now();
        loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                return status;
            }
            assert!(start.elapsed() < SOON, "it did not end:\n{}", self.text());
            sleep(Duration::from_millis(2));
        }
    }

    /// Returns the writing end of the standard input, if it is a pipe.
    pub(crate) fn input(&mut self) -> ChildStdin {
        self.process.stdin.take().unwrap()
    }

    /// Kills the process this driver started, and nothing else.
    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let family = proc::descendants(self.pid());
        // Fails only if it has ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
        for pid in family {
            send_if_there(pid, Signal::SIGKILL);
        }
        // What workers started is nobody's descendant when the topmost process was killed.
        for pid in self.sleeps() {
            if proc::is_sleep(pid) {
                send_if_there(pid, Signal::SIGKILL);
            }
        }
    }
}

/// Waits until none of these processes runs, at most this long.
pub(crate) fn assert_gone_within(pids: &[u32], limit: Duration) -> Duration {
    let start = Instant::now();
    loop {
        let left = pids
            .iter()
            .copied()
            .filter(|pid| proc::runs(*pid))
            .collect::<Vec<_>>();
        if left.is_empty() {
            return start.elapsed();
        }
        assert!(start.elapsed() < limit, "{left:?} survived for {limit:?}");
        sleep(Duration::from_millis(1));
    }
}

pub(crate) fn send(pid: u32, signal: Signal) {
    kill(Pid::from_raw(pid.cast_signed()), signal).unwrap();
}

pub(crate) fn send_if_there(pid: u32, signal: Signal) {
    let _ = kill(Pid::from_raw(pid.cast_signed()), signal);
}

/// Opens the output anew for appending, so that writers do not overwrite each other.
fn append(output: &NamedTempFile) -> Stdio {
    File::options()
        .append(true)
        .open(output.path())
        .unwrap()
        .into()
}
