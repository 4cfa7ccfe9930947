//! `DaemonLogger`: one log of all processes, written by a process of its own.
//!
//! A message becomes a line in the process that has something to say, and goes through that process's
//! pipe to the logger process, which owns the file and its rotation (see `process`). So lines never
//! tear, rotation has one owner, and a disk that stalls stalls nobody: what does not fit is dropped and
//! counted, in the pipe of the one who says too much (`pipe`) or in the queue before the disk (`queue`).
//!
//! ```text
//!   descriptor               held by
//!   socket, sending end      control processes: to announce pipes; its end is the logger's end
//!   socket, reading end      the topmost process and the logger: a new logger goes on with it
//!   pipe, writing end        the process that logs
//!   pipe, reading end        that process's parent and the logger: a new logger gets it from the parent
//! ```
//!
//! The level is in memory that all processes share: a change is seen by the next message of each.

mod file;
mod format;
mod options;
mod pipe;
mod process;
mod queue;
mod rotation;

use std::io::{self, PipeWriter, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::log::{Level, Log};
use crate::signals::TAKEN;
use crate::sys::{self, Fork, PidFd, SharedPage};

use pipe::LinePipe;

pub use format::LineFormat;
pub(crate) use format::{LocalTime, line, moment};
pub use options::{Destination, LoggerOptions};
pub use rotation::{Period, Rotation};

/// How long the logger process may take to write the last lines, when the server has ended.
const FINISH_MAX: Duration = Duration::from_secs(5);

/// How long a full socket to the logger process is waited for.
const ANNOUNCE_MAX: Duration = Duration::from_millis(50);

/// Where in the shared memory the level is.
const LEVEL_WORD: usize = 0;

/// A log that all processes of a server write, for the application as well as for the engine.
///
/// ```
/// use std::sync::Arc;
///
/// use serverengine::{Config, DaemonLogger, Destination, Level, LoggerOptions};
///
/// # fn main() -> std::io::Result<()> {
/// let logger = Arc::new(DaemonLogger::new(LoggerOptions {
///     destination: Destination::File("/var/log/app.log".into()),
///     level: Level::Info,
///     ..LoggerOptions::default()
/// })?);
/// let config = Config { logger: Some(Arc::clone(&logger)), ..Config::default() };
/// logger.debug("below the level: not written");
/// # let _ = config;
/// # Ok(())
/// # }
/// ```
///
/// Put it into [`Config::logger`](crate::Config::logger); hooks and workers use the same value, shared.
/// Until the server runs, and after it, lines go to standard error.
#[derive(Debug)]
pub struct DaemonLogger {
    options: LoggerOptions,
    level: SharedPage,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    lines: Option<LinePipe<PipeWriter>>,
    /// To the logger process; control processes only.
    socket: Option<OwnedFd>,
    /// The topmost process only: the logger's end, for its successor.
    logger_end: Option<OwnedFd>,
    /// The topmost process only: the logger.
    process: Option<PidFd>,
    /// Whether standard error is captured.
    captured: bool,
    /// Where standard output and error went before they were captured.
    streams: Option<[OwnedFd; 2]>,
    /// The reading ends of this process's own pipes, if no parent holds them.
    own: Option<PipeEnds>,
}

/// What a process is born with to log through.
#[derive(Debug)]
pub(crate) struct Voice {
    lines: PipeWriter,
    captured: PipeWriter,
}

/// The reading ends of a process's pipes, kept for a successor of the logger process.
#[derive(Debug)]
pub(crate) struct PipeEnds {
    lines: OwnedFd,
    captured: OwnedFd,
}

impl DaemonLogger {
    /// Makes a logger; nothing is opened or started yet.
    ///
    /// # Errors
    ///
    /// There is no memory to share.
    pub fn new(options: LoggerOptions) -> io::Result<Self> {
        let level = SharedPage::new()?;
        level.store(LEVEL_WORD, options.level as u64);
        Ok(Self {
            options,
            level,
            state: Mutex::default(),
        })
    }

    /// Returns the level below which nothing is logged.
    #[must_use]
    pub fn level(&self) -> Level {
        Level::from_number(self.level.load(LEVEL_WORD))
    }

    /// Changes the level, in all processes of the server at once.
    pub fn set_level(&self, level: Level) {
        self.level.store(LEVEL_WORD, level as u64);
    }

    /// Returns whether messages of this level are logged.
    #[must_use]
    pub fn is_enabled(&self, level: Level) -> bool {
        level >= self.level()
    }

    /// Logs a message of level TRACE.
    pub fn trace(&self, message: &str) {
        self.log(Level::Trace, message);
    }

    /// Logs a message of level DEBUG.
    pub fn debug(&self, message: &str) {
        self.log(Level::Debug, message);
    }

    /// Logs a message of level INFO.
    pub fn info(&self, message: &str) {
        self.log(Level::Info, message);
    }

    /// Logs a message of level WARN.
    pub fn warn(&self, message: &str) {
        self.log(Level::Warn, message);
    }

    /// Logs a message of level ERROR.
    pub fn error(&self, message: &str) {
        self.log(Level::Error, message);
    }

    /// Logs a message of level FATAL.
    pub fn fatal(&self, message: &str) {
        self.log(Level::Fatal, message);
    }

    /// Starts the logger process, or another one after the last has died. For the topmost process.
    /// `silent`: without its standard error.
    pub(crate) fn start(&self, silent: bool) -> io::Result<i32> {
        let mut state = self.lock();
        if state.logger_end.is_none() {
            let (socket, logger_end) = sys::seqpacket_pair()?;
            state.socket = Some(socket);
            state.logger_end = Some(logger_end);
        }
        match sys::fork()? {
            Fork::Parent(pid) => {
                state.process = Some(PidFd::open(pid)?);
                if let Some(own) = state.own.take() {
                    announce(&state, &own, std::process::id())?;
                    state.own = Some(own);
                }
                Ok(pid)
            }
            Fork::Child => {
                if silent {
                    crate::daemon::fall_silent();
                }
                let code = i32::from(self.be_logger(&mut state).is_err());
                sys::exit_now(code)
            }
        }
    }

    fn be_logger(&self, state: &mut State) -> io::Result<()> {
        let socket = state.logger_end.take().ok_or(io::ErrorKind::NotConnected)?;
        if let Some([stdout, stderr]) = state.streams.take() {
            sys::put_onto(stdout.as_fd(), 1)?;
            sys::put_onto(stderr.as_fd(), 2)?;
        }
        // Pipes and sockets of others that this process held open would never end.
        sys::close_all_but(socket.as_fd())?;
        sys::block_signals(&TAKEN)?;
        sys::own_process_group()?;
        let _ = sys::set_name("logger");
        process::be_logger(&self.options, &socket)
    }

    /// Makes the topmost process speak through pipes, too. `captures`: also with what it prints.
    pub(crate) fn speak(&self, captures: bool) -> io::Result<()> {
        let (voice, ends) = Self::new_voice()?;
        self.announce(&ends, std::process::id())?;
        if captures {
            let stdout = io::stdout().as_fd().try_clone_to_owned()?;
            let stderr = io::stderr().as_fd().try_clone_to_owned()?;
            let mut state = self.lock();
            state.streams = Some([stdout, stderr]);
            self.capture(&mut state, &voice.captured)?;
        }
        let mut state = self.lock();
        state.lines = Some(LinePipe::new(voice.lines));
        state.own = Some(ends);
        Ok(())
    }

    /// Returns a descriptor that is readable when the logger process has died.
    pub(crate) fn exit_descriptor(&self) -> io::Result<OwnedFd> {
        let state = self.lock();
        let process = state.process.as_ref().ok_or(io::ErrorKind::NotFound)?;
        process.as_fd().try_clone_to_owned()
    }

    /// Reaps the logger process if it has died. Says how it did, as far as that is known.
    pub(crate) fn reap(&self) -> Option<String> {
        let mut state = self.lock();
        let ended = match state.process.as_ref()?.reap() {
            Ok(None) => return None,
            Ok(Some(reason)) => reason.to_string(),
            Err(_) => "unknown status".to_owned(),
        };
        state.process = None;
        Some(ended)
    }

    /// Makes the pipes of a process. They are to be announced when it has a pid.
    pub(crate) fn new_voice() -> io::Result<(Voice, PipeEnds)> {
        let (line_end, lines) = io::pipe()?;
        let (captured_end, captured) = io::pipe()?;
        sys::set_nonblocking(&lines)?;
        let ends = PipeEnds {
            lines: line_end.into(),
            captured: captured_end.into(),
        };
        Ok((Voice { lines, captured }, ends))
    }

    /// Tells the logger process of the pipes of a process.
    pub(crate) fn announce(&self, ends: &PipeEnds, pid: u32) -> io::Result<()> {
        announce(&self.lock(), ends, pid)
    }

    /// Makes this process, which was just forked, speak with a voice of its own. `controls`: whether it
    /// will have children.
    pub(crate) fn take_voice(&self, voice: Voice, controls: bool) -> io::Result<()> {
        let mut state = self.lock();
        state.lines = Some(LinePipe::new(voice.lines));
        state.own = None;
        state.logger_end = None;
        state.streams = None;
        state.process = None;
        if !controls {
            state.socket = None;
        }
        self.capture(&mut state, &voice.captured)
    }

    fn capture(&self, state: &mut State, pipe: &PipeWriter) -> io::Result<()> {
        let _ = io::stdout().flush();
        if self.options.log_stdout {
            sys::put_onto(pipe.as_fd(), 1)?;
        }
        if self.options.log_stderr {
            sys::put_onto(pipe.as_fd(), 2)?;
        }
        state.captured = self.options.log_stderr;
        Ok(())
    }

    /// Gives standard output and error back, and lets the logger process end when it has written
    /// everything, or kills it when that takes too long. For the topmost process.
    pub(crate) fn finish(&self) {
        let Some(process) = self.give_up() else {
            return;
        };
        let ended = sys::poll_readable([process.as_fd()], Some(FINISH_MAX));
        if !matches!(ended, Ok([true])) {
            let _ = process.signal(Signal::SIGKILL);
            let text = "the logger process was killed: it could not write the last lines in time";
            self.log(Level::Error, text);
        }
        // It is dead, or about to be.
        let _ = sys::reap_blocking(process.pid());
    }

    /// Lets go of a standard error that was only borrowed.
    pub(crate) fn fall_silent(&self) {
        let mut state = self.lock();
        if let (Some([_, stderr]), Ok(null)) = (&mut state.streams, sys::open_null()) {
            *stderr = null;
        }
        if !state.captured {
            crate::daemon::fall_silent();
        }
    }

    /// Says whether there can be a log at the destination.
    pub(crate) fn check(&self) -> io::Result<()> {
        match &self.options.destination {
            Destination::Stderr | Destination::Stdout => Ok(()),
            Destination::File(path) => {
                let mut options = std::fs::File::options();
                let opened = options
                    .append(true)
                    .custom_flags(libc::O_NONBLOCK)
                    .open(path);
                match opened {
                    Ok(_) => Ok(()),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {
                        file::LogFile::open(path, self.options.rotation, LocalTime::now()).map(drop)
                    }
                    Err(error) => Err(error),
                }
            }
        }
    }

    /// Returns whether the log is no file.
    pub(crate) fn is_stream(&self) -> bool {
        !matches!(self.options.destination, Destination::File(_))
    }

    /// Lets the logger process live on for those who are left behind.
    pub(crate) fn leave_behind(&self) {
        self.lock().process = None;
    }

    /// Goes back to standard output and error.
    pub(crate) fn give_up(&self) -> Option<PidFd> {
        let _ = io::stdout().flush();
        let state = std::mem::take(&mut *self.lock());
        if let Some([stdout, stderr]) = state.streams {
            let _ = sys::put_onto(stdout.as_fd(), 1);
            let _ = sys::put_onto(stderr.as_fd(), 2);
        }
        state.process
    }

    // A line that was cut short by a panic is the only thing that can be half done under this lock.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Log for DaemonLogger {
    fn log(&self, level: Level, message: &str) {
        if !self.is_enabled(level) {
            return;
        }
        let format = self.options.format;
        let text = line(format, level, message, LocalTime::now(), std::process::id());
        let mut state = self.lock();
        let written = state
            .lines
            .as_mut()
            .map(|pipe| pipe.write(text.as_bytes(), |count| explain(format, count)));
        if !matches!(written, Some(Ok(()))) {
            // Nobody is left to tell when standard error cannot be written.
            let _ = io::stderr().write_all(text.as_bytes());
        }
    }

    fn reopen(&self) {
        if let Some(socket) = &self.lock().socket {
            // A logger that is about to be replaced opens the file anyway.
            let _ = sys::send(socket.as_fd(), &[process::REOPEN], None);
        }
    }
}

/// Makes the line that stands for lines that were dropped.
fn explain(format: LineFormat, dropped: u64) -> String {
    let text =
        format!("log: {dropped} lines were dropped here: the log could not be written as fast");
    line(
        format,
        Level::Warn,
        &text,
        LocalTime::now(),
        std::process::id(),
    )
}

/// Sends a pipe to the logger process. Many births at once can fill the socket before the logger process has
/// had the processor; a frozen one costs each birth no more than this.
fn send_patiently(socket: &OwnedFd, frame: &[u8], pipe: &OwnedFd) -> io::Result<()> {
    let start = Instant::now();
    loop {
        match sys::send(socket.as_fd(), frame, Some(pipe.as_fd())) {
            Err(error)
                if error.kind() == io::ErrorKind::WouldBlock && start.elapsed() < ANNOUNCE_MAX =>
            {
                std::thread::sleep(ANNOUNCE_MAX / 50);
            }
            sent => return sent,
        }
    }
}

fn announce(state: &State, ends: &PipeEnds, pid: u32) -> io::Result<()> {
    let socket = state.socket.as_ref().ok_or(io::ErrorKind::NotConnected)?;
    for (word, pipe) in [
        (process::NEW_LINES, &ends.lines),
        (process::NEW_CAPTURED, &ends.captured),
    ] {
        let mut frame = vec![word];
        frame.extend(pid.to_le_bytes());
        send_patiently(socket, &frame, pipe)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b27_trace_is_a_level_with_a_method() {
        let logger = DaemonLogger::new(LoggerOptions {
            level: Level::Trace,
            ..LoggerOptions::default()
        })
        .unwrap();
        assert!(logger.is_enabled(Level::Trace));
        logger.set_level(Level::Warn);
        logger.trace("not written");
        assert_eq!(logger.level(), Level::Warn);
        assert!(!logger.is_enabled(Level::Info));
    }
}
