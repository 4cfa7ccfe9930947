//! The keeping of what was accepted: chunks in memory and in files, the ledger that says what is committed, recovery after
//! a crash at any instant, and the arithmetic of retries.
//!
//! It is the mechanism of the delivery contract. It is not an output (it sends nothing), has no threads and no clock of its own: who
//! fills, queues and flushes, and when, is the caller's. The bytes it keeps mean nothing to it.
//!
//! A batch travels in a [`Transaction`] that carries its [`Origin`], and arrives in every buffer it reaches or in none:
//!
//! ```
//! use std::sync::Arc;
//! use millrun_buffer::{
//!     Buffer, BufferConfig, Identity, Metadata, Origin, Random, Shard, StateDirectory, Timestamp,
//! };
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//!
//! let now = Timestamp::from_secs(1_700_000_000);
//! let mut state = StateDirectory::volatile(1);
//! let disk = Arc::new(millrun_buffer::disk::RealDisk);
//! let random = Random::from_seed(7);
//! let (buffer, _) = Buffer::open("out", BufferConfig::memory(), disk, state.ledgers(), random)?;
//! state.start()?;
//!
//! let mut shard = Shard::new(0, state.ledgers()[0].clone());
//! let source = shard.ledger().first_sight("in_tail:/var/log/a.log", Identity::default(), 0)?;
//! let mut transaction = shard.begin(Origin::File { source, incarnation: 0, range: 0..6 })?;
//! let whole = &mut |bytes: &[u8]| Some(bytes.len());
//! transaction.append(&buffer, &Metadata::with_tag("a"), b"hello\n", 1, whole, now)?;
//! transaction.commit()?;
//!
//! buffer.enqueue_all();
//! let chunk = buffer.take().expect("the batch is queued");
//! assert_eq!(chunk.in_memory(), Some(&b"hello\n"[..]));
//! assert_eq!(shard.ledger().low_water(source, 0), Some(0));
//! buffer.delivered(chunk)?;
//! assert_eq!(shard.ledger().low_water(source, 0), Some(6));
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]

mod appender;
mod buffer;
mod chunk;
mod chunk_id;
mod compression;
mod config;
pub mod disk;
mod error;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod ledger;
mod lent;
mod metadata;
mod origin;
mod packer;
mod packing;
mod pin;
mod random;
mod relay;
mod retry;
mod state_directory;
mod timestamp;
mod transaction;

pub use self::appender::{Appender, DestinationError, POSSIBLE_DOUBLE, Resumption};
pub use self::buffer::{Appended, Broken, Buffer, Cut, DAMAGED, Resumed, Statistics};
pub use self::chunk::{Chunk, ChunkPaths, SingleKey};
pub use self::chunk_id::ChunkId;
pub use self::compression::Compression;
pub use self::config::{
    BufferConfig, BufferKind, ChunkFormat, FileLayout, FlushMode, OverflowAction,
};
pub use self::error::{AppendError, LedgerError, OpenError, StateError};
pub use self::ledger::{Claim, Dispatch, Incarnation, Intent, Ledger, Seen, SourceState, Ticket};
pub use self::lent::{Lend, Lent};
pub use self::metadata::{Metadata, Variables};
pub use self::origin::{Fingerprint, Identity, LossKey, Origin, SourceNumber};
pub use self::packer::Packer;
pub use self::packing::{PACKED_PIECE_BYTES_MIN, PackHelpers, Piece};
pub use self::pin::Pin;
pub use self::random::Random;
pub use self::relay::Relayed;
pub use self::retry::{Retry, RetryConfig, RetryKind};
pub use self::state_directory::{Durability, SHARDS_MAX, StateDirectory, WORKERS_MAX};
pub use self::timestamp::Timestamp;
pub use self::transaction::{Shard, Transaction};
