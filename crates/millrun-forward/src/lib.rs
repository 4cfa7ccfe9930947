//! The forward protocol as state machines without I/O.
//!
//! [`Receiver`] is the server end of one connection, [`Sender`] the client end. Bytes and time go
//! in, messages, acknowledgements and slices to write come out; sockets, threads and clocks are
//! the caller's. It speaks version 1 of the protocol and takes the entries of version 1.5; it does
//! not route, buffer or retry, and it decodes no record.
//!
//! ```
//! use std::time::Instant;
//!
//! use millrun_event::{EventBuffer, EventTime, write};
//! use millrun_forward::{Chunk, Compression, Received, Receiver, ReceiverSettings, Sender, SenderSettings};
//!
//! let mut events = EventBuffer::default();
//! events.push(EventTime::new(1_700_000_000, 0), |record| {
//!     write::map(record, 1);
//!     write::str(record, b"message");
//!     write::str(record, b"hello");
//! });
//! let chunk = Chunk {
//!     id: [7; 16],
//!     tag: b"app.web",
//!     payload: events.as_events().bytes,
//!     compression: Compression::None,
//!     count: 1,
//!     number: None,
//! };
//!
//! let mut settings = SenderSettings::default();
//! settings.require_ack = true;
//! let mut sender = Sender::new(settings);
//! let wire = sender.send(&chunk, Instant::now())?.slices().concat();
//!
//! let mut receiver = Receiver::new(ReceiverSettings::default());
//! receiver.handle_input(&wire);
//! let Some(Received::Message(message)) = receiver.poll(EventTime::now())? else {
//!     panic!("a whole message was written");
//! };
//! assert_eq!(message.tag, b"app.web");
//! assert_eq!(message.events.bytes, chunk.payload);
//!
//! // Once the events are stored:
//! let mut answer = Vec::new();
//! message.ack.expect("one was asked for").write(&mut answer);
//! sender.handle_input(&answer)?;
//! assert_eq!(sender.poll_acked(), Some(chunk.id));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod base64;
mod compression;
mod delivery;
mod error;
mod frame;
mod handshake;
mod input;
mod json;
mod limits;
mod message;
mod outgoing;
mod receiver;
mod sender;
mod settings;
mod stream;
#[cfg(test)]
mod tests;

pub use compression::Compression;
pub use delivery::{Delivery, Number};
pub use error::{ReceiveError, SendError};
pub use handshake::{
    AllowedClient, CHALLENGE_BYTES, ClientHandshake, ClientSecurity, HandshakeError, Network,
    Refusal, ServerHandshake, ServerSecurity, User, Verdict,
};
pub use limits::{
    DECOMPRESSION_BYTES_MAX, GREETING_BYTES_MAX, MAX_ACK_BYTES, MAX_CHUNKS_IN_FLIGHT,
    MAX_MESSAGE_BYTES, MAX_OPTION_BYTES, MAX_TAG_BYTES,
};
pub use message::{Ack, Message, Mode};
pub use outgoing::Outgoing;
pub use receiver::{Oversized, Received, Receiver};
pub use sender::{Chunk, ChunkId, Sender, SenderSettings};
pub use settings::ReceiverSettings;
