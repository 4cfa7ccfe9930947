//! The thread of one source: accepts, answers heartbeats, and gives each connection a task.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use millrun_core::Stop;
use millrun_event::EventTime;
use millrun_forward::ServerSecurity;
use millrun_tls::Acceptor;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::task::LocalSet;

use super::connection;
use super::parameters::Plan;
use super::sink::Sink;
use crate::repeats::Repeats;

/// How many connections one source holds open at once; another one is closed on arrival.
pub(super) const CONNECTIONS_MAX: usize = 10_000;

/// How long nothing is accepted after the system refused, which it does when descriptors run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How many names of clients are looked up at once.
const LOOKUP_THREADS_MAX: usize = 4;

/// The longest heartbeat datagram looked at, in bytes; what is longer is cut, and answered too.
const HEARTBEAT_BYTES_MAX: usize = 1024;

/// Serves until `stop`. An error means that the sockets or the runtime could not be set up.
pub(super) fn run(
    plan: Plan,
    admission: Admission,
    tcp: TcpListener,
    udp: UdpSocket,
    sink: impl Sink + 'static,
    stop: &Stop,
) -> io::Result<()> {
    tcp.set_nonblocking(true)?;
    udp.set_nonblocking(true)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .max_blocking_threads(LOOKUP_THREADS_MAX)
        .build()?;
    let stopped = Arc::new(Notify::new());
    let waker = Arc::clone(&stopped);
    stop.on_set(move || waker.notify_one());

    let server = Rc::new(Server {
        plan,
        security: admission.security,
        acceptor: admission.acceptor,
        sink: RefCell::new(sink),
        open: Cell::new(0),
        repeats: RefCell::default(),
    });
    let tasks = LocalSet::new();
    let served = tasks.block_on(&runtime, async {
        let tcp = tokio::net::TcpListener::from_std(tcp)?;
        let udp = tokio::net::UdpSocket::from_std(udp)?;
        tokio::select! {
            () = stopped.notified() => Ok(()),
            () = accept(&server, &tcp) => Ok(()),
            () = answer_heartbeats(&udp) => Ok(()),
        }
    });
    drop(tasks);
    // A name server that does not answer is not waited for.
    runtime.shutdown_background();
    served
    // Connections end with the runtime: what was not acknowledged, the clients have still.
}

/// Who may come in, and over what.
#[derive(Default)]
pub(super) struct Admission {
    pub(super) security: Option<ServerSecurity>,
    pub(super) acceptor: Option<Acceptor>,
}

/// What the connections of one source share.
pub(super) struct Server<S> {
    pub(super) plan: Plan,
    /// Whom it lets in, where it asks.
    pub(super) security: Option<ServerSecurity>,
    /// Makes TLS of connections, where the source has it.
    pub(super) acceptor: Option<Acceptor>,
    /// Borrowed only between two awaits, so never twice at a time.
    pub(super) sink: RefCell<S>,
    open: Cell<usize>,
    repeats: RefCell<Repeats>,
}

impl<S> Server<S> {
    /// Whether a warning that any client can provoke is logged now: a client that sends garbage
    /// must not fill the disk with what is said about it. Within, how many were held back since
    /// the last one, if any were.
    pub(super) fn may_warn(&self) -> Option<Option<u64>> {
        let held_back = self.repeats.borrow_mut().pass(EventTime::now())?;
        Some((held_back > 0).then_some(held_back))
    }
}

async fn accept<S: Sink + 'static>(server: &Rc<Server<S>>, listener: &tokio::net::TcpListener) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => serve(server, stream, peer),
            Err(error) => {
                tracing::warn!(
                    plugin_id = server.plan.id.given(),
                    error = %error,
                    "cannot accept a connection; trying on"
                );
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn serve<S: Sink + 'static>(server: &Rc<Server<S>>, stream: TcpStream, peer: SocketAddr) {
    let open = server.open.get();
    if open >= CONNECTIONS_MAX {
        tracing::warn!(
            plugin_id = server.plan.id.given(),
            host = %peer.ip(),
            limit = CONNECTIONS_MAX,
            "too many connections; this one is closed"
        );
        return;
    }
    server.open.set(open + 1);
    let server = Rc::clone(server);
    tokio::task::spawn_local(async move {
        connection::serve(&server, stream, peer).await;
        server.open.set(server.open.get().saturating_sub(1));
    });
}

async fn answer_heartbeats(socket: &tokio::net::UdpSocket) {
    let mut datagram = [0; HEARTBEAT_BYTES_MAX];
    loop {
        match socket.recv_from(&mut datagram).await {
            // A client that does not get its answer sends the next heartbeat anyway.
            Ok((_, peer)) => drop(socket.try_send_to(&[0], peer)),
            // An answer to a client that is gone comes back as an error of the socket.
            Err(_) => tokio::task::yield_now().await,
        }
    }
}
