//! The deliverer of one flush thread.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use millrun_buffer::{Chunk, ChunkId, Pin, Random, Timestamp};
use millrun_core::{
    DeliveryError, PROBE_TIMEOUT, PluginId, Progress, Sender, Settled, read_chunk,
    read_chunk_as_kept,
};
use millrun_forward::{Compression, SendError};

use super::balance::{Balance, Candidate};
use super::connection::{Broken, Connection, wait_readable};
use super::fleet::{Fleet, Member, Members};
use super::looks::Looks;
use super::parameters::{CHUNKS_IN_FLIGHT_MAX, Plan, on_the_wire};
use super::parcel::{Addressed, Parcel};
use super::resolver::Resolver;
use super::whole_seconds::whole_seconds;

/// Sends chunks to whichever server's turn it is, and waits for their acknowledgements.
pub(super) struct Deliverer {
    plan: Arc<Plan>,
    id: PluginId,
    fleet: Arc<Fleet>,
    /// The version of the fleet that `members` are of.
    version: u64,
    members: Members,
    balance: Balance,
    /// One for each server, by its number.
    resolvers: Vec<Resolver>,
    connections: Vec<Connection>,
    looks: Looks,
    /// What became of chunks while something else was done.
    settled: Vec<Settled>,
    acked: Vec<ChunkId>,
    scratch: Vec<u8>,
    /// Entries with whole seconds.
    rounded: Vec<u8>,
    /// What the digests of its handshakes begin with.
    salt: String,
}

/// What the digests of handshakes begin with.
pub(super) fn salt(random: &mut Random) -> String {
    format!("{:016x}{:016x}", random.bits(), random.bits())
}

/// How much longer than its answer a chunk may be under way: the connection notices first.
const COMMIT_SLACK: Duration = Duration::from_secs(30);

/// Why a chunk did not go to a server.
enum Failure {
    /// The next server may take it.
    Server(String),
    /// The same, and this one is not there at all.
    Unreachable(String),
    /// The same, and this one is there and does not get on with us: it may do at its next turn.
    Greeting(String),
    /// No server will.
    Chunk(String),
    /// It cannot be recorded where the chunk goes, which is no server's fault.
    Record(String),
}

impl Deliverer {
    pub(super) fn new(plan: Arc<Plan>, fleet: Arc<Fleet>, id: PluginId) -> Self {
        let mut random = Random::from_entropy();
        let mut deliverer = Self {
            salt: salt(&mut random),
            version: fleet.version(),
            members: fleet.members(),
            fleet,
            balance: Balance::new(random),
            resolvers: Vec::new(),
            connections: Vec::new(),
            looks: Looks::new(plan.sender.ack_response_timeout),
            settled: Vec::new(),
            acked: Vec::new(),
            scratch: Vec::new(),
            rounded: Vec::new(),
            plan,
            id,
        };
        deliverer.resolvers = deliverer
            .members
            .iter()
            .map(|one| deliverer.resolver(one))
            .collect();
        deliverer
    }

    fn resolver(&self, member: &Member) -> Resolver {
        let (expiry, rotates) = (self.plan.expire_dns_cache, self.plan.dns_round_robin);
        Resolver::new(&member.server.host, member.server.port, expiry, rotates)
    }

    /// Takes note of servers that came and went. Connections to those that went stay until what they
    /// carry is answered.
    fn follow_fleet(&mut self) {
        let version = self.fleet.version();
        if version != self.version {
            self.version = version;
            self.members = self.fleet.members();
            self.resolvers = self.members.iter().map(|one| self.resolver(one)).collect();
        }
    }

    /// The servers to try for one chunk, by number.
    fn order(&mut self, now: Instant) -> Vec<usize> {
        let candidates: Vec<Candidate> = self
            .members
            .iter()
            .map(|member| Candidate {
                weight: member.server.weight,
                is_standby: member.server.standby,
                is_available: member.is_available(now),
            })
            .collect();
        let (order, standing_in) = self.balance.order(&candidates);
        for member in standing_in
            .iter()
            .filter_map(|index| self.members.get(*index))
        {
            tracing::warn!(
                plugin_id = self.id.given(),
                weight = member.server.weight,
                "using standby node {}",
                member.server.address
            );
        }
        order
    }

