//! The writing end of a process's pipe to the logger process. Never blocks, never tears a line.
//!
//! What does not fit is kept if it is the rest of a line that was begun, and dropped and counted
//! otherwise. The count follows as a line of its own when there is room again.

use std::io::{self, Write};

/// A writer that may have to finish what it began.
#[derive(Debug)]
pub(super) struct LinePipe<W> {
    pipe: W,
    /// Rest of a line of which the beginning is in the pipe.
    rest: Vec<u8>,
    dropped: u64,
}

impl<W: Write> LinePipe<W> {
    /// `pipe` must not block.
    pub(super) fn new(pipe: W) -> Self {
        Self {
            pipe,
            rest: Vec::new(),
            dropped: 0,
        }
    }

    /// Writes a line; `explain` makes the line that says how many were dropped before it.
    ///
    /// # Errors
    ///
    /// The logger process is gone. That it is slow is no error.
    pub(super) fn write(
        &mut self,
        line: &[u8],
        explain: impl FnOnce(u64) -> String,
    ) -> io::Result<()> {
        self.finish()?;
        if self.rest.is_empty() && self.dropped > 0 {
            let text = explain(self.dropped);
            if self.begin(text.as_bytes())? {
                self.dropped = 0;
            }
        }
        if !self.rest.is_empty() || self.dropped > 0 || !self.begin(line)? {
            self.dropped += 1;
        }
        Ok(())
    }

    /// Writes what is left of the line that was begun, as far as there is room.
    fn finish(&mut self) -> io::Result<()> {
        while !self.rest.is_empty() {
            match self.pipe.write(&self.rest) {
                Ok(count) => drop(self.rest.drain(..count.min(self.rest.len()))),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Returns whether the line is in the pipe, or begun.
    fn begin(&mut self, line: &[u8]) -> io::Result<bool> {
        match self.pipe.write(line) {
            Ok(count) => {
                self.rest.extend(line.get(count..).unwrap_or_default());
                self.finish()?;
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(false),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn explain(count: u64) -> String {
        format!("{count} dropped\n")
    }

    #[test]
    fn a_full_pipe_tears_no_line_and_the_count_of_the_dropped_is_exact() {
        let (mut reader, writer) = io::pipe().unwrap();
        crate::sys::set_nonblocking(&writer).unwrap();
        let mut pipe = LinePipe::new(writer);
        let mut text = Vec::new();
        let line = |number: usize| format!("{number} {}\n", "x".repeat(3_000 + number * 7 % 4_000));
        for number in 0..2_000 {
            pipe.write(line(number).as_bytes(), explain).unwrap();
            if number % 3 == 0 {
                let mut buffer = [0; 8_000];
                let count = reader.read(&mut buffer).unwrap();
                text.extend_from_slice(&buffer[..count]);
            }
        }
        drop(pipe);
        reader.read_to_end(&mut text).unwrap();
        // The rest of the last line went with the pipe; all others are whole, in order, and accounted for.
        let text = String::from_utf8(text).unwrap();
        let (text, _) = text.rsplit_once('\n').unwrap();
        let mut next = 0;
        let mut drops = 0;
        for found in text.lines() {
            if let Some((count, _)) = found.split_once(" dropped") {
                next += count.parse::<usize>().unwrap();
                drops += 1;
            } else {
                assert_eq!(format!("{found}\n"), line(next));
                next += 1;
            }
        }
        assert!(drops > 10, "the pipe was full {drops} times");
    }

    #[test]
    fn a_reader_that_is_gone_is_an_error() {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let error = LinePipe::new(writer).write(b"x\n", explain).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    }
}
