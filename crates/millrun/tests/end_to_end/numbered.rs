//! Numbered lines: who writes them, and whether each arrived once.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Lines written at a time.
const BURST: usize = 100;
/// The most bursts: where everything else is slow, the lines shall not become ever more.
const BURSTS_MAX: usize = 100_000 / BURST;

/// Time between two writes.
const BURST_PAUSE: Duration = Duration::from_millis(4);

/// A thread that appends one burst after the other to a file.
pub(crate) struct Writer {
    done: Arc<AtomicBool>,
    thread: JoinHandle<usize>,
}

impl Writer {
    /// Writes to `path` until the end.
    pub(crate) fn start(path: PathBuf) -> Self {
        let done = Arc::new(AtomicBool::new(false));
        let is_done = Arc::clone(&done);
        let thread = thread::spawn(move || {
            let opened = File::options().create(true).append(true).open(&path);
            let (mut file, mut bursts) = (opened.unwrap(), 0);
            while !is_done.load(Ordering::Relaxed) {
                if bursts < BURSTS_MAX {
                    file.write_all(burst(bursts).as_bytes()).unwrap();
                    bursts += 1;
                }
                thread::sleep(BURST_PAUSE);
            }
            bursts * BURST
        });
        Self { done, thread }
    }

    /// Ends it; says how many lines it wrote.
    pub(crate) fn end(self) -> usize {
        self.done.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

/// The numbered lines of one burst, of a length that fills chunks.
fn burst(number: usize) -> String {
    let numbers = number * BURST..(number + 1) * BURST;
    numbers.map(|n| format!("{n:08} {:x<60}\n", "")).collect()
}

/// Every line at least once, whatever the order.
pub(crate) fn assert_nothing_missing(lines: &[String], count: usize) {
    let missing = missing(&numbers(lines), count);
    assert!(missing.is_empty(), "missing {missing:?}");
}

fn numbers(lines: &[String]) -> Vec<usize> {
    let mut numbers: Vec<usize> = lines
        .iter()
        .map(|line| line.split(' ').next().unwrap().parse().unwrap())
        .collect();
    numbers.sort_unstable();
    numbers
}

fn missing(numbers: &[usize], count: usize) -> Vec<usize> {
    (0..count)
        .filter(|n| numbers.binary_search(n).is_err())
        .collect()
}

/// Every line exactly once, whatever the order.
pub(crate) fn assert_exactly_once(lines: &[String], count: usize) {
    let numbers = numbers(lines);
    let missing = missing(&numbers, count);
    let doubled: Vec<_> = numbers
        .windows(2)
        .filter(|pair| pair[0] == pair[1])
        .collect();
    assert!(
        missing.is_empty() && doubled.is_empty(),
        "missing {missing:?}, doubled {doubled:?}"
    );
}
