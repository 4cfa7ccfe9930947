//! Listening sockets that outlive the workers that serve them.
//!
//! The topmost control process owns every listening socket, by its exact key: type, address and options.
//! A worker asks over its life-line and gets a duplicate. When a worker is killed its successor gets a
//! duplicate of the same socket with the same queue, so no connection is refused in between.
//!
//! ```text
//!   worker ──LISTEN key──► server ──(under a supervisor: relayed)──► supervisor
//!   worker ◄─LISTENER+fd── server ◄──────────LISTENER+fd──────────── table[key]
//!                          server ──RELEASE key────────────────────► closed
//! ```
//!
//! `0.0.0.0:80` and `127.0.0.1:80` are different keys. Two keys that the kernel cannot serve at once are
//! an error for the second one, never a silent substitute.
//!
//! Sockets also come from a service manager ([`activation`]) and from another server that is being replaced
//! ([`manager`]), and go to programs without a life-line ([`manager`]): all through the same table.
//!
//! An address that nobody wants any more, because the configuration changed, is closed: when every worker
//! that asked for it has a successor that is ready for [`Config::listener_release_after`] and did not
//! ask. Until then its queue waits.
//!
//! [`Config::listener_release_after`]: crate::Config::listener_release_after
//!
//! All duplicates are one open socket to the kernel: a worker that makes its listener non-blocking makes
//! it so for all.

pub(crate) mod activation;
mod error;
pub(crate) mod manager;
mod open;
mod table;

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

pub use error::ListenError;
pub(crate) use table::{Claim, ListenerTable, Origin, remove_file};

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum ListenAddress {
    Tcp(SocketAddr),
    Udp(SocketAddr),
    Unix(PathBuf),
    UnixDatagram(PathBuf),
}

/// Returns the path as the control process has to know it: that has its own idea of the current directory.
pub(crate) fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// Options of a listening socket. They are part of its identity: the same address with other options is
/// another socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ListenOptions {
    /// Connections that may wait to be accepted (TCP and Unix); the kernel caps it at `somaxconn`.
    pub backlog: u32,
    /// Sets `SO_REUSEPORT`, so that an independent program may listen on the same address.
    pub reuse_port: bool,
    /// Whether an IPv6 socket serves IPv6 only. Without it `[::]` takes the IPv4 port, too.
    pub ipv6_only: bool,
    /// Permission bits of a Unix socket's file, for example `0o660`. `None`: as the umask says.
    pub mode: Option<u32>,
}

impl Default for ListenOptions {
    fn default() -> Self {
        Self {
            backlog: 4096,
            reuse_port: false,
            ipv6_only: true,
            mode: None,
        }
    }
}

/// Identity of a listening socket.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SocketKey {
    pub(crate) address: ListenAddress,
    pub(crate) options: ListenOptions,
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(formatter, "tcp {address}"),
            Self::Udp(address) => write!(formatter, "udp {address}"),
            Self::Unix(path) => write!(formatter, "unix {}", path.display()),
            Self::UnixDatagram(path) => write!(formatter, "unix datagram {}", path.display()),
        }
    }
}
