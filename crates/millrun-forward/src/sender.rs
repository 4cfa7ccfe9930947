//! The client end of one connection.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use millrun_event::{Cursor, Record, Token};

use crate::base64::{ENCODED_LEN, encode_id};
use crate::compression::Compression;
use crate::delivery::{Delivery, Number};
use crate::error::SendError;
use crate::frame::{Found, Framer};
use crate::input::Input;
use crate::limits::{
    DECOMPRESSION_BYTES_MAX, KEPT_BYTES_MAX, MAX_ACK_BYTES, MAX_CHUNKS_IN_FLIGHT, MAX_TAG_BYTES,
};
use crate::outgoing::{self, Outgoing};

/// The 16 bytes that name a chunk, the same in every attempt to send it.
pub type ChunkId = [u8; 16];

/// How a sender sends; the defaults are out_forward's.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SenderSettings {
    /// Asks the server for acknowledgements (`require_ack_response`).
    pub require_ack: bool,
    /// How long an acknowledgement may take (`ack_response_timeout`).
    pub ack_response_timeout: Duration,
    /// How payloads travel (`compress`).
    pub compression: Compression,
    /// How many chunks may wait for their acknowledgement at once.
    pub chunks_in_flight_max: usize,
}

impl Default for SenderSettings {
    fn default() -> Self {
        Self {
            require_ack: false,
            ack_response_timeout: Duration::from_secs(190),
            compression: Compression::None,
            chunks_in_flight_max: MAX_CHUNKS_IN_FLIGHT,
        }
    }
}

/// What is to be sent: the events of one tag.
#[derive(Clone, Copy, Debug)]
pub struct Chunk<'a> {
    /// Names the chunk to the server where acknowledgements are asked for.
    pub id: ChunkId,
    /// The tag.
    pub tag: &'a [u8],
    /// The entries, compressed as `compression` says.
    pub payload: &'a [u8],
    /// What was done to `payload` already. It travels so, whatever the settings say.
    pub compression: Compression,
    /// How many entries `payload` holds.
    pub count: u32,
    /// The chunk's number, which lets another millrun store it once however often it is sent. It
    /// travels where acknowledgements are asked for.
    pub number: Option<Number>,
}

/// The client end of one connection: chunks in, slices to write out; acknowledgements in, ids of
/// delivered chunks out.
///
/// An error of any call ends the connection. The chunks of [`in_doubt`](Self::in_doubt) are then
/// sent and not acknowledged: the server has them or has them not.
#[derive(Debug)]
pub struct Sender {
    settings: SenderSettings,
    head: Vec<u8>,
    compressed: Vec<u8>,
    option: Vec<u8>,
    input: Input,
    framer: Framer,
    framed: usize,
    /// Oldest first.
    in_flight: VecDeque<InFlight>,
    acked: VecDeque<ChunkId>,
    failed: Option<SendError>,
}

#[derive(Debug)]
struct InFlight {
    id: ChunkId,
    encoded: [u8; ENCODED_LEN],
    deadline: Instant,
}

impl Sender {
    /// The client end of a new connection.
    pub fn new(settings: SenderSettings) -> Self {
        Self {
            settings,
            head: Vec::new(),
            compressed: Vec::new(),
            option: Vec::new(),
            input: Input::default(),
            framer: Framer::new(MAX_ACK_BYTES),
            framed: 0,
            in_flight: VecDeque::new(),
            acked: VecDeque::new(),
            failed: None,
        }
    }

    /// True while another chunk may be sent.
    pub fn has_room(&self) -> bool {
        self.failed.is_none() && self.in_flight.len() < self.settings.chunks_in_flight_max
    }

