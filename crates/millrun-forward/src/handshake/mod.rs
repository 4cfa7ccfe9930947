//! The handshake that comes before the first message where the server has a shared key.
//!
//! ```text
//! server → client   ["HELO", {"nonce": bin 16, "auth": bin 16, "keepalive": bool}]
//! client → server   ["PING", host, salt, D(salt, host, nonce, key), user, D(auth, user, password)]
//! server → client   ["PONG", true, "", host, D(salt, host, nonce, key)]
//!                   ["PONG", false, reason, "", ""]           and the connection is closed
//! ```
//!
//! `D` is SHA-512 of its parts one behind the other, in lower-case hexadecimal digits. Who sends an
//! empty `auth` asks for no credentials: user and password are then empty texts. Each side proves that
//! it knows the key and neither sends it; what follows is not encrypted.

mod client;
mod server;

use sha2::{Digest, Sha512};

pub use client::{ClientHandshake, ClientSecurity, HandshakeError};
pub use server::{AllowedClient, Network, Refusal, ServerHandshake, ServerSecurity, User, Verdict};

/// Bytes of a nonce, and of the salt for passwords.
pub const CHALLENGE_BYTES: usize = 16;

/// SHA-512 of the parts, one behind the other.
fn digest(parts: &[&[u8]]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut hasher = Sha512::new();
    for part in parts {
        hasher.update(part);
    }
    let digit = |value: u8| {
        DIGITS
            .get(usize::from(value))
            .map_or('0', |digit| char::from(*digit))
    };
    let bytes = hasher.finalize();
    bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
        .collect()
}

/// Whether two texts are the same, in a time that tells nothing of where they differ.
fn same(one: &[u8], other: &[u8]) -> bool {
    let differing = one.iter().zip(other).fold(0, |bits, (a, b)| bits | (a ^ b));
    one.len() == other.len() && differing == 0
}

#[cfg(test)]
mod tests;
