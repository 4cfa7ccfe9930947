//! Why a connection cannot go on.

use std::time::Duration;

use millrun_event::json::JsonError;
use thiserror::Error;

use crate::limits::{MAX_OPTION_BYTES, MAX_TAG_BYTES};

/// What a client sent that no receiver can read on from. It is always the client's fault or that
/// of the way in between; the receiver closes the connection, and a client that asks for
/// acknowledgements sends the unanswered messages again.
///
/// `at` counts bytes from the beginning of the connection, `offset` from the beginning of a
/// message's payload (of the expanded one where it was compressed).
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ReceiveError {
    /// A byte that no msgpack value begins with.
    #[error(
        "byte {at} of the connection is 0xc1, which msgpack never uses: expected a message of the \
         forward protocol; check what connects to this port"
    )]
    NotMsgpack {
        /// Where the byte stands.
        at: u64,
    },
    /// Containers within containers beyond [`millrun_event::MAX_DEPTH`].
    #[error(
        "arrays and maps nest deeper than {} levels at byte {at} of the connection",
        millrun_event::MAX_DEPTH
    )]
    TooDeep {
        /// Where the container one too deep begins.
        at: u64,
    },
    /// A message longer than the receiver takes, by its own account.
    #[error(
        "the message at byte {at} of the connection claims at least {size} bytes, more than the \
         {limit} allowed; let the client send smaller chunks"
    )]
    MessageTooLarge {
        /// Where the message begins.
        at: u64,
        /// Its length in bytes, as far as it was told.
        size: u64,
        /// [`ReceiverSettings::message_bytes_max`](crate::ReceiverSettings::message_bytes_max).
        limit: u64,
    },
    /// A tag longer than [`MAX_TAG_BYTES`].
    #[error(
        "the message at byte {at} of the connection has a tag of {len} bytes, more than the \
         {MAX_TAG_BYTES} allowed"
    )]
    TagTooLong {
        /// Where the message begins.
        at: u64,
        /// Length of the tag in bytes.
        len: usize,
    },
    /// An option map longer than [`MAX_OPTION_BYTES`].
    #[error(
        "the message at byte {at} of the connection has an option map of {len} bytes, more than \
         the {MAX_OPTION_BYTES} allowed"
    )]
    OptionTooLong {
        /// Where the message begins.
        at: u64,
        /// Length of the map in bytes.
        len: usize,
    },
    /// A packed payload that is not msgpack.
    #[error(
        "byte {offset} of the payload of the message at byte {at} of the connection is 0xc1, \
         which msgpack never uses; nothing of the message is taken"
    )]
    PayloadNotMsgpack {
        /// Where the message begins.
        at: u64,
        /// Where in the payload.
        offset: usize,
    },
    /// A packed payload with containers within containers beyond [`millrun_event::MAX_DEPTH`].
    #[error(
        "arrays and maps nest deeper than {} levels at byte {offset} of the payload of the message \
         at byte {at} of the connection; nothing of the message is taken",
        millrun_event::MAX_DEPTH
    )]
    PayloadTooDeep {
        /// Where the message begins.
        at: u64,
        /// Where in the payload.
        offset: usize,
    },
    /// A payload that is not what its option says.
    #[error(
        "the payload of the message at byte {at} of the connection is declared as {compression} and \
         cannot be expanded: {problem}; nothing of the message is taken"
    )]
    NotExpandable {
        /// Where the message begins.
        at: u64,
        /// What it is said to be compressed with.
        compression: &'static str,
        /// What the decompressor says.
        problem: String,
    },
    /// A compressed payload that expands beyond the limit.
    #[error(
        "the payload of the message at byte {at} of the connection expands to more than {limit} \
         bytes (decompression_size_limit); nothing of the message is taken"
    )]
    ExpandsTooFar {
        /// Where the message begins.
        at: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// JSON that is not, on a connection that began with it.
    #[error(
        "the message at byte {at} of the connection is not JSON as its first one was: {problem}"
    )]
    Json {
        /// Where the message begins; the problem counts from there.
        at: u64,
        /// What is wrong with it.
        problem: JsonError,
    },
}

