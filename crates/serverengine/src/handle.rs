//! Steering a server from another process: by signals, through a descriptor that can never mean another
//! process.

use std::fs::File;
use std::fs::TryLockError;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::Signal as NixSignal;

use crate::signals::{Meaning, SignalMeanings};
use crate::sys::{self, PidFd};

/// A server that runs in another process.
///
/// ```no_run
/// use serverengine::DaemonHandle;
///
/// # fn main() -> std::io::Result<()> {
/// let daemon = DaemonHandle::from_pid_file("/run/app.pid")?;
/// daemon.restart(true)?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct DaemonHandle {
    process: PidFd,
    signals: SignalMeanings,
}

impl DaemonHandle {
    /// Finds the server that holds a pid file: [`Config::pid_path`](crate::Config::pid_path).
    ///
    /// # Errors
    ///
    /// There is no such file, or nobody holds it: the server does not run.
    pub fn from_pid_file(path: impl AsRef<Path>) -> io::Result<Self> {
        let path = path.as_ref();
        let failed = |text: &str| {
            io::Error::new(
                io::ErrorKind::NotFound,
                format!("{}: {text}", path.display()),
            )
        };
        let file = File::open(path)?;
        let pid = io::read_to_string(&file)?;
        let pid = pid
            .trim()
            .parse()
            .map_err(|_| failed("there is no pid in it"))?;
        let process = PidFd::open(pid);
        // Held by the process of that number, and it was when the descriptor was opened.
        match file.try_lock() {
            Ok(()) => Err(failed("nobody holds it: the server does not run")),
            Err(TryLockError::WouldBlock) => Ok(Self {
                process: process?,
                signals: SignalMeanings::default(),
            }),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Steers the server of this number.
    pub(crate) fn of_process(pid: i32, signals: SignalMeanings) -> io::Result<Self> {
        let process = PidFd::open(pid)?;
        Ok(Self { process, signals })
    }

    /// Tells what signals mean to that server, if not what they usually do.
    #[must_use]
    pub fn with_signals(mut self, signals: SignalMeanings) -> Self {
        self.signals = signals;
        self
    }

    /// Returns its number.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.pid().unsigned_abs()
    }

    /// Waits until it has ended, at most this long. Returns whether it has.
    ///
    /// # Errors
    ///
    /// Those of the system call.
    pub fn wait(&self, timeout: Duration) -> io::Result<bool> {
        let [ended] = sys::poll_readable([self.process.as_fd()], Some(timeout))?;
        Ok(ended)
    }

    /// Stops it: gracefully, or at once.
    ///
    /// # Errors
    ///
    /// It has ended, belongs to somebody else, or no signal has that meaning.
    pub fn stop(&self, graceful: bool) -> io::Result<()> {
        self.send(if graceful {
            Meaning::GracefulStop
        } else {
            Meaning::ImmediateStop
        })
    }

    /// Restarts its workers, or its server process.
    ///
    /// # Errors
    ///
    /// As for [`DaemonHandle::stop`].
    pub fn restart(&self, graceful: bool) -> io::Result<()> {
        self.send(if graceful {
            Meaning::GracefulRestart
        } else {
            Meaning::ImmediateRestart
        })
    }

    /// Makes it reload its configuration.
    ///
    /// # Errors
    ///
    /// As for [`DaemonHandle::stop`].
    pub fn reload(&self) -> io::Result<()> {
        self.send(Meaning::Reload)
    }

    /// Makes it detach: see [`Config::enable_detach`](crate::Config::enable_detach).
    ///
    /// # Errors
    ///
    /// As for [`DaemonHandle::stop`].
    pub fn detach(&self) -> io::Result<()> {
        self.send(Meaning::Detach)
    }

    /// Makes it write dumps.
    ///
    /// # Errors
    ///
    /// As for [`DaemonHandle::stop`].
    pub fn dump(&self) -> io::Result<()> {
        self.send(Meaning::Dump)
    }

    fn send(&self, meaning: Meaning) -> io::Result<()> {
        let signal = self.signals.signal(meaning).ok_or_else(|| {
            let text = format!("no signal means {meaning:?} to the server");
            io::Error::new(io::ErrorKind::Unsupported, text)
        })?;
        let signal = NixSignal::try_from(signal.number())?;
        // The kernel takes a signal for a process that has ended until somebody reaps it.
        if self.wait(Duration::ZERO)? {
            let text = format!("process {} has ended", self.pid());
            return Err(io::Error::new(io::ErrorKind::NotFound, text));
        }
        self.process.signal(signal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pid_file_that_nobody_holds_is_no_server() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let find = || DaemonHandle::from_pid_file(file.path()).map(|it| it.pid());
        let path = file.path().display();
        assert_eq!(
            find().unwrap_err().to_string(),
            format!("{path}: there is no pid in it")
        );
        std::fs::write(file.path(), format!("{}\n", std::process::id())).unwrap();
        assert_eq!(
            find().unwrap_err().to_string(),
            format!("{path}: nobody holds it: the server does not run")
        );
        let holder = File::open(file.path()).unwrap();
        holder.lock().unwrap();
        assert_eq!(find().unwrap(), std::process::id());
    }

    #[test]
    fn a_meaning_without_a_signal_is_an_error() {
        let own = i32::try_from(std::process::id()).unwrap();
        let signals = SignalMeanings {
            usr2: Meaning::Ignore,
            ..SignalMeanings::default()
        };
        let handle = DaemonHandle::of_process(own, signals).unwrap();
        assert_eq!(
            handle.reload().unwrap_err().to_string(),
            "no signal means Reload to the server"
        );
        assert!(!handle.wait(Duration::ZERO).unwrap());
    }
}
