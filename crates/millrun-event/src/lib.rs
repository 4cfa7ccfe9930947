//! Event streams as msgpack bytes.
//!
//! An event is a two-element array `[time, record]`; a stream is events back to back, with a
//! count beside it. The same bytes stand in memory, in a chunk file and on the wire, so this crate
//! offers no value tree: it has cursors that borrow ([`Entries`], [`Record`], [`Value`]), writers
//! that append to a `Vec<u8>` ([`write`](mod@write)), transcoders from and to JSON text ([`json`]), and a walker that proves a stream sound
//! before anybody relies on it. It does no I/O, reads no clock and allocates nothing per event.
//!
//! ```
//! use millrun_event::{Entries, EventBuffer, EventTime, write};
//!
//! let mut events = EventBuffer::default();
//! events.push(EventTime::new(1_700_000_000, 0), |record| {
//!     write::map(record, 1);
//!     write::str(record, b"message");
//!     write::str(record, b"hello");
//! });
//!
//! for entry in Entries::new(events.as_events().bytes) {
//!     let entry = entry?;
//!     let message = entry.record().field(b"message").and_then(|value| value.text());
//!     assert_eq!(message, Some(&b"hello"[..]));
//! }
//! # Ok::<(), millrun_event::Malformed>(())
//! ```
#![forbid(unsafe_code)]

mod cursor;
mod entry;
mod events;
pub mod json;
mod record;
mod time;
pub mod write;

pub use cursor::{Cursor, MAX_DEPTH, Malformed, Token};
pub use entry::{Entries, Entry, EntryHead, EntryTime, count_entries};
pub use events::{EventBuffer, Events};
pub use record::{Fields, Record, Value};
pub use time::EventTime;
