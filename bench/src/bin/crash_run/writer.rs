//! The program whose log is collected.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};

use crate::arguments::{Arguments, Rotation};

/// Length of a line in bytes, with its end.
pub(crate) const LINE_BYTES: usize = 100;

/// Digits of the number at its beginning.
pub(crate) const DIGITS: usize = 10;

/// Time between two writes.
const TICK: Duration = Duration::from_millis(5);

/// Lines in one file.
const LINES_PER_FILE: u64 = 300_000;

/// How long the writer is quiet after a truncation.
const QUIET: Duration = Duration::from_secs(2);

/// A thread that writes numbered lines.
pub(crate) struct Writer {
    enough: Arc<AtomicBool>,
    written: Arc<AtomicU64>,
    thread: JoinHandle<Result<()>>,
}

impl Writer {
    pub(crate) fn start(directory: &Path, arguments: &Arguments) -> Self {
        let enough = Arc::new(AtomicBool::new(false));
        let written = Arc::new(AtomicU64::new(0));
        let log = Log {
            directory: directory.to_owned(),
            arguments: arguments.clone(),
            enough: Arc::clone(&enough),
            written: Arc::clone(&written),
        };
        Self {
            enough,
            written,
            thread: thread::spawn(move || log.write()),
        }
    }

    /// Lines written so far.
    pub(crate) fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// Ends when as many lines as asked for are written; says how many there are.
    pub(crate) fn end(self) -> Result<u64> {
        self.enough.store(true, Ordering::Relaxed);
        let ended = self.thread.join();
        ended.map_err(|_| anyhow!("the writer's thread panicked"))??;
        Ok(self.written.load(Ordering::Relaxed))
    }
}

struct Log {
    directory: PathBuf,
    arguments: Arguments,
    enough: Arc<AtomicBool>,
    written: Arc<AtomicU64>,
}

impl Log {
    fn write(&self) -> Result<()> {
        let path = self.directory.join("in.log");
        let open = || File::options().create(true).append(true).open(&path);
        let (mut file, mut next, mut files) = (open()?, 0, 0);
        let mut due = Instant::now();
        let lines_per_tick = (self.arguments.rate as f64 * TICK.as_secs_f64()).ceil() as u64;
        while next < self.arguments.lines || !self.enough.load(Ordering::Relaxed) {
            let mut burst = Vec::new();
            for number in next..next + lines_per_tick {
                let width = LINE_BYTES - DIGITS - 2;
                writeln!(burst, "{number:0DIGITS$} {:x<width$}", "")?;
            }
            file.write_all(&burst)?;
            next += lines_per_tick;
            self.written.store(next, Ordering::Relaxed);
            if next / LINES_PER_FILE > files {
                files += 1;
                match self.arguments.rotation {
                    Rotation::Rename => {
                        fs::rename(&path, self.directory.join(format!("in.log.{files}")))?;
                        file = open()?;
                    }
                    Rotation::Copytruncate => self.copy_and_truncate(&path, &file, files)?,
                }
                due = Instant::now();
            }
            due += TICK;
            thread::sleep(due.saturating_duration_since(Instant::now()));
        }
        Ok(())
    }

    fn copy_and_truncate(&self, path: &Path, file: &File, number: u64) -> Result<()> {
        let length = file.metadata()?.len();
        while self.position() != Some(length) {
            thread::sleep(TICK);
        }
        fs::copy(path, self.directory.join(format!("copy.{number}")))?;
        file.set_len(0)?;
        thread::sleep(QUIET);
        Ok(())
    }

    /// How far the agent has read, by its position file.
    fn position(&self) -> Option<u64> {
        let text = fs::read_to_string(self.directory.join("agent/in.pos")).ok()?;
        let line = text.lines().find(|line| line.contains("in.log\t"))?;
        u64::from_str_radix(line.split('\t').nth(1)?, 16).ok()
    }
}
