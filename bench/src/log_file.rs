//! The logs that the contenders read.
//!
//! ```text
//! 203.0.113.77 - - [21/Nov/2026:10:00:00 +0000] "GET /item?seq=000000042&… HTTP/1.1" 200 4711 "-" "Mozilla/5.0 …"⏎
//! {"time":"2026-11-21T10:00:00Z","level":"info","path":"/item?seq=000000042&…","status":200,"bytes":4711,"agent":"Mozilla/5.0 …"}⏎
//! ```
//!
//! Every line has exactly [`LINE_BYTES`] bytes with its line feed and holds its sequence number
//! behind [`MARKER`], which occurs nowhere else. Everything else comes from a seeded generator, so
//! that the same arguments give the same bytes on every machine.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// Bytes of one line, line feed included.
pub(crate) const LINE_BYTES: usize = 208;

/// What stands before a line's sequence number.
pub(crate) const MARKER: &[u8] = b"?seq=";

/// Digits of a sequence number.
pub(crate) const SEQUENCE_DIGITS: usize = 9;

const AGENTS: [&str; 3] = [
    "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/126.0.0.0",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 14_5) Version/17.5 Safari/605.1.15",
];

/// What a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Text {
    /// As nginx writes it.
    Access,
    /// One JSON object.
    Json,
}

/// A generated log file.
#[derive(Debug)]
pub(crate) struct LogFile {
    pub(crate) path: PathBuf,
    pub(crate) lines: u64,
}

impl LogFile {
    /// Writes `lines` lines to `path` and waits until the disk has them, so that no write-back
    /// disturbs the rounds.
    pub(crate) fn generate(path: &Path, text: Text, lines: u64, seed: u64) -> Result<Self> {
        let context = || format!("cannot write {}", path.display());
        let mut file = BufWriter::with_capacity(1 << 20, File::create(path).with_context(context)?);
        let mut random = Random(seed);
        let mut line = Vec::with_capacity(LINE_BYTES);
        for sequence in 0..lines {
            line.clear();
            write_line(&mut line, text, sequence, &mut random)?;
            file.write_all(&line).with_context(context)?;
        }
        let file = file
            .into_inner()
            .map_err(std::io::IntoInnerError::into_error)?;
        file.sync_all().with_context(context)?;
        Ok(Self {
            path: path.to_path_buf(),
            lines,
        })
    }
}

fn write_line(line: &mut Vec<u8>, text: Text, sequence: u64, random: &mut Random) -> Result<()> {
    let second = sequence / 1000 % 86_400;
    let (hours, minutes, seconds) = (second / 3600, second / 60 % 60, second % 60);
    let path = format!("/item?seq={sequence:0width$}&id=", width = SEQUENCE_DIGITS);
    let client = random.below(254) + 1;
    let agent = AGENTS
        .get(random.below(AGENTS.len() as u64) as usize)
        .copied()
        .unwrap_or_default();
    let status = if random.below(20) == 0 { 404 } else { 200 };
    let bytes = random.below(90_000) + 10_000;
    let tail = match text {
        Text::Access => {
            write!(
                line,
                "203.0.113.{client} - - [21/Nov/2026:{hours:02}:{minutes:02}:{seconds:02} +0000] \"GET {path}",
            )?;
            format!(" HTTP/1.1\" {status} {bytes} \"-\" \"{agent}\"\n")
        }
        Text::Json => {
            write!(
                line,
                "{{\"time\":\"2026-11-21T{hours:02}:{minutes:02}:{seconds:02}Z\",\"level\":\"info\",\"path\":\"{path}",
            )?;
            format!("\",\"status\":{status},\"bytes\":{bytes},\"agent\":\"{agent}\"}}\n")
        }
    };
    while line.len() + tail.len() < LINE_BYTES {
        line.push(b'a' + random.below(26) as u8);
    }
    line.extend_from_slice(tail.as_bytes());
    Ok(())
}

/// A small generator of random numbers (xorshift64*), the same on every machine.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        // A state of zero would stay zero.
        let mut state = self.0.max(1);
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        self.0 = state;
        (state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_has_the_same_length_and_one_marker() {
        let mut random = Random(7);
        for (text, sequence) in [
            (Text::Access, 0),
            (Text::Access, 999_999_999),
            (Text::Json, 1),
            (Text::Json, 999_999_999),
        ] {
            let mut line = Vec::new();
            write_line(&mut line, text, sequence, &mut random).unwrap();
            assert_eq!(line.len(), LINE_BYTES);
            assert_eq!(memchr::memmem::find_iter(&line, MARKER).count(), 1);
            assert_eq!(line.last(), Some(&b'\n'));
            let is_json = serde_json::from_slice::<serde_json::Value>(&line).is_ok();
            assert_eq!(is_json, text == Text::Json);
        }
    }
}
