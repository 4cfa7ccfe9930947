//! What a `<source>` of type forward may say, and what it means.

use std::net::{SocketAddr, ToSocketAddrs as _};
use std::time::Duration;

use millrun_config::{Diagnostic, Diagnostics, Element, Size, parameters};
use millrun_core::{PluginId, StartError};
use millrun_forward::{ReceiverSettings, ServerSecurity};

use super::security::{SecurityParameters, SecurityPlan};
use crate::transport::{ServerTransport, ServerTransportParameters};

parameters! {
    /// Receives events over the forward protocol, TCP and the UDP heartbeat.
    ///
    /// A message may have 512 MiB (`chunk_size_limit` sets less), its tag 4096 bytes and its option 64 KiB; records may nest
    /// 128 levels deep. One that goes beyond ends its connection and no other. A source holds 10000 connections; one that must
    /// prove who it is has a minute and 64 KiB for that.
    pub struct ForwardParameters in "source", type "forward" {
        /// The port to listen on, TCP and UDP.
        port: u16 = "24224";
        /// The address to listen on.
        bind: String = "0.0.0.0";
        /// How many connections may wait to be accepted.
        backlog: Option<u32>;
        /// Close a connection after its first message.
        deny_keepalive: bool = "false";
        /// Let the system probe whether a silent client is still there.
        send_keepalive_packet: bool = "false";
        /// Warn of messages larger than this.
        chunk_size_warn_limit: Option<Size>;
        /// Drop messages larger than this.
        chunk_size_limit: Option<Size>;
        /// What a compressed message may expand to.
        decompression_size_limit: Size = "268435456";
        /// Leave out entries that are no events. Without effect: they are always left out.
        skip_invalid_event: bool = "true";
        /// The field that is set to the client's address.
        source_address_key: Option<String>;
        /// The field that is set to the client's host name.
        source_hostname_key: Option<String>;
        /// Replaces the tags of all events.
        tag: Option<String>;
        /// Stands before every tag, with a dot between.
        add_tag_prefix: Option<String>;
        /// Look up the client's host name, for the log and for `source_hostname_key`.
        resolve_hostname: Option<bool>;
        /// Without effect: connections are closed in order.
        linger_timeout: Option<u32>, deprecated = "it has no effect";
        /// Without effect: nothing here blocks.
        blocking_timeout: Duration = "0.5";
    }
    sections {
        /// What connections come over: tcp or tls.
        transport: Option<ServerTransportParameters>;
        /// Shared key and users.
        security: Option<SecurityParameters>;
    }
}

/// What the parameters mean.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) id: PluginId,
    pub(super) bind: String,
    port: u16,
    pub(super) backlog: Option<u32>,
    pub(super) deny_keepalive: bool,
    pub(super) send_keepalive_packet: bool,
    pub(super) chunk_size_warn_limit: Option<u64>,
    pub(super) source_address_key: Option<Vec<u8>>,
    pub(super) receiver: ReceiverSettings,
    pub(super) source_hostname_key: Option<Vec<u8>>,
    pub(super) resolves_hostname: bool,
    pub(super) transport: ServerTransport,
    /// How long a client may take to come in.
    pub(super) handshake_timeout: Duration,
    security: Option<SecurityPlan>,
}

/// How long TLS may take, and after it the proof of who is there.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(60);

impl Plan {
    /// `None` when a diagnostic says why not.
    pub(super) fn new(
        parameters: &ForwardParameters,
        id: &PluginId,
        element: &Element,
        diagnostics: &mut Diagnostics,
    ) -> Option<Self> {
        let mut faults = Faults {
            element,
            diagnostics,
            found: false,
        };
        if parameters.deny_keepalive && parameters.send_keepalive_packet {
            faults.add(
                "send_keepalive_packet",
                "send_keepalive_packet and deny_keepalive exclude each other",
                "remove one of them",
            );
        }
        for (name, value) in [
            ("tag", &parameters.tag),
            ("add_tag_prefix", &parameters.add_tag_prefix),
        ] {
            if value.as_deref() == Some("") {
                let fault = format!("'{name}' parameter must not be empty");
                faults.add(name, &fault, "write a tag, or remove the line");
            }
        }
        if parameters.source_hostname_key.is_some() && parameters.resolve_hostname == Some(false) {
            faults.add(
                "resolve_hostname",
                "resolve_hostname must be true with source_hostname_key",
                "remove the line resolve_hostname false",
            );
        }
        if faults.found {
            return None;
        }
        let transport = parameters.transport.as_ref();
        let transport = ServerTransport::new(transport, element, diagnostics)?;
        let security = match &parameters.security {
            None => None,
            Some(security) => {
                let section = element.elements_named("security").next().unwrap_or(element);
                Some(SecurityPlan::new(security, section.span(), diagnostics)?)
            }
        };

        let mut receiver = ReceiverSettings::default();
        receiver.tag = parameters.tag.clone().map(String::into_bytes);
        receiver.add_tag_prefix = parameters.add_tag_prefix.clone().map(String::into_bytes);
        receiver.chunk_size_limit = parameters.chunk_size_limit.map(|size| size.0);
        receiver.decompression_bytes_max = parameters.decompression_size_limit.0;
        Some(Self {
            id: id.clone(),
            bind: parameters.bind.clone(),
            port: parameters.port,
            backlog: parameters.backlog,
            deny_keepalive: parameters.deny_keepalive,
            send_keepalive_packet: parameters.send_keepalive_packet,
            chunk_size_warn_limit: parameters.chunk_size_warn_limit.map(|size| size.0),
            source_address_key: parameters
                .source_address_key
                .clone()
                .map(String::into_bytes),
            source_hostname_key: parameters
                .source_hostname_key
                .clone()
                .map(String::into_bytes),
            resolves_hostname: parameters
                .resolve_hostname
                .unwrap_or(parameters.source_hostname_key.is_some()),
            transport,
            handshake_timeout: HANDSHAKE_TIMEOUT,
            receiver,
            security,
        })
    }
}

impl Plan {
    /// Whom the source lets in, where it asks; names are looked up.
    pub(super) fn security(&self) -> Result<Option<ServerSecurity>, StartError> {
        self.security
            .as_ref()
            .map(SecurityPlan::security)
            .transpose()
    }

    /// The address to listen on. A name is looked up, so this belongs to the start: a check asks
    /// nobody.
    pub(super) fn address(&self) -> Result<SocketAddr, StartError> {
        let host = self.bind.trim_matches(['[', ']']);
        let fault = |reason: String| {
            let bind = &self.bind;
            let advice = "write an IP address into bind, 0.0.0.0 or :: for all";
            StartError::new(format!(
                "'{bind}' is no address of this host{reason}; {advice}"
            ))
        };
        let found = (host, self.port).to_socket_addrs();
        let mut found = found.map_err(|error| fault(format!(" ({error})")))?;
        found.next().ok_or_else(|| fault(String::new()))
    }
}

/// Collects what is wrong, so that all of it is said at once.
struct Faults<'a> {
    element: &'a Element,
    diagnostics: &'a mut Diagnostics,
    found: bool,
}

impl Faults<'_> {
    fn add(&mut self, parameter: &str, fault: &str, hint: &str) {
        let entry = self.element.entry(parameter);
        let span = entry.map_or(self.element.span(), |entry| entry.value.span);
        let fault = Diagnostic::error(fault).at(span, "written here").hint(hint);
        self.diagnostics.push(fault);
        self.found = true;
    }
}
