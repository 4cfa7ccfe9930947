//! What arrived.

use std::fs;
use std::path::Path;

use anyhow::Result;

use crate::mill::delivered;
use crate::writer::{DIGITS, LINE_BYTES};

/// How often each line arrived, in sum.
pub(crate) struct Count {
    pub(crate) missing: u64,
    pub(crate) doubled: u64,
    /// Lines that nobody wrote.
    pub(crate) foreign: u64,
    /// The first numbers of each kind, to look for.
    pub(crate) examples: Vec<u64>,
}

/// How many examples are kept.
const EXAMPLES_MAX: usize = 10;

impl Count {
    pub(crate) fn of(directory: &Path, prefix: &str, lines: u64) -> Result<Self> {
        let mut times = vec![0u8; usize::try_from(lines)?];
        let mut foreign = 0;
        for path in delivered(directory, prefix)? {
            let bytes = fs::read(path)?;
            for line in bytes.split_inclusive(|byte| *byte == b'\n') {
                let number = line.get(..DIGITS).filter(|_| line.len() == LINE_BYTES);
                let number = number.and_then(|digits| std::str::from_utf8(digits).ok());
                let number = number.and_then(|digits| digits.parse::<usize>().ok());
                match number.and_then(|number| times.get_mut(number)) {
                    Some(times) => *times = times.saturating_add(1),
                    None => foreign += 1,
                }
            }
        }
        let wrong = (0..).zip(&times).filter(|(_, times)| **times != 1);
        Ok(Self {
            missing: times.iter().filter(|times| **times == 0).count() as u64,
            doubled: times.iter().filter(|times| **times > 1).count() as u64,
            foreign,
            examples: wrong.map(|(number, _)| number).take(EXAMPLES_MAX).collect(),
        })
    }

    pub(crate) fn is_perfect(&self) -> bool {
        self.missing + self.doubled + self.foreign == 0
    }
}
