//! One turn of one contender: starts, restarts, kills, and a look at it when it has nothing to do.

use std::collections::HashSet;
use std::process::Child;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::announcements::Announcements;
use crate::arguments::Arguments;
use crate::contender::{Contender, Ground, READY};
use crate::figures::{Cost, Figures};
use crate::process_tree;

/// How long a start or a restart may take. What takes longer has no figure.
const PATIENCE: Duration = Duration::from_secs(45);

/// How long a killed worker may be missing.
const REPLACEMENT_MAX: Duration = Duration::from_secs(10);

/// How long a stop may take.
const STOP_MAX: Duration = Duration::from_secs(10);

/// What belongs to a start is over after this time.
const SETTLE: Duration = Duration::from_millis(1_500);

/// Number of workers of which one is killed at a time, and that are watched.
const KILLED_OF: usize = 4;

pub(crate) fn play(
    contender: &Contender,
    arguments: &Arguments,
    ground: &Ground,
    heard: &Announcements,
) -> Result<Figures> {
    let mut figures = Figures::default();
    for &workers in &arguments.workers {
        let (mut running, pids, took) = Running::start(contender, workers, ground, heard)?;
        figures.starts.push((workers, Some(took)));
        sleep(Duration::from_millis(300));
        let begin = Instant::now();
        running.signal(contender.restart)?;
        let (end, news) = heard.wait_for(workers, PATIENCE);
        let is_whole = news.len() == workers && news.iter().all(|pid| !pids.contains(pid));
        figures.restarts.push((
            workers,
            is_whole.then(|| end.saturating_duration_since(begin)),
        ));
        running.stop()?;
    }
    let (mut running, pids, _) = Running::start(contender, KILLED_OF, ground, heard)?;
    sleep(SETTLE);
    watch(&running, &pids, arguments.watch_for, &mut figures);
    kill_one_by_one(pids, arguments.kill_for, heard, &mut figures)?;
    running.stop()?;
    Ok(figures)
}

fn watch(running: &Running, workers: &[u32], time: Duration, figures: &mut Figures) {
    let family = process_tree::descendants(running.process.id());
    let before: Vec<u64> = family
        .iter()
        .map(|pid| process_tree::sleeps(*pid))
        .collect();
    sleep(time);
    for (pid, before) in family.iter().zip(before) {
        let slept = process_tree::sleeps(*pid).saturating_sub(before);
        let Some(pss_kib) = process_tree::pss_kib(*pid) else {
            continue;
        };
        let cost = Cost {
            pss_kib,
            wakeups_per_second: slept as f64 / time.as_secs_f64(),
        };
        if workers.contains(pid) {
            figures.workers.push(cost);
        } else {
            figures.control.push((title(*pid), cost));
        }
    }
}

fn kill_one_by_one(
    mut workers: Vec<u32>,
    time: Duration,
    heard: &Announcements,
    figures: &mut Figures,
) -> Result<()> {
    let begin = Instant::now();
    while begin.elapsed() < time {
        // The oldest, so that nobody dies young.
        let victim = workers.remove(0);
        let killed = Instant::now();
        kill(pid(victim)?, Signal::SIGKILL).context("a worker is gone")?;
        let (replaced, news) = heard.wait_for(1, REPLACEMENT_MAX);
        if news.is_empty() {
            figures.not_replaced += 1;
            return Ok(());
        }
        figures
            .replacements
            .push(replaced.saturating_duration_since(killed));
        workers.extend(news);
        sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// A contender that runs.
struct Running {
    process: Child,
}

impl Running {
    /// Starts it, and waits until all workers work.
    fn start(
        contender: &Contender,
        workers: usize,
        ground: &Ground,
        heard: &Announcements,
    ) -> Result<(Self, Vec<u32>, Duration)> {
        heard.forget();
        let mut command = contender.command(workers, ground)?;
        let begin = Instant::now();
        let process = command.env(READY, &heard.path).spawn()?;
        let running = Self { process };
        let (end, pids) = heard.wait_for(workers, PATIENCE);
        if pids.len() < workers {
            let path = ground.place_of(contender).join("stderr");
            let said = std::fs::read_to_string(path).unwrap_or_default();
            bail!("{} of {workers} workers started:\n{said}", pids.len());
        }
        Ok((running, pids, end.saturating_duration_since(begin)))
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        Ok(kill(pid(self.process.id())?, signal)?)
    }

    /// Stops it, by force if need be.
    fn stop(&mut self) -> Result<()> {
        let family: HashSet<u32> = process_tree::descendants(self.process.id())
            .into_iter()
            .collect();
        self.signal(Signal::SIGTERM)?;
        let begin = Instant::now();
        while self.process.try_wait()?.is_none() {
            if begin.elapsed() > STOP_MAX {
                self.process.kill()?;
            }
            sleep(Duration::from_millis(5));
        }
        for member in family {
            // Fails for those that have ended, as they should.
            let _ = kill(pid(member)?, Signal::SIGKILL);
        }
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if matches!(self.process.try_wait(), Ok(None)) {
            // An error is on its way; nothing may be left of the contender all the same.
            let _ = self.stop();
        }
    }
}

fn pid(pid: u32) -> Result<Pid> {
    Ok(Pid::from_raw(i32::try_from(pid)?))
}

/// What `ps` shows as the command line of a process.
fn title(pid: u32) -> String {
    let bytes = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes).replace('\0', " ");
    let comm = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    match comm.trim() {
        // It keeps the command line of the process that started it.
        "logger" => "engine logger".to_owned(),
        _ => text.trim().to_owned(),
    }
}
