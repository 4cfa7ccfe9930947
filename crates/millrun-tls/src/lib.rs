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
//! Without the feature `rustls`, which is on, there are the settings and no sessions: a small agent carries no cryptography.
//!
//! ```
//! # #[cfg(feature = "rustls")] {
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
//! # }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![forbid(unsafe_code)]

#[cfg(not(feature = "rustls"))]
mod absent;
mod ciphers;
#[cfg(feature = "rustls")]
mod engine;
mod error;
mod plain;
mod settings;
mod steps;
mod version;

#[cfg(not(feature = "rustls"))]
pub use absent::{Acceptor, Connector, Session};
pub use ciphers::{CipherList, DEFAULT_CIPHERS};
#[cfg(feature = "rustls")]
pub use engine::{Acceptor, Connector, Session};
pub use error::{SessionError, SetupError};
pub use plain::Plain;
pub use settings::{
    Certificate, ClientSettings, Digest, Identity, KEY_LENGTHS, KeyPair, ServerSettings, Trust,
};
pub use version::{Version, Versions};

/// Whether this build speaks TLS: without the feature `rustls` settings are understood, and
/// whatever is made of them is [`SetupError::NotBuilt`].
pub const IS_BUILT: bool = cfg!(feature = "rustls");
