//! What connections run over: TCP as it is, or TLS.
//!
//! ```text
//! ServerTransport ──▶ Acceptor ──▶ Stream    tasks: nothing blocks
//! ClientTls       ──▶ Connector ─▶ Wire      threads: blocks up to a deadline
//! the http output ──▶ Connector              its client has streams of its own
//! ```

mod client;
mod server;
mod stream;
mod version;
mod wire;

#[cfg(feature = "http")]
pub(crate) use client::ConnectorParts;
pub(crate) use client::{ClientTls, ClientTransport};
pub(crate) use server::{ServerTransport, ServerTransportParameters};
pub(crate) use stream::Stream;
#[cfg(feature = "http")]
pub(crate) use version::TlsVersion;
pub(crate) use wire::{Wire, WireError};
