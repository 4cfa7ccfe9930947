//! TLS for millrun's connections: certificates and keys are read, settings in the words of
//! OpenSSL are understood, and a [`Session`] turns bytes of a wire into bytes of a program and
//! back.
//!
//! It is not a socket and waits for nothing: a session takes what has come and says what is to be
//! written, so threads that block and tasks that do not use the same one. Nor is it an
//! implementation of TLS: that is rustls over aws-lc-rs, of which nothing shows outside of this
//! crate.
//!
//! ```text
//! ServerSettings ──▶ Acceptor ──▶ Session ◀── Connector ◀── ClientSettings
//!                                  │   ▲
//!       wire ──▶ read_wire ──▶ read│   │write ──▶ write_wire ──▶ wire
//! ```
//!
//! ```
//! use millrun_tls::{
//!     Acceptor, Certificate, ClientSettings, Connector, Identity, ServerSettings, Trust,
//! };
//!
//! let certificate = Certificate::of("collector.example");
//! let server = ServerSettings::new(Identity::SelfSigned(certificate));
//! let acceptor = Acceptor::new(&server)?;
//! let connector = Connector::new(&ClientSettings::new(Trust::Anyone))?;
//!
//! let (mut here, mut there) = (connector.connect("collector.example")?, acceptor.accept()?);
//! while here.is_shaking_hands() || there.is_shaking_hands() {
//!     let mut wire = Vec::new();
//!     here.write_wire(&mut wire)?;
//!     there.take(&wire)?;
//!     wire.clear();
//!     there.write_wire(&mut wire)?;
//!     here.take(&wire)?;
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![forbid(unsafe_code)]

mod ciphers;
mod client;
mod error;
mod generated;
mod names;
mod pem;
mod provider;
mod server;
mod session;
#[cfg(test)]
mod tests;
mod verifier;
mod version;

pub use ciphers::{CipherList, DEFAULT_CIPHERS};
pub use client::{ClientSettings, Connector, Trust};
pub use error::{SessionError, SetupError};
pub use generated::{Certificate, Digest, KEY_LENGTHS};
pub use pem::KeyPair;
pub use server::{Acceptor, Identity, ServerSettings};
pub use session::{Plain, Session};
pub use version::{Version, Versions};
