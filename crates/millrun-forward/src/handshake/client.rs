//! The client's side: it proves who it is, and that the server knows the key.

use millrun_event::{Cursor, Record, Token, write};
use thiserror::Error;

use super::{digest, same};

/// What a client proves with (`<security>` and `<server>` of out_forward).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientSecurity {
    /// What it calls itself.
    pub self_hostname: String,
    /// The key that the server knows, too.
    pub shared_key: String,
    /// The user, for servers that ask for one.
    pub username: String,
    /// The user's password.
    pub password: String,
}

/// Why a server is not sent anything. It is its fault or that of the two configurations.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum HandshakeError {
    /// It says something else first.
    #[error("the server does not greet: expected HELO; has it a <security> section?")]
    NoHello,
    /// It does not answer as servers do.
    #[error("invalid format for PONG message")]
    NoPong,
    /// It refuses.
    #[error("authentication failed: {0}")]
    Refused(String),
    /// It calls itself as this client does.
    #[error("same hostname between input and output: invalid configuration")]
    SameHostname,
    /// It has another key.
    #[error("shared key mismatch")]
    Key,
}

/// The client's side of one connection.
#[derive(Clone, Debug)]
pub struct ClientHandshake<'a> {
    security: &'a ClientSecurity,
    /// Random text, new for each client.
    salt: &'a [u8],
    nonce: Vec<u8>,
}

impl<'a> ClientHandshake<'a> {
    /// The client's side of a new connection.
    pub fn new(security: &'a ClientSecurity, salt: &'a [u8]) -> Self {
        Self {
            security,
            salt,
            nonce: Vec::new(),
        }
    }

    /// What to send after the server's greeting, one msgpack value.
    ///
    /// # Errors
    /// [`HandshakeError::NoHello`].
    pub fn ping(&mut self, hello: &[u8]) -> Result<Vec<u8>, HandshakeError> {
        let mut cursor = Cursor::new(hello);
        let (Ok(Token::Array(2)), Ok(Token::Str(b"HELO"))) = (cursor.token(), cursor.token())
        else {
            return Err(HandshakeError::NoHello);
        };
        let options = Record::new(cursor.rest());
        let challenge = |name: &[u8]| {
            let value = options.field(name);
            value.and_then(|value| value.text()).unwrap_or_default()
        };
        self.nonce = challenge(b"nonce").to_vec();
        let auth = challenge(b"auth");
        let security = self.security;
        let (host, key) = (security.self_hostname.as_bytes(), &security.shared_key);
        let proof = digest(&[self.salt, host, &self.nonce, key.as_bytes()]);
        let (user, secret) = if auth.is_empty() {
            ("", String::new())
        } else {
            let user = security.username.as_str();
            let password = security.password.as_bytes();
            (user, digest(&[auth, user.as_bytes(), password]))
        };
        let mut out = Vec::new();
        write::array(&mut out, 6);
        write::str(&mut out, b"PING");
        write::str(&mut out, host);
        write::str(&mut out, self.salt);
        write::str(&mut out, proof.as_bytes());
        write::str(&mut out, user.as_bytes());
        write::str(&mut out, secret.as_bytes());
        Ok(out)
    }

    /// Checks the server's answer, one msgpack value.
    ///
    /// # Errors
    /// Nothing may be sent.
    pub fn check(&self, pong: &[u8]) -> Result<(), HandshakeError> {
        let mut cursor = Cursor::new(pong);
        let (Ok(Token::Array(5)), Ok(Token::Str(b"PONG"))) = (cursor.token(), cursor.token())
        else {
            return Err(HandshakeError::NoPong);
        };
        let Ok(Token::Bool(accepted)) = cursor.token() else {
            return Err(HandshakeError::NoPong);
        };
        let mut text = || match cursor.token() {
            Ok(Token::Str(bytes) | Token::Bin(bytes)) => Ok(bytes),
            _ => Err(HandshakeError::NoPong),
        };
        let (reason, host, proof) = (text()?, text()?, text()?);
        if !accepted {
            let reason = String::from_utf8_lossy(reason).into_owned();
            return Err(HandshakeError::Refused(reason));
        }
        if host == self.security.self_hostname.as_bytes() {
            return Err(HandshakeError::SameHostname);
        }
        let key = self.security.shared_key.as_bytes();
        let right = digest(&[self.salt, host, &self.nonce, key]);
        if same(right.as_bytes(), proof) {
            Ok(())
        } else {
            Err(HandshakeError::Key)
        }
    }
}
