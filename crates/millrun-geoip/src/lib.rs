//! Where an address is: lookups in databases of MaxMind's format.
//!
//! The database is read into memory once. What a path leads to (`city.names.en`, `subdivisions.0.iso_code`) is written
//! as msgpack, without a tree between; of the addresses that were looked up last the answers are kept, so that one that
//! comes again costs no lookup and no allocation. The crate knows no plugin and no record.
//!
//! ```no_run
//! use millrun_geoip::{Answers, Database, Path};
//!
//! let database = Database::open("places.mmdb".as_ref()).unwrap();
//! let paths = [Path::parse("country.iso_code")];
//! let mut answers = Answers::default();
//! let found = answers.of(&database, &paths, "192.0.2.1".parse().unwrap());
//! assert_eq!(found.get(0), Some(&b"\xa2XM"[..]));
//! ```
#![forbid(unsafe_code)]

mod answers;
mod database;
mod value;

pub use answers::{ADDRESSES_KEPT_MAX, Answer, Answers};
pub use database::{Database, OpenError, Path};
