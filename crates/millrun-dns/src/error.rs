use std::io;
use std::net::SocketAddr;

use thiserror::Error;

/// Why nothing is known of a service.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// The configuration's fault: there is no such name.
    #[error("{name} is no name that DNS knows: expected letters, digits and dots, 253 at most")]
    Name {
        /// What was asked for.
        name: String,
    },
    /// The system's fault: nothing says whom to ask.
    #[error("/etc/resolv.conf names no server: name one with dns_server_host")]
    NoServer,
    /// The configuration's fault: the name server is no address.
    #[error("{text} is no address of a name server: expected one like 192.0.2.53 or 192.0.2.53:53")]
    Server {
        /// What was written.
        text: String,
    },
    /// The network's fault.
    #[error("no answer from the name server {server}: {error}")]
    Network {
        /// Who was asked.
        server: SocketAddr,
        /// What happened.
        error: io::Error,
    },
    /// The name server's fault: it does not speak DNS.
    #[error("the name server {server} answered with what is no answer")]
    Malformed {
        /// Who was asked.
        server: SocketAddr,
    },
    /// The name server knows nothing of the service, or will not say.
    #[error("the name server {server} says {code} to {name}")]
    Refused {
        /// Who was asked.
        server: SocketAddr,
        /// Its code, as RFC 1035 names it.
        code: String,
        /// What was asked for.
        name: String,
    },
}
