//! Listening sockets outlive those who serve them.

use std::fs;
use std::io::{self, Read};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::process::Command;
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
    b22_acceptance_16_all_addresses_and_loopback_are_different_keys,
    b23_acceptance_17_the_socket_manager_leaves_no_file,
    a_socket_manager_answers_only_those_it_knows,
    a_new_server_takes_over_all_sockets_and_nobody_is_refused,
    a_server_whose_successor_dies_goes_on,
    sockets_of_a_service_manager_are_found_by_their_address,
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

/// A port that nobody uses at this moment.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

fn b22_acceptance_16_all_addresses_and_loopback_are_different_keys() {
    for supervisor in ["", "supervisor=1"] {
        let port = free_port();
        let driver = Driver::start(&format!("behave=conflicts port={port} {supervisor}"));
        driver.wait_for(&format!("127.0.0.1:{port}"));
        driver.wait_for(&format!(
            "cannot listen on tcp 0.0.0.0:{port}: port in use: Address already in use (os error 98) \
             (this server itself listens on tcp 127.0.0.1:{port})"
        ));
    }
}

fn b23_acceptance_17_the_socket_manager_leaves_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("manager");
    let options = format!(
        "behave=named port={} manager={}",
        free_port(),
        path.display()
    );
    let mut killed = Driver::working(&options, 1);
    assert!(path.exists());
    killed.kill();
    sleep(Duration::from_millis(50));
    for supervisor in ["", "supervisor=1"] {
        let mut driver = Driver::working(&format!("{options} {supervisor}"), 1);
        // Neither a worker nor the server below a supervisor has the manager's socket.
        let mut second = Driver::start(&options);
        assert_eq!(second.ends().code(), Some(1));
        second.wait_for("another server serves it, or it is no socket");
        driver.signal(Signal::SIGTERM);
        assert_eq!(driver.ends().code(), Some(0));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}

fn a_socket_manager_answers_only_those_it_knows() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("manager");
    let driver = Driver::working(&format!("manager={}", path.display()), 1);
    let ask = |user: Option<u32>| {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.env(
            crate::subject::ENVIRONMENT,
            format!("client={}", path.display()),
        );
        if let Some(user) = user {
            command.uid(user);
        }
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    };
    assert_eq!(ask(None), "answer yes\n");
    if nix::unistd::geteuid().is_root() {
        nix::sys::stat::fchmodat(
            nix::fcntl::AT_FDCWD,
            folder.path(),
            nix::sys::stat::Mode::from_bits_truncate(0o755),
            nix::sys::stat::FchmodatFlags::FollowSymlink,
        )
        .unwrap();
        let answer = ask(Some(65534));
        assert!(!answer.contains("yes"), "{answer}");
        driver.wait_for("of user 65534 was turned away: that user may not ask here");
    } else {
        println!("  skipped in part: only root can be another user");
    }
}

fn a_new_server_takes_over_all_sockets_and_nobody_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("manager");
    let (port, late) = (free_port(), free_port());
    let options = format!(
        "behave=named port={port} manager={} take_over=1 workers=2 late=127.0.0.1:{late}",
        path.display()
    );
    let mut first = Driver::working(&options, 2);
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let mut second = None;
    let mut steps = 0;
    let tally = connect_while(address, 120, || {
        steps += 1;
        match (steps, &second) {
            (1, _) => {
                let driver = Driver::working(&options, 2);
                driver.wait_for("1 listening sockets are taken over from another server");
                second = Some(driver);
            }
            // What the first one opens after the hand-over is not lost either.
            (2, _) => {
                first.wait_for("has taken over 1 listening sockets");
                first.signal(Signal::SIGUSR2);
                first.wait_for(&format!("127.0.0.1:{late}"));
            }
            (3, Some(_)) => {
                first.signal(Signal::SIGTERM);
                assert_eq!(first.ends().code(), Some(0));
            }
            _ => {}
        }
    });
    println!("  taken over: {tally:?}");
    assert_eq!(tally.refused, 0, "{tally:?}");
    // The queue of a socket of the old one that nobody serves here yet.
    TcpStream::connect(("127.0.0.1", late)).unwrap();
    let mut second = second.unwrap();
    second.wait_for("the server whose sockets were taken over has ended");
    assert!(path.exists(), "it belongs to the new one now");
    second.signal(Signal::SIGTERM);
    assert_eq!(second.ends().code(), Some(0));
    assert!(!path.exists());
    assert!(TcpStream::connect(address).is_err());
}

fn a_server_whose_successor_dies_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("manager");
    let options = format!(
        "behave=named port={} manager={} take_over=1",
        free_port(),
        path.display()
    );
    let mut first = Driver::working(&options, 1);
    let mut second = Driver::working(&options, 1);
    first.wait_for("has taken over 1 listening sockets");
    second.kill();
    first.wait_for("the server that took the sockets over is gone: serving them as before");
    // By name, too: its next worker asks.
    send(first.workers()[0].pid, Signal::SIGKILL);
    first.wait_for_workers(2);
    first.signal(Signal::SIGTERM);
    assert_eq!(first.ends().code(), Some(0));
    assert!(!path.exists());
}

fn sockets_of_a_service_manager_are_found_by_their_address() {
    for supervisor in ["", "supervisor=1"] {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let options = format!("behave=serves address={address} release=100 {supervisor}");
        let mut driver = Driver::activated(&options, socket.into());
        driver.wait_for_workers(1);
        served(address).unwrap();
        driver.signal(Signal::SIGTERM);
        assert_eq!(driver.ends().code(), Some(0));
    }
}
