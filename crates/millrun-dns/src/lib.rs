//! Which servers offer a service: SRV records of DNS (RFC 2782).
//!
//! One question to one server, and its answer: the name servers of the system or one that is named. The crate keeps nothing
//! and follows no aliases itself; that is the name server's work. What is done with several answers is the caller's.
//!
//! ```no_run
//! use std::time::Duration;
//! use millrun_dns::{Question, Resolver};
//!
//! let question = Question::new("forward", "tcp", "example.com")?;
//! let resolver = Resolver::of_system()?;
//! for place in resolver.ask(&question, 7, Duration::from_secs(2))? {
//!     println!("{}:{}", place.host, place.port);
//! }
//! # Ok::<(), millrun_dns::Error>(())
//! ```
#![forbid(unsafe_code)]

mod error;
mod message;
mod resolver;

pub use error::Error;
pub use message::{PLACES_MAX, Place, Question};
pub use resolver::Resolver;
