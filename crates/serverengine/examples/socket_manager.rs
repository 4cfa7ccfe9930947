//! Listening sockets by name, and a server that takes over those of the one before it.
//!
//! ```text
//! cargo run --example socket_manager -- /tmp/example.manager 127.0.0.1 7010
//! cargo run --example socket_manager -- /tmp/example.manager 127.0.0.1 7010     # again, beside the first
//! kill -TERM <the first>                                                        # nobody is refused
//! ```

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use serverengine::socket_manager::{Client, Server};
use serverengine::{BoxError, Config, Worker, WorkerContext};

struct Greeter {
    sockets: Client,
    bind: String,
    port: u16,
}

impl Worker for Greeter {
    fn run(&self, context: &WorkerContext) -> Result<(), BoxError> {
        let listener = self.sockets.listen_tcp(&self.bind, self.port)?;
        let datagrams = self.sockets.listen_udp(&self.bind, self.port)?;
        let pid = std::process::id();
        println!(
            "worker {} listens on {} and {}",
            context.worker_id(),
            listener.local_addr()?,
            datagrams.local_addr()?
        );
        println!("worker {} {pid} works", context.worker_id());
        thread::spawn(move || {
            for connection in listener.incoming() {
                // A client that is gone already is its own affair.
                let _ = connection.and_then(|mut it| writeln!(it, "served by {pid}"));
            }
        });
        while !context.stopping().wait_for_set(Duration::from_secs(60)) {}
        Ok(())
    }
}

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let (Some(path), Some(bind), Some(Ok(port))) = (
        arguments.next(),
        arguments.next(),
        arguments.next().map(|port| port.parse()),
    ) else {
        eprintln!("expected a path for the manager, an address and a port");
        return ExitCode::from(64);
    };
    // Who comes second takes over.
    let manager =
        Server::open(&*path).or_else(|_| Server::share_sockets_with_another_server(&path));
    let manager = match manager {
        Ok(manager) => manager,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    let sockets = manager.new_client();
    let config = Config {
        workers: 2,
        socket_manager: Some(Arc::new(manager)),
        ..Config::default()
    };
    let build = move |_| Greeter {
        sockets: sockets.clone(),
        bind: bind.clone(),
        port,
    };
    serverengine::create((), build, config).run()
}
