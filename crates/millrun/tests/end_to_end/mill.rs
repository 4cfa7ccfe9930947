//! The tests' language: a millrun with a directory and ports of its own.
//!
//! In a configuration, `$D` stands for the directory, `$P1` … `$P9` for free ports, and `$TAIL` for a source: [`TAIL`].

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::net::{TcpListener, UdpSocket};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

/// How long anything may take before a test gives up; generous, for loaded machines.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// What every worker logs when it has started its plugins.
const READY: &str = "worker is now running";

const PORTS: usize = 9;

/// The source of most tests: each line of `$D/in.log` is an event of the tag `t`.
const TAIL: &str = "\
<source>
  @type tail
  path $D/in.log
  pos_file $D/in.pos
  tag t
  read_from_head true
  <parse>
    @type none
  </parse>
</source>";

/// Where the tests' ports come from: below those the kernel gives to outgoing connections, one of
/// which could take a port between its choice and its use.
const PORTS_FROM: Range<u16> = 10_000..19_000;

/// A port that nobody listens on and no other test of this run was given.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let count = PORTS_FROM.len() as u32;
    // Runs of the tests side by side begin at different places.
    let start = std::process::id().wrapping_mul(997) % count;
    (0..count)
        .map(|_| {
            let step = u32::from(NEXT.fetch_add(1, Ordering::Relaxed));
            PORTS_FROM.start + ((start + step) % count) as u16
        })
        .find(|port| {
            let address = ("127.0.0.1", *port);
            TcpListener::bind(address).is_ok() && UdpSocket::bind(address).is_ok()
        })
        .unwrap()
}

/// A millrun that may be running.
pub(crate) struct Mill {
    directory: TempDir,
    ports: Vec<u16>,
    child: Option<Child>,
}

/// How a millrun that was run to its end ended.
pub(crate) struct Outcome {
    pub(crate) code: Option<i32>,
    /// Standard output and error, in the order written.
    pub(crate) text: String,
}

impl Mill {
    /// A supervised millrun with this configuration, ready.
    pub(crate) fn with_conf(conf: &str) -> Self {
        let mut mill = Self::idle(conf);
        mill.start();
        mill
    }

    /// The same, not started.
    pub(crate) fn idle(conf: &str) -> Self {
        let mill = Self {
            directory: TempDir::new().unwrap(),
            ports: (0..PORTS).map(|_| free_port()).collect(),
            child: None,
        };
        mill.write("f.conf", &mill.filled(conf));
        mill
    }

    /// Starts it and waits until its worker runs.
    pub(crate) fn start(&mut self) {
        let conf = self.path("f.conf").display().to_string();
        self.start_with(&["-c", &conf]);
    }

    /// Starts it in its directory with these arguments and waits until its worker runs.
    pub(crate) fn start_with(&mut self, arguments: &[&str]) {
        let ready = self.log().matches(READY).count();
        let mut child = self.spawn(arguments);
        let answer = poll(|| {
            let ended = child.try_wait().unwrap();
            let runs = self.log().matches(READY).count() > ready;
            (ended.is_some() || runs).then_some(ended)
        });
        self.child = Some(child);
        match answer {
            Some(None) => {}
            Some(Some(status)) => panic!("it ended with {status}; its log:\n{}", self.log()),
            None => panic!("it did not become ready; its log:\n{}", self.log()),
        }
    }

    /// Starts it and does not wait: its worker may never run.
    pub(crate) fn start_unready(&mut self) {
        self.start_unready_with(&[]);
    }

    /// As [`start_unready`](Self::start_unready), with these flags behind the configuration.
    pub(crate) fn start_unready_with(&mut self, flags: &[&str]) {
        let conf = self.path("f.conf").display().to_string();
        let arguments = [&["-c", &conf], flags].concat();
        self.child = Some(self.spawn(&arguments));
    }

    /// Waits until a worker runs that started since the log was empty.
    pub(crate) fn wait_until_ready(&self) {
        self.wait_for_log(READY, 1);
    }

