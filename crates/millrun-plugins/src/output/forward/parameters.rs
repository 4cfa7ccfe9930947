//! What a `<match>` of type forward may say, and what it means.

use std::time::Duration;

use millrun_buffer::Compression as Kept;
use millrun_config::{Diagnostic, Diagnostics, Element, parameters, words};
use millrun_core::PluginId;
use millrun_forward::{ClientSecurity, Compression, SenderSettings};

use super::discovery::{Discovery, DiscoveryParameters};
use super::fleet::{Beats, Watch};
use crate::transport::{ClientTls, ClientTransport};

words! {
    /// How chunks travel.
    pub enum Compress {
        /// As they are.
        Text = "text",
        /// As gzip members.
        Gzip = "gzip",
        /// With zstd.
        Zstd = "zstd",
    }
}

words! {
    /// How servers are watched.
    pub enum HeartbeatType {
        /// By connecting.
        Transport = "transport",
        /// The old word for transport.
        Tcp = "tcp",
        /// By datagrams.
        Udp = "udp",
        /// Not at all.
        None = "none",
    }
}

parameters! {
    /// One receiver of events.
    pub struct ServerParameters in "server" {
        /// Its address or host name.
        host: String = required;
        /// The port it listens on.
        port: u16 = "24224";
        /// What it is called in log lines.
        name: Option<String>;
        /// Its share of the chunks, beside the other servers' weights; 0 is never used.
        weight: u32 = "60";
        /// Use it only while another one is down.
        standby: bool = "false";
        /// The key of its handshake.
        shared_key: Option<millrun_config::Secret<String>>, secret;
        /// The user of its handshake.
        username: String = "";
        /// The password of its handshake.
        password: millrun_config::Secret<String> = "", secret;
    }
}

parameters! {
    /// What the output proves to its servers.
    pub struct SecurityParameters in "security" {
        /// What the output calls itself.
        self_hostname: String = required;
        /// The key that the servers know, too; a server's own one counts more.
        shared_key: millrun_config::Secret<String> = required, secret;
    }
}

parameters! {
    /// Sends events to other collectors over the forward protocol.
    pub struct ForwardParameters in "match", type "forward" {
        /// Send whole seconds, for servers that know nothing else.
        time_as_integer: bool = "false";
        /// Warn of flushes that take longer, in seconds.
        slow_flush_log_threshold: f64 = "20.0";
        /// How long one write may wait for the server to take bytes.
        send_timeout: Duration = "60";
        /// How long connecting may take.
        connect_timeout: Option<Duration>;
        /// How servers are watched, beside their use: by connections, by datagrams, or not at all.
        heartbeat_type: HeartbeatType = "transport";
        /// Pause between two heartbeats.
        heartbeat_interval: Duration = "1";
        /// How long a server that failed is left alone.
        recover_wait: Duration = "10";
        /// When a silent server counts as down.
        hard_timeout: Duration = "60";
        /// The sensitivity of the failure detector.
        phi_threshold: u32 = "16";
        /// Whether it is used.
        phi_failure_detector: bool = "true";
        /// Ask for an acknowledgement of every chunk.
        require_ack_response: bool = "false";
        /// How long it may take.
        ack_response_timeout: Duration = "190";
        /// How long a chunk that was sent and not acknowledged waits for its server before it may
        /// go to another one. A millrun that receives it twice stores it once; two of them cannot.
        in_doubt_timeout: Duration = "600";
        /// Without effect: answers are read when they come.
        read_interval_msec: u32 = "50";
        /// Without effect: answers are read as they come.
        read_length: millrun_config::Size = "512";
        /// How long a resolved address is used; without it, until it fails.
        expire_dns_cache: Option<Duration>;
        /// Take the next address of a name for each connection.
        dns_round_robin: bool = "false";
        /// Without effect: names are resolved when they are needed.
        ignore_network_errors_at_startup: bool = "false";
        /// Connect to every server at the start, handshake included, and do not start where one cannot be reached.
        verify_connection_at_startup: bool = "false";
        /// How chunks are kept and travel; each append is compressed by itself.
        compress: Compress = "text";
        /// Send several chunks over one connection.
        keepalive: bool = "false";
        /// How long such a connection may be idle.
        keepalive_timeout: Option<Duration>;
        /// Let the system probe whether a silent server is still there.
        send_keepalive_packet: bool = "false";
        /// The port, in configurations of old.
        port: Option<u16>, obsolete = "use the <server> section instead";
        /// The host, in configurations of old.
        host: Option<String>, obsolete = "use the <server> section instead";
    }
    flatten {
        /// TLS.
        tls: ClientTls;
    }
    sections {
        /// A receiver.
        server: Vec<ServerParameters>;
        /// Where chunks wait.
        buffer: Option<Element>;
        /// Where chunks go that no server takes.
        secondary: Option<Element>;
        /// The same as the parameter of that name.
        transport: Option<Element>;
        /// Shared key and users.
        security: Option<SecurityParameters>;
        /// Servers that are found elsewhere.
        service_discovery: Vec<DiscoveryParameters>;
    }
    legacy { Buffer }
}

