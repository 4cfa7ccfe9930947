//! Backtraces of all threads, in three steps that share nothing:
//!
//! ```text
//!   sys::Camera    registers and a copy of the stack, by a signal to the thread      in its handler
//!   unwind         return addresses, by the tables that compilers leave for it       in the dumping thread
//!   symbols        names, by the symbol tables of the files                          in the dumping thread
//! ```
//!
//! The tables (`.eh_frame`) are there for every function of Rust's prebuilt standard library and of the C
//! library, whatever frame pointers they keep. They are read from memory, so a binary that was replaced
//! on the disk does no harm. Names are those of symbols: of inlined functions, the one they are inlined
//! into; of stripped files, those that they export. The number after the file's name is the address in that
//! file, as `addr2line -e FILE` wants it. What has no tables (code made at run time) ends its backtrace.

mod elf;
mod modules;
mod symbols;
#[cfg(feature = "backtrace")]
mod unwind;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::sys::{Camera, Snapshot, capture_signal};

use modules::{Module, Modules};

/// How long one thread may take to answer.
const THREAD_MAX: Duration = Duration::from_millis(50);

/// How long all may take to answer; those whose turn comes later are not asked.
const ALL_MAX: Duration = Duration::from_secs(5);

/// Most frames of one thread that are shown.
#[cfg(feature = "backtrace")]
const FRAMES_MAX: usize = 128;

/// The stacks of threads, or why there are none.
#[derive(Debug, Default)]
pub(super) struct Stacks(BTreeMap<u32, Stack>);

#[derive(Debug)]
enum Stack {
    /// Addresses, the youngest first.
    Frames(Vec<Frame>),
    Unknown(String),
}

#[derive(Debug)]
struct Frame {
    address: u64,
    text: String,
}

impl Stacks {
    /// Looks at these threads: each number with the mask of the signals it blocks.
    pub(super) fn of(threads: &[(u32, u64)]) -> Self {
        let camera = match Camera::new() {
            Ok(camera) => camera,
            Err(error) => {
                let unknown = |(number, _): &(u32, u64)| {
                    (*number, Stack::Unknown(format!("not known: {error}")))
                };
                return Self(threads.iter().map(unknown).collect());
            }
        };
        let start = Instant::now();
        let shots: Vec<(u32, Result<Snapshot, String>)> = threads
            .iter()
            .map(|(number, blocked)| (*number, shoot(&camera, *number, *blocked, start)))
            .collect();
        drop(camera);
        let modules = Modules::of_this_process();
        let mut unwinder = Unwinder::new(&modules);
        let mut stacks = BTreeMap::new();
        for (number, shot) in shots {
            let stack = match shot {
                Ok(snapshot) => Stack::Frames(unwinder.frames(&snapshot)),
                Err(why) => Stack::Unknown(why),
            };
            stacks.insert(number, stack);
        }
        name(&modules, &mut stacks);
        Self(stacks)
    }

    /// Returns the lines that follow a thread's own.
    pub(super) fn lines_of(&self, thread: u32) -> Vec<String> {
        match self.0.get(&thread) {
            Some(Stack::Frames(frames)) => frames
                .iter()
                .enumerate()
                .map(|(number, frame)| {
                    format!("  #{number:<3} {:#018x} {}", frame.address, frame.text)
                })
                .collect(),
            Some(Stack::Unknown(why)) => vec![format!("  {why}")],
            None => Vec::new(),
        }
    }
}

fn shoot(camera: &Camera, number: u32, blocked: u64, start: Instant) -> Result<Snapshot, String> {
    let signal = capture_signal();
    if blocked.checked_shr(signal.unsigned_abs() - 1).unwrap_or(0) & 1 == 1 {
        return Err(format!("no backtrace: it blocks signal {signal}"));
    }
    if start.elapsed() > ALL_MAX {
        return Err("no backtrace: others took too long".to_owned());
    }
    match camera.shoot(number, THREAD_MAX) {
        Ok(Some(snapshot)) => Ok(snapshot),
        Ok(None) => Err(format!(
            "no backtrace: it did not answer within {THREAD_MAX:?}"
        )),
        Err(error) => Err(format!("no backtrace: {error}")),
    }
}

/// Finds out what the addresses are called, one file after the other.
fn name(modules: &Modules, stacks: &mut BTreeMap<u32, Stack>) {
    let mut frames: Vec<&mut Frame> = stacks
        .values_mut()
        .filter_map(|stack| match stack {
            Stack::Frames(frames) => Some(frames),
            Stack::Unknown(_) => None,
        })
        .flatten()
        .collect();
    for module in modules.all() {
        let mut wanted: Vec<u64> = frames
            .iter()
            .filter(|frame| module.contains(frame.address))
            .map(|frame| module.own_address(frame.address))
            .collect();
        wanted.sort_unstable();
        wanted.dedup();
        if wanted.is_empty() {
            continue;
        }
        let names = symbols::names(module, &wanted);
        for frame in &mut frames {
            if module.contains(frame.address) {
                let address = module.own_address(frame.address);
                frame.text = describe(module, address, names.get(&address));
            }
        }
    }
}

fn describe(module: &Module, address: u64, name: Option<&(String, u64)>) -> String {
    let place = format!("{}+{address:#x}", module.short_name());
    match name {
        Some((name, offset)) => format!("{place} {}+{offset:#x}", readable(name)),
        None => place,
    }
}

#[cfg(feature = "backtrace")]
fn readable(name: &str) -> String {
    // Without the hash, which tells nobody anything.
    format!("{:#}", rustc_demangle::demangle(name))
}

#[cfg(not(feature = "backtrace"))]
fn readable(name: &str) -> String {
    name.to_owned()
}

#[cfg(feature = "backtrace")]
use unwind::Unwinder;

/// Sees where a thread is, and not who called.
#[cfg(not(feature = "backtrace"))]
struct Unwinder;

#[cfg(not(feature = "backtrace"))]
impl Unwinder {
    fn new(_modules: &Modules) -> Self {
        Self
    }

    fn frames(&mut self, snapshot: &Snapshot) -> Vec<Frame> {
        let address = snapshot.counter;
        vec![Frame {
            address,
            text: String::new(),
        }]
    }
}
