//! The `forward` input: events from Fluentd, Fluent Bit, client libraries and other millruns.
//!
//! ```text
//! <source>
//!   @type forward
//!   port 24224
//!   bind 0.0.0.0
//! </source>
//!
//! accept ──▶ one task per connection ──▶ [TLS] ──▶ [handshake] ──▶ Receiver ──▶ Sink ──▶ commit ──▶ ack
//! UDP    ──▶ one zero byte back: the heartbeat of old clients
//! ```
//!
//! One thread with one single-threaded runtime carries all connections: it is the shard, so a
//! commit happens right where a message was read, and its acknowledgement is written only when the
//! commit has returned. Whatever goes wrong before that closes the connection without an answer,
//! and the client sends again.
//!
//! **Another millrun sends a chunk twice and it is stored once**: it numbers its chunks (see
//! `millrun_forward::Delivery`), the number is part of the commit, and what is committed is
//! acknowledged without being stored again, by every source of every worker, also after a crash. That
//! holds for what went to file buffers. What went to memory buffers is known while the process
//! lives: after a crash it is taken again, by the memory buffers only where files had it too.

mod connection;
mod parameters;
mod peer;
mod security;
mod server;
mod sink;
#[cfg(test)]
mod tests;

use std::net::{SocketAddr, TcpListener, UdpSocket};

use millrun_config::Element;
use millrun_core::{Assembly, Emitter, Input, Listeners, PluginId, StartError, Stop};

pub(super) use self::parameters::ForwardParameters;
use self::parameters::Plan;
use self::server::Admission;

pub(super) fn build(
    element: &Element,
    id: &PluginId,
    assembly: &mut Assembly<'_>,
) -> Option<Box<dyn Input>> {
    let parameters = ForwardParameters::read(element, assembly.diagnostics)?;
    let plan = Plan::new(&parameters, id, element, assembly.diagnostics)?;
    Some(Box::new(Forward {
        plan,
        admission: Admission::default(),
        sockets: None,
    }))
}

struct Forward {
    plan: Plan,
    admission: Admission,
    sockets: Option<Sockets>,
}

/// What the server listens on, both on the same port.
struct Sockets {
    tcp: TcpListener,
    udp: UdpSocket,
}

impl Input for Forward {
    fn prepare(&mut self, listeners: &dyn Listeners) -> Result<(), StartError> {
        let address = self.plan.address()?;
        self.admission = Admission {
            security: self.plan.security()?,
            acceptor: self.plan.transport.acceptor()?,
        };
        let tcp = listeners.tcp(address, self.plan.backlog)?;
        // Port 0 asks for any free one; heartbeats come to the one that was given.
        let port = tcp
            .local_addr()
            .map_or(address.port(), |bound| bound.port());
        let udp = listeners.udp(SocketAddr::new(address.ip(), port))?;
        self.sockets = Some(Sockets { tcp, udp });
        let (plugin_id, bind) = (self.plan.id.given(), &*self.plan.bind);
        tracing::info!(plugin_id, port, bind, "listening port");
        Ok(())
    }

    fn run(self: Box<Self>, emitter: Emitter, stop: Stop) {
        let Some(sockets) = self.sockets else { return };
        let id = self.plan.id.clone();
        if let Err(error) = server::run(
            self.plan,
            self.admission,
            sockets.tcp,
            sockets.udp,
            emitter,
            &stop,
        ) {
            tracing::error!(
                plugin_id = id.given(),
                error = %error,
                "in_forward cannot run its sockets; nothing is received any more"
            );
        }
    }
}
