//! The addresses of one server.

use std::io;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs as _};
use std::time::{Duration, Instant};

/// A host name with what it last resolved to. Addresses that do not answer are looked up again.
#[derive(Debug)]
pub(super) struct Resolver {
    host: String,
    port: u16,
    lookup: Lookup,
    /// How long an answer is used; `None` means until it fails.
    expiry: Option<Duration>,
    rotates: bool,
    addresses: Vec<SocketAddr>,
    resolved: Option<Instant>,
    /// Connected by a look whether the server is there, and when.
    probed: Option<(TcpStream, Instant)>,
}

/// What asks for the addresses of a host and port.
type Lookup = fn(&str, u16) -> io::Result<Vec<SocketAddr>>;

fn ask_the_system(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    Ok((host, port).to_socket_addrs()?.collect())
}

/// How old a connection of a look may be to be used: the try that the look allows comes at once.
const PROBED_AGE_MAX: Duration = Duration::from_secs(1);

impl Resolver {
    pub(super) fn new(host: &str, port: u16, expiry: Option<Duration>, rotates: bool) -> Self {
        Self {
            host: host.to_owned(),
            port,
            lookup: ask_the_system,
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
            self.addresses = (self.lookup)(host, self.port)?;
            self.resolved = Some(now);
        } else if self.rotates && !self.addresses.is_empty() {
            self.addresses.rotate_left(1);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU16, Ordering};

    use super::*;

    static ASKED: AtomicU16 = AtomicU16::new(0);

    /// Two addresses, which tell by their port how often was asked before.
    fn lookup(_: &str, _: u16) -> io::Result<Vec<SocketAddr>> {
        let port = ASKED.fetch_add(1, Ordering::SeqCst);
        Ok(vec![
            ([192, 0, 2, 1], port).into(),
            ([192, 0, 2, 2], port).into(),
        ])
    }

    fn first(resolver: &mut Resolver, now: Instant) -> (u8, u16) {
        resolver.resolve(now).unwrap();
        match resolver.addresses[0] {
            SocketAddr::V4(address) => (address.ip().octets()[3], address.port()),
            SocketAddr::V6(address) => panic!("{address}"),
        }
    }

    #[test]
    fn an_answer_is_used_until_it_expires_and_by_turns_where_that_is_asked_for() {
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        let resolver = |expiry: Option<u64>, rotates| Resolver {
            lookup,
            ..Resolver::new("srv.test", 24224, expiry.map(Duration::from_secs), rotates)
        };
        // Without expire_dns_cache until a connection fails.
        let mut forever = resolver(None, false);
        assert_eq!(first(&mut forever, start), (1, 0));
        assert_eq!(first(&mut forever, after(1_000_000)), (1, 0));
        forever.resolved = None;
        assert_eq!(first(&mut forever, after(1_000_001)), (1, 1));

        let mut ten = resolver(Some(10), false);
        assert_eq!(first(&mut ten, start), (1, 2));
        assert_eq!(first(&mut ten, after(9)), (1, 2));
        assert_eq!(first(&mut ten, after(10)), (1, 3));

        // 0: for every connection.
        let mut never = resolver(Some(0), false);
        assert_eq!(
            [first(&mut never, start), first(&mut never, start)],
            [(1, 4), (1, 5)]
        );

        let mut turns = resolver(None, true);
        let found = [(); 3].map(|()| first(&mut turns, start));
        assert_eq!(found, [(1, 6), (2, 6), (1, 6)]);
    }
}