/// Why a sender could not send a chunk or cannot go on with its connection.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SendError {
    // The caller's.
    /// As many chunks as allowed wait for their acknowledgement; send again when one has come.
    #[error("{limit} chunks wait for their acknowledgement already; wait for one")]
    WindowFull {
        /// [`SenderSettings::chunks_in_flight_max`](crate::SenderSettings::chunks_in_flight_max).
        limit: usize,
    },
    /// The tag is longer than [`MAX_TAG_BYTES`]; the connection is sound.
    #[error("the tag has {len} bytes, more than the {MAX_TAG_BYTES} allowed")]
    TagTooLong {
        /// Length of the tag in bytes.
        len: usize,
    },
    /// The payload is longer than the protocol's 32-bit length can say; the connection is sound.
    #[error("the chunk has {len} bytes, more than one message can carry; lower chunk_limit_size")]
    PayloadTooLong {
        /// Length of the payload in bytes.
        len: usize,
    },
    /// Compression failed.
    #[error("the chunk cannot be compressed: {0}")]
    Compress(String),

    // The server's, or of the way in between.
    /// An answer that acknowledges no chunk in flight (Fluentd: "ack in response and chunk id in
    /// sent data are different").
    #[error("the server acknowledged another chunk than was sent")]
    WrongAck,
    /// Bytes that are no acknowledgement at all.
    #[error("the server answered with bytes that are no acknowledgement; is it a forward server?")]
    NotAnAck,
    /// The first message of a handshake, which this sender does not do.
    #[error(
        "the server asks for a handshake with a shared key, which is not supported yet; let it take \
         this host without <security>"
    )]
    HandshakeWanted,
    /// The connection ended with acknowledgements due.
    #[error("the server closed the connection with {unacked} chunks not acknowledged")]
    Closed {
        /// How many chunks are in doubt.
        unacked: usize,
    },
    /// An acknowledgement did not come in time.
    #[error("no acknowledgement within {} s (ack_response_timeout)", after.as_secs_f64())]
    NoAck {
        /// How long the server had.
        after: Duration,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_a_sender_say_what_happened() {
        let cases = [
            (
                SendError::WindowFull { limit: 16 },
                "16 chunks wait for their acknowledgement already; wait for one",
            ),
            (
                SendError::TagTooLong { len: 5000 },
                "the tag has 5000 bytes, more than the 4096 allowed",
            ),
            (
                SendError::PayloadTooLong { len: 1 << 32 },
                "the chunk has 4294967296 bytes, more than one message can carry; lower \
                 chunk_limit_size",
            ),
            (
                SendError::Compress("no memory".into()),
                "the chunk cannot be compressed: no memory",
            ),
            (
                SendError::WrongAck,
                "the server acknowledged another chunk than was sent",
            ),
            (
                SendError::NotAnAck,
                "the server answered with bytes that are no acknowledgement; is it a forward server?",
            ),
            (
                SendError::HandshakeWanted,
                "the server asks for a handshake with a shared key, which is not supported yet; \
                 let it take this host without <security>",
            ),
            (
                SendError::Closed { unacked: 3 },
                "the server closed the connection with 3 chunks not acknowledged",
            ),
            (
                SendError::NoAck {
                    after: Duration::from_millis(1500),
                },
                "no acknowledgement within 1.5 s (ack_response_timeout)",
            ),
        ];
        for (error, text) in cases {
            assert_eq!(error.to_string(), text);
        }
    }

    #[test]
    fn messages_say_what_where_and_what_was_expected() {
        let cases = [
            (
                ReceiveError::NotMsgpack { at: 7 },
                "byte 7 of the connection is 0xc1, which msgpack never uses: expected a message of \
                 the forward protocol; check what connects to this port",
            ),
            (
                ReceiveError::TooDeep { at: 7 },
                "arrays and maps nest deeper than 128 levels at byte 7 of the connection",
            ),
            (
                ReceiveError::MessageTooLarge {
                    at: 7,
                    size: 4096,
                    limit: 1024,
                },
                "the message at byte 7 of the connection claims at least 4096 bytes, more than the \
                 1024 allowed; let the client send smaller chunks",
            ),
            (
                ReceiveError::TagTooLong { at: 7, len: 5000 },
                "the message at byte 7 of the connection has a tag of 5000 bytes, more than the \
                 4096 allowed",
            ),
            (
                ReceiveError::OptionTooLong { at: 7, len: 70_000 },
                "the message at byte 7 of the connection has an option map of 70000 bytes, more \
                 than the 65536 allowed",
            ),
            (
                ReceiveError::PayloadNotMsgpack { at: 7, offset: 3 },
                "byte 3 of the payload of the message at byte 7 of the connection is 0xc1, which \
                 msgpack never uses; nothing of the message is taken",
            ),
            (
                ReceiveError::PayloadTooDeep { at: 7, offset: 3 },
                "arrays and maps nest deeper than 128 levels at byte 3 of the payload of the \
                 message at byte 7 of the connection; nothing of the message is taken",
            ),
            (
                ReceiveError::NotExpandable {
                    at: 7,
                    compression: "gzip",
                    problem: "invalid gzip header".into(),
                },
                "the payload of the message at byte 7 of the connection is declared as gzip and \
                 cannot be expanded: invalid gzip header; nothing of the message is taken",
            ),
            (
                ReceiveError::ExpandsTooFar { at: 7, limit: 1024 },
                "the payload of the message at byte 7 of the connection expands to more than 1024 \
                 bytes (decompression_size_limit); nothing of the message is taken",
            ),
            (
                ReceiveError::Json {
                    at: 7,
                    problem: JsonError::Truncated {
                        expected: "a value",
                        at: 3,
                    },
                },
                "the message at byte 7 of the connection is not JSON as its first one was: the \
                 JSON text ends at byte 3, where a value should follow",
            ),
        ];
        for (error, text) in cases {
            assert_eq!(error.to_string(), text);
        }
    }
}
