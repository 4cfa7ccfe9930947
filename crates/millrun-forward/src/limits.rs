//! Every limit of the protocol code, by name.
//!
//! Fluentd has next to none of these (fluentd.md section 5.5). They are wide enough that no sound
//! peer meets them, and close the connection of one that does.

/// The longest message a receiver takes, in bytes. A client's file buffer makes chunks of 256 MiB
/// by default, and a chunk is one message, so anything smaller would refuse sound clients.
pub const MAX_MESSAGE_BYTES: u64 = 512 << 20;

/// The longest tag, in bytes.
pub const MAX_TAG_BYTES: usize = 4096;

/// The longest option map of a message, in bytes; the chunk id is part of it.
pub const MAX_OPTION_BYTES: usize = 64 << 10;

/// What a compressed payload may expand to by default, in bytes (`decompression_size_limit`).
pub const DECOMPRESSION_BYTES_MAX: u64 = 256 << 20;

/// The longest acknowledgement or handshake message a sender takes, in bytes.
pub const MAX_ACK_BYTES: u64 = 64 << 10;

/// How many sent chunks may wait for their acknowledgement on one connection by default.
pub const MAX_CHUNKS_IN_FLIGHT: usize = 16;

/// Room a receiver offers for the first read of a connection, in bytes.
pub(crate) const READ_BYTES_MIN: usize = 16 << 10;

/// How far the room for one read grows while reads keep filling it, in bytes.
pub(crate) const READ_BYTES_MAX: usize = 512 << 10;

/// How much room a connection keeps for the next message after a large one, in bytes.
pub(crate) const KEPT_BYTES_MAX: usize = 16 << 20;

/// The longest value that is read before a client has proved that it may send, in bytes.
pub const GREETING_BYTES_MAX: u64 = 64 * 1024;
