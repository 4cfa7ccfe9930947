//! What a server costs that has nothing to do.

use std::thread::sleep;
use std::time::Duration;

use crate::death::server_of;
use crate::driver::Driver;
use crate::proc;

crate::tests![heartbeats_wake_the_child_only_not_its_parent,];

/// With sixteen workers that beat ten times a second, frames on the life-lines would wake the server 240
/// times meanwhile.
fn heartbeats_wake_the_child_only_not_its_parent() {
    const WATCHED: Duration = Duration::from_millis(1_500);
    let driver = Driver::working("workers=16 supervisor=1 heartbeat=60000 logger=output", 16);
    let (supervisor, server) = (driver.pid(), server_of(&driver));
    // What belongs to the start is over.
    sleep(Duration::from_millis(300));
    let family = proc::descendants(supervisor);
    let logger = family
        .into_iter()
        .find(|pid| proc::name_of(*pid) == "logger")
        .unwrap();
    let count = || [supervisor, server, logger].map(proc::sleeps_of);
    let before = count();
    sleep(WATCHED);
    let after = count();
    let woken: Vec<_> = after.iter().zip(before).map(|(it, was)| it - was).collect();
    assert!(woken[0] <= 4, "the supervisor: {woken:?}");
    assert!(woken[1] <= 15 + 8, "the server beats itself: {woken:?}");
    assert!(woken[2] <= 4, "the logger: {woken:?}");
}