    /// How many chunks wait for their acknowledgement.
    pub fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// Makes the message for `chunk`. All of it must reach the connection, or the connection must
    /// be given up; from now on the chunk counts as sent.
    ///
    /// # Errors
    ///
    /// [`SendError::WindowFull`] where [`has_room`](Self::has_room) is false; a chunk the protocol
    /// cannot carry; the error that ended the connection before. Nothing was sent.
    pub fn send<'a>(
        &'a mut self,
        chunk: &Chunk<'a>,
        now: Instant,
    ) -> Result<Outgoing<'a>, SendError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        if !self.has_room() {
            let limit = self.settings.chunks_in_flight_max;
            return Err(SendError::WindowFull { limit });
        }
        if chunk.tag.len() > MAX_TAG_BYTES {
            return Err(SendError::TagTooLong {
                len: chunk.tag.len(),
            });
        }

        if self.compressed.capacity() > KEPT_BYTES_MAX {
            self.compressed = Vec::new();
        }
        let (payload, compression) = match (chunk.compression, self.settings.compression) {
            (Compression::None, Compression::None) => (chunk.payload, Compression::None),
            (Compression::None, wanted) => {
                wanted
                    .compress(chunk.payload, &mut self.compressed)
                    .map_err(|error| SendError::Compress(error.to_string()))?;
                (self.compressed.as_slice(), wanted)
            }
            (done, _) => (chunk.payload, done),
        };
        let len = payload.len();
        let payload_len = u32::try_from(len).map_err(|_| SendError::PayloadTooLong { len })?;

        let encoded = self.settings.require_ack.then(|| encode_id(&chunk.id));
        let number = chunk.number.filter(|_| self.settings.require_ack);
        let delivery = number.map(|number| delivery(number, chunk)).transpose()?;
        outgoing::write_head(chunk.tag, payload_len, &mut self.head);
        let name = compression.word().as_bytes();
        let ids = (encoded.as_ref(), delivery.as_ref());
        outgoing::write_option(chunk.count, name, ids, &mut self.option);
        if let Some(encoded) = encoded {
            self.in_flight.push_back(InFlight {
                id: chunk.id,
                encoded,
                deadline: now + self.settings.ack_response_timeout,
            });
        }
        Ok(Outgoing {
            head: &self.head,
            payload,
            option: &self.option,
        })
    }

    /// Room to read the server's answers into; never empty.
    pub fn room(&mut self) -> &mut [u8] {
        self.input.room(0)
    }

    /// Takes the first `len` bytes of the room as arrived.
    ///
    /// # Errors
    ///
    /// The bytes are not the acknowledgement of a chunk in flight.
    pub fn filled(&mut self, len: usize) -> Result<(), SendError> {
        self.input.filled(len);
        self.read_acks()
    }

    /// Copies `bytes` in: for those who cannot read into [`room`](Self::room).
    ///
    /// # Errors
    ///
    /// As for [`filled`](Self::filled).
    pub fn handle_input(&mut self, mut bytes: &[u8]) -> Result<(), SendError> {
        while !bytes.is_empty() {
            let room = self.input.room(0);
            let (now, later) = bytes.split_at(room.len().min(bytes.len()));
            for (slot, byte) in room.iter_mut().zip(now) {
                *slot = *byte;
            }
            self.filled(now.len())?;
            bytes = later;
        }
        Ok(())
    }

    /// Takes note that the server closed the connection.
    ///
    /// # Errors
    ///
    /// [`SendError::Closed`] where acknowledgements are still due.
    pub fn handle_close(&mut self) -> Result<(), SendError> {
        match self.in_flight.len() {
            0 => Ok(()),
            unacked => Err(self.fail(SendError::Closed { unacked })),
        }
    }

    /// A chunk the server has acknowledged, each once.
    pub fn poll_acked(&mut self) -> Option<ChunkId> {
        self.acked.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.in_flight.front().map(|oldest| oldest.deadline)
    }

    /// Looks whether an acknowledgement is overdue.
    ///
    /// # Errors
    ///
    /// [`SendError::NoAck`] where one is.
    pub fn handle_timeout(&mut self, now: Instant) -> Result<(), SendError> {
        match self.poll_timeout() {
            Some(deadline) if now >= deadline => {
                let after = self.settings.ack_response_timeout;
                Err(self.fail(SendError::NoAck { after }))
            }
            _ => Ok(()),
        }
    }

    /// The chunks that were sent and are not acknowledged, oldest first.
    pub fn in_doubt(&self) -> impl Iterator<Item = ChunkId> + '_ {
        self.in_flight.iter().map(|chunk| chunk.id)
    }

    fn read_acks(&mut self) -> Result<(), SendError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        loop {
            let unframed = self.input.unread().get(self.framed..).unwrap_or_default();
            let Ok((len, found)) = self.framer.advance(unframed) else {
                return Err(self.fail(SendError::NotAnAck));
            };
            self.framed += len;
            match found {
                Found::More => return Ok(()),
                Found::Element => {}
                Found::End { .. } => self.read_ack()?,
            }
        }
    }

    fn read_ack(&mut self) -> Result<(), SendError> {
        let answer = self.input.unread().get(..self.framed).unwrap_or_default();
        let is_hello = matches!(
            (Cursor::at(answer, 0).token(), Cursor::at(answer, 1).token()),
            (Ok(Token::Array(_)), Ok(Token::Str(b"HELO")))
        );
        if is_hello {
            return Err(self.fail(SendError::HandshakeWanted));
        }
        let acked = Record::new(answer).field(b"ack").and_then(|id| id.text());
        // Servers answer in order, so the first comparison is nearly always the only one.
        let index = acked.and_then(|acked| {
            self.in_flight
                .iter()
                .position(|chunk| chunk.encoded == acked)
        });
        self.input.consume(self.framed);
        self.framed = 0;
        match index.and_then(|index| self.in_flight.remove(index)) {
            Some(chunk) => {
                self.acked.push_back(chunk.id);
                Ok(())
            }
            None => Err(self.fail(SendError::WrongAck)),
        }
    }

    fn fail(&mut self, error: SendError) -> SendError {
        self.failed = Some(error.clone());
        error
    }
}

/// The hash is that of the entries, so what is compressed already is expanded for it.
fn delivery(number: Number, chunk: &Chunk<'_>) -> Result<Delivery, SendError> {
    if chunk.compression == Compression::None {
        return Ok(Delivery::new(number, chunk.payload));
    }
    let mut entries = Vec::new();
    let expanded = chunk
        .compression
        .expand(chunk.payload, DECOMPRESSION_BYTES_MAX, &mut entries);
    expanded.map_err(|error| SendError::Compress(error.to_string()))?;
    Ok(Delivery::new(number, &entries))
}
