//! One connection: read, store, answer.

use std::borrow::Cow;
use std::io::{self, Read as _};
use std::net::SocketAddr;
use std::time::Duration;

use millrun_core::{LossReason, Losses};
use millrun_event::{EventTime, Events};
use millrun_forward::{
    CHALLENGE_BYTES, Message, Mode, Oversized, Received, Receiver, Refusal, ServerHandshake,
};
use socket2::SockRef;
use tokio::net::TcpStream;

use super::parameters::Plan;
use super::peer::Peer;
use super::server::Server;
use super::sink::{Circumstances, Sink, Stored};
use crate::transport::Stream;

/// How long a client may take to read its acknowledgements before it is given up.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// How long a connection is silent before its memory is given back.
const IDLE_SHRINK: Duration = Duration::from_secs(10);

/// How many messages of one connection are stored before the others have their turn.
const TURN_MESSAGES_MAX: usize = 16;

/// Carries one connection to its end, and says in the log why it ended where that is of interest.
pub(super) async fn serve<S: Sink>(server: &Server<S>, tcp: TcpStream, from: SocketAddr) {
    let plan = &server.plan;
    set_options(plan, &tcp);
    let Some((stream, peer)) = greet(server, tcp, from).await else {
        return;
    };
    let mut connection = Connection {
        server,
        receiver: receiver(plan, &peer),
        stream,
        peer,
        is_silent: true,
        answers: Vec::new(),
    };
    let opened = tokio::time::timeout(plan.handshake_timeout, connection.open()).await;
    let end = match opened.unwrap_or(Err(End::Silent)) {
        Ok(true) => connection.run().await,
        Ok(false) => Ok(()),
        Err(end) => Err(end),
    };
    connection.stream.close();
    if let Err(end) = end {
        tell_end(server, &connection.peer, from.port(), &end);
    }
}

fn set_options(plan: &Plan, tcp: &TcpStream) {
    // Acknowledgements are small and waited for. A socket that refuses an option still works.
    drop(tcp.set_nodelay(true));
    let socket = SockRef::from(tcp);
    if plan.send_keepalive_packet {
        drop(socket.set_keepalive(true));
    }
    if let Some(size) = plan.transport.receive_buffer_size {
        drop(socket.set_recv_buffer_size(size));
    }
}

/// Brings TLS about where the source has it, and finds out who is there.
async fn greet<S: Sink>(
    server: &Server<S>,
    tcp: TcpStream,
    from: SocketAddr,
) -> Option<(Stream, Peer)> {
    let plan = &server.plan;
    let session = server.acceptor.as_ref().map(millrun_tls::Acceptor::accept);
    let begun = match session.transpose() {
        Err(error) => Err(io::Error::other(error)),
        Ok(session) => {
            let mut stream = Stream::new(tcp, session);
            let shaken = tokio::time::timeout(plan.handshake_timeout, stream.shake_hands()).await;
            match shaken {
                Ok(shaken) => shaken.map(|()| stream),
                Err(_) => Err(silent(plan.handshake_timeout)),
            }
        }
    };
    match begun {
        Ok(stream) => Some((stream, Peer::find(from, plan.resolves_hostname).await)),
        Err(error) => {
            if let Some(held_back) = server.may_warn() {
                let addr = from.ip().to_canonical();
                tracing::warn!(
                    plugin_id = plan.id.given(), addr = %addr, port = from.port(), error = %error, held_back,
                    "unexpected error before accepting TLS connection"
                );
            }
            None
        }
    }
}

fn silent(limit: Duration) -> io::Error {
    let text = format!("handshake timeout after {}s", limit.as_secs_f64());
    io::Error::new(io::ErrorKind::TimedOut, text)
}

fn tell_end<S: Sink>(server: &Server<S>, host: &Peer, port: u16, end: &End) {
    let plan = &server.plan;
    let plugin_id = plan.id.given();
    if let End::Unstored(error) = end {
        tracing::error!(
            plugin_id, host = %host, port, error = %error,
            "emit failed; the connection is closed without an acknowledgement"
        );
    }
    if matches!(end, End::Left { unread: 0 }) {
        return;
    }
    let Some(held_back) = server.may_warn() else {
        return;
    };
    match end {
        End::Unstored(_) => {}
        End::Left { unread } => tracing::warn!(
            plugin_id, host = %host, port, unread, held_back,
            "the client left within a message, which is not taken"
        ),
        End::Silent => tracing::warn!(
            plugin_id, host = %host, port, held_back,
            "{}; the connection is closed", silent(plan.handshake_timeout)
        ),
        End::Network(error) => tracing::warn!(
            plugin_id, host = %host, port, error = %error, held_back,
            "a connection broke; the client sends again what was not acknowledged"
        ),
        End::Refused(error) => tracing::error!(
            plugin_id, host = %host, port, error = %error, held_back,
            "unexpected error on reading data"
        ),
    }
}

