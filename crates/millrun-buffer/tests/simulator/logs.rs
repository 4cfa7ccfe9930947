//! The log files: numbered lines, rotations by renaming and by truncation, numbers of files that come again.

use millrun_buffer::Random;

/// Lines of one source in a schedule.
pub(crate) const LINES: u32 = 40;

/// One content of a file.
#[derive(Clone, Debug, Default)]
pub(crate) struct LogFile {
    pub(crate) inode: u64,
    pub(crate) bytes: Vec<u8>,
    /// Everything of it is committed and delivered: its writer may throw it away.
    pub(crate) is_done: bool,
}

/// A path: what stands there, and what stood there before.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) number: usize,
    pub(crate) files: Vec<LogFile>,
    pub(crate) next_line: u32,
}

impl Source {
    pub(crate) fn new(number: usize) -> Self {
        let mut source = Self {
            number,
            files: Vec::new(),
            next_line: 0,
        };
        source.create();
        source
    }

    pub(crate) fn key(&self) -> String {
        format!("tail:/log/{}", self.number)
    }

    /// A new file takes the lowest number that is free, as real file systems do.
    fn create(&mut self) {
        let is_free = |inode: &u64| self.files.iter().all(|file| file.inode != *inode);
        let inode = (10..).find(is_free).unwrap();
        self.files.push(LogFile {
            inode,
            ..LogFile::default()
        });
    }

    pub(crate) fn current(&mut self) -> &mut LogFile {
        self.files.last_mut().unwrap()
    }

    /// Writes some lines.
    pub(crate) fn write(&mut self, random: &mut Random) {
        for _ in 0..=random.below(5) {
            if self.next_line < LINES {
                let line = line(self.number, self.next_line);
                self.next_line += 1;
                let file = self.current();
                file.is_done = false;
                file.bytes.extend_from_slice(&line);
            }
        }
    }

    /// Renames the file away and begins another one.
    pub(crate) fn rename(&mut self) {
        if self.current().bytes.is_empty() || self.files.len() > 3 {
            return;
        }
        self.create();
    }

    /// Truncates the file, if everything was read: the writer is paused around it.
    pub(crate) fn truncate(&mut self) {
        let file = self.current();
        if file.is_done {
            file.bytes.clear();
        }
    }

    /// Removes files that were renamed away and read.
    pub(crate) fn remove_old(&mut self) {
        let current = self.current().inode;
        self.files
            .retain(|file| file.inode == current || !file.is_done);
    }
}

/// A line of a number, whose length follows from it.
pub(crate) fn line(source: usize, number: u32) -> Vec<u8> {
    let padding = "x".repeat((number % 7) as usize);
    format!("{source}:{number}:{padding}\n").into_bytes()
}

/// The source and number of a whole line.
pub(crate) fn parse(line: &[u8]) -> Option<(usize, u32)> {
    let text = std::str::from_utf8(line).ok()?.strip_suffix('\n')?;
    let mut parts = text.split(':');
    let source = parts.next()?.parse().ok()?;
    let number: u32 = parts.next()?.parse().ok()?;
    (parts.next()?.len() == (number % 7) as usize).then_some((source, number))
}
