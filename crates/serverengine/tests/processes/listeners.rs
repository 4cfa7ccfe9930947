//! Listening sockets outlive those who serve them.

use std::io::{self, Read};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread::sleep;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::death::server_of;
use crate::driver::{Driver, send};
use crate::proc;

crate::tests![
    no_connection_is_refused_while_workers_are_killed,
    no_connection_is_refused_while_servers_are_killed,
    no_connection_is_lost_in_a_graceful_restart,
    a_port_in_use_is_named,
    an_address_that_nobody_wants_any_more_is_closed,
    b23_no_socket_file_is_left_behind,
];

/// What became of many connections.
#[derive(Debug, Default)]
struct Tally {
    served: usize,
    refused: usize,
    /// Accepted by a worker, or by the kernel for it, and lost with it.
    reset: usize,
}

/// Connects again and again, and calls `disturb` now and then.
fn connect_while(address: SocketAddr, rounds: usize, mut disturb: impl FnMut()) -> Tally {
    let mut tally = Tally::default();
    for round in 0..rounds {
        if round % 20 == 10 {
            disturb();
        }
        match served(address) {
            Ok(()) => tally.served += 1,
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => tally.refused += 1,
            Err(_) => tally.reset += 1,
        }
    }
    tally
}

fn served(address: SocketAddr) -> io::Result<()> {
    let mut connection = TcpStream::connect(address)?;
    connection.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut text = String::new();
    connection.read_to_string(&mut text)?;
    if text == "served\n" {
        Ok(())
    } else {
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}

fn serving(options: &str, workers: usize) -> (Driver, SocketAddr) {
    let options = format!("behave=serves address=127.0.0.1:0 no_backoff=1 {options}");
    let driver = Driver::working(&options, workers);
    let line = driver.wait_for("listener ");
    let address = line.split(' ').nth(1).unwrap().parse().unwrap();
    (driver, address)
}

fn no_connection_is_refused_while_workers_are_killed() {
    let (driver, address) = serving("workers=1", 1);
    let tally = connect_while(address, 400, || {
        send(driver.workers().last().unwrap().pid, Signal::SIGKILL);
    });
    println!("  killed workers: {tally:?}");
    assert_eq!(tally.refused, 0, "{tally:?}");
    assert!(
        tally.reset <= 20,
        "at most the one it was just serving: {tally:?}"
    );
}

fn no_connection_is_refused_while_servers_are_killed() {
    let (driver, address) = serving("workers=1 supervisor=1", 1);
    let tally = connect_while(address, 100, || {
        let generations = driver.workers().len();
        send(server_of(&driver), Signal::SIGKILL);
        driver.wait_for_workers(generations + 1);
    });
    println!("  killed servers: {tally:?}");
    assert_eq!(tally.refused, 0, "{tally:?}");
}

fn no_connection_is_lost_in_a_graceful_restart() {
    let (driver, address) = serving("workers=2", 2);
    for worker in driver.workers() {
        let open = proc::descriptors_of(worker.pid);
        let sockets = open
            .values()
            .filter(|target| target.starts_with("socket:"))
            .count();
        assert_eq!(sockets, 2, "life-line and listener: {open:?}");
    }
    let tally = connect_while(address, 40, || driver.signal(Signal::SIGUSR1));
    assert_eq!(tally.refused, 0, "{tally:?}");
    let addresses = driver
        .text()
        .lines()
        .filter(|line| line.starts_with("listener "))
        .count();
    assert!(addresses >= 2);
}

fn a_port_in_use_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let driver = Driver::start(&format!("behave=serves address={address}"));
    let message = format!(
        "cannot listen on tcp {address}: port in use: Address already in use (os error 98); stop the \
         program that holds it (`ss -lnp` names it), or choose another port"
    );
    driver.wait_for(&format!("log ERROR Worker 0: {message}"));
    // It goes on trying, and succeeds as soon as the port is free.
    drop(taken);
    driver.wait_for_workers(1);
}

fn an_address_that_nobody_wants_any_more_is_closed() {
    for supervisor in ["", "supervisor=1"] {
        let (driver, address) = serving(&format!("first_only=1 release=100 {supervisor}"), 1);
        served(address).unwrap();
        send(driver.workers()[0].pid, Signal::SIGKILL);
        driver.wait_for_workers(2);
        driver.wait_for("log INFO no worker listens on tcp 127.0.0.1:0 any more: closed");
        driver.wait("a refusal", || {
            let refused = TcpStream::connect(address).err()?;
            (refused.kind() == io::ErrorKind::ConnectionRefused).then_some(())
        });
    }
}

fn b23_no_socket_file_is_left_behind() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("subject.sock");
    let options = format!("behave=unix path={}", path.display());
    let mut killed = Driver::working(&options, 1);
    assert!(path.exists());
    killed.kill();
    sleep(Duration::from_millis(50));

    let mut driver = Driver::working(&options, 1);
    driver.signal(Signal::SIGTERM);
    assert_eq!(driver.ends().code(), Some(0));
    assert!(!path.exists());
}
