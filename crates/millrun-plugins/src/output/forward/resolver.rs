//! The addresses of one server.

use std::io;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs as _};
use std::time::{Duration, Instant};

/// A host name with what it last resolved to. Addresses that do not answer are looked up again.
#[derive(Debug)]
pub(super) struct Resolver {
    host: String,
    port: u16,
    /// How long an answer is used; `None` means until it fails.
    expiry: Option<Duration>,
    rotates: bool,
    addresses: Vec<SocketAddr>,
    resolved: Option<Instant>,
}

impl Resolver {
    pub(super) fn new(host: &str, port: u16, expiry: Option<Duration>, rotates: bool) -> Self {
        Self {
            host: host.to_owned(),
            port,
            expiry,
            rotates,
            addresses: Vec::new(),
            resolved: None,
        }
    }

    /// Connects to the first address that answers, within `timeout` for each.
    pub(super) fn connect(&mut self, timeout: Duration, now: Instant) -> io::Result<TcpStream> {
        self.resolve(now)?;
        let mut failure = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for address in &self.addresses {
            match TcpStream::connect_timeout(address, timeout) {
                Ok(stream) => return Ok(stream),
                Err(error) => failure = error,
            }
        }
        self.resolved = None;
        Err(failure)
    }

    fn resolve(&mut self, now: Instant) -> io::Result<()> {
        let is_fresh = self.resolved.is_some_and(|resolved| {
            self.expiry
                .is_none_or(|expiry| now.saturating_duration_since(resolved) < expiry)
        });
        if !is_fresh {
            let host = self.host.trim_matches(['[', ']']);
            self.addresses = (host, self.port).to_socket_addrs()?.collect();
            self.resolved = Some(now);
        } else if self.rotates && !self.addresses.is_empty() {
            self.addresses.rotate_left(1);
        }
        Ok(())
    }
}
