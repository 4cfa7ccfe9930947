//! TLS itself: what settings become over rustls and aws-lc-rs.

mod client;
mod fault;
mod generated;
mod names;
mod pem;
mod provider;
mod server;
mod session;
#[cfg(test)]
mod tests;
mod verifier;

pub use client::Connector;
pub use server::Acceptor;
pub use session::Session;
