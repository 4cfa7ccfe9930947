//! Requests to one HTTP/1.1 server at a time, from a thread that waits for the answer.
//!
//! A flush thread has one chunk and one destination: it sends, waits, and knows what became of it. [`Client`] is that,
//! over hyper on a runtime of the thread's own. It is no general client: no redirects are followed, no cookies kept, no
//! answer decoded, and nothing is repeated: whoever sends decides what a failure means. TLS is
//! millrun-tls's: who asks for `https` gives a `Connector`.
//!
//! ```
//! use millrun_http_client::{Endpoint, EndpointError};
//!
//! let endpoint = Endpoint::parse("http://user:secret@127.0.0.1:9200/logs?pipeline=a b")?;
//! assert_eq!(endpoint.authority(), "127.0.0.1:9200");
//! // What a URI cannot hold is written as one can.
//! assert_eq!(endpoint.target(), "/logs?pipeline=a%20b");
//! # Ok::<(), EndpointError>(())
//! ```
#![forbid(unsafe_code)]

mod base64;
mod client;
mod connection;
mod endpoint;
mod error;
mod stream;
mod way;

pub use self::base64::basic_credentials;
pub use self::client::{Answer, Client, Method, Request, Settings, TEXT_BYTES_MAX};
pub use self::endpoint::{Endpoint, EndpointError};
pub use self::error::ClientError;
