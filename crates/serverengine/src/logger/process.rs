//! The logger process: reads the pipes of all others, owns the files.
//!
//! ```text
//!   supervisor ══╗                 ┌──────────── logger process ───────────┐
//!   server ══════╬══ pipes ══════► │ reader ──► queue (8 MiB) ──► writer ──┼──► file
//!   worker … ════╝                 └────▲──────────────────────────────────┘
//!                control processes ─────┘ a socket: "here is a new pipe", "reopen"
//! ```
//!
//! It ends when the control processes have closed the socket and what is in the pipes is written; pipes
//! that somebody still holds then are given a moment, and read until they are empty. It takes no signal
//! but KILL: then the topmost process starts another one, which is given the same pipes. What was in them is
//! kept; what was in the queue is lost.

use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crate::log::Level;
use crate::sys::{self, Received};

use super::file::{LogFile, Trouble};
use super::format::{LineFormat, LocalTime, line};
use super::queue::Queue;
use super::{Destination, LoggerOptions};

/// Longest line that is kept whole.
const LINE_LEN_MAX: usize = 256 * 1024;

/// How much of one pipe is read before the others have their turn.
const READ_LEN: usize = 64 * 1024;

/// How long pipes are read when the control processes are gone.
const LAST_WORDS_MAX: Duration = Duration::from_millis(500);

/// How much longer they are read while there is something in them. The topmost process waits longer.
const LAST_WORDS_READ_MAX: Duration = Duration::from_secs(4);

/// What control processes say over the socket; see [`super::DaemonLogger`].
pub(super) const NEW_LINES: u8 = b'L';
pub(super) const NEW_CAPTURED: u8 = b'C';
pub(super) const REOPEN: u8 = b'R';

/// A pipe that is read.
struct Source {
    pipe: OwnedFd,
    /// What tells this pipe from all others.
    inode: u64,
    pid: u32,
    /// Whether it carries what was printed, rather than lines that have their format.
    captured: bool,
    partial: Vec<u8>,
}

/// Is the logger process, until all others have ended.
pub(super) fn be_logger(options: &LoggerOptions, socket: &OwnedFd) -> io::Result<()> {
    let queue = Arc::new(Queue::default());
    let writer = {
        let (queue, options) = (Arc::clone(&queue), options.clone());
        thread::Builder::new()
            .name("writer".to_owned())
            .spawn(move || write_all(&options, &queue))?
    };
    let result = read_all(options.format, socket, &queue);
    queue.close();
    let _ = writer.join();
    result
}

fn read_all(format: LineFormat, socket: &OwnedFd, queue: &Queue) -> io::Result<()> {
    let mut sources: Vec<Source> = Vec::new();
    let mut ends: Option<Instant> = None;
    let mut buffer = vec![0; READ_LEN];
    loop {
        let now = Instant::now();
        let timeout = ends.map(|end| end.saturating_duration_since(now));
        if ends.is_some_and(|end| sources.is_empty() || now >= end + LAST_WORDS_READ_MAX) {
            break;
        }
        let mut descriptors: Vec<_> = sources.iter().map(|it| it.pipe.as_fd()).collect();
        if ends.is_none() {
            descriptors.push(socket.as_fd());
        }
        let mut readable = sys::poll_many(&descriptors, timeout)?;
        // Late, what is in the pipes is still read: this process may have been kept from it.
        if timeout == Some(Duration::ZERO) && !readable.contains(&true) {
            break;
        }
        let news = ends.is_none() && readable.pop().unwrap_or(false);
        let mut ready = readable.into_iter();
        sources.retain_mut(|source| {
            !ready.next().unwrap_or(false) || source.read(&mut buffer, format, queue)
        });
        if news && !take_news(socket, &mut sources, queue)? {
            ends = Some(Instant::now() + LAST_WORDS_MAX);
        }
    }
    for source in &mut sources {
        source.end_line(format, queue);
    }
    Ok(())
}

/// Returns whether the control processes are still there.
fn take_news(socket: &OwnedFd, sources: &mut Vec<Source>, queue: &Queue) -> io::Result<bool> {
    let mut frame = [0; 16];
    loop {
        match sys::receive(socket.as_fd(), &mut frame)? {
            Received::Nothing => return Ok(true),
            Received::Closed => return Ok(false),
            Received::Frame(length, passed) => {
                match (frame.get(..length).and_then(<[u8]>::split_first), passed) {
                    (Some((&(NEW_LINES | NEW_CAPTURED), pid)), Some(pipe)) => {
                        let inode = sys::inode(&pipe)?;
                        // Announced while there was no logger, and to its successor again. Read by two,
                        // its lines would tear.
                        if sources.iter().all(|it| it.inode != inode) {
                            sources.push(Source {
                                pipe,
                                inode,
                                pid: pid.try_into().map_or(0, u32::from_le_bytes),
                                captured: frame.first() == Some(&NEW_CAPTURED),
                                partial: Vec::new(),
                            });
                        }
                    }
                    (Some((&REOPEN, _)), _) => queue.reopen(),
                    (Some(_) | None, _) => {}
                }
            }
        }
    }
}

