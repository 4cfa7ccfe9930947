//! Many at once: files that nobody writes to, connections that say nothing, and clients that mean ill beside one that
//! does not.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use millrun_event::{EventTime, write};

use crate::arguments::{Plain, work_directory};
use crate::log_file::MARKER;
use crate::receiver::Receiver;
use crate::{fresh, process_tree, round};

/// Printed by `--help`.
const USAGE: &str = "\
Usage: bench/crowd [OPTIONS]

  --files N        files that are tailed (default 10000)
  --connections N  idle connections (default 10000)
  --hostile N      clients that mean ill, each a thread (default 20)
  --seconds N      how long is looked on (default 10)
";

/// Until all is as it will stay: watches set, memory given back.
const SETTLE: Duration = Duration::from_secs(15);
/// How long a start, or an answer, may take.
const WAIT_MAX: Duration = Duration::from_secs(60);
/// How many messages the client that means well sends.
const MESSAGES: u32 = 2000;

/// Measures what the words ask for.
pub(crate) fn run(words: &[String]) -> Result<()> {
    let mut plain = Plain::new([
        ("--files", 10_000),
        ("--connections", 10_000),
        ("--hostile", 20),
        ("--seconds", 10),
    ]);
    if !plain.parse(words, &mut Vec::new())? {
        print!("{USAGE}");
        return Ok(());
    }
    let span = Duration::from_secs(plain.get("--seconds"));
    files(plain.get("--files"), span)?;
    connections(plain.get("--connections"), plain.get("--hostile"), span)
}

/// Files with a line each, of which nobody writes another one.
fn files(count: u64, span: Duration) -> Result<()> {
    let directory = work()?;
    let logs = directory.join("logs");
    fs::create_dir(&logs)?;
    for number in 0..count {
        let mut file = File::create(logs.join(format!("{number:05}.log")))?;
        let marker = String::from_utf8_lossy(MARKER);
        writeln!(file, "a line {marker}{number:09}")?;
    }
    let receiver = Receiver::listen(count)?;
    let mut child = start(
        &directory,
        &format!(
            "<source>\n  @type tail\n  path {logs}/*.log\n  pos_file {root}/pos\n  read_from_head true\n  tag a\n  \
             <parse>\n    @type none\n  </parse>\n</source>\n\
             <match a>\n  @type forward\n  heartbeat_type none\n  keepalive true\n  <server>\n    host 127.0.0.1\n    \
             port {port}\n  </server>\n  <buffer>\n    flush_mode immediate\n  </buffer>\n</match>\n",
            logs = logs.display(),
            root = directory.display(),
            port = receiver.port()
        ),
    )?;
    let begun = Instant::now();
    let came = receiver.wait(|| match child.try_wait()? {
        None => Ok(()),
        Some(status) => bail!("millrun ended with {status}"),
    });
    let took = begun.elapsed();
    let idle = came.map(|_| Idle::look(child.id(), span));
    end(&mut child)?;
    let idle = idle?;
    println!(
        "{count} idle files (all read {:.2} s after the start): {idle}",
        took.as_secs_f64()
    );
    Ok(())
}

/// Connections that say nothing, and then some that say the wrong thing.
fn connections(count: u64, hostile: u64, span: Duration) -> Result<()> {
    let directory = work()?;
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
        .local_addr()?
        .port();
    let conf = format!(
        "<source>\n  @type forward\n  bind 127.0.0.1\n  port {port}\n</source>\n<match **>\n  @type null\n</match>\n"
    );
    let mut child = start(&directory, &conf)?;
    let measured = crowd(&child, port, count, hostile, span);
    end(&mut child)?;
    measured
}

fn crowd(child: &Child, port: u16, count: u64, hostile: u64, span: Duration) -> Result<()> {
    let mut friend = connect(port)?;
    let alone = answers(&mut friend)?;
    let idle: Vec<TcpStream> = (0..count).map(|_| connect(port)).collect::<Result<_>>()?;
    let looked = Idle::look(child.id(), span);
    println!("{count} idle connections: {looked}");
    println!("answers to one client: {alone}");
    println!("beside {count} idle ones: {}", answers(&mut friend)?);
    let over = Arc::new(AtomicBool::new(false));
    let enemies: Vec<JoinHandle<()>> = (0..hostile)
        .map(|number| {
            let over = Arc::clone(&over);
            thread::spawn(move || enemy(number, port, &over))
        })
        .collect();
    thread::sleep(Duration::from_secs(1));
    let beside = answers(&mut friend);
    let memory = memory_mb(&process_tree::descendants(child.id()));
    over.store(true, Ordering::Relaxed);
    for enemy in enemies {
        let _ = enemy.join();
    }
    println!(
        "beside {hostile} hostile ones: {} ({:.1} MB)",
        beside?, memory
    );
    drop(idle);
    Ok(())
}

/// What a millrun costs that has nothing to do.
struct Idle {
    memory_mb: f64,
    /// Wake-ups a second: of all threads, and of the process that has the most.
    wakes: (f64, f64),
}

impl Idle {
    fn look(root: u32, span: Duration) -> Self {
        thread::sleep(SETTLE);
        let family = process_tree::descendants(root);
        let count = || -> Vec<u64> {
            family
                .iter()
                .map(|pid| process_tree::sleeps(*pid))
                .collect()
        };
        let before = count();
        thread::sleep(span);
        let more: Vec<f64> = count()
            .iter()
            .zip(&before)
            .map(|(after, before)| after.saturating_sub(*before) as f64 / span.as_secs_f64())
            .collect();
        Self {
            memory_mb: memory_mb(&family),
            wakes: (more.iter().sum(), more.iter().copied().fold(0.0, f64::max)),
        }
    }
}