    fn spawn(&self, arguments: &[&str]) -> Child {
        assert!(self.child.is_none(), "it is running already");
        let path = self.path("mill.log");
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .unwrap();
        self.command(arguments, log).spawn().unwrap()
    }

    /// Runs it to its end with the configuration and these further arguments.
    pub(crate) fn run(&self, arguments: &[&str]) -> Outcome {
        let conf = self.path("f.conf").display().to_string();
        self.run_bare(&[&["-c", &conf], arguments].concat())
    }

    /// Runs it to its end with these arguments only.
    pub(crate) fn run_bare(&self, arguments: &[&str]) -> Outcome {
        let path = self.path("run.log");
        let mut child = self
            .command(arguments, File::create(&path).unwrap())
            .spawn()
            .unwrap();
        let ended = poll(|| child.try_wait().unwrap());
        if ended.is_none() {
            let _ = child.kill();
            let _ = child.wait();
        }
        let text = fs::read_to_string(&path).unwrap();
        let status = ended.unwrap_or_else(|| panic!("it did not end; it said:\n{text}"));
        Outcome {
            code: status.code(),
            text: text.replace(&self.root(), "$D"),
        }
    }

    fn command(&self, arguments: &[&str], output: File) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_millrun"));
        command
            .args(arguments)
            .current_dir(self.directory.path())
            .env("TZ", "UTC")
            // Where dumps go.
            .env("XDG_RUNTIME_DIR", self.directory.path())
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output);
        command
    }

    /// Sends a signal to the process started.
    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid().cast_signed()), signal).unwrap();
    }

    /// Stops it with SIGTERM.
    pub(crate) fn stop(&mut self) -> ExitStatus {
        self.stop_by(Signal::SIGTERM)
    }

    /// Stops it with another signal that ends it.
    pub(crate) fn stop_by(&mut self, signal: Signal) -> ExitStatus {
        self.signal(signal);
        let mut child = self.child.take().unwrap();
        let ended = poll(|| child.try_wait().unwrap());
        if ended.is_none() {
            self.child = Some(child);
            panic!("it did not stop; its log:\n{}", self.log());
        }
        ended.unwrap()
    }

    /// Kills the process started; what it started must follow it by itself.
    pub(crate) fn kill9(&mut self) {
        let family = self.descendants();
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        if poll(|| family.iter().all(|pid| !alive(*pid)).then_some(())).is_none() {
            let left: Vec<_> = family.iter().filter(|pid| alive(**pid)).collect();
            panic!("processes {left:?} outlived the one that was killed");
        }
    }

    /// Kills the worker with SIGKILL; the server must replace it.
    pub(crate) fn kill9_worker(&self) {
        let ready = self.log().matches(READY).count();
        kill(Pid::from_raw(self.worker().cast_signed()), Signal::SIGKILL).unwrap();
        self.wait_for_log(READY, ready + 1);
    }

    /// The pid of the process started.
    pub(crate) fn pid(&self) -> u32 {
        self.child.as_ref().expect("it is not running").id()
    }

    /// The pid of the youngest worker, by its own log line.
    pub(crate) fn worker(&self) -> u32 {
        let log = self.log();
        let line = log
            .lines()
            .rfind(|line| line.contains("starting") && line.contains("worker="));
        let word = line
            .and_then(|line| line.split_once(" pid="))
            .expect("no worker has started")
            .1;
        word.split(' ').next().unwrap().parse().unwrap()
    }

    fn descendants(&self) -> Vec<u32> {
        let mut found = vec![self.pid()];
        let mut next = 0;
        while next < found.len() {
            found.extend(children(found[next]));
            next += 1;
        }
        found.remove(0);
        found
    }

    // === Files and ports ===

    /// The path of a file in the directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn root(&self) -> String {
        self.directory.path().display().to_string()
    }

    /// The port that `$Pn` stands for.
    pub(crate) fn port(&self, n: usize) -> u16 {
        self.ports[n - 1]
    }

    /// `text` with the source, the directory and the ports filled in.
    pub(crate) fn filled(&self, text: &str) -> String {
        let ports = self.ports.iter().enumerate();
        let text = text.replace("$TAIL", TAIL).replace("$D", &self.root());
        ports.fold(text, |text, (index, port)| {
            text.replace(&format!("$P{}", index + 1), &port.to_string())
        })
    }

    /// Creates or replaces a file.
    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Appends to a file, creating it when it is missing.
    pub(crate) fn append(&self, name: &str, text: &str) {
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.path(name))
            .unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    /// Renames a file.
    pub(crate) fn rename(&self, source: &str, target: &str) {
        fs::rename(self.path(source), self.path(target)).unwrap();
    }

    /// Everything said so far on standard output and error.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.path("mill.log")).unwrap_or_default()
    }

    /// Waits until `text` stands in the log `count` times.
    pub(crate) fn wait_for_log(&self, text: &str, count: usize) {
        self.wait_until(&format!("{count} × '{text}' in the log"), || {
            self.log().matches(text).count() >= count
        });
    }

    /// Waits until the files whose path begins with `prefix` hold `count` lines; gives the lines.
    pub(crate) fn wait_for_lines(&self, prefix: &str, count: usize) -> Vec<String> {
        self.wait_until(&format!("{count} lines in {prefix}*"), || {
            self.lines(prefix).len() >= count
        });
        self.lines(prefix)
    }

    /// The complete lines of all files whose path begins with `prefix`, file by file.
    pub(crate) fn lines(&self, prefix: &str) -> Vec<String> {
        let paths = self.files(prefix);
        let read = |path: &PathBuf| fs::read(path).unwrap_or_default();
        let bytes: Vec<u8> = paths.iter().flat_map(read).collect();
        let text = String::from_utf8_lossy(&bytes);
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        whole.lines().map(str::to_owned).collect()
    }

    /// The files whose path begins with `prefix`.
    pub(crate) fn files(&self, prefix: &str) -> Vec<PathBuf> {
        let prefix = self.path(prefix);
        let mut paths = files_below(prefix.parent().unwrap());
        paths.retain(|path| path.to_str().unwrap().starts_with(prefix.to_str().unwrap()));
        paths.sort();
        paths
    }

    /// Waits until something is true; says what was awaited, and the log, when it never is.
    pub(crate) fn wait_until(&self, what: &str, condition: impl Fn() -> bool) {
        if poll(|| condition().then_some(())).is_none() {
            panic!("no {what} within {DEADLINE:?}; the log:\n{}", self.log());
        }
    }
}

