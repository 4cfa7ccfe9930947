//! The `forward` output: chunks to Fluentd, Fluent Bit or another millrun.
//!
//! ```text
//! <match **>
//!   @type forward
//!   require_ack_response true
//!   <server>
//!     host 192.0.2.1
//!   </server>
//!   <server>
//!     host 192.0.2.2
//!     standby true
//!   </server>
//! </match>
//!
//! heartbeats, files ──▶ Fleet: which servers there are, and how they are
//!                         ▲
//! flush thread ──▶ Deliverer ──▶ Balance: which server
//!                     │          Resolver: at which address
//!                     └────────▶ Connection ── head │ payload │ option ──▶ one vectored write
//!                                           ◀── acknowledgements
//! ```
//!
//! A chunk's bytes go to the socket as they stand in the buffer: nothing here looks at an event. With `compress`
//! the buffer keeps them so, each append a gzip member or zstd frame of its own.
//! Each flush thread has its own deliverer with its own connections, so nothing is locked. With
//! `require_ack_response` several chunks are under way at once.
//!
//! **Another millrun stores a chunk once, however often it is sent.** With `require_ack_response`
//! each message carries the chunk's number (`millrun_forward::Delivery`), recorded in the ledger
//! before it is first sent. The order is: connect, record, write; so a server that cannot be reached
//! or takes a part of the message only keeps no chunk. From a whole write on the chunk is in doubt
//! and stays with its server (`millrun_buffer::Pin`) until that answers or `in_doubt_timeout` passes, also across
//! restarts; chunks that wait so are set aside, and the others go on. Going elsewhere after that is
//! logged and counted in the loss account as `possible_double`. The promise holds from file buffer
//! to file buffer: chunks of a memory buffer do not outlive the process, nor do their numbers.

mod balance;
mod connection;
mod deliverer;
mod discovery;
mod fleet;
mod looks;
mod parameters;
mod parcel;
mod resolver;
mod service;
#[cfg(test)]
mod tests;
mod whole_seconds;

use std::sync::Arc;
use std::time::{Duration, Instant};

use millrun_buffer::{Compression as Kept, Random};
use millrun_config::{Diagnostic, Element};
use millrun_core::{
    Assembly, BufferDefaults, BufferType, BufferedOutput, Companion, Content, Node, PluginId,
    Sender, StartError, Stop,
};

use self::connection::{Broken, Connection};
use self::deliverer::{Deliverer, salt};
use self::fleet::{Beats, Fleet, Heart, Member};
pub(super) use self::parameters::ForwardParameters;
use self::parameters::{Plan, Server};
use self::resolver::Resolver;

const BUFFER_DEFAULTS: BufferDefaults = BufferDefaults {
    buffer_type: BufferType::Memory,
    keys: "tag",
    timekey: None,
    path: None,
    flush_interval: None,
};

pub(super) fn build(element: &Element, id: &PluginId, assembly: &mut Assembly<'_>) -> Option<Node> {
    let parameters = ForwardParameters::read(element, assembly.diagnostics)?;
    let plan = Plan::new(&parameters, id, element, assembly.diagnostics)?;
    let mut buffer = assembly.read_buffer(element, id, &BUFFER_DEFAULTS)?;
    if !buffer.keys.tag {
        let fault = Diagnostic::error("buffer chunk key must include 'tag' for forward output");
        let fault = fault.at(buffer.element.span(), "without it");
        assembly.diagnostics.push(fault.hint("write: <buffer tag>"));
        return None;
    }
    let kept = &mut buffer.plan.config.compression;
    match (plan.compression, *kept) {
        (Kept::Text, Kept::Text) => {}
        (Kept::Text, _) => tracing::info!(
            plugin_id = id.given(),
            "buffer is compressed.  If you also want to save the bandwidth of a network, Add `compress` configuration in <match>"
        ),
        (wanted, Kept::Text) => *kept = wanted,
        (wanted, kept) if wanted == kept => {}
        _ => {
            let fault = "the buffer is compressed in another way than chunks are to travel";
            let fault = Diagnostic::error(fault).at(buffer.element.span(), "in this section");
            assembly
                .diagnostics
                .push(fault.hint("write the same `compress` here and there, or here none"));
            return None;
        }
    }
    let fleet = Arc::new(Fleet::new(
        plan.servers.clone(),
        plan.beats.map(|_| plan.watch),
    ));
    for server in &plan.servers {
        tracing::info!(
            plugin_id = id.given(),
            host = server.host,
            port = server.port,
            weight = server.weight,
            "adding forwarding server {}",
            server.label
        );
    }
    let output = Arc::new(Forward {
        plan: Arc::new(plan),
        fleet,
        id: id.clone(),
    });
    Some(assembly.buffered(id, output, buffer))
}