    /// Sends to a server that may have it.
    pub(super) fn send(&mut self, parcel: &Parcel<'_>, now: Instant) -> Result<(), DeliveryError> {
        let dispatch = match parcel.is_numbered {
            true => parcel.chunk.dispatch(),
            false => None,
        };
        self.follow_fleet();
        let (members, timeout) = (Arc::clone(&self.members), self.plan.in_doubt_timeout);
        let addresses = members.iter().map(|member| &*member.server.address);
        match Pin::of(dispatch.as_ref(), addresses, timeout, Timestamp::now()) {
            // Where there is one server only, a failure is everybody's.
            Pin::To { .. } if members.len() == 1 => self.send_to_any(parcel, now),
            Pin::Free => self.send_to_any(parcel, now),
            Pin::To { server, left } => self.send_to_one(server, parcel, left, now),
            Pin::Unknown { left } => {
                let receiver = dispatch.map_or_else(String::new, |sent| sent.receiver.into());
                let reason = format!(
                    "the chunk was sent to {receiver}, which did not answer and is not configured any \
                     more; it goes elsewhere in {} s (in_doubt_timeout)",
                    left.as_secs()
                );
                tracing::warn!(plugin_id = self.id.given(), chunk_id = %parcel.id(), "{reason}");
                let until = now + left;
                Err(DeliveryError::Held { reason, until })
            }
        }
    }

    /// Sends to the only server that may have the chunk, because it has it perhaps.
    fn send_to_one(
        &mut self,
        server: usize,
        parcel: &Parcel<'_>,
        left: Duration,
        now: Instant,
    ) -> Result<(), DeliveryError> {
        let member = self.members.get(server);
        let down = member.and_then(|member| member.left_alone_until(now));
        let reason = match down {
            Some(_) => "the server does not answer".to_owned(),
            None => match self.send_to(server, parcel, now) {
                Ok(()) => {
                    self.recovered(server, now);
                    return Ok(());
                }
                Err(Failure::Chunk(text)) => return Err(DeliveryError::Unrecoverable(text)),
                Err(Failure::Record(text)) => return Err(DeliveryError::Retriable(text)),
                Err(
                    Failure::Server(text) | Failure::Unreachable(text) | Failure::Greeting(text),
                ) => {
                    self.detach(server, now, &text);
                    text
                }
            },
        };
        let reason = format!("{}, where the chunk may be: {reason}", self.label(server));
        let until = down.unwrap_or(now + self.plan.recover_wait).min(now + left);
        Err(DeliveryError::Held { reason, until })
    }

    /// Sends to the first server that takes it.
    fn send_to_any(&mut self, parcel: &Parcel<'_>, now: Instant) -> Result<(), DeliveryError> {
        let mut failures = String::new();
        let mut is_unreachable = true;
        let mut spent: Vec<usize> = Vec::new();
        for server in self.order(now) {
            if spent.contains(&server) {
                continue;
            }
            match self.send_to(server, parcel, now) {
                Ok(()) => {
                    self.recovered(server, now);
                    return Ok(());
                }
                Err(Failure::Chunk(text)) => return Err(DeliveryError::Unrecoverable(text)),
                Err(Failure::Record(text)) => return Err(DeliveryError::Retriable(text)),
                Err(failure) => {
                    is_unreachable &= !matches!(failure, Failure::Server(_));
                    // Only a handshake may go better at the server's next turn: a network that is gone
                    // costs connect_timeout once.
                    let is_spent = !matches!(failure, Failure::Greeting(_));
                    let (Failure::Server(text)
                    | Failure::Unreachable(text)
                    | Failure::Greeting(text)
                    | Failure::Chunk(text)
                    | Failure::Record(text)) = failure;
                    self.detach(server, now, &text);
                    // Each server is named once, however often it had its turn.
                    if !failures.contains(&text) {
                        let separator = if failures.is_empty() { "" } else { "; " };
                        // Writing to a string cannot fail.
                        let _ = write!(failures, "{separator}{}: {text}", self.label(server));
                    }
                    if is_spent {
                        spent.push(server);
                    }
                }
            }
        }
        if failures.is_empty() {
            let none = match self.members.is_empty() {
                true => "service discovery knows none",
                false => "every <server> is of weight 0",
            };
            failures.push_str(none);
        }
        let text = format!("no nodes are available: {failures}");
        Err(match is_unreachable {
            true => DeliveryError::Unreachable(text),
            false => DeliveryError::Retriable(text),
        })
    }

    /// Sends over an open connection, or over a new one where there is none or it is broken.
    fn send_to(&mut self, server: usize, parcel: &Parcel<'_>, now: Instant) -> Result<(), Failure> {
        if let Some(at) = self.reusable(server, now) {
            let addressed = self.address(server, parcel)?;
            match self
                .connections
                .get_mut(at)
                .map(|open| open.send(&addressed.message, now))
            {
                Some(Ok(())) => return Ok(()),
                Some(Err(broken)) => {
                    parcel.unsent(&addressed);
                    if let Some(text) = fault_of_chunk(&broken) {
                        return Err(Failure::Chunk(text));
                    }
                    self.give_up(at, &broken, Some(parcel.id()));
                }
                None => {}
            }
        }
        let mut connection = self.connect(server, now)?;
        // Recorded only now: a server that cannot be reached must not keep the chunk.
        let addressed = self.address(server, parcel)?;
        let sent = connection.send(&addressed.message, now);
        if sent.is_err() {
            parcel.unsent(&addressed);
        }
        match sent {
            Ok(()) if self.plan.keepalive || self.plan.sender.require_ack => {
                self.connections.push(connection);
                Ok(())
            }
            // Closed here: what was written still goes out.
            Ok(()) => Ok(()),
            Err(broken) => Err(match fault_of_chunk(&broken) {
                Some(text) => Failure::Chunk(text),
                None => Failure::Server(broken.to_string()),
            }),
        }
    }

