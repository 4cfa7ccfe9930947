//! What connections run over: TCP as it is, or TLS.
//!
//! ```text
//! ServerTransport ──▶ Acceptor ──▶ Stream    tasks: nothing blocks
//! ClientTls       ──▶ Connector ─▶ Wire      threads: blocks up to a deadline
//! ```

mod client;
mod server;
mod stream;
mod version;
mod wire;

pub(crate) use client::{ClientTls, ClientTransport};
pub(crate) use server::{ServerTransport, ServerTransportParameters};
pub(crate) use stream::Stream;
pub(crate) use wire::{Wire, WireError};
