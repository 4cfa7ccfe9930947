//! The wall clock jumps: nothing the engine decides depends on it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::driver::{Driver, send};
use crate::proc;

crate::tests![acceptance_20_b28_a_wall_clock_set_back_or_forth_an_hour_changes_nothing];

/// A library that puts the wall clock off by as many seconds as a file says.
const SHIM: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
static int (*real)(clockid_t, struct timespec *);
int clock_gettime(clockid_t clock, struct timespec *now) {
    if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
    int result = real(clock, now);
    if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE) {
        FILE *file = fopen(getenv("CLOCK_OFFSET_FILE"), "r");
        long offset = 0;
        if (file) {
            if (fscanf(file, "%ld", &offset) != 1) offset = 0;
            fclose(file);
        }
        now->tv_sec += offset;
    }
    return result;
}
"#;

/// Compiles the library. `None`: there is no compiler.
fn shim(folder: &Path) -> Option<PathBuf> {
    let source = folder.join("clock.c");
    let library = folder.join("clock.so");
    std::fs::write(&source, SHIM).unwrap();
    let status = Command::new("cc")
        .args(["-shared", "-fPIC", "-o"])
        .args([&library, &source])
        .arg("-ldl")
        .status()
        .ok()?;
    assert!(status.success(), "it does not compile");
    Some(library)
}

fn acceptance_20_b28_a_wall_clock_set_back_or_forth_an_hour_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let Some(library) = shim(folder.path()) else {
        println!("  skipped: there is no C compiler");
        return;
    };
    let offset = folder.path().join("offset");
    std::fs::write(&offset, "0").unwrap();
    let (library, file) = (library.to_str().unwrap(), offset.to_str().unwrap());
    let environment = [("LD_PRELOAD", library), ("CLOCK_OFFSET_FILE", file)];
    let options = "workers=2 supervisor=1 heartbeat=1500 kill=500 logger=output";
    let mut driver = Driver::start_in(options, &environment);
    driver.wait_for_workers(2);
    let family = proc::descendants(driver.pid());
    for (round, seconds) in ["-3600", "3600"].into_iter().enumerate() {
        std::fs::write(&offset, seconds).unwrap();
        // Longer than any timeout: who mistook the jump for time passed would act now.
        sleep(Duration::from_millis(2_000));
        driver.signal(Signal::SIGUSR2);
        driver.wait_for_count("worker - ", 2 * (round + 1));
        assert_eq!(driver.workers().len(), 2, "{}", driver.text());
        assert!(family.iter().all(|pid| proc::runs(*pid)));
    }
    assert!(
        hours(&driver) >= 2,
        "the clock did not jump:\n{}",
        driver.text()
    );
    // What has deadlines keeps them: a frozen worker is killed, and replaced.
    std::fs::write(&offset, "-3600").unwrap();
    let frozen = driver.workers()[0].pid;
    send(frozen, Signal::SIGSTOP);
    driver.wait_for_workers(3);
    assert!(!proc::runs(frozen));
    driver.signal(Signal::SIGTERM);
    assert_eq!(driver.ends().code(), Some(0));
}

/// Returns how many hours of the clock are in the log: `I, [2026-11-21T01:02:13…`.
fn hours(driver: &Driver) -> usize {
    let text = driver.text();
    let mut hours = text
        .lines()
        .filter_map(|line| line.get(4..17))
        .filter(|it| it.starts_with("20"))
        .collect::<Vec<_>>();
    hours.sort_unstable();
    hours.dedup();
    hours.len()
}