/// The memory of processes, what they share counted once.
fn memory_mb(family: &[u32]) -> f64 {
    let kib = family.iter().filter_map(|pid| process_tree::pss_kib(*pid));
    kib.sum::<u64>() as f64 / 1024.0
}

impl std::fmt::Display for Idle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (all, most) = self.wakes;
        write!(
            f,
            "{:.1} MB in all processes, {all:.1} wake-ups a second, {most:.1} of one process",
            self.memory_mb
        )
    }
}

/// How long answers took.
struct Answers {
    median: Duration,
    late: Duration,
    longest: Duration,
}

impl std::fmt::Display for Answers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        let (median, late, longest) = (ms(self.median), ms(self.late), ms(self.longest));
        write!(
            f,
            "p50 {median:.3} ms, p99 {late:.3} ms, max {longest:.3} ms"
        )
    }
}

/// Sends messages one by one, each of which is to be acknowledged.
fn answers(stream: &mut TcpStream) -> Result<Answers> {
    let mut taken = Vec::new();
    for number in 0..MESSAGES {
        let mut message = Vec::new();
        write::array(&mut message, 4);
        write::str(&mut message, b"a");
        write::time(&mut message, EventTime::new(1_795_000_000, 0));
        write::map(&mut message, 1);
        write::str(&mut message, b"message");
        write::str(&mut message, b"of one who means well");
        write::map(&mut message, 1);
        write::str(&mut message, b"chunk");
        let id = format!("{number:024}");
        write::str(&mut message, id.as_bytes());
        let begun = Instant::now();
        stream.write_all(&message)?;
        // {"ack": id}
        let mut answer = vec![0; 1 + 4 + 1 + id.len()];
        stream.read_exact(&mut answer).context("no answer came")?;
        if !answer.ends_with(id.as_bytes()) {
            bail!("the answer is for another message");
        }
        taken.push(begun.elapsed());
    }
    taken.sort_unstable();
    let at = |share: usize| {
        taken
            .get((taken.len() - 1) * share / 100)
            .copied()
            .unwrap_or_default()
    };
    Ok(Answers {
        median: at(50),
        late: at(99),
        longest: at(100),
    })
}

/// One that does a server harm, again and again: each in its own way.
fn enemy(number: u64, port: u16, over: &AtomicBool) {
    while !over.load(Ordering::Relaxed) {
        let Ok(mut stream) = connect(port) else {
            thread::sleep(Duration::from_millis(10));
            continue;
        };
        let mut begun = vec![0x93, 0xa1, b'a'];
        match number % 5 {
            // A message of four gibibytes, of which nothing comes.
            0 => begun.extend_from_slice(&[0xc6, 0xff, 0xff, 0xff, 0xff]),
            // What is no message at all.
            1 => begun = vec![0xc1; 64 << 10],
            // Arrays in arrays.
            2 => begun.extend(std::iter::repeat_n(0x91, 1 << 20)),
            // Half a message, and its other half a byte at a time.
            3 => {
                begun.extend_from_slice(&[0xc6, 0, 1, 0, 0]);
                begun.extend(std::iter::repeat_n(0x92, 1 << 10));
            }
            // Messages that want answers, which nobody reads.
            _ => {
                begun = b"\x94\xa1a\x01\x80\x81\xa5chunk\xa1x".repeat(1000);
            }
        }
        let until = Instant::now() + Duration::from_millis(500);
        while !over.load(Ordering::Relaxed) && Instant::now() < until {
            if stream
                .set_write_timeout(Some(Duration::from_millis(100)))
                .is_err()
                || stream.write_all(&begun).is_err()
            {
                break;
            }
            if number % 5 != 4 {
                begun = vec![0x92];
            }
            thread::sleep(Duration::from_millis(1));
        }
    }
}

fn connect(port: u16) -> Result<TcpStream> {
    let deadline = Instant::now() + WAIT_MAX;
    loop {
        match TcpStream::connect((Ipv4Addr::LOCALHOST, port)) {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(WAIT_MAX))?;
                return Ok(stream);
            }
            Err(error) if Instant::now() > deadline => {
                return Err(error).context("millrun does not listen");
            }
            Err(_) => thread::sleep(Duration::from_millis(5)),
        }
    }
}

fn work() -> Result<std::path::PathBuf> {
    let work = work_directory()?;
    fs::create_dir_all(&work)?;
    fresh(&work.join("round"))
}

fn start(directory: &Path, conf: &str) -> Result<Child> {
    let path = directory.join("millrun.conf");
    let root = directory.display();
    fs::write(
        &path,
        format!("<system>\n  root_dir {root}/state\n</system>\n{conf}"),
    )?;
    let output = File::create(directory.join("output.txt"))?;
    let program = std::env::current_exe()?.with_file_name("millrun");
    let mut command = Command::new(program);
    command.arg("-q").arg("-c").arg(path).stdin(Stdio::null());
    let child = command.stdout(output.try_clone()?).stderr(output).spawn();
    child.context("cannot start millrun")
}

fn end(child: &mut Child) -> Result<()> {
    let family = process_tree::descendants(child.id());
    round::stop(child, &family)
}
