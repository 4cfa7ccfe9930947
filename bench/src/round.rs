//! One round: one contender, started, measured and stopped.

use std::fmt;
use std::fs::File;
use std::path::Path;
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::contender::Contender;
use crate::log_file::LogFile;
use crate::process_tree;
use crate::receiver::Receiver;

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

/// Runs `contender` in the empty `directory` until the receiver has every line of `log`.
pub(crate) fn run(contender: &Contender, log: &LogFile, directory: &Path) -> Result<Figures> {
    let receiver = Receiver::listen(log.lines)?;
    let output_path = directory.join("output.txt");
    let output = File::create(&output_path)?;
    let cpu_before = process_tree::cpu_of_ended_children();

    let mut child = contender
        .command(log, directory, receiver.port())?
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        .spawn()
        .with_context(|| format!("cannot start {}", contender.name))?;
    let took = receiver.wait(|| match child.try_wait()? {
        None => Ok(()),
        Some(status) => bail!("ended early with {status}; see {}", output_path.display()),
    });
    let peak_memory_kib = process_tree::peak_memory_kib(child.id());
    stop(&mut child)?;

    let lines = log.lines as f64;
    let seconds = took?.as_secs_f64();
    let cpu = process_tree::cpu_of_ended_children() - cpu_before;
    Ok(Figures {
        seconds,
        lines_per_second: lines / seconds,
        cpu_us_per_line: cpu.as_secs_f64() * 1e6 / lines,
        peak_memory_kib,
        doubled: receiver.doubled(),
    })
}

/// Asks the child to end, and kills it and what it started when it does not.
fn stop(child: &mut Child) -> Result<()> {
    let family = process_tree::descendants(child.id());
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