struct Forward {
    plan: Arc<Plan>,
    fleet: Arc<Fleet>,
    id: PluginId,
}

impl BufferedOutput for Forward {
    fn content(&self) -> Content<'_> {
        Content::Events
    }

    fn prepare(&self) -> Result<(), StartError> {
        if !self.plan.verifies_connections {
            return Ok(());
        }
        for member in self.fleet.members().iter() {
            self.greet(member).map_err(|error| {
                StartError::new(format!(
                    "out_forward cannot reach its server {} at the start: {error} (start the server first, or remove \
                     verify_connection_at_startup)",
                    member.server.label
                ))
            })?;
        }
        Ok(())
    }

    fn sender(&self) -> Box<dyn Sender> {
        let (plan, fleet) = (Arc::clone(&self.plan), Arc::clone(&self.fleet));
        Box::new(Deliverer::new(plan, fleet, self.id.clone()))
    }

    fn companion(&self) -> Option<Companion> {
        let heart = self.plan.beats.map(|beats| self.heart(beats));
        let discovery = &self.plan.discovery;
        let watcher = discovery.changes().then(|| {
            discovery::watcher(discovery.clone(), Arc::clone(&self.fleet), self.id.clone())
        });
        match (heart, watcher) {
            (None, None) => None,
            (Some(heart), None) => Some(Box::new(move |stop| heart.run(&stop))),
            (None, Some(watcher)) => Some(Box::new(watcher)),
            (Some(heart), Some(watcher)) => Some(Box::new(move |stop: Stop| {
                std::thread::scope(|scope| {
                    let stopped = stop.clone();
                    scope.spawn(move || heart.run(&stopped));
                    watcher(stop);
                });
            })),
        }
    }
}

impl Forward {
    /// Connects to a server as for data, and parts again.
    fn greet(&self, member: &Arc<Member>) -> Result<(), Broken> {
        let Server { host, port, .. } = &member.server;
        let (plan, now) = (&self.plan, Instant::now());
        let salt = salt(&mut Random::from_entropy());
        let mut resolver = Resolver::new(host, *port, None, false);
        let stream = resolver.connect(plan.connect_timeout, now)?;
        Connection::new(Arc::clone(member), stream, plan, &salt, now)?;
        Ok(())
    }

    fn heart(&self, beats: Beats) -> Heart {
        let plan = Arc::clone(&self.plan);
        let salt = salt(&mut Random::from_entropy());
        let connect = move |member: &Arc<Member>, resolver: &mut Resolver, timeout: Duration| {
            let now = Instant::now();
            let stream = resolver.connect(timeout.min(plan.connect_timeout), now);
            let made = |stream| Connection::new(Arc::clone(member), stream, &plan, &salt, now);
            stream.is_ok_and(|stream| made(stream).is_ok())
        };
        Heart {
            fleet: Arc::clone(&self.fleet),
            id: self.id.clone(),
            beats,
            interval: self.plan.watch.interval,
            data_will_do: self.plan.keepalive,
            connect: Arc::new(connect),
        }
    }
}