impl Drop for Mill {
    fn drop(&mut self) {
        if self.child.is_none() {
            return;
        }
        let family = self.descendants();
        let mut child = self.child.take().unwrap();
        let _ = child.kill();
        let _ = child.wait();
        // By now they should be dead; a failing test must not leave them behind all the same.
        for pid in family.into_iter().filter(|pid| alive(*pid)) {
            let _ = kill(Pid::from_raw(pid.cast_signed()), Signal::SIGKILL);
        }
    }
}

/// Asks until there is an answer or [`DEADLINE`] has passed.
pub(crate) fn poll<T>(mut question: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + DEADLINE;
    loop {
        let answer = question();
        if answer.is_some() || Instant::now() > deadline {
            return answer;
        }
        thread::sleep(Duration::from_millis(10));
    }
}

/// Whether a process exists and is not merely waiting to be reaped.
fn alive(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ")
        .is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

/// The pids of a process's children.
fn children(parent: u32) -> Vec<u32> {
    let is_child = |pid: &u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let fields = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
        fields.split(' ').nth(1) == Some(&parent.to_string())
    };
    let entries = fs::read_dir("/proc").unwrap().flatten();
    entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(is_child)
        .collect()
}

fn files_below(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(directory) else {
        return Vec::new();
    };
    let paths = entries.flatten().map(|entry| entry.path());
    paths
        .flat_map(|path| {
            if path.is_dir() {
                files_below(&path)
            } else {
                vec![path]
            }
        })
        .collect()
}
