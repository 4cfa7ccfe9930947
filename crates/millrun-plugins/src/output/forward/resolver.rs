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
    /// Connected by a look whether the server is there, and when.
    probed: Option<(TcpStream, Instant)>,
}

/// How old a connection of a look may be to be used: the try that the look allows comes at once.
const PROBED_AGE_MAX: Duration = Duration::from_secs(1);

impl Resolver {
    pub(super) fn new(host: &str, port: u16, expiry: Option<Duration>, rotates: bool) -> Self {
        Self {
            host: host.to_owned(),
            port,
            expiry,
            rotates,
            addresses: Vec::new(),
            resolved: None,
            probed: None,
        }
    }

    /// Connects, and keeps the connection for who is next to ask for one: a look that finds somebody there costs the
    /// server no connection that says nothing.
    pub(super) fn probe(&mut self, timeout: Duration, now: Instant) -> bool {
        self.probed = None;
        let stream = self.connect(timeout, now);
        self.probed = stream.ok().map(|stream| (stream, now));
        self.probed.is_some()
    }

    /// Connects to the first address that answers, within `timeout` for each.
    pub(super) fn connect(&mut self, timeout: Duration, now: Instant) -> io::Result<TcpStream> {
        if let Some((stream, since)) = self.probed.take()
            && now.saturating_duration_since(since) < PROBED_AGE_MAX
        {
            return Ok(stream);
        }
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
