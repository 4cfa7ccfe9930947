//! A TCP echo server of four workers that share one listening socket, under a supervisor.
//!
//! ```text
//! cargo run --example multiprocess_tcp -- 127.0.0.1:7007
//! nc 127.0.0.1 7007            # try it; then kill -9 a worker, the server, or the supervisor
//! kill -USR1 <supervisor>      # replaces the workers one by one; nobody is refused
//! ```

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use serverengine::{BlockingFlag, BoxError, Config, ListenOptions, Worker, WorkerContext};

struct Echo {
    address: SocketAddr,
    stop: BlockingFlag,
}

impl Worker for Echo {
    fn run(&self, context: &WorkerContext) -> Result<(), BoxError> {
        let listener = context.listen_tcp(self.address, ListenOptions::default())?;
        println!(
            "worker {} listens on {}",
            context.worker_id(),
            listener.local_addr()?
        );
        thread::spawn(move || accept(&listener));
        while !self.stop.wait_for_set(Duration::from_secs(60)) {}
        // What nobody has accepted yet stays in the shared queue, for the other workers.
        Ok(())
    }

    fn stop(&self) {
        self.stop.set();
    }
}

fn accept(listener: &TcpListener) {
    for connection in listener.incoming() {
        match connection {
            Ok(connection) => drop(thread::spawn(move || echo(&connection))),
            Err(error) => eprintln!("accept: {error}"),
        }
    }
}

fn echo(connection: &TcpStream) -> io::Result<u64> {
    io::copy(&mut &*connection, &mut &*connection)
}

fn main() -> ExitCode {
    let argument = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "127.0.0.1:7007".to_owned());
    let Ok(address) = argument.parse() else {
        eprintln!("{argument:?} is no address; write it like 127.0.0.1:7007");
        return ExitCode::from(64);
    };
    let config = Config {
        workers: 4,
        supervisor: true,
        server_process_name: Some("echo-server".to_owned()),
        worker_process_name: Some("echo-worker:%d".to_owned()),
        ..Config::default()
    };
    serverengine::create(
        (),
        move |_| Echo {
            address,
            stop: BlockingFlag::new(),
        },
        config,
    )
    .run()
}
