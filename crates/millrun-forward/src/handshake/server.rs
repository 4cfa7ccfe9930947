//! The server's side: who may send.

use std::net::IpAddr;

use millrun_event::{Cursor, Token, write};
use thiserror::Error;

use super::{CHALLENGE_BYTES, digest, same};

/// Whom a server lets in (`<security>` of in_forward).
#[derive(Clone, Debug, Default)]
pub struct ServerSecurity {
    /// What it calls itself.
    pub self_hostname: String,
    /// The key that clients know, too, unless their own entry names another.
    pub shared_key: String,
    /// The users, one of whom a client must be; `None` asks for none (`user_auth false`).
    pub users: Option<Vec<User>>,
    /// What is known of clients by their addresses; the first that has the address counts.
    pub clients: Vec<AllowedClient>,
    /// Whether others may send as well.
    pub allows_anonymous: bool,
}

/// A user and the password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The name.
    pub name: String,
    /// The password.
    pub password: String,
}

/// What holds for clients of some addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowedClient {
    /// Their addresses.
    pub network: Network,
    /// Their key, in the place of the server's.
    pub shared_key: Option<String>,
    /// Which users they may be; all without.
    pub users: Option<Vec<String>>,
}

/// Addresses that begin alike: `192.0.2.0/24`, or one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u32,
}

impl Network {
    /// Reads `address/prefix` or an address alone.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix.parse().ok()?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.unwrap_or(bits);
        (prefix <= bits).then_some(Self { address, prefix })
    }

    /// The network of one address.
    pub fn of(address: IpAddr) -> Self {
        let prefix = if address.is_ipv4() { 32 } else { 128 };
        Self { address, prefix }
    }

    /// Whether an address belongs to it. Addresses of the two families never do.
    pub fn contains(&self, address: IpAddr) -> bool {
        let differs = |one: u128, other: u128, bits: u32| {
            let rest = bits.saturating_sub(self.prefix);
            (one ^ other).checked_shr(rest).unwrap_or(0) != 0
        };
        match (self.address, address) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                !differs(own.to_bits().into(), other.to_bits().into(), 32)
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => !differs(own.to_bits(), other.to_bits(), 128),
            _ => false,
        }
    }
}

/// The server's side of one connection.
#[derive(Clone, Debug)]
pub struct ServerHandshake {
    nonce: [u8; CHALLENGE_BYTES],
    auth: [u8; CHALLENGE_BYTES],
}

/// What a server says to a PING.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The answer to send, whatever it says.
    pub pong: Vec<u8>,
    /// Why the connection is to be closed after it, if it is.
    pub refusal: Option<Refusal>,
}

/// Why a client is not let in: its words go into the answer.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Refusal {
    /// What came is no PING.
    #[error("invalid ping message")]
    Invalid,
    /// No entry has the client's address, and others are not let in.
    #[error("anonymous source host '{address}' denied")]
    Anonymous {
        /// The client's address.
        address: IpAddr,
        /// What the client calls itself.
        hostname: String,
    },
    /// It knows another key.
    #[error("shared_key mismatch")]
    Key {
        /// What the client calls itself.
        hostname: String,
    },
    /// It is no user, or has another password.
    #[error("username/password mismatch")]
    User {
        /// What the client calls itself.
        hostname: String,
        /// Who it says it is.
        username: String,
    },
}

/// What a PING says.
struct Ping<'a> {
    hostname: &'a [u8],
    salt: &'a [u8],
    digest: &'a [u8],
    username: &'a [u8],
    password: &'a [u8],
}

impl ServerHandshake {
    /// The server's side of a new connection. The two challenges are random, and new for each.
    pub fn new(nonce: [u8; CHALLENGE_BYTES], auth: [u8; CHALLENGE_BYTES]) -> Self {
        Self { nonce, auth }
    }

    /// What the server says first. `keepalive` tells whether several messages may follow.
    pub fn hello(&self, keepalive: bool) -> Vec<u8> {
        let mut out = Vec::new();
        write::array(&mut out, 2);
        write::str(&mut out, b"HELO");
        write::map(&mut out, 3);
        write::str(&mut out, b"nonce");
        write::bin(&mut out, &self.nonce);
        write::str(&mut out, b"auth");
        write::bin(&mut out, &self.auth);
        write::str(&mut out, b"keepalive");
        write::bool(&mut out, keepalive);
        out
    }

    /// Answers what came first from a client at `address`: one msgpack value.
    pub fn answer(&self, ping: &[u8], address: IpAddr, security: &ServerSecurity) -> Verdict {
        let Some(ping) = Ping::read(ping) else {
            return Verdict::refused(Refusal::Invalid);
        };
        match self.check(&ping, address, security) {
            Err(refusal) => Verdict::refused(refusal),
            Ok(key) => {
                let own = security.self_hostname.as_bytes();
                let proof = digest(&[ping.salt, own, &self.nonce, key.as_bytes()]);
                let refusal = None;
                let pong = pong(true, "", own, proof.as_bytes());
                Verdict { pong, refusal }
            }
        }
    }

    /// The key of a client that may send.
    fn check<'s>(
        &self,
        ping: &Ping<'_>,
        address: IpAddr,
        security: &'s ServerSecurity,
    ) -> Result<&'s str, Refusal> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let hostname = text(ping.hostname);
        let mut clients = security.clients.iter();
        let client = clients.find(|client| client.network.contains(address));
        if client.is_none() && !security.allows_anonymous {
            return Err(Refusal::Anonymous { address, hostname });
        }
        let own_key = client.and_then(|client| client.shared_key.as_deref());
        let key = own_key.unwrap_or(&security.shared_key);
        let right = digest(&[ping.salt, ping.hostname, &self.nonce, key.as_bytes()]);
        if !same(right.as_bytes(), ping.digest) {
            return Err(Refusal::Key { hostname });
        }
        let Some(users) = &security.users else {
            return Ok(key);
        };
        let may_be = |user: &&User| {
            let allowed = client.and_then(|client| client.users.as_ref());
            allowed.is_none_or(|names| names.contains(&user.name))
        };
        let is_right = |user: &User| {
            let secret = digest(&[&self.auth, ping.username, user.password.as_bytes()]);
            user.name.as_bytes() == ping.username && same(secret.as_bytes(), ping.password)
        };
        if users.iter().filter(may_be).any(is_right) {
            return Ok(key);
        }
        Err(Refusal::User {
            hostname,
            username: text(ping.username),
        })
    }
}

impl Verdict {
    fn refused(refusal: Refusal) -> Self {
        Self {
            pong: pong(false, &refusal.to_string(), b"", b""),
            refusal: Some(refusal),
        }
    }
}

impl<'a> Ping<'a> {
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut cursor = Cursor::new(bytes);
        let Ok(Token::Array(6)) = cursor.token() else {
            return None;
        };
        let mut text = || match cursor.token() {
            Ok(Token::Str(bytes) | Token::Bin(bytes)) => Some(bytes),
            _ => None,
        };
        if text()? != b"PING" {
            return None;
        }
        Some(Self {
            hostname: text()?,
            salt: text()?,
            digest: text()?,
            username: text()?,
            password: text()?,
        })
    }
}

fn pong(accepted: bool, reason: &str, hostname: &[u8], proof: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    write::array(&mut out, 5);
    write::str(&mut out, b"PONG");
    write::bool(&mut out, accepted);
    write::str(&mut out, reason.as_bytes());
    write::str(&mut out, hostname);
    write::str(&mut out, proof);
    out
}
