//! Sends the lines of a log to a contender that listens. It runs in the benchmark's own process and is part of no figure.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use millrun_event::{EventTime, write};

/// What a contender takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// The forward protocol: PackedForward messages with `size`, unanswered.
    Forward,
    /// Lines, as they are.
    Lines,
}

/// How long a contender may take until it listens.
const START_MAX: Duration = Duration::from_secs(20);

/// Bytes of lines in one message.
const MESSAGE_BYTES: usize = 256 * 1024;

/// One time for all entries.
const TIME: EventTime = EventTime::new(1_795_000_000, 0);

/// Connects to `port` as soon as somebody listens there, and sends the whole log.
pub(crate) fn feed(log: &Path, port: u16, dialect: Dialect) -> Result<TcpStream> {
    let mut stream = connect(port)?;
    let mut file = File::open(log)?;
    let mut block = vec![0; MESSAGE_BYTES];
    let mut begun = 0;
    let (mut entries, mut message) = (Vec::new(), Vec::new());
    loop {
        let read = file.read(block.get_mut(begun..).unwrap_or_default())?;
        if read == 0 {
            return Ok(stream);
        }
        let filled = begun + read;
        let bytes = block.get(..filled).unwrap_or_default();
        let end = memchr::memrchr(b'\n', bytes).map_or(0, |last| last + 1);
        let lines = bytes.get(..end).unwrap_or_default();
        match dialect {
            Dialect::Lines => stream.write_all(lines)?,
            Dialect::Forward => {
                entries.clear();
                let count = frame(lines, &mut entries);
                message.clear();
                write::array(&mut message, 3);
                write::str(&mut message, b"bench");
                write::bin(&mut message, &entries);
                write::map(&mut message, 1);
                write::str(&mut message, b"size");
                write::uint(&mut message, count);
                stream.write_all(&message)?;
            }
        }
        block.copy_within(end..filled, 0);
        begun = filled - end;
    }
}

fn connect(port: u16) -> Result<TcpStream> {
    let deadline = Instant::now() + START_MAX;
    loop {
        match TcpStream::connect((Ipv4Addr::LOCALHOST, port)) {
            Ok(stream) => return Ok(stream),
            Err(error) if Instant::now() > deadline => {
                return Err(error).context("the contender does not listen");
            }
            Err(_) => thread::sleep(Duration::from_millis(5)),
        }
    }
}

/// Appends an entry `{"message": line}` for each line; tells how many.
pub(crate) fn frame(lines: &[u8], out: &mut Vec<u8>) -> u64 {
    let mut head = vec![0x92];
    write::time(&mut head, TIME);
    write::map(&mut head, 1);
    write::str(&mut head, b"message");
    head.extend_from_slice(&[0xda, 0, 0]);
    let (mut start, mut count) = (0, 0);
    for end in memchr::memchr_iter(b'\n', lines) {
        let line = lines.get(start..end).unwrap_or_default();
        if let [.., high, low] = &mut *head {
            // Lines of this benchmark are short.
            [*high, *low] = (line.len() as u16).to_be_bytes();
        }
        out.extend_from_slice(&head);
        out.extend_from_slice(line);
        start = end + 1;
        count += 1;
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;
    use millrun_event::{Entries, count_entries};

    #[test]
    fn each_line_is_one_entry() {
        let mut out = Vec::new();
        assert_eq!(frame(b"one\ntwo\n", &mut out), 2);
        assert_eq!(count_entries(&out), Ok(2));
        let messages: Vec<_> = Entries::new(&out)
            .map(|entry| {
                entry
                    .unwrap()
                    .record()
                    .field(b"message")
                    .unwrap()
                    .text()
                    .unwrap()
                    .to_vec()
            })
            .collect();
        assert_eq!(messages, [b"one".to_vec(), b"two".to_vec()]);
    }
}