    fn address<'a>(&self, server: usize, parcel: &Parcel<'a>) -> Result<Addressed<'a>, Failure> {
        let no_server = || Failure::Server("no such server".to_owned());
        let member = self.members.get(server).ok_or_else(no_server)?;
        // Not recorded, not sent: after a crash nobody would know where the chunk is.
        let addressed = parcel.address(&self.id, &member.server);
        addressed.map_err(|error| Failure::Record(error.to_string()))
    }

    fn connect(&mut self, server: usize, now: Instant) -> Result<Connection, Failure> {
        let no_server = || Failure::Unreachable("no such server".to_owned());
        let resolver = self.resolvers.get_mut(server).ok_or_else(no_server)?;
        let stream = resolver
            .connect(self.plan.connect_timeout, now)
            .map_err(|error| Failure::Unreachable(format!("cannot connect: {error}")))?;
        let member = self.members.get(server).ok_or_else(no_server)?;
        let connection = Connection::new(Arc::clone(member), stream, &self.plan, &self.salt, now);
        connection.map_err(|broken| {
            if let Broken::Handshake(error) = &broken {
                tracing::warn!(
                    plugin_id = self.id.given(),
                    "connection refused to {}: {error}",
                    member.server.name
                );
            }
            let text = format!("cannot set up the connection: {broken}");
            match member.server.security {
                Some(_) => Failure::Greeting(text),
                None => Failure::Unreachable(text),
            }
        })
    }

    /// The place of a connection that another chunk may use; drops those that are spent.
    fn reusable(&mut self, server: usize, now: Instant) -> Option<usize> {
        if !self.plan.keepalive {
            return None;
        }
        let idle_max = self.plan.keepalive_timeout;
        let member = self.members.get(server)?;
        let is_to = |open: &Connection| Arc::ptr_eq(&open.member, member);
        self.connections.retain_mut(|open| {
            !is_to(open) || open.in_flight() > 0 || open.is_usable(idle_max, now)
        });
        self.connections
            .iter_mut()
            .position(|open| is_to(open) && open.is_usable(idle_max, now))
    }

    /// Drops a broken connection. The chunks it carried are in doubt, except `unsent`, of which
    /// the server has a part at most.
    fn give_up(&mut self, at: usize, broken: &Broken, unsent: Option<ChunkId>) {
        let connection = self.connections.swap_remove(at);
        let text = format!("{}: {broken}", connection.member.server.label);
        for chunk in connection.in_doubt().filter(|chunk| Some(*chunk) != unsent) {
            let outcome = Err(DeliveryError::Unconfirmed(text.clone()));
            self.settled.push(Settled { chunk, outcome });
        }
    }

    /// Looks at every connection once, after waiting up to `timeout` for something to look at.
    fn collect(&mut self, timeout: Duration) {
        let now = Instant::now();
        let is_owed = self.connections.iter().any(|open| open.in_flight() > 0);
        let deadline = self.looks.next().filter(|_| is_owed);
        let left = deadline.map_or(timeout, |deadline| deadline.saturating_duration_since(now));
        let ready = wait_readable(&self.connections, timeout.min(left));
        let now = Instant::now();
        let judged = self.looks.judge(now);
        // From the back, as connections drop out on the way.
        for (at, is_ready) in ready.into_iter().enumerate().rev() {
            let Some(connection) = self.connections.get_mut(at) else {
                continue;
            };
            let read = match is_ready {
                true => connection.read_answers(&mut self.acked),
                false => Ok(true),
            };
            let looked = read.and_then(|is_open| {
                if let Some(judged) = judged {
                    connection.check_deadline(judged)?;
                }
                Ok(is_open)
            });
            let is_used_up = connection.in_flight() == 0 && !self.plan.keepalive;
            let member = Arc::clone(&connection.member);
            for chunk in self.acked.drain(..) {
                member.succeeded(now);
                self.settled.push(Settled {
                    chunk,
                    outcome: Ok(()),
                });
            }
            match looked {
                Err(broken) => {
                    self.give_up(at, &broken, None);
                    self.leave_alone(&member, now, &broken.to_string());
                }
                Ok(is_open) if is_used_up || !is_open => drop(self.connections.swap_remove(at)),
                Ok(_) => {}
            }
        }
    }

    fn detach(&self, server: usize, now: Instant, error: &str) {
        if let Some(member) = self.members.get(server) {
            self.leave_alone(member, now, error);
        }
    }

    /// Leaves a server alone for a while, and says so once.
    fn leave_alone(&self, member: &Member, now: Instant, error: &str) {
        let pause = self.plan.recover_wait;
        if member.failed(now, pause) {
            tracing::warn!(
                plugin_id = self.id.given(),
                error,
                "a chunk cannot be sent to {}; other servers are tried before it for {} s",
                member.server.label,
                pause.as_secs_f64()
            );
        }
    }

    fn recovered(&self, server: usize, now: Instant) {
        if let Some(member) = self.members.get(server)
            && member.succeeded(now)
        {
            tracing::warn!(
                plugin_id = self.id.given(),
                "chunks can be sent to {} again",
                member.server.label
            );
        }
    }

    fn label(&self, server: usize) -> &str {
        let member = self.members.get(server);
        member.map_or("", |member| &member.server.label)
    }
}

