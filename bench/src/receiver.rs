//! The neutral receiver: takes whatever is sent and looks for sequence numbers in it.
//!
//! It knows no protocol. A line travels verbatim inside every framing measured here (plain lines,
//! the forward protocol uncompressed), so its [`MARKER`] is found in the byte stream wherever it
//! stands, also across two reads. Each sequence number is one bit; a bit set twice is a doubled line.
//! Nothing is ever answered. Where a work ends in files, these are read as they grow, in the same way. It runs in the
//! benchmark's own process and is not part of any figure.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use memchr::memmem::Finder;

use crate::log_file::{MARKER, SEQUENCE_DIGITS};

/// Bytes asked for in one read.
const READ_BYTES: usize = 256 * 1024;

/// How often the waiting side looks at the counters.
const POLL: Duration = Duration::from_millis(5);

/// Without one new line for this long, a round has failed.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// A listening receiver that expects the lines `0..lines`.
pub(crate) struct Receiver {
    address: SocketAddr,
    tally: Arc<Tally>,
}

/// What has arrived so far.
struct Tally {
    seen: Vec<AtomicU64>,
    lines: u64,
    distinct: AtomicU64,
    doubled: AtomicU64,
    closed: AtomicBool,
    /// When the first byte and the last new line came.
    clock: Mutex<(Option<Instant>, Option<Instant>)>,
}

impl Receiver {
    /// Listens on a free port of the loopback.
    pub(crate) fn listen(lines: u64) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let tally = Arc::new(Tally {
            seen: (0..lines.div_ceil(64)).map(|_| AtomicU64::new(0)).collect(),
            lines,
            distinct: AtomicU64::new(0),
            doubled: AtomicU64::new(0),
            closed: AtomicBool::new(false),
            clock: Mutex::new((None, None)),
        });
        let shared = Arc::clone(&tally);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if shared.closed.load(Ordering::Relaxed) {
                    return;
                }
                let tally = Arc::clone(&shared);
                thread::spawn(move || tally.take(stream));
            }
        });
        Ok(Self { address, tally })
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// Takes what is written to files in `directory` whose names begin with `prefix`, too.
    pub(crate) fn follow(&self, directory: &Path, prefix: &'static str) {
        let (directory, tally) = (directory.to_owned(), Arc::clone(&self.tally));
        thread::spawn(move || {
            let mut known = HashSet::new();
            while !tally.closed.load(Ordering::Relaxed) {
                for entry in fs::read_dir(&directory).into_iter().flatten().flatten() {
                    let name = entry.file_name();
                    let is_wanted = name.to_string_lossy().starts_with(prefix);
                    if !is_wanted || known.contains(&name) {
                        continue;
                    }
                    let Ok(file) = File::open(entry.path()) else {
                        continue;
                    };
                    known.insert(name);
                    let tally = Arc::clone(&tally);
                    let end = Arc::clone(&tally);
                    thread::spawn(move || tally.take(Growing { file, end }));
                }
                thread::sleep(POLL);
            }
        });
    }

    /// Waits until every line has come; gives the time from the first byte to the last line.
    ///
    /// `alive` is asked while waiting and says why the sender can send no more.
    pub(crate) fn wait(&self, mut alive: impl FnMut() -> Result<()>) -> Result<Duration> {
        let tally = &self.tally;
        let mut progress = (0, Instant::now());
        loop {
            thread::sleep(POLL);
            let distinct = tally.distinct.load(Ordering::Acquire);
            if distinct == tally.lines {
                break;
            }
            if distinct != progress.0 {
                progress = (distinct, Instant::now());
            }
            alive()?;
            if progress.1.elapsed() > SILENCE_MAX {
                bail!(
                    "only {distinct} of {} lines came, and none for {} s",
                    tally.lines,
                    SILENCE_MAX.as_secs()
                );
            }
        }
        let clock = *tally
            .clock
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        match clock {
            (Some(first), Some(last)) => Ok(last.duration_since(first)),
            _ => bail!("no line was expected, so no time was taken"),
        }
    }

    /// Lines that came more than once.
    pub(crate) fn doubled(&self) -> u64 {
        self.tally.doubled.load(Ordering::Relaxed)
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.tally.closed.store(true, Ordering::Relaxed);
        // Wakes the accepting thread so that it sees the flag and gives the port back.
        let _ = TcpStream::connect(self.address);
    }
}

/// A file whose end is not the end, until the round is over.
struct Growing {
    file: File,
    end: Arc<Tally>,
}

impl Read for Growing {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        loop {
            let read = self.file.read(buffer)?;
            if read > 0 || self.end.closed.load(Ordering::Relaxed) {
                return Ok(read);
            }
            thread::sleep(POLL);
        }
    }
}

impl Tally {
    fn take(&self, mut stream: impl Read) {
        let finder = Finder::new(MARKER);
        let needed = MARKER.len() + SEQUENCE_DIGITS;
        let mut buffer = vec![0; READ_BYTES + needed];
        // Bytes at the front that were too few to tell whether a marker begins there.
        let mut kept = 0;
        while let Some(space) = buffer.get_mut(kept..) {
            let Ok(read @ 1..) = stream.read(space) else {
                return;
            };
            self.stamp(|clock| clock.0.get_or_insert_with(Instant::now));
            let end = kept + read;
            let Some(bytes) = buffer.get(..end) else {
                return;
            };
            let mut fresh = 0;
            for position in finder.find_iter(bytes) {
                let digits = bytes.get(position + MARKER.len()..position + needed);
                fresh += digits.map_or(0, |digits| self.mark(digits));
            }
            if fresh > 0 {
                // Before the count, so that who sees the last line counted sees its time too.
                self.stamp(|clock| clock.1.insert(Instant::now()));
                self.distinct.fetch_add(fresh, Ordering::AcqRel);
            }
            // A marker wholly inside the kept bytes has been counted only if its digits were
            // there as well; hence keep one byte less than a whole one.
            let keep = end.min(needed - 1);
            buffer.copy_within(end - keep..end, 0);
            kept = keep;
        }
    }

    /// Notes one sequence number; 1 if it is new.
    fn mark(&self, digits: &[u8]) -> u64 {
        let mut sequence = 0_u64;
        for digit in digits {
            if !digit.is_ascii_digit() {
                return 0;
            }
            sequence = sequence * 10 + u64::from(digit - b'0');
        }
        let Some(word) = self.seen.get((sequence / 64) as usize) else {
            return 0;
        };
        let bit = 1 << (sequence % 64);
        if word.fetch_or(bit, Ordering::Relaxed) & bit == 0 {
            return 1;
        }
        self.doubled.fetch_add(1, Ordering::Relaxed);
        0
    }

    fn stamp(&self, set: impl FnOnce(&mut (Option<Instant>, Option<Instant>)) -> &mut Instant) {
        set(&mut self
            .clock
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner));
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_line_cut_anywhere_is_counted_once_and_a_repeated_one_as_doubled() {
        let receiver = Receiver::listen(3).unwrap();
        let mut stream = TcpStream::connect(receiver.address).unwrap();
        stream.set_nodelay(true).unwrap();
        for byte in b"x?seq=000000000 y\nx?seq=000000002 y\n?seq=?seq=000000000".iter() {
            stream.write_all(&[*byte]).unwrap();
            thread::sleep(Duration::from_micros(200));
        }
        stream.write_all(b"\x01?seq=000000001").unwrap();
        receiver.wait(|| Ok(())).unwrap();
        assert_eq!(receiver.doubled(), 1);
    }
}
