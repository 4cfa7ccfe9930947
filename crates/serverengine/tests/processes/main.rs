//! Real processes: servers that are started, signalled and killed, and what /proc says of them.
//!
//! `cargo test --test processes [part of a name]` runs the tests, a few at a time. The program starts
//! itself again as the server under test (see `subject.rs`).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)] // Tests.

mod callback;
mod clock;
mod daemons;
mod death;
mod detach;
mod driver;
mod dumps;
mod examples;
mod exits;
mod hooks;
mod idle;
mod kills;
mod listeners;
mod logging;
mod panics;
mod proc;
mod reloads;
mod reserve;
mod signals;
mod starts;
mod subject;
mod torture;
mod types;

use std::panic::catch_unwind;
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::Instant;

/// Tests that run at the same time. They mostly wait.
const AT_ONCE: usize = 3;

type Test = (&'static str, fn());

/// Names the functions of a module as tests.
macro_rules! tests {
    ($($name:ident),* $(,)?) => {
        pub(crate) const TESTS: &[crate::Test] = &[$((stringify!($name), $name)),*];
    };
}
pub(crate) use tests;

fn main() -> ExitCode {
    if std::env::var_os(subject::ENVIRONMENT).is_some() {
        return subject::run();
    }
    let filter = std::env::args()
        .skip(1)
        .find(|argument| !argument.starts_with('-'));
    let all = [
        clock::TESTS,
        daemons::TESTS,
        death::TESTS,
        detach::TESTS,
        dumps::TESTS,
        examples::TESTS,
        exits::TESTS,
        hooks::TESTS,
        idle::TESTS,
        kills::TESTS,
        listeners::TESTS,
        logging::TESTS,
        reloads::TESTS,
        reserve::TESTS,
        panics::TESTS,
        signals::TESTS,
        starts::TESTS,
        torture::TESTS,
        types::TESTS,
    ];
    let chosen = all
        .into_iter()
        .flatten()
        .copied()
        .filter(|(name, _)| filter.as_ref().is_none_or(|filter| name.contains(filter)))
        .collect::<Vec<Test>>();
    let count = chosen.len();
    let queue = Mutex::new(chosen.into_iter());
    let failed = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let next = queue.lock().unwrap().next();
                    let Some((name, test)) = next else { return };
                    let start = Instant::now();
                    let verdict = if catch_unwind(test).is_ok() {
                        "ok"
                    } else {
                        failed.lock().unwrap().push(name);
                        "FAILED"
                    };
                    println!("test {name} ... {verdict} ({:.1?})", start.elapsed());
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    println!(
        "\ntest result: {count} tests, {} failed {failed:?}\n",
        failed.len()
    );
    if failed.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
