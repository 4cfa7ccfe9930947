//! How long a line takes from the write that appends it to a log until it has been received.
//!
//! A writer appends lines each millisecond, as many as the rate asks for; each holds the moment before its write. The
//! receiver looks for these in what comes and takes the time when a read has brought them. Both run in this process, so
//! there is one clock. The contender tails the log and sends each line as soon as it can.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use memchr::memmem::Finder;

use crate::arguments::{Plain, work_directory};
use crate::contender::{Contender, Task};
use crate::log_file::{LINE_BYTES, LogFile};
use crate::scenario::SCENARIOS;
use crate::{fresh, process_tree, round};

/// Printed by `--help`.
const USAGE: &str = "\
Usage: bench/latency [OPTIONS]

  --rate N       lines a second (default 100000)
  --seconds N    how long they are written (default 10)
  --rounds N     rounds; in each, every contender runs once (default 3)
  --only NAMES   contenders, separated by commas (default millrun,rsyslog,syslog-ng)
";

/// What stands before a line's moment.
const MARKER: &[u8] = b"?at=";
/// Digits of a moment: nanoseconds since the round began.
const DIGITS: usize = 12;
/// How often the writer writes.
const TICK: Duration = Duration::from_millis(1);
/// How long the first line may take, and the last ones.
const WAIT_MAX: Duration = Duration::from_secs(30);

/// Measures what the words ask for.
pub(crate) fn run(words: &[String]) -> Result<()> {
    let mut plain = Plain::new([("--rate", 100_000), ("--seconds", 10), ("--rounds", 3)]);
    let mut only = ["millrun", "rsyslog", "syslog-ng"]
        .map(str::to_owned)
        .to_vec();
    if !plain.parse(words, &mut only)? {
        print!("{USAGE}");
        return Ok(());
    }
    let (rate, seconds) = (plain.get("--rate"), plain.get("--seconds"));
    println!("{rate} lines a second of {LINE_BYTES} bytes for {seconds} s, in milliseconds");
    println!("round  contender       p50       p90       p99     p99.9       max     lines");
    let contenders = Contender::chosen(&only)?;
    for number in 1..=plain.get("--rounds") {
        for contender in &contenders {
            let mut taken = measure(contender, rate, seconds)
                .with_context(|| format!("round {number} of {}", contender.name))?;
            taken.sort_unstable();
            let at = |share: f64| {
                let index =
                    ((taken.len() as f64 * share) as usize).min(taken.len().saturating_sub(1));
                taken.get(index).copied().unwrap_or_default() as f64 / 1e6
            };
            println!(
                "{number:>5}  {:<9} {:>9.3} {:>9.3} {:>9.3} {:>9.3} {:>9.3} {:>9}",
                contender.name,
                at(0.5),
                at(0.9),
                at(0.99),
                at(0.999),
                at(1.0),
                taken.len()
            );
        }
    }
    Ok(())
}

/// The time each line took, in nanoseconds.
fn measure(contender: &Contender, rate: u64, seconds: u64) -> Result<Vec<u64>> {
    let work = work_directory()?;
    std::fs::create_dir_all(&work)?;
    let directory = fresh(&work.join("round"))?;
    let log = LogFile {
        path: directory.join("growing.log"),
        lines: 0,
    };
    let mut file = File::create(&log.path)?;
    let begun = Instant::now();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let port = listener.local_addr()?.port();
    let taken = Arc::new(Mutex::new(Vec::new()));
    let shared = Arc::clone(&taken);
    // Ends with the process: nobody connects after the round.
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let shared = Arc::clone(&shared);
            thread::spawn(move || receive(stream, begun, &shared));
        }
    });
    let task = Task {
        scenario: SCENARIOS.first().context("there are scenarios")?,
        log: &log,
        directory: &directory,
        input: 0,
        output: port,
    };
    let mut command = contender
        .command(&task)?
        .context("the contender does not tail")?;
    let output = File::create(directory.join("output.txt"))?;
    let mut child = command
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        .spawn()?;
    let count = || taken.lock().unwrap_or_else(PoisonError::into_inner).len() as u64;
    let outcome = write(&mut file, begun, 1).and_then(|()| {
        wait_for(1, count)?;
        // What belongs to the start is over.
        thread::sleep(Duration::from_secs(1));
        let mut written = 0;
        let started = Instant::now();
        while started.elapsed() < Duration::from_secs(seconds) {
            let due = (started.elapsed().as_secs_f64() * rate as f64) as u64;
            write(&mut file, begun, due - written)?;
            written = due;
            thread::sleep(TICK);
        }
        wait_for(written + 1, count)
    });
    let family = process_tree::descendants(child.id());
    round::stop(&mut child, &family)?;
    outcome?;
    let mut taken = taken.lock().unwrap_or_else(PoisonError::into_inner);
    // Without the one that waited for the start.
    Ok(taken.split_off(1))
}

fn wait_for(lines: u64, count: impl Fn() -> u64) -> Result<()> {
    let deadline = Instant::now() + WAIT_MAX;
    while count() < lines {
        if Instant::now() > deadline {
            bail!("only {} of {lines} lines came", count());
        }
        thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

/// Appends lines in one write.
fn write(file: &mut File, begun: Instant, lines: u64) -> Result<()> {
    let now = begun.elapsed().as_nanos();
    let mut line = format!("x?at={now:0DIGITS$} ").into_bytes();
    line.resize(LINE_BYTES - 1, b'x');
    line.push(b'\n');
    Ok(file.write_all(&line.repeat(lines as usize))?)
}

fn receive(mut stream: TcpStream, begun: Instant, taken: &Mutex<Vec<u64>>) {
    let finder = Finder::new(MARKER);
    let needed = MARKER.len() + DIGITS;
    let mut buffer = vec![0; 1 << 20];
    let mut kept = 0;
    while let Some(space) = buffer.get_mut(kept..) {
        let Ok(read @ 1..) = stream.read(space) else {
            return;
        };
        let now = begun.elapsed().as_nanos() as u64;
        let end = kept + read;
        let bytes = buffer.get(..end).unwrap_or_default();
        let mut taken = taken.lock().unwrap_or_else(PoisonError::into_inner);
        for position in finder.find_iter(bytes) {
            let digits = bytes.get(position + MARKER.len()..position + needed);
            let digits = digits.and_then(|digits| std::str::from_utf8(digits).ok());
            if let Some(then) = digits.and_then(|digits| digits.parse::<u64>().ok()) {
                taken.push(now.saturating_sub(then));
            }
        }
        drop(taken);
        // One byte less than a whole marker with its digits: such a one was counted.
        let keep = end.min(needed - 1);
        buffer.copy_within(end - keep..end, 0);
        kept = keep;
    }
}