fn receiver(plan: &Plan, peer: &Peer) -> Receiver {
    let mut settings = plan.receiver.clone();
    let address = plan
        .source_address_key
        .as_ref()
        .map(|key| (key.clone(), peer.address.to_string().into_bytes()));
    let name = plan
        .source_hostname_key
        .as_ref()
        .map(|key| (key.clone(), peer.to_string().into_bytes()));
    settings.fields = address.into_iter().chain(name).collect();
    Receiver::new(settings)
}

struct Connection<'a, S> {
    server: &'a Server<S>,
    stream: Stream,
    peer: Peer,
    receiver: Receiver,
    /// Nothing has come yet.
    is_silent: bool,
    /// Acknowledgements of what was stored and not answered yet.
    answers: Vec<u8>,
}

/// Why a connection ends before its client wants it to.
enum End {
    Left {
        unread: u64,
    },
    /// It did not say who it is in time.
    Silent,
    Network(io::Error),
    Refused(millrun_forward::ReceiveError),
    Unstored(millrun_core::EmitError),
}

impl<S: Sink> Connection<'_, S> {
    /// Shakes hands where the source asks who is there; false when nothing more is taken of it.
    async fn open(&mut self) -> Result<bool, End> {
        let Some(security) = &self.server.security else {
            return Ok(true);
        };
        let plan = &self.server.plan;
        let (nonce, auth) = challenges().map_err(End::Network)?;
        let handshake = ServerHandshake::new(nonce, auth);
        self.answers = handshake.hello(!plan.deny_keepalive);
        self.answer().await?;
        let verdict = loop {
            if let Some(ping) = self.receiver.poll_greeting().map_err(End::Refused)? {
                break handshake.answer(ping, self.peer.address, security);
            }
            self.read().await?;
        };
        self.answers = verdict.pong;
        self.answer().await?;
        if let Some(refusal) = &verdict.refusal {
            self.tell_refusal(refusal);
            return Ok(false);
        }
        // A client may send its first message with its proof.
        Ok(!self.take_and_answer().await?)
    }

    fn tell_refusal(&self, refusal: &Refusal) {
        let plugin_id = self.server.plan.id.given();
        if self.server.may_warn().is_none() {
            return;
        }
        let address = self.peer.address.to_string();
        match refusal {
            Refusal::Anonymous { hostname, .. } => {
                tracing::warn!(plugin_id, address, hostname, "Anonymous client disallowed");
            }
            Refusal::Key { hostname } => {
                tracing::warn!(plugin_id, address, hostname, "Shared key mismatch");
            }
            Refusal::User { hostname, username } => {
                tracing::warn!(
                    plugin_id,
                    address,
                    hostname,
                    username,
                    "Authentication failed"
                );
            }
            other => tracing::info!(plugin_id, address, "a client is not let in: {other}"),
        }
    }

    async fn run(&mut self) -> Result<(), End> {
        loop {
            self.read().await?;
            if self.take_and_answer().await? {
                return Ok(());
            }
        }
    }

    /// Reads what has come, or waits for it.
    async fn read(&mut self) -> Result<(), End> {
        // No room is taken before there is something to read: idle connections cost nothing.
        let awaited = tokio::time::timeout(IDLE_SHRINK, self.stream.readable());
        if awaited.await.is_err() {
            self.receiver.shrink();
        }
        self.stream.readable().await.map_err(End::Network)?;
        match self.stream.try_read(self.receiver.room()) {
            Ok(0) => {
                let unread = self.receiver.unread();
                Err(End::Left { unread })
            }
            Ok(len) => {
                self.is_silent = false;
                self.receiver.filled(len);
                Ok(())
            }
            Err(error) if is_passing(&error) => {
                // A new connection is taken for readable until it was tried: ten thousand that say nothing are not to
                // keep the room for that.
                if self.is_silent {
                    self.receiver.shrink();
                }
                Ok(())
            }
            Err(error) => Err(End::Network(error)),
        }
    }

    /// Stores what was read and answers it; true when nothing more is taken of this client.
    async fn take_and_answer(&mut self) -> Result<bool, End> {
        loop {
            // What was stored is answered also where something behind it is refused.
            let taken = self.take_messages();
            self.answer().await?;
            let taken = taken?;
            if taken < TURN_MESSAGES_MAX {
                return Ok(taken > 0 && self.server.plan.deny_keepalive);
            }
            // All connections share one thread, and this one may have sent ten thousand small messages at once.
            tokio::task::yield_now().await;
        }
    }

    /// Stores whole messages, as many as make a turn; says how many there were.
    fn take_messages(&mut self) -> Result<usize, End> {
        let Self {
            server,
            peer,
            receiver,
            answers,
            ..
        } = self;
        let plan = &server.plan;
        let now = EventTime::now();
        let mut messages = 0;
        while messages < TURN_MESSAGES_MAX {
            let Some(received) = receiver.poll(now).map_err(End::Refused)? else {
                break;
            };
            match received {
                Received::Message(message) => {
                    store(server, peer, &message)?;
                    if let Some(ack) = message.ack {
                        ack.write(answers);
                    }
                }
                Received::Oversized(oversized) => {
                    drop_oversized(server, peer, &oversized)?;
                    if let Some(ack) = oversized.ack {
                        ack.write(answers);
                    }
                }
                Received::Broken(value) => {
                    if let Some(held_back) = server.may_warn() {
                        tracing::warn!(
                            plugin_id = plan.id.given(), host = %peer, msg = shown(value).as_ref(),
                            held_back, "incoming chunk is broken:"
                        );
                    }
                }
            }
            messages += 1;
            if plan.deny_keepalive {
                break;
            }
        }
        Ok(messages)
    }

    /// Writes the acknowledgements due. Nothing more is read meanwhile, so a client that does not
    /// read them cannot make them pile up.
    async fn answer(&mut self) -> Result<(), End> {
        if self.answers.is_empty() {
            return Ok(());
        }
        let written =
            tokio::time::timeout(ANSWER_TIMEOUT, self.stream.write_all(&self.answers)).await;
        self.answers.clear();
        match written {
            Ok(written) => written.map_err(End::Network),
            Err(_) => Err(End::Network(io::Error::new(
                io::ErrorKind::TimedOut,
                "the client does not read its acknowledgements",
            ))),
        }
    }
}