/// How long connecting may take where nothing is said.
const CONNECT_TIMEOUT_DEFAULT: Duration = Duration::from_secs(60);

/// How many chunks may wait for their acknowledgement at once, for each flush thread. Each holds
/// its memory; two keep the way busy, two more cover a slow commit.
pub(super) const CHUNKS_IN_FLIGHT_MAX: usize = 4;

/// The shortest pause between two heartbeats.
const HEARTBEAT_INTERVAL_MIN: Duration = Duration::from_millis(10);

/// What the parameters mean.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// The servers there are at the start.
    pub(super) servers: Vec<Server>,
    /// Where they come from.
    pub(super) discovery: Discovery,
    /// How they are asked for signs of life, if they are.
    pub(super) beats: Option<Beats>,
    /// When a silence is a failure.
    pub(super) watch: Watch,
    /// How chunks are kept and travel.
    pub(super) compression: Kept,
    pub(super) sender: SenderSettings,
    /// TCP or TLS.
    pub(super) transport: ClientTransport,
    pub(super) connect_timeout: Duration,
    pub(super) send_timeout: Duration,
    pub(super) keepalive: bool,
    pub(super) keepalive_timeout: Option<Duration>,
    pub(super) send_keepalive_packet: bool,
    pub(super) verifies_connections: bool,
    pub(super) expire_dns_cache: Option<Duration>,
    pub(super) dns_round_robin: bool,
    pub(super) recover_wait: Duration,
    /// How long a handshake may take.
    pub(super) hard_timeout: Duration,
    pub(super) in_doubt_timeout: Duration,
    /// Times are sent as whole seconds.
    pub(super) whole_seconds: bool,
}

/// One receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Server {
    pub(super) host: String,
    pub(super) port: u16,
    /// What the ledger calls it: `host:port`.
    pub(super) address: String,
    /// What messages call it: its address, behind its name where it has one.
    pub(super) label: String,
    /// Its name, or its host.
    pub(super) name: String,
    /// Its name, if it was given one.
    pub(super) given_name: Option<String>,
    /// What is proved to it, where it asks.
    pub(super) security: Option<ClientSecurity>,
    pub(super) weight: u32,
    pub(super) standby: bool,
}

