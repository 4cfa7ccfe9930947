//! An HTTP server on tokio and hyper that answers what it has begun before it stops, behind listening
//! sockets that are never closed.
//!
//! ```text
//! cargo run --example http -- 127.0.0.1:7011
//! curl http://127.0.0.1:7011/slow &    # takes a second
//! kill -USR1 <the server>              # answered all the same, and so is everybody meanwhile
//! ```

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::process::ExitCode;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serverengine::{BoxError, Config, ListenOptions, Worker, WorkerContext};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

struct Http {
    address: SocketAddr,
    stop: watch::Sender<bool>,
}

impl Worker for Http {
    fn run(&self, context: &WorkerContext) -> Result<(), BoxError> {
        let listener = context.listen_tcp(self.address, ListenOptions::default())?;
        listener.set_nonblocking(true)?;
        // The runtime and its threads are the worker's: made after the fork.
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()?;
        runtime.block_on(async {
            let listener = TcpListener::from_std(listener)?;
            println!(
                "worker {} listens on {}",
                context.worker_id(),
                listener.local_addr()?
            );
            println!(
                "worker {} {} works",
                context.worker_id(),
                std::process::id()
            );
            context.ready()?;
            serve(listener, self.stop.subscribe()).await;
            Ok(())
        })
    }

    fn stop(&self) {
        self.stop.send_replace(true);
    }
}

/// How long a stop waits for the first request over a connection.
const FIRST_REQUEST_MAX: Duration = Duration::from_secs(5);

/// Accepts until told to stop, then waits for the answers that are under way. The engine ends it if that
/// takes longer than `worker_graceful_kill_timeout`.
async fn serve(listener: TcpListener, mut stop: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        // One that was gone before it was accepted is its own affair.
        if let Ok((stream, _)) = accepted {
            connections.spawn(converse(stream, stop.clone()));
        }
    }
    // What nobody has accepted yet stays in the shared queue, for the other workers.
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// Answers what comes over one connection; told to stop, at least the first request.
async fn converse(stream: TcpStream, mut stop: watch::Receiver<bool>) {
    let asked = Notify::new();
    let service = service_fn(|request| {
        asked.notify_one();
        answer(request)
    });
    let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    // A connection that hyper has read no whole request of, it closes when it is to stop. Whoever was accepted
    // has been promised more than that.
    let stopping = async {
        let _ = stop.wait_for(|stop| *stop).await.is_ok();
        let _ = timeout(FIRST_REQUEST_MAX, asked.notified()).await;
    };
    let result = tokio::select! {
        result = connection.as_mut() => result,
        () = stopping => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        eprintln!("connection: {error}");
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let text = if request.uri().path() == "/slow" {
        tokio::time::sleep(Duration::from_secs(1)).await;
        "slow but sure\n"
    } else {
        "hello\n"
    };
    Ok(Response::new(Full::from(text)))
}

fn main() -> ExitCode {
    let argument = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "127.0.0.1:7011".to_owned());
    let Ok(address) = argument.parse() else {
        eprintln!("{argument:?} is no address; write it like 127.0.0.1:7011");
        return ExitCode::from(64);
    };
    let config = Config {
        workers: 2,
        explicit_readiness: true,
        ..Config::default()
    };
    let build = move |_| Http {
        address,
        stop: watch::Sender::new(false),
    };
    serverengine::create((), build, config).run()
}
