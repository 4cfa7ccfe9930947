//! The example programs do what they say.

use std::fs;
use std::net::TcpStream;

use nix::sys::signal::Signal;

use crate::driver::{Driver, send};
use crate::proc;

crate::tests![
    example_simple,
    example_multiprocess,
    example_multiprocess_tcp,
    example_spawn,
    example_logging,
    example_live_restart,
    example_reload,
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
    let killed = driver.wait_for_workers(4)[2].clone();
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
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), "hello\n").unwrap();
    let driver = Driver::example("reload", &[file.path().to_str().unwrap()]);
    driver.wait_for("hello");
    fs::write(file.path(), "salut\n").unwrap();
    driver.signal(Signal::SIGUSR2);
    driver.wait_for("salut");
    assert_eq!(driver.workers().len(), 1);
    ends(driver);
}
