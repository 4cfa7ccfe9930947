//! What workers say when they work: their pids, with the time at which it was heard.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::sys::stat::Mode;

/// A named pipe that is read as fast as it is written.
pub(crate) struct Announcements {
    pub(crate) path: PathBuf,
    heard: Receiver<(Instant, u32)>,
}

impl Announcements {
    pub(crate) fn listen(path: &Path) -> Result<Self> {
        nix::unistd::mkfifo(path, Mode::S_IRWXU).context("cannot make the named pipe")?;
        // Open for both, it never ends.
        let pipe = File::options().read(true).write(true).open(path)?;
        let (sender, heard) = channel();
        thread::spawn(move || {
            for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                let now = Instant::now();
                if let Ok(pid) = line.trim().parse() {
                    // Nobody listens any more when the program ends.
                    let _ = sender.send((now, pid));
                }
            }
        });
        Ok(Self {
            path: path.to_owned(),
            heard,
        })
    }

    /// Waits for so many workers. Returns when the last one was heard, and who they are; fewer if the
    /// time is up.
    pub(crate) fn wait_for(&self, count: usize, patience: Duration) -> (Instant, Vec<u32>) {
        let deadline = Instant::now() + patience;
        let (mut last, mut pids) = (Instant::now(), Vec::new());
        while pids.len() < count {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.heard.recv_timeout(left) {
                Ok((time, pid)) => {
                    last = time;
                    pids.push(pid);
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
            }
        }
        (last, pids)
    }

    /// Forgets what was heard so far.
    pub(crate) fn forget(&self) {
        while self.heard.try_recv().is_ok() {}
    }
}