fn store<S: Sink>(server: &Server<S>, host: &Peer, message: &Message<'_>) -> Result<(), End> {
    let plan = &server.plan;
    let tag = String::from_utf8_lossy(message.tag);
    if message.invalid > 0
        && let Some(held_back) = server.may_warn()
    {
        let plugin_id = plan.id.given();
        let (tag, count) = (tag.as_ref(), message.invalid);
        match message.mode {
            Mode::Message => {
                tracing::warn!(plugin_id, host = %host, tag, held_back, "got invalid event and drop it:");
            }
            _ => {
                tracing::warn!(plugin_id, host = %host, tag, count, held_back, "skip invalid event:");
            }
        }
    }
    if let Some(limit) = plan
        .chunk_size_warn_limit
        .filter(|limit| message.size > *limit)
    {
        tracing::warn!(
            plugin_id = plan.id.given(), tag = tag.as_ref(), host = %host, limit, size = message.size,
            "Input chunk size is larger than 'chunk_size_warn_limit':"
        );
    }
    if message.events.is_empty() && message.invalid == 0 {
        return Ok(());
    }
    let mut lost = Losses::default();
    lost.add(
        &plan.id.text,
        LossReason::Invalid,
        u64::from(message.invalid),
    );
    let mut sink = server.sink.borrow_mut();
    let circumstances = Circumstances {
        lost: &lost,
        delivery: message.delivery,
    };
    let stored = sink
        .store(&tag, message.events, &circumstances)
        .map_err(End::Unstored)?;
    match stored {
        Stored::Now => {}
        Stored::Before => tracing::info!(
            plugin_id = plan.id.given(), host = %host, tag = tag.as_ref(),
            "a chunk came again and is stored already; it is acknowledged"
        ),
        Stored::Beside => tracing::warn!(
            plugin_id = plan.id.given(), host = %host, tag = tag.as_ref(),
            "a client sends another chunk under a number it has used; it is stored too"
        ),
    }
    Ok(())
}

/// Counts a dropped message. Whoever asked is answered all the same: without an answer the client
/// would send it again for ever, and never get to what comes behind (Fluentd does that).
fn drop_oversized<S: Sink>(
    server: &Server<S>,
    host: &Peer,
    oversized: &Oversized<'_>,
) -> Result<(), End> {
    let plan = &server.plan;
    let tag = String::from_utf8_lossy(oversized.tag);
    tracing::warn!(
        plugin_id = plan.id.given(),
        tag = tag.as_ref(),
        host = %host,
        limit = plan.receiver.chunk_size_limit,
        size = oversized.size,
        "Input chunk size is larger than 'chunk_size_limit', dropped:"
    );
    let mut lost = Losses::default();
    lost.add(&plan.id.text, LossReason::Oversized, 1);
    let mut sink = server.sink.borrow_mut();
    let circumstances = Circumstances {
        lost: &lost,
        delivery: None,
    };
    sink.store(&tag, Events::default(), &circumstances)
        .map_err(End::Unstored)?;
    Ok(())
}

/// The two random texts of a handshake.
fn challenges() -> io::Result<([u8; CHALLENGE_BYTES], [u8; CHALLENGE_BYTES])> {
    let mut random = std::fs::File::open("/dev/urandom")?;
    let (mut nonce, mut auth) = ([0; CHALLENGE_BYTES], [0; CHALLENGE_BYTES]);
    random.read_exact(&mut nonce)?;
    random.read_exact(&mut auth)?;
    Ok((nonce, auth))
}

fn is_passing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
    )
}

/// The beginning of a value for the log, as hexadecimal digits where it is no text.
fn shown(value: &[u8]) -> Cow<'_, str> {
    /// A log line is for reading.
    const SHOWN_BYTES_MAX: usize = 64;
    let head = value.get(..SHOWN_BYTES_MAX).unwrap_or(value);
    match std::str::from_utf8(head) {
        Ok(text) if text.chars().all(|letter| !letter.is_control()) => Cow::Borrowed(text),
        _ => head.iter().map(|byte| format!("{byte:02x}")).collect(),
    }
}
