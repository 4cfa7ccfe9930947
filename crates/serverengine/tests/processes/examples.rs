//! The example programs do what they say.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::driver::{Driver, assert_gone_within, send};
use crate::proc;

crate::tests![
    example_simple,
    example_multiprocess,
    example_multiprocess_tcp,
    example_spawn,
    example_logging,
    example_live_restart,
    example_reload,
    example_supervisor,
    example_blocking_flag,
    example_socket_manager,
    example_immortal,
    example_immortal_with_a_supervisor,
    example_http,
    the_simplest_server_fits_in_15_lines,
];

fn ends(mut driver: Driver) {
    driver.signal(Signal::SIGTERM);
    assert_eq!(driver.ends().code(), Some(0), "{}", driver.text());
}

fn example_simple() {
    let driver = Driver::example("simple", &[]);
    driver.wait("a worker", || {
        (!proc::descendants(driver.pid()).is_empty()).then_some(())
    });
    ends(driver);
}

fn example_multiprocess() {
    let driver = Driver::example("multiprocess", &[]);
    let killed = driver.wait_for_workers(4)[2];
    send(killed.pid, Signal::SIGKILL);
    assert_eq!(driver.wait_for_workers(5)[4].id, killed.id);
    ends(driver);
}

fn example_multiprocess_tcp() {
    let driver = Driver::example("multiprocess_tcp", &["127.0.0.1:0"]);
    let address = driver.wait_for(" listens on ");
    TcpStream::connect(address).unwrap();
    ends(driver);
}

fn example_spawn() {
    let driver = Driver::example("spawn", &[]);
    driver.wait_for_workers(2);
    driver.signal(Signal::SIGUSR2);
    driver.wait_for_count("told to RELOAD", 2);
    let before = driver.text();
    assert!(!before.contains("returns"), "{before}");
    ends(driver);
}

fn example_logging() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let driver = Driver::example("logging", &[path.to_str().unwrap()]);
    let text = || fs::read_to_string(&path).unwrap_or_default();
    driver.wait("two workers", || {
        (text().matches(" works\n").count() == 2).then_some(())
    });
    ends(driver);
    assert_eq!(text().matches("INFO -- : worker ").count(), 2, "{}", text());
    assert!(text().contains("INFO -- : Received graceful stop"));
    assert!(!text().contains("below the level"));
}

fn example_live_restart() {
    let driver = Driver::example("live_restart", &[]);
    let first = driver.wait_for_workers(1)[0].pid;
    driver.signal(Signal::SIGINT);
    driver.wait_for_workers(2);
    assert!(proc::runs(first), "both at once");
    driver.wait_for("worker 0 returns");
    driver.signal(Signal::SIGQUIT);
    let mut driver = driver;
    assert_eq!(driver.ends().code(), Some(0));
}

fn example_reload() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("greeting.yml");
    fs::write(&path, "workers: 1\ngreeting: hello\n").unwrap();
    let driver = Driver::example("reload", &[path.to_str().unwrap()]);
    driver.wait_for("hello");
    fs::write(&path, "workers: 2\ngreeting: salut\n").unwrap();
    driver.signal(Signal::SIGUSR2);
    driver.wait_for_count("salut", 2);
    fs::write(&path, "worker: 3\n").unwrap();
    driver.signal(Signal::SIGUSR2);
    driver.wait_for("greeting.yml:1:1: unknown key \"worker\"; did you mean \"workers\"?");
    assert_eq!(driver.workers().len(), 2);
    ends(driver);
}

fn example_supervisor() {
    let driver = Driver::example("supervisor", &[]);
    let first = driver.wait_for_workers(2);
    let server = proc::descendants(driver.pid())[0];
    assert_eq!(proc::title_of(server), "counter-server");
    send(server, Signal::SIGKILL);
    let all = driver.wait_for_workers(4);
    assert!(first.iter().all(|worker| !proc::runs(worker.pid)));
    assert_ne!(all[2].pid, first[0].pid);
    ends(driver);
}

fn example_blocking_flag() {
    let mut driver = Driver::example("blocking_flag", &[]);
    driver.wait_for_workers(1);
    driver.signal(Signal::SIGTERM);
    assert_eq!(driver.ends().code(), Some(0));
    assert_eq!(driver.count("told to stop"), 1);
    assert_eq!(driver.count("worker 0 returns"), 1);
}

fn example_socket_manager() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("manager");
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let arguments = [path.to_str().unwrap(), "127.0.0.1", &port.to_string()];
    let mut first = Driver::example("socket_manager", &arguments);
    first.wait_for_workers(2);
    let second = Driver::example("socket_manager", &arguments);
    second.wait_for_workers(2);
    TcpStream::connect(("127.0.0.1", port)).unwrap();
    first.signal(Signal::SIGTERM);
    assert_eq!(first.ends().code(), Some(0));
    TcpStream::connect(("127.0.0.1", port)).unwrap();
    ends(second);
    assert!(!path.exists());
}

fn example_immortal() {
    let mut driver = Driver::example("immortal", &[]);
    let first = driver.wait_for_workers(3);
    send(first[1].pid, Signal::SIGKILL);
    let workers = driver.wait_for_workers(4);
    assert_eq!(workers[3].id, first[1].id);
    // The server is the topmost process here, and nobody is left to replace it.
    driver.kill();
    let pids: Vec<_> = workers.iter().map(|worker| worker.pid).collect();
    assert_gone_within(&pids, Duration::from_secs(1));
}

fn example_immortal_with_a_supervisor() {
    let driver = Driver::example("immortal", &["supervisor"]);
    let first = driver.wait_for_workers(3);
    send(proc::descendants(driver.pid())[0], Signal::SIGKILL);
    driver.wait_for_workers(4);
    // When the first of the new ones works, none of the old ones does.
    assert!(first.iter().all(|worker| !proc::runs(worker.pid)));
    let workers = driver.wait_for_workers(6);
    let numbers: std::collections::BTreeSet<_> = workers[3..].iter().map(|it| it.id).collect();
    assert_eq!(numbers.into_iter().collect::<Vec<_>>(), [0, 1, 2]);
    ends(driver);
}

fn example_http() {
    let mut driver = Driver::example("http", &["127.0.0.1:0"]);
    let address = driver.wait_for(" listens on ").parse().unwrap();
    driver.wait_for_workers(2);
    for (signal, workers) in [(Signal::SIGUSR1, 4), (Signal::SIGTERM, 4)] {
        // One for each worker, so that whoever leaves has something in hand.
        let slow: Vec<_> = (0..2).map(|_| request(address, "/slow")).collect();
        std::thread::sleep(Duration::from_millis(200));
        driver.signal(signal);
        while signal == Signal::SIGUSR1 && driver.workers().len() < workers {
            assert!(answer(request(address, "/")).ends_with("hello\n"));
        }
        for request in slow {
            assert!(answer(request).ends_with("slow but sure\n"));
        }
    }
    assert_eq!(driver.ends().code(), Some(0), "{}", driver.text());
}

fn request(address: SocketAddr, path: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    stream
}

fn answer(mut stream: TcpStream) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

fn the_simplest_server_fits_in_15_lines() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/simple.rs");
    let lines = fs::read_to_string(path).unwrap().lines().count();
    assert!(lines <= 15, "{lines}");
}