impl Sender for Deliverer {
    fn begin(&mut self, chunk: &Chunk, now: Instant) -> Result<Progress, DeliveryError> {
        let Some(tag) = chunk.metadata().tag.as_deref() else {
            let text = "the chunk has no tag, and a message needs one".to_owned();
            return Err(DeliveryError::Unrecoverable(text));
        };
        let mut scratch = std::mem::take(&mut self.scratch);
        let mut rounded = std::mem::take(&mut self.rounded);
        // Events are looked at only where their times change.
        let goes_as_kept = chunk.compression() == self.plan.compression && !self.plan.whole_seconds;
        let (compression, read) = match goes_as_kept {
            true => (
                on_the_wire(chunk.compression()),
                read_chunk_as_kept(chunk, &mut scratch),
            ),
            false => (Compression::None, read_chunk(chunk, &mut scratch)),
        };
        let read = read.and_then(|entries| {
            if !self.plan.whole_seconds {
                return Ok(entries);
            }
            let fault =
                |error| DeliveryError::Unrecoverable(format!("the chunk is damaged: {error}"));
            whole_seconds(entries, &mut rounded).map_err(fault)?;
            Ok(rounded.as_slice())
        });
        let sent = match read {
            Ok(payload) => {
                let message = millrun_forward::Chunk {
                    id: *chunk.id().as_bytes(),
                    tag: tag.as_bytes(),
                    payload,
                    compression,
                    count: u32::try_from(chunk.count()).unwrap_or(u32::MAX),
                    number: None,
                };
                let parcel = Parcel {
                    chunk,
                    message,
                    is_numbered: self.plan.sender.require_ack,
                };
                self.send(&parcel, now)
            }
            Err(error) => Err(error),
        };
        self.scratch = scratch;
        self.rounded = rounded;
        if sent.is_ok() {
            self.looks.sent(now);
        }
        sent.map(|()| match self.plan.sender.require_ack {
            true => Progress::UnderWay,
            false => Progress::Delivered,
        })
    }

    fn window(&self) -> usize {
        match self.plan.sender.require_ack {
            true => CHUNKS_IN_FLIGHT_MAX,
            false => 1,
        }
    }

    fn wait(&mut self, timeout: Duration, settled: &mut Vec<Settled>) {
        if self.settled.is_empty() {
            self.collect(timeout);
        }
        settled.append(&mut self.settled);
    }

    /// Connects to the servers in their order until one is there, and says no word to it.
    fn probe(&mut self, now: Instant) -> Option<bool> {
        let timeout = self.plan.connect_timeout.min(PROBE_TIMEOUT);
        self.follow_fleet();
        // A server has several turns in the order, and is looked at once.
        let mut looked_at: Vec<usize> = Vec::new();
        for server in self.order(now) {
            if looked_at.contains(&server) {
                continue;
            }
            looked_at.push(server);
            if let Some(resolver) = self.resolvers.get_mut(server)
                && resolver.probe(timeout, now)
            {
                return Some(true);
            }
        }
        Some(false)
    }

    /// Connections have a deadline of their own, for each chunk.
    fn commit_timeout(&self, _: Duration) -> Duration {
        self.plan.sender.ack_response_timeout + COMMIT_SLACK
    }
}

/// What is wrong with the chunk itself, if that is why the connection did not take it.
fn fault_of_chunk(broken: &Broken) -> Option<String> {
    match broken {
        Broken::Protocol(
            error @ (SendError::TagTooLong { .. }
            | SendError::PayloadTooLong { .. }
            | SendError::Compress(_)),
        ) => Some(error.to_string()),
        _ => None,
    }
}
