use std::io;
use std::time::Duration;

use thiserror::Error;

/// Why there is no answer.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ClientError {
    /// Nobody takes connections there, or its name has no address.
    #[error("cannot connect to {server}: {source}")]
    Connect {
        /// Host and port.
        server: String,
        /// What the system said.
        source: io::Error,
    },
    /// Connecting took too long.
    #[error("cannot connect to {server} within {} s (open_timeout)", .limit.as_secs_f64())]
    ConnectTimeout {
        /// Host and port.
        server: String,
        /// What it may take.
        limit: Duration,
    },
    /// A proxy opens no way to the server.
    #[error("the proxy {proxy} opens no way to {target}: {reason}")]
    Proxy {
        /// Host and port of the proxy.
        proxy: String,
        /// Host and port of the server.
        target: String,
        /// What it answers.
        reason: String,
    },
    /// The two ends do not come to TLS.
    #[error("no TLS with {server}: {reason}")]
    Tls {
        /// Host and port.
        server: String,
        /// Why not.
        reason: String,
    },
    /// The answer took too long; the request may have been carried out.
    #[error("no answer of {server} within {} s (read_timeout)", .limit.as_secs_f64())]
    AnswerTimeout {
        /// Host and port.
        server: String,
        /// What it may take.
        limit: Duration,
    },
    /// The connection ended, or what came is no HTTP; the request may have been carried out.
    #[error("no answer of {server}: {reason}")]
    NoAnswer {
        /// Host and port.
        server: String,
        /// What was seen instead.
        reason: String,
    },
    /// The request cannot be written: a header or the target holds what HTTP has no form for.
    #[error("the request cannot be written: {reason}")]
    Request {
        /// Which part, and what is wrong with it.
        reason: String,
    },
    /// The thread cannot wait for sockets.
    #[error("cannot set up waiting for sockets: {0}")]
    Runtime(io::Error),
}
