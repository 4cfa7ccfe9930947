//! The `<security>` section: whom a source lets in.
//!
//! ```text
//! <security>
//!   self_hostname collector.example
//!   shared_key …
//!   user_auth true
//!   allow_anonymous_source false
//!   <user>
//!     username u
//!     password …
//!   </user>
//!   <client>
//!     network 192.0.2.0/24      or: host agent.example
//!     shared_key …              users u,v
//!   </client>
//! </security>
//! ```

use std::net::ToSocketAddrs as _;

use millrun_config::{Diagnostic, Diagnostics, Secret, parameters};
use millrun_core::StartError;
use millrun_forward::{AllowedClient, Network, ServerSecurity, User};

parameters! {
    /// A user who may send.
    pub struct UserParameters in "user" {
        /// The name.
        username: String = required;
        /// The password.
        password: Secret<String> = required, secret;
    }
}

parameters! {
    /// What holds for clients of some addresses.
    pub struct ClientParameters in "client" {
        /// The client's address or host name.
        host: Option<String>;
        /// The clients' addresses, such as 192.0.2.0/24.
        network: Option<String>;
        /// Their key, in the place of the section's.
        shared_key: Option<Secret<String>>, secret;
        /// Which users they may be; all without.
        users: Vec<String> = "[]";
    }
}

parameters! {
    /// Whom a source lets in.
    pub struct SecurityParameters in "security" {
        /// What the source calls itself.
        self_hostname: String = required;
        /// The key that clients know, too.
        shared_key: Secret<String> = required, secret;
        /// Whether a client must be one of the users.
        user_auth: bool = "false";
        /// Whether clients that no section names may send.
        allow_anonymous_source: bool = "true";
    }
    sections {
        /// A user who may send.
        user: Vec<UserParameters>;
        /// What holds for clients of some addresses.
        client: Vec<ClientParameters>;
    }
}

/// What the section means. Host names are looked up when the source starts.
#[derive(Clone, Debug)]
pub(super) struct SecurityPlan {
    security: ServerSecurity,
    clients: Vec<(Place, AllowedClient)>,
}

/// Where a client is.
#[derive(Clone, Debug)]
enum Place {
    Network,
    Host(String),
}

impl SecurityPlan {
    /// `None` when a diagnostic says why not.
    pub(super) fn new(
        parameters: &SecurityParameters,
        span: millrun_config::Span,
        diagnostics: &mut Diagnostics,
    ) -> Option<Self> {
        let mut faults = Vec::new();
        if parameters.user_auth && parameters.user.is_empty() {
            faults.push("<user> sections required if user_auth enabled".to_owned());
        }
        if !parameters.allow_anonymous_source && parameters.client.is_empty() {
            faults.push("<client> sections required if allow_anonymous_source disabled".to_owned());
        }
        let mut clients = Vec::new();
        for client in &parameters.client {
            match place(client) {
                Ok((place, network)) => clients.push((
                    place,
                    AllowedClient {
                        network,
                        shared_key: client.shared_key.as_ref().map(|key| key.expose().clone()),
                        users: (!client.users.is_empty()).then(|| client.users.clone()),
                    },
                )),
                Err(fault) => faults.push(fault),
            }
        }
        let is_sound = faults.is_empty();
        for fault in faults {
            diagnostics.push(Diagnostic::error(fault).at(span, "this section"));
        }
        let users = parameters.user.iter().map(|user| User {
            name: user.username.clone(),
            password: user.password.expose().clone(),
        });
        is_sound.then(|| Self {
            security: ServerSecurity {
                self_hostname: parameters.self_hostname.clone(),
                shared_key: parameters.shared_key.expose().clone(),
                users: parameters.user_auth.then(|| users.collect()),
                clients: Vec::new(),
                allows_anonymous: parameters.allow_anonymous_source,
            },
            clients,
        })
    }

    /// Whom the source lets in, names looked up.
    pub(super) fn security(&self) -> Result<ServerSecurity, StartError> {
        let mut security = self.security.clone();
        for (place, client) in &self.clients {
            let Place::Host(host) = place else {
                security.clients.push(client.clone());
                continue;
            };
            let found = (host.as_str(), 0).to_socket_addrs().map_err(|error| {
                let advice = "write an address, or a network, into its <client> section";
                StartError::new(format!("'{host}' is no known host ({error}); {advice}"))
            })?;
            for address in found {
                security.clients.push(AllowedClient {
                    network: Network::of(address.ip()),
                    ..client.clone()
                });
            }
        }
        Ok(security)
    }
}

/// Where a client is, and its network where that needs no look.
fn place(client: &ClientParameters) -> Result<(Place, Network), String> {
    let nowhere = Network::of(std::net::IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED));
    match (&client.host, &client.network) {
        (Some(_), Some(_)) => {
            Err("Both of 'host' and 'network' are specified for client".to_owned())
        }
        (None, None) => {
            Err("Either of 'host' and 'network' must be specified for client".to_owned())
        }
        (Some(host), None) => Ok((Place::Host(host.clone()), nowhere)),
        (None, Some(network)) => match Network::parse(network) {
            Some(network) => Ok((Place::Network, network)),
            None => Err(format!(
                "network '{network}' address format is invalid: expected one like 192.0.2.0/24"
            )),
        },
    }
}
