//! One round: one contender, started, measured and stopped.

use std::fmt;
use std::fs::File;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::contender::{COLLECTED, Contender, Task};
use crate::feeder::feed;
use crate::log_file::LogFile;
use crate::process_tree;
use crate::receiver::Receiver;
use crate::scenario::{From, Scenario, To};

/// How long a contender may take to end after SIGTERM.
const STOP_MAX: Duration = Duration::from_secs(20);

/// What one round measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figures {
    /// From the first byte received to the last line.
    pub(crate) seconds: f64,
    pub(crate) lines_per_second: f64,
    /// User and system time of all the contender's processes, start and end included.
    pub(crate) cpu_us_per_line: f64,
    pub(crate) peak_memory_kib: u64,
    pub(crate) doubled: u64,
}

/// Runs `contender` in the empty `directory` until the receiver has every line of `log`; `None` where it cannot do the work.
pub(crate) fn run(
    contender: &Contender,
    scenario: &'static Scenario,
    log: &LogFile,
    directory: &Path,
) -> Result<Option<Figures>> {
    let receiver = Receiver::listen(log.lines)?;
    if scenario.to == To::File {
        receiver.follow(directory, COLLECTED);
    }
    let input = free_port()?;
    let task = Task {
        scenario,
        log,
        directory,
        input,
        output: receiver.port(),
    };
    let Some(mut command) = contender.command(&task)? else {
        return Ok(None);
    };
    let output_path = directory.join("output.txt");
    let output = File::create(&output_path)?;
    let cpu_before = process_tree::cpu_of_ended_children();

    let mut child = command
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        .spawn()
        .with_context(|| format!("cannot start {}", contender.name))?;
    let (path, dialect) = (log.path.clone(), contender.dialect);
    let feeder =
        (scenario.from == From::Stream).then(|| thread::spawn(move || feed(&path, input, dialect)));
    let took = receiver.wait(|| match child.try_wait()? {
        None => Ok(()),
        Some(status) => bail!("ended early with {status}; see {}", output_path.display()),
    });
    let peak_memory_kib = process_tree::peak_memory_kib(child.id());
    let family = process_tree::descendants(child.id());
    stop(&mut child, &family)?;
    if let Some(feeder) = feeder {
        // A fault of the feeder is why a round fails; where it succeeded there was none.
        let fed = feeder
            .join()
            .unwrap_or_else(|_| bail!("the feeder panicked"));
        if took.is_err() {
            fed?;
        }
    }

    let lines = log.lines as f64;
    let seconds = took?.as_secs_f64();
    let cpu = process_tree::cpu_of_ended_children() - cpu_before;
    Ok(Some(Figures {
        seconds,
        lines_per_second: lines / seconds,
        cpu_us_per_line: cpu.as_secs_f64() * 1e6 / lines,
        peak_memory_kib,
        doubled: receiver.doubled(),
    }))
}

/// A port of the loopback that nobody listens on.
fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(listener.local_addr()?.port())
}

/// Asks the child to end, and kills it and what it started when it does not.
pub(crate) fn stop(child: &mut Child, family: &[u32]) -> Result<()> {
    if child.try_wait()?.is_none() {
        kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGTERM)?;
    }
    let deadline = Instant::now() + STOP_MAX;
    while child.try_wait()?.is_none() {
        if Instant::now() > deadline {
            for pid in family {
                let _ = kill(Pid::from_raw(pid.cast_signed()), Signal::SIGKILL);
            }
            child.wait()?;
            bail!("did not end within {} s of SIGTERM", STOP_MAX.as_secs());
        }
        thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:>12.0} {:>16.3} {:>12.1} {:>9}",
            self.lines_per_second,
            self.cpu_us_per_line,
            self.peak_memory_kib as f64 / 1024.0,
            self.doubled,
        )
    }
}
