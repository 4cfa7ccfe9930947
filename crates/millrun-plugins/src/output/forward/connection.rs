//! One connection to one server.

use std::io::{self, IoSlice};
use std::net::TcpStream;
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use millrun_buffer::ChunkId;
use millrun_forward::{
    Chunk, ClientHandshake, ClientSecurity, HandshakeError, Receiver, ReceiverSettings, SendError,
    Sender,
};
use millrun_tls::SessionError;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use socket2::SockRef;
use thiserror::Error;

use super::fleet::Member;
use super::parameters::Plan;
use crate::transport::{Wire, WireError};

/// A blocking socket whose writes time out, with the client end of the protocol.
#[derive(Debug)]
pub(super) struct Connection {
    /// The server at the other end.
    pub(super) member: Arc<Member>,
    wire: Wire,
    protocol: Sender,
    used: Instant,
}

/// Why a chunk did not get through a connection, which is of no use any more.
#[derive(Debug, Error)]
pub(super) enum Broken {
    #[error("cannot send: no progress within {} s (send_timeout)", .0.as_secs_f64())]
    Stuck(Duration),
    #[error("cannot send: {0}")]
    Network(#[from] io::Error),
    #[error("{0}")]
    Tls(io::Error),
    #[error("{0}")]
    Name(#[from] SessionError),
    #[error("{0}")]
    Protocol(#[from] SendError),
    #[error("{0}")]
    Handshake(#[from] HandshakeError),
    #[error("the server closed the connection in the handshake")]
    Closed,
    #[error("handshake timeout after {} s (hard_timeout)", .0.as_secs_f64())]
    Silent(Duration),
}

impl Connection {
    /// Makes one of a new connection to `member`.
    pub(super) fn new(
        member: Arc<Member>,
        stream: TcpStream,
        plan: &Plan,
        salt: &str,
        now: Instant,
    ) -> Result<Self, Broken> {
        // A write of 0 seconds would be refused; it stands for no limit.
        let timeout = Some(plan.send_timeout).filter(|timeout| !timeout.is_zero());
        stream.set_write_timeout(timeout)?;
        stream.set_nodelay(true)?;
        if plan.send_keepalive_packet {
            SockRef::from(&stream).set_keepalive(true)?;
        }
        let to = &member.server;
        let timeout = plan.hard_timeout.max(HANDSHAKE_TIMEOUT_MIN);
        let deadline = Instant::now() + timeout;
        let silent = |error| match error {
            WireError::Stuck(_) => Broken::Silent(timeout),
            WireError::Closed => Broken::Closed,
            WireError::Network(error) => Broken::Tls(error),
        };
        let session = member
            .transport(&plan.transport)
            .session(&to.host, &to.name)?;
        let mut wire = Wire::open(stream, session, deadline).map_err(silent)?;
        if let Some(security) = &to.security {
            shake_hands(&mut wire, security, salt, deadline).map_err(|error| match error {
                Broken::Stuck(_) => Broken::Silent(timeout),
                other => other,
            })?;
        }
        Ok(Self {
            member,
            wire,
            protocol: Sender::new(plan.sender.clone()),
            used: now,
        })
    }

    /// Whether another chunk may go this way. A server that has closed the connection, or says
    /// something unasked, is not sent anything more.
    pub(super) fn is_usable(&mut self, idle_max: Option<Duration>, now: Instant) -> bool {
        let idle = now.saturating_duration_since(self.used);
        let is_fresh = self.in_flight() > 0 || idle_max.is_none_or(|longest| idle <= longest);
        // With acknowledgements due, bytes to read are what is hoped for.
        let is_quiet = self.in_flight() > 0 || self.wire.is_quiet();
        self.protocol.has_room() && is_fresh && is_quiet
    }

    /// Writes `chunk` whole.
    pub(super) fn send(&mut self, chunk: &Chunk<'_>, now: Instant) -> Result<(), Broken> {
        let outgoing = self.protocol.send(chunk, now)?;
        let mut slices = outgoing.slices().map(IoSlice::new);
        self.wire.write_all(&mut slices)?;
        self.used = now;
        Ok(())
    }

    /// Reads the acknowledgements that have come and appends the chunks they are for. False when
    /// the server has closed the connection and owes nothing.
    pub(super) fn read_answers(&mut self, acked: &mut Vec<ChunkId>) -> Result<bool, Broken> {
        let (mut is_open, mut read) = (true, Ok(()));
        while is_open && read.is_ok() {
            match self.wire.read(self.protocol.room()) {
                Ok(0) => {
                    is_open = false;
                    read = self.protocol.handle_close();
                }
                Ok(len) => read = self.protocol.filled(len),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(Broken::Network(error)),
            }
        }
        // What was acknowledged before a fault is acknowledged.
        while let Some(id) = self.protocol.poll_acked() {
            acked.push(ChunkId::from_bytes(id));
        }
        read?;
        Ok(is_open)
    }

    /// Fails when an acknowledgement is overdue.
    pub(super) fn check_deadline(&mut self, now: Instant) -> Result<(), Broken> {
        Ok(self.protocol.handle_timeout(now)?)
    }

    /// How many chunks wait for their acknowledgement.
    pub(super) fn in_flight(&self) -> usize {
        self.protocol.in_flight()
    }

    /// The chunks sent and not acknowledged.
    pub(super) fn in_doubt(&self) -> impl Iterator<Item = ChunkId> + '_ {
        self.protocol.in_doubt().map(ChunkId::from_bytes)
    }
}

/// The shortest time for a handshake: none at all would let nobody in.
const HANDSHAKE_TIMEOUT_MIN: Duration = Duration::from_millis(1);

/// Proves to the server who this is, and lets it prove that it knows the key.
fn shake_hands(
    wire: &mut Wire,
    security: &ClientSecurity,
    salt: &str,
    deadline: Instant,
) -> Result<(), Broken> {
    let mut answers = Receiver::new(ReceiverSettings::default());
    let mut handshake = ClientHandshake::new(security, salt.as_bytes());
    let ping = greeting(wire, &mut answers, deadline, |hello| handshake.ping(hello))?;
    wire.write_all(&mut [IoSlice::new(&ping)])?;
    greeting(wire, &mut answers, deadline, |pong| handshake.check(pong))
}

/// Waits for the next value of the handshake and gives it to `take`.
fn greeting<T>(
    wire: &mut Wire,
    answers: &mut Receiver,
    deadline: Instant,
    take: impl FnOnce(&[u8]) -> Result<T, HandshakeError>,
) -> Result<T, Broken> {
    loop {
        match answers.poll_greeting() {
            Ok(Some(value)) => return Ok(take(value)?),
            Ok(None) => {}
            Err(_) => return Err(HandshakeError::NoPong.into()),
        }
        match wire.read_until(answers.room(), deadline)? {
            0 => return Err(Broken::Closed),
            len => answers.filled(len),
        }
    }
}

impl From<WireError> for Broken {
    fn from(error: WireError) -> Self {
        match error {
            WireError::Stuck(timeout) => Self::Stuck(timeout),
            WireError::Closed => Self::Closed,
            WireError::Network(error) => Self::Network(error),
        }
    }
}

/// Waits up to `timeout` until a connection has something to read; says which have.
pub(super) fn wait_readable(connections: &[Connection], timeout: Duration) -> Vec<bool> {
    let mut descriptors: Vec<PollFd<'_>> = connections
        .iter()
        .map(|connection| PollFd::new(connection.wire.as_fd(), PollFlags::POLLIN))
        .collect();
    // Rounded up, or the last millisecond would be spent in a busy loop.
    let timeout = timeout.saturating_add(Duration::from_micros(999));
    let timeout = PollTimeout::try_from(timeout).unwrap_or(PollTimeout::MAX);
    // An interrupted wait is a short one.
    let _ = poll(&mut descriptors, timeout);
    let is_ready = |descriptor: &PollFd<'_>| descriptor.any().unwrap_or(true);
    descriptors.iter().map(is_ready).collect()
}
