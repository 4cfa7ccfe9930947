//! The seven command words of a command pipe: one per line.
//!
//! ```text
//!   GRACEFUL_STOP      IMMEDIATE_STOP       RELOAD
//!   GRACEFUL_RESTART   IMMEDIATE_RESTART    DETACH    DUMP
//! ```

use std::io::{self, Write};

use crate::core::{Command, Mode};

/// All words, each with its command.
const WORDS: [(&str, Command); 7] = [
    ("GRACEFUL_STOP", Command::Stop(Mode::Graceful)),
    ("IMMEDIATE_STOP", Command::Stop(Mode::Immediate)),
    ("GRACEFUL_RESTART", Command::Restart(Mode::Graceful)),
    ("IMMEDIATE_RESTART", Command::Restart(Mode::Immediate)),
    ("RELOAD", Command::Reload),
    ("DETACH", Command::Detach),
    ("DUMP", Command::Dump),
];

/// Returns the word of a command; `None` for what has none.
pub(crate) fn word(command: Command) -> Option<&'static str> {
    WORDS
        .iter()
        .find(|(_, one)| *one == command)
        .map(|(word, _)| *word)
}

/// Returns the command of a line. Spaces around the word do not matter.
pub(crate) fn command(line: &str) -> Option<Command> {
    WORDS
        .iter()
        .find(|(word, _)| *word == line.trim())
        .map(|(_, command)| *command)
}

/// Writing end of a command pipe. Never blocks.
#[derive(Debug)]
pub(crate) struct WordPipe(Option<io::PipeWriter>);

impl WordPipe {
    /// Makes a pipe; the reading end is for the one who obeys.
    pub(crate) fn pair() -> io::Result<(io::PipeReader, Self)> {
        let (reader, writer) = io::pipe()?;
        crate::sys::set_nonblocking(&writer)?;
        Ok((reader, Self(Some(writer))))
    }

    /// Writes the word of a command. A stop closes the pipe.
    ///
    /// # Errors
    ///
    /// The reader is gone or does not read, the pipe was closed, or the command has no word.
    pub(crate) fn send(&mut self, command: Command) -> io::Result<()> {
        let word = word(command).ok_or(io::ErrorKind::Unsupported)?;
        let writer = self.0.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        // Shorter than PIPE_BUF: all of it or nothing.
        let written = writer.write_all(format!("{word}\n").as_bytes());
        if matches!(command, Command::Stop(_)) {
            self.0 = None;
        }
        written
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn every_word_has_a_command_and_back() {
        for (text, meant) in WORDS {
            assert_eq!(command(text), Some(meant));
            assert_eq!(command(&format!(" {text}\r\n")), Some(meant));
            assert_eq!(word(meant), Some(text));
        }
        assert_eq!(command("GRACEFUL"), None);
        assert_eq!(command(""), None);
        assert_eq!(word(Command::Forward(10)), None);
    }

    #[test]
    fn a_stop_closes_the_pipe_and_a_full_pipe_is_an_error() {
        let (mut reader, mut pipe) = WordPipe::pair().unwrap();
        pipe.send(Command::Reload).unwrap();
        pipe.send(Command::Stop(Mode::Graceful)).unwrap();
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(text, "RELOAD\nGRACEFUL_STOP\n");
        let error = pipe.send(Command::Dump).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);

        let (_reader, mut pipe) = WordPipe::pair().unwrap();
        let full = std::iter::repeat_with(|| pipe.send(Command::Dump)).find_map(Result::err);
        assert_eq!(full.unwrap().kind(), io::ErrorKind::WouldBlock);
    }
}