impl Plan {
    /// `None` when a diagnostic says why not.
    pub(super) fn new(
        parameters: &ForwardParameters,
        id: &PluginId,
        element: &Element,
        diagnostics: &mut Diagnostics,
    ) -> Option<Self> {
        let mut faults = Vec::new();
        if parameters.server.is_empty() && parameters.service_discovery.is_empty() {
            let fault = Diagnostic::error("out_forward has no server to send to");
            faults.push(
                fault
                    .at(element.span(), "expected a <server> in this section")
                    .hint("add a <server> section with a line like: host 192.0.2.1"),
            );
        }
        if !faults.is_empty() {
            faults.into_iter().for_each(|fault| diagnostics.push(fault));
            return None;
        }

        let transport = ClientTransport::new(&parameters.tls, element, id.given(), diagnostics)?;
        let mut sender = SenderSettings::default();
        sender.require_ack = parameters.require_ack_response;
        sender.ack_response_timeout = parameters.ack_response_timeout;
        sender.chunks_in_flight_max = CHUNKS_IN_FLIGHT_MAX;
        let compression = match parameters.compress {
            Compress::Gzip => Kept::Gzip,
            Compress::Zstd => Kept::Zstd,
            Compress::Text => Kept::Text,
        };
        sender.compression = on_the_wire(compression);
        let security = parameters.security.as_ref();
        let servers = parameters.server.iter();
        let servers = servers.map(|server| Server::new(server, security));
        let discovery = &parameters.service_discovery;
        let discovery =
            Discovery::new(servers.collect(), discovery, security, element, diagnostics)?;
        Some(Self {
            servers: discovery.servers().unwrap_or_default(),
            discovery,
            beats: match parameters.heartbeat_type {
                HeartbeatType::Transport | HeartbeatType::Tcp => Some(Beats::Connection),
                HeartbeatType::Udp => Some(Beats::Datagram),
                HeartbeatType::None => None,
            },
            watch: Watch {
                interval: parameters.heartbeat_interval.max(HEARTBEAT_INTERVAL_MIN),
                hard_timeout: parameters.hard_timeout,
                phi_max: parameters
                    .phi_failure_detector
                    .then(|| f64::from(parameters.phi_threshold)),
                recover_wait: parameters.recover_wait,
            },
            compression,
            sender,
            transport,
            connect_timeout: parameters
                .connect_timeout
                .unwrap_or(CONNECT_TIMEOUT_DEFAULT),
            send_timeout: parameters.send_timeout,
            keepalive: parameters.keepalive,
            keepalive_timeout: parameters.keepalive_timeout,
            send_keepalive_packet: parameters.send_keepalive_packet,
            verifies_connections: parameters.verify_connection_at_startup,
            expire_dns_cache: parameters.expire_dns_cache,
            dns_round_robin: parameters.dns_round_robin,
            recover_wait: parameters.recover_wait,
            hard_timeout: parameters.hard_timeout,
            in_doubt_timeout: parameters.in_doubt_timeout,
            whole_seconds: parameters.time_as_integer,
        })
    }
}

/// What a message calls what the buffer keeps.
pub(super) fn on_the_wire(kept: Kept) -> Compression {
    match kept {
        Kept::Text => Compression::None,
        Kept::Gzip => Compression::Gzip,
        Kept::Zstd => Compression::Zstd,
    }
}

impl Server {
    pub(super) fn new(
        parameters: &ServerParameters,
        security: Option<&SecurityParameters>,
    ) -> Self {
        let (host, port) = (parameters.host.clone(), parameters.port);
        let address = match host.contains(':') {
            true => format!("[{host}]:{port}"),
            false => format!("{host}:{port}"),
        };
        Self {
            label: match &parameters.name {
                Some(name) => format!("'{name}' ({address})"),
                None => address.clone(),
            },
            name: parameters.name.clone().unwrap_or_else(|| host.clone()),
            given_name: parameters.name.clone(),
            security: security.map(|security| {
                let key = parameters
                    .shared_key
                    .as_ref()
                    .unwrap_or(&security.shared_key);
                ClientSecurity {
                    self_hostname: security.self_hostname.clone(),
                    shared_key: key.expose().clone(),
                    username: parameters.username.clone(),
                    password: parameters.password.expose().clone(),
                }
            }),
            address,
            host,
            port,
            weight: parameters.weight,
            standby: parameters.standby,
        }
    }

    /// A server of weight 1, for tests.
    #[cfg(test)]
    pub(super) fn at(host: &str, port: u16) -> Self {
        let address = format!("{host}:{port}");
        Self {
            host: host.to_owned(),
            port,
            label: address.clone(),
            name: host.to_owned(),
            given_name: None,
            security: None,
            address,
            weight: 1,
            standby: false,
        }
    }
}
