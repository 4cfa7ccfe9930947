//! The threads of a process: number, name, state, where in the kernel it waits, and its backtrace.

use super::proc::{self, field};
use super::stacks::Stacks;

/// Most threads that are shown.
const THREADS_MAX: usize = 4096;

pub(super) fn describe() -> Vec<String> {
    let mut numbers = match proc::numbers("/proc/self/task") {
        Ok(numbers) => numbers,
        Err(why) => return vec![why],
    };
    let count = numbers.len();
    numbers.truncate(THREADS_MAX);
    // Their states first: looking at the stacks wakes those that sleep.
    let threads: Vec<Thread> = numbers.into_iter().map(Thread::of).collect();
    let asked: Vec<_> = threads.iter().map(|it| (it.number, it.blocked)).collect();
    let stacks = Stacks::of(&asked);
    let mut lines: Vec<String> = threads
        .into_iter()
        .flat_map(|thread| {
            let stack = stacks.lines_of(thread.number);
            std::iter::once(thread.line).chain(stack)
        })
        .collect();
    if count > THREADS_MAX {
        lines.push(format!("and {} more", count - THREADS_MAX));
    }
    lines
}

struct Thread {
    number: u32,
    /// The signals that it blocks, bit 0 being signal 1.
    blocked: u64,
    line: String,
}

impl Thread {
    fn of(number: u32) -> Self {
        let file = |name: &str| proc::read(&format!("/proc/self/task/{number}/{name}"));
        let status = file("status");
        let blocked = field(&status, "SigBlk").and_then(|it| u64::from_str_radix(it, 16).ok());
        let state = field(&status, "State").unwrap_or("gone");
        let switches = field(&status, "voluntary_ctxt_switches").unwrap_or("?");
        let (name, channel) = (file("comm"), file("wchan"));
        let call = file("syscall");
        let call = call.split(' ').next().unwrap_or_default();
        let line = format!(
            "{number} {:15} {state}, in {} (system call {}), gave way {switches} times",
            name.trim(),
            if channel.trim() == "0" || channel.is_empty() {
                "-"
            } else {
                channel.trim()
            },
            if call.is_empty() { "-" } else { call.trim() },
        );
        Self {
            number,
            blocked: blocked.unwrap_or(0),
            line,
        }
    }
}
