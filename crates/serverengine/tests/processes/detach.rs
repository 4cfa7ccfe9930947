//! Live restart: two generations on purpose, and a server that is left behind.

use std::thread::sleep;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::death::server_of;
use crate::driver::{Driver, assert_gone_within, send};
use crate::proc;

crate::tests![
    b2_a_detached_server_finishes_beside_its_successor,
    b2b_a_detached_server_that_is_quick_is_replaced,
    b2_no_connection_is_refused_in_a_live_restart,
    exit_on_detach_leaves_the_server_behind,
    exit_on_detach_ends_with_a_quick_server,
    a_stop_during_a_live_restart_reaches_both_generations,
    b1_a_killed_supervisor_takes_both_generations_with_it,
];

fn b2_a_detached_server_finishes_beside_its_successor() {
    let driver = Driver::working("supervisor=1 workers=2 detach=100 finishes=600", 2);
    let (first, server) = (driver.workers(), server_of(&driver));
    driver.signal(Signal::SIGINT);
    driver.wait_for_workers(4);
    // They overlap.
    assert_ne!(server_of(&driver), server);
    assert!(proc::runs(server));
    assert!(first.iter().all(|worker| proc::runs(worker.pid)));
    driver.wait_for("log INFO Server 0 is still finishing: starting another one beside it");
    driver.wait_for("log INFO Server 1 finished with status 0");
    assert_eq!(driver.count("returns"), 2, "they finished by themselves");
    sleep(Duration::from_millis(50));
    assert_eq!(driver.workers().len(), 4);
    assert!(driver.workers()[2..].iter().all(|it| proc::runs(it.pid)));
}

fn b2b_a_detached_server_that_is_quick_is_replaced() {
    let mut driver = Driver::working("supervisor=1 detach=5000", 1);
    driver.signal(Signal::SIGINT);
    driver.wait_for_workers(2);
    driver.signal(Signal::SIGTERM);
    assert_eq!(driver.ends().code(), Some(0));
}

fn b2_no_connection_is_refused_in_a_live_restart() {
    let options = "supervisor=1 detach=100 finishes=400 behave=serves address=127.0.0.1:0";
    let driver = Driver::working(options, 1);
    let address = driver.wait_for("listener ");
    let address = address.split(' ').next_back().unwrap().to_owned();
    driver.signal(Signal::SIGINT);
    let mut served = 0;
    while driver.count("Server 1 finished") == 0 {
        let connection = std::net::TcpStream::connect(&address).unwrap();
        let text = std::io::read_to_string(connection).unwrap();
        served += usize::from(text == "served\n");
    }
    assert!(served > 20);
    assert_eq!(driver.workers().len(), 2);
}

fn exit_on_detach_leaves_the_server_behind() {
    for logger in ["", "logger=output"] {
        let options =
            format!("supervisor=1 detach=50 exit_on_detach=1 workers=2 finishes=500 {logger}");
        let mut driver = Driver::working(&options, 2);
        let family = [vec![server_of(&driver)], pids(&driver)].concat();
        driver.signal(Signal::SIGINT);
        assert_eq!(driver.ends().code(), Some(0));
        assert!(family.iter().all(|pid| proc::runs(*pid)), "killed");
        driver.wait_for("released by the supervisor: finishing alone");
        assert_gone_within(&family, Duration::from_secs(3));
        driver.wait_for_count("returns", 2);
        driver.wait_for("after_run");
    }
}

fn exit_on_detach_ends_with_a_quick_server() {
    let mut driver = Driver::working("supervisor=1 detach=5000 exit_on_detach=1", 1);
    driver.signal(Signal::SIGINT);
    assert_eq!(driver.ends().code(), Some(0));
    assert_eq!(driver.count("released"), 0);
    assert_eq!(driver.count("after_run"), 1);
}

fn a_stop_during_a_live_restart_reaches_both_generations() {
    let mut driver = Driver::working("supervisor=1 detach=50 finishes=60000", 1);
    driver.signal(Signal::SIGINT);
    driver.wait_for_workers(2);
    let pids = pids(&driver);
    driver.signal(Signal::SIGQUIT);
    assert_eq!(driver.ends().code(), Some(0));
    assert!(pids.iter().all(|pid| !proc::runs(*pid)));
}

fn b1_a_killed_supervisor_takes_both_generations_with_it() {
    let mut driver = Driver::working("supervisor=1 detach=50 finishes=60000", 1);
    driver.signal(Signal::SIGINT);
    driver.wait_for_workers(2);
    let family = proc::descendants(driver.pid());
    assert_eq!(family.len(), 4);
    // Each level by itself, too: the old server first.
    send(family[0], Signal::SIGKILL);
    driver.kill();
    assert_gone_within(&family, Duration::from_secs(1));
}

fn pids(driver: &Driver) -> Vec<u32> {
    driver.workers().iter().map(|worker| worker.pid).collect()
}
