//! Clients that are slow, hostile or mad, beside one that is not: it waits for none of them.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::mill::Mill;
use crate::wire::Wire;

const FORWARD_TO_FILE: &str = "\
<source>
  @type forward
  bind 127.0.0.1
  port $P1
  chunk_size_limit 1m
</source>
<match bad.**>
  @type null
</match>
<match good.**>
  @type file
  path $D/got
  append true
  <buffer []>
    @type file
    path $D/buffer
    flush_mode interval
    flush_interval 0.2
  </buffer>
</match>
";

/// What the good client sends.
const EVENTS: usize = 150;

/// How long it may wait for an answer. A commit takes a millisecond; a machine on which all tests run at once takes longer, and
/// one that waits for a client of these waits for ever.
const ANSWER_MAX: Duration = Duration::from_secs(3);

/// What half of its answers take at the most.
const ANSWER_USUAL: Duration = Duration::from_millis(500);

const IDLE: usize = 200;

/// Does one thing again and again until the end.
fn again(
    port: u16,
    ended: &Arc<AtomicBool>,
    act: fn(&mut TcpStream) -> std::io::Result<()>,
) -> JoinHandle<()> {
    let ended = Arc::clone(ended);
    thread::spawn(move || {
        while !ended.load(Ordering::Relaxed) {
            let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else {
                continue;
            };
            let pause = Some(Duration::from_millis(100));
            stream.set_read_timeout(pause).unwrap();
            stream.set_write_timeout(pause).unwrap();
            while !ended.load(Ordering::Relaxed) && act(&mut stream).is_ok() {}
            // Not in a busy loop: what is measured is who waits for whom, not the processor.
            thread::sleep(Duration::from_millis(5));
        }
    })
}

/// A message in Message mode that asks for an acknowledgement.
const ASKING: &[u8] = b"\x94\xa5bad.q\x01\x81\xa1k\x01\x81\xa5chunk\xa1c";

/// One byte of a message at a time.
fn dribble(stream: &mut TcpStream) -> std::io::Result<()> {
    for byte in ASKING {
        stream.write_all(&[*byte])?;
        thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

/// What is no msgpack at all.
fn garbage(stream: &mut TcpStream) -> std::io::Result<()> {
    stream.write_all(&[0xc1; 4096])?;
    stream.read_exact(&mut [0])
}

/// An array of four thousand million entries.
fn huge_array(stream: &mut TcpStream) -> std::io::Result<()> {
    stream.write_all(b"\x92\xa5bad.q\xdd\xff\xff\xff\xff")?;
    for _ in 0..20 {
        stream.write_all(&b"\x92\x01\x80".repeat(1000))?;
        thread::sleep(Duration::from_millis(5));
    }
    stream.read_exact(&mut [0])
}

/// A chunk of four gigabytes, of which a little comes.
fn huge_chunk(stream: &mut TcpStream) -> std::io::Result<()> {
    stream.write_all(b"\x92\xa5bad.q\xdb\xff\xff\xff\xff")?;
    for _ in 0..20 {
        stream.write_all(&[0x80; 4096])?;
        thread::sleep(Duration::from_millis(5));
    }
    stream.read_exact(&mut [0])
}

/// A chunk over the limit, whole.
fn oversized(stream: &mut TcpStream) -> std::io::Result<()> {
    stream.write_all(b"\x93\xa5bad.q\xdb\x00\x20\x00\x00")?;
    for _ in 0..512 {
        stream.write_all(&[0x80; 4096])?;
    }
    stream.write_all(b"\x81\xa5chunk\xa1c")?;
    stream.read_exact(&mut [0; 7])
}

/// Arrays within arrays without an end.
fn deep(stream: &mut TcpStream) -> std::io::Result<()> {
    stream.write_all(b"\x93\xa5bad.q\x01\x81\xa1k")?;
    stream.write_all(&[0x91; 100_000])?;
    stream.read_exact(&mut [0])
}

/// Asks for acknowledgements and reads none.
fn deaf(stream: &mut TcpStream) -> std::io::Result<()> {
    stream.write_all(&ASKING.repeat(200))?;
    thread::sleep(Duration::from_millis(5));
    Ok(())
}

/// How many kilobytes a process holds.
fn held(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().nth(1));
    number.unwrap().parse().unwrap()
}

#[test]
fn a_slow_or_hostile_client_delays_nobody_else() {
    let mut mill = Mill::with_conf(FORWARD_TO_FILE);
    let port = mill.port(1);
    let ended = Arc::new(AtomicBool::new(false));
    let idle: Vec<_> = (0..IDLE)
        .map(|_| TcpStream::connect(("127.0.0.1", port)).unwrap())
        .collect();
    let hostile: [fn(&mut TcpStream) -> _; 7] = [
        dribble, garbage, huge_array, huge_chunk, oversized, deep, deaf,
    ];
    let hostile: Vec<_> = hostile.map(|act| again(port, &ended, act)).into();

    let mut wire = Wire::connect(port);
    let mut answers = Vec::new();
    for number in 0..EVENTS {
        let begin = Instant::now();
        wire.send_event("good.x", &[("n", &number.to_string())]);
        answers.push(begin.elapsed());
        thread::sleep(Duration::from_millis(10));
    }
    let memory = held(mill.worker());
    ended.store(true, Ordering::Relaxed);
    for thread in hostile {
        thread.join().unwrap();
    }
    drop(idle);
    answers.sort();
    let (usual, longest) = (answers[EVENTS / 2], answers[EVENTS - 1]);
    assert!(
        usual < ANSWER_USUAL && longest < ANSWER_MAX,
        "half of the answers took {usual:?}, the longest {longest:?}; the log:\n{}",
        mill.log()
    );
    // What is claimed reserves nothing: the longest message that comes is two megabytes.
    assert!(memory < 400_000, "{memory} kB");
    // A new client is let in as before.
    Wire::connect(port).send_event("good.x", &[("n", "last")]);
    assert_eq!(mill.wait_for_lines("got", EVENTS + 1).len(), EVENTS + 1);
    assert_eq!(mill.stop().code(), Some(0));
    assert_eq!(mill.lines("got").len(), EVENTS + 1);
    let log = mill.log();
    for said in [
        "Input chunk size is larger than 'chunk_size_limit'",
        "unexpected error on reading data",
    ] {
        assert!(log.contains(said), "no '{said}' in:\n{log}");
    }
}