impl Source {
    /// Returns whether there may be more.
    fn read(&mut self, buffer: &mut [u8], format: LineFormat, queue: &Queue) -> bool {
        let length = match sys::read(self.pipe.as_fd(), buffer) {
            Ok(0) => {
                self.end_line(format, queue);
                return false;
            }
            Ok(length) => length,
            Err(error) => return error.kind() == io::ErrorKind::WouldBlock,
        };
        let mut bytes = buffer.get(..length).unwrap_or_default();
        while let Some(end) = memchr(bytes) {
            let (head, tail) = bytes.split_at(end + 1);
            self.partial.extend_from_slice(head);
            self.push(format, queue);
            bytes = tail;
        }
        self.partial.extend_from_slice(bytes);
        if self.partial.len() > LINE_LEN_MAX {
            self.end_line(format, queue);
        }
        true
    }

    /// What was not ended by its writer is ended here, so that nobody's line continues it.
    fn end_line(&mut self, format: LineFormat, queue: &Queue) {
        if !self.partial.is_empty() {
            self.partial.push(b'\n');
            self.push(format, queue);
        }
    }

    fn push(&mut self, format: LineFormat, queue: &Queue) {
        let bytes = std::mem::take(&mut self.partial);
        let bytes = match (self.captured, format) {
            (false, _) | (true, LineFormat::Ruby) => bytes,
            (true, LineFormat::Json) => {
                let text = String::from_utf8_lossy(&bytes);
                let text = text.trim_end_matches('\n');
                line(format, Level::Info, text, LocalTime::now(), self.pid).into_bytes()
            }
        };
        queue.push(bytes);
    }
}

fn memchr(bytes: &[u8]) -> Option<usize> {
    bytes.iter().position(|byte| *byte == b'\n')
}

/// Writes what comes through the queue until it is closed. Errors go to standard error, once for each
/// kind in a row: there is no better place. How many lines they cost follows in the log itself.
fn write_all(options: &LoggerOptions, queue: &Queue) {
    let mut sink = Sink {
        options,
        file: None,
        said: None,
        lost: 0,
    };
    while let Some(batch) = queue.pop() {
        let time = LocalTime::now();
        if batch.reopen {
            sink.file = None;
        }
        for text in &batch.lines {
            sink.put(text, time);
        }
        if batch.dropped > 0 {
            sink.put(
                super::explain(options.format, batch.dropped).as_bytes(),
                time,
            );
        }
        let _ = io::stdout().flush();
    }
}

/// The destination, and what it costs that it fails.
struct Sink<'a> {
    options: &'a LoggerOptions,
    file: Option<LogFile>,
    /// The kind of error that was told last, while it lasts.
    said: Option<io::ErrorKind>,
    /// Lines that were not written since the last one that was.
    lost: u64,
}

impl Sink<'_> {
    fn put(&mut self, text: &[u8], time: LocalTime) {
        if self.lost > 0 {
            let text = super::explain(self.options.format, self.lost);
            if self.write(text.as_bytes(), time).is_ok() {
                self.lost = 0;
                self.said = None;
            }
        }
        match self.write(text, time) {
            Ok(()) => {}
            Err(Trouble::NotWritten(error)) => {
                self.lost += 1;
                self.complain("write", &error);
            }
            Err(Trouble::NotRotated(error)) => self.complain("rotate", &error),
        }
    }

    fn write(&mut self, bytes: &[u8], time: LocalTime) -> Result<(), Trouble> {
        match &self.options.destination {
            Destination::Stderr => io::stderr().write_all(bytes).map_err(Trouble::NotWritten),
            Destination::Stdout => io::stdout().write_all(bytes).map_err(Trouble::NotWritten),
            Destination::File(path) => {
                let file = match &mut self.file {
                    Some(file) => file,
                    none => {
                        let opened = LogFile::open(path, self.options.rotation, time);
                        none.insert(opened.map_err(Trouble::NotWritten)?)
                    }
                };
                file.append(bytes, time)
            }
        }
    }

    fn complain(&mut self, what: &str, error: &io::Error) {
        if self.said.replace(error.kind()) != Some(error.kind()) {
            let (format, pid) = (self.options.format, std::process::id());
            let text = format!(
                "cannot {what} the log {}: {error}",
                self.options.destination
            );
            let text = line(format, Level::Error, &text, LocalTime::now(), pid);
            let _ = io::stderr().write_all(text.as_bytes());
        }
    }
}
