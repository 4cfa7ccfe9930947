//! The command pipe of a control process: words of whoever started it, beside the signals.
//!
//! Its end takes nothing away: the pipe is forgotten, signals go on working. What is no command is
//! answered in the log, and the next line is read as if it had not been there.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use crate::core::Event;
use crate::log::Level;
use crate::sys;
use crate::words;

use super::{Control, Role};

/// Longest line, in bytes. The longest word has 17; what is longer is no command.
const LINE_LEN_MAX: usize = 64;

/// A pipe that is read, and the line that is not complete yet.
pub(super) struct CommandPipe {
    descriptor: Arc<OwnedFd>,
    lines: Lines,
}

impl CommandPipe {
    pub(super) fn new(descriptor: Arc<OwnedFd>) -> Self {
        Self {
            descriptor,
            lines: Lines::default(),
        }
    }
}

impl AsFd for CommandPipe {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

impl<R: Role> Control<R> {
    /// Reads what is there. One read: the loop says so if there is more.
    pub(super) fn read_commands(&mut self) {
        let Some(pipe) = &mut self.commands else {
            return;
        };
        let mut buffer = [0; 1024];
        match sys::read(pipe.as_fd(), &mut buffer) {
            Ok(length) if length > 0 => {
                let bytes = buffer.get(..length).unwrap_or_default();
                for line in pipe.lines.feed(bytes) {
                    match words::command(&line) {
                        Some(command) => self.events.push_back(Event::Command(command)),
                        None => {
                            let text = format!("command pipe: {line:?} is no command: ignored");
                            self.logging.log.log(Level::Warn, &text);
                        }
                    }
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Ok(_) | Err(_) => {
                self.poller.remove(pipe.as_fd());
                self.commands = None;
                self.logging
                    .log
                    .log(Level::Info, "command pipe: closed; signals still work");
            }
        }
    }
}

/// Cuts bytes into lines.
#[derive(Default)]
struct Lines {
    partial: Vec<u8>,
}

impl Lines {
    /// Returns the lines that are complete now. What is too long is cut to the limit.
    fn feed(&mut self, bytes: &[u8]) -> Vec<String> {
        let mut lines = Vec::new();
        for byte in bytes {
            if *byte == b'\n' {
                lines.push(String::from_utf8_lossy(&self.partial).into_owned());
                self.partial.clear();
            } else if self.partial.len() < LINE_LEN_MAX {
                self.partial.push(*byte);
            }
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_whole_however_they_are_cut() {
        let text = b"RELOAD\r\nDUMP\n\nwhat\xff?\n";
        let expected = ["RELOAD\r", "DUMP", "", "what\u{fffd}?"];
        for size in 1..=text.len() {
            let mut lines = Lines::default();
            let found: Vec<_> = text
                .chunks(size)
                .flat_map(|part| lines.feed(part))
                .collect();
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn an_endless_line_takes_no_memory() {
        let mut lines = Lines::default();
        for _ in 0..100 {
            assert!(lines.feed(&[b'x'; 1000]).is_empty());
        }
        assert_eq!(lines.partial.len(), LINE_LEN_MAX);
        assert_eq!(lines.feed(b"\n"), ["x".repeat(LINE_LEN_MAX)]);
        assert_eq!(lines.feed(b"DUMP\n"), ["DUMP"]);
    }
}
