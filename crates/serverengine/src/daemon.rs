//! Daemonizing: the launcher waits until the daemon is ready, and says so by its exit code.
//!
//! ```text
//!   launcher ─fork─► middle ─setsid, fork─► daemon: privileges, log, server …
//!      │               └ exits, reaped         │
//!      └──────────── a pipe ◄──── its pid ─────┘   its end without that: it failed
//! ```
//!
//! Until it is ready the daemon keeps the launcher's standard error, so that whoever started it sees why
//! it failed. Then all standard streams lead to /dev/null.

use std::io::{self, PipeReader, PipeWriter, Write};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use crate::sys::{self, Fork};

/// How long the launcher waits for the daemon.
const READY_MAX: Duration = Duration::from_secs(60);

/// The two returns of daemonizing.
pub(crate) enum Daemonized {
    /// In the launcher: the daemon's pid when it got ready, or why it did not.
    Launcher(Result<i32, String>),
    /// In the daemon.
    Daemon(Readiness),
}

/// What is to be said when the server is ready. Dropped before that: it failed.
#[derive(Debug)]
pub(crate) struct Readiness(PipeWriter);

impl Readiness {
    pub(crate) fn ready(mut self) {
        // A launcher that is gone needs no news.
        let _ = self.0.write_all(&std::process::id().to_le_bytes());
    }
}

pub(crate) fn daemonize() -> io::Result<Daemonized> {
    let (reader, writer) = io::pipe()?;
    match sys::fork()? {
        Fork::Parent(middle) => {
            drop(writer);
            let reaped = sys::reap_blocking(middle);
            Ok(Daemonized::Launcher(
                reaped
                    .map_err(|error| error.to_string())
                    .and_then(|_| wait(&reader)),
            ))
        }
        Fork::Child => {
            drop(reader);
            sys::new_session()?;
            match sys::fork() {
                Ok(Fork::Parent(_)) => sys::exit_now(0),
                Ok(Fork::Child) => {
                    let null = sys::open_null()?;
                    sys::put_onto(null.as_fd(), 0)?;
                    sys::put_onto(null.as_fd(), 1)?;
                    Ok(Daemonized::Daemon(Readiness(writer)))
                }
                Err(error) => Err(error),
            }
        }
    }
}

/// Lets go of the launcher's standard error.
pub(crate) fn fall_silent() {
    if let Ok(null) = sys::open_null() {
        let _ = sys::put_onto(null.as_fd(), 2);
    }
}

fn wait(reader: &PipeReader) -> Result<i32, String> {
    let end = Instant::now() + READY_MAX;
    let mut pid = [0; 4];
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let readable = sys::poll_readable([reader.as_fd()], Some(left));
        match readable.map_err(|error| error.to_string())? {
            [true] => {}
            [false] if left.is_zero() => {
                return Err(format!("the daemon was not ready within {READY_MAX:?}"));
            }
            [false] => continue,
        }
        return match sys::read(reader.as_fd(), &mut pid) {
            // So little is written as a whole.
            Ok(4) => Ok(i32::from_le_bytes(pid)),
            Ok(_) => Err("the daemon ended before it was ready".to_owned()),
            Err(error) => Err(error.to_string()),
        };
    }
}
