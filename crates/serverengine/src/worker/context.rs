//! What a running worker can ask of the engine.

use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::config::Application;
use crate::core::Generation;
use crate::flag::BlockingFlag;
use crate::lifeline::Lifeline;
use crate::lifeline::frame::Frame;
use crate::listen::{ListenAddress, ListenError, ListenOptions, SocketKey, absolute};
use crate::published::Published;

/// How long a worker waits for an answer of the control process. One that is in order needs well under
/// a millisecond; one that runs a slow reload hook needs as long as that.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// A worker's connection to the engine. Usable from any thread of the worker.
#[derive(Debug)]
pub struct WorkerContext {
    worker_id: usize,
    generation: Generation,
    lifeline: Lifeline,
    stopping: BlockingFlag,
    next_request: AtomicU32,
    waiting: Mutex<HashMap<u32, Sender<Answer>>>,
    config: Mutex<Published>,
}

/// Answer to a request for a listening socket: the socket, or error number and explanation.
pub(super) type Answer = Result<OwnedFd, (i32, String)>;

impl WorkerContext {
    pub(super) fn new(
        worker_id: usize,
        generation: Generation,
        lifeline: Lifeline,
        config: Published,
    ) -> Self {
        Self {
            worker_id,
            generation,
            lifeline,
            stopping: BlockingFlag::new(),
            next_request: AtomicU32::new(0),
            waiting: Mutex::default(),
            config: Mutex::new(config),
        }
    }

    /// Returns this worker's number: 0 to `workers - 1`, stable over restarts.
    #[must_use]
    pub fn worker_id(&self) -> usize {
        self.worker_id
    }

    /// Returns the number of this life. A successor's is greater; no two lives under one server have the
    /// same.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation.0
    }

    /// Returns the application's configuration, as [`Server::worker_config`](crate::Server::worker_config)
    /// said at the last reload, or before this worker was started.
    #[must_use]
    pub fn config(&self) -> Option<Arc<str>> {
        self.published().text.clone()
    }

    /// Returns the application's part of the configuration, [`Config::application`](crate::Config::application),
    /// as it was at the last reload. It is empty if [`Server::worker_config`](crate::Server::worker_config) says
    /// something else, unless that is a JSON object.
    #[must_use]
    pub fn application(&self) -> Application {
        let text = self.config();
        text.and_then(|text| Application::from_json(&text).ok())
            .unwrap_or_default()
    }

    /// Returns the number of that configuration: 1 for the first, one more with each reload and restart,
    /// also where the server has no text for its workers.
    #[must_use]
    pub fn config_version(&self) -> u32 {
        self.published().version
    }

    /// Says what a dump should know.
    pub(super) fn describe(&self) -> String {
        format!(
            "worker {} generation {} configuration {} {}, {} requests wait for an answer",
            self.worker_id,
            self.generation.0,
            self.config_version(),
            if self.stopping.is_set() {
                "stopping"
            } else {
                "running"
            },
            self.waiting().len()
        )
    }

    pub(super) fn take_config(&self, config: Published) {
        *self.published() = config;
    }

    /// Tells the server that the newest configuration is in use.
    pub(super) fn acknowledge_config(&self) {
        let version = self.config_version();
        let _ = self.lifeline.send(&Frame::ConfigTaken { version }, None);
    }

    // Values are replaced as a whole under this lock.
    fn published(&self) -> MutexGuard<'_, Published> {
        self.config.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the flag that is set before `stop` is called.
    #[must_use]
    pub fn stopping(&self) -> &BlockingFlag {
        &self.stopping
    }

    /// Says that this worker does its work now. Needed only with
    /// [`Config::explicit_readiness`](crate::Config::explicit_readiness); harmless otherwise.
    ///
    /// # Errors
    ///
    /// The server process is gone.
    pub fn ready(&self) -> io::Result<()> {
        self.lifeline.send(&Frame::Ready, None)
    }

    /// Returns a listening TCP socket that the control process holds for all workers.
    ///
    /// Its backlog survives this worker. It is blocking; making it non-blocking makes it so for all workers
    /// that share it.
    ///
    /// # Errors
    ///
    /// The kernel refuses the address, or the server process is gone.
    pub fn listen_tcp(
        &self,
        address: SocketAddr,
        options: ListenOptions,
    ) -> Result<TcpListener, ListenError> {
        self.listen(ListenAddress::Tcp(address), options)
            .map(TcpListener::from)
    }

    /// Returns a bound UDP socket that the control process holds for all workers.
    ///
    /// # Errors
    ///
    /// The kernel refuses the address, or the server process is gone.
    pub fn listen_udp(
        &self,
        address: SocketAddr,
        options: ListenOptions,
    ) -> Result<UdpSocket, ListenError> {
        self.listen(ListenAddress::Udp(address), options)
            .map(UdpSocket::from)
    }

    /// Returns a listening Unix socket that the control process holds for all workers. Its file is
    /// removed when the server ends.
    ///
    /// # Errors
    ///
    /// The kernel refuses the path, or the server process is gone.
    pub fn listen_unix(
        &self,
        path: impl AsRef<Path>,
        options: ListenOptions,
    ) -> Result<UnixListener, ListenError> {
        let path = absolute(path.as_ref());
        self.listen(ListenAddress::Unix(path), options)
            .map(UnixListener::from)
    }

    /// Returns a bound Unix datagram socket that the control process holds for all workers. Its file is
    /// removed when the server ends.
    ///
    /// # Errors
    ///
    /// The kernel refuses the path, or the server process is gone.
    pub fn listen_unix_datagram(
        &self,
        path: impl AsRef<Path>,
        options: ListenOptions,
    ) -> Result<UnixDatagram, ListenError> {
        let path = absolute(path.as_ref());
        self.listen(ListenAddress::UnixDatagram(path), options)
            .map(UnixDatagram::from)
    }

    fn listen(
        &self,
        address: ListenAddress,
        options: ListenOptions,
    ) -> Result<OwnedFd, ListenError> {
        let request = self.next_request.fetch_add(1, Ordering::Relaxed);
        let (sender, answer) = channel();
        self.waiting().insert(request, sender);
        let key = SocketKey { address, options };
        let sent = self.lifeline.send(
            &Frame::Listen {
                request,
                key: key.clone(),
            },
            None,
        );
        let answer = sent.and_then(|()| {
            answer.recv_timeout(ANSWER_TIMEOUT).map_err(|_| {
                let text = format!("no answer within {ANSWER_TIMEOUT:?}");
                io::Error::new(io::ErrorKind::TimedOut, text)
            })
        });
        self.waiting().remove(&request);
        answer
            .map_err(|error| ListenError::no_answer(&key.address, error))?
            .map_err(|(errno, text)| ListenError::refused(&key.address, errno, text))
    }

    pub(super) fn lifeline(&self) -> &Lifeline {
        &self.lifeline
    }

    /// Hands an answer to the thread that waits for it.
    pub(super) fn answer(&self, request: u32, answer: Answer) {
        if let Some(sender) = self.waiting().remove(&request) {
            // It may have given up waiting.
            let _ = sender.send(answer);
        }
    }

    // No code that could panic runs under this lock.
    fn waiting(&self) -> MutexGuard<'_, HashMap<u32, Sender<Answer>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
