//! Who is at the other end of a connection.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// How long a name is looked for before the address must do.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(5);

/// A client's address, and its name where it was looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Peer {
    pub(super) address: IpAddr,
    name: Option<String>,
}

impl Peer {
    /// Looks the name up where `resolves`. The look-up runs on a thread of its own: others go on.
    pub(super) async fn find(from: SocketAddr, resolves: bool) -> Self {
        let address = from.ip().to_canonical();
        let name = match resolves {
            true => {
                let lookup = tokio::task::spawn_blocking(move || dns_lookup::lookup_addr(&address));
                let found = tokio::time::timeout(LOOKUP_TIMEOUT, lookup).await;
                found.ok().and_then(Result::ok).and_then(Result::ok)
            }
            false => None,
        };
        Self { address, name }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => f.write_str(name),
            None => self.address.fmt(f),
        }
    }
}
