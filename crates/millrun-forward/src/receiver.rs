//! The server end of one connection.

use millrun_event::{Cursor, EventTime, Record, Token};

use crate::error::ReceiveError;
use crate::frame::{Found, Framer, Refused};
use crate::input::Input;
use crate::json::JsonFramer;
use crate::limits::{GREETING_BYTES_MAX, KEPT_BYTES_MAX, MAX_OPTION_BYTES, MAX_TAG_BYTES};
use crate::message::{self, Ack, Message, Scratch};
use crate::settings::ReceiverSettings;

/// What came in.
#[derive(Clone, Copy, Debug)]
pub enum Received<'a> {
    /// A message, with events to store and maybe an acknowledgement to send.
    Message(Message<'a>),
    /// A message above [`ReceiverSettings::chunk_size_limit`], dropped.
    Oversized(Oversized<'a>),
    /// A value that is no message (a map, a text, a number): its bytes. The connection goes on.
    Broken(&'a [u8]),
}

/// A message that was dropped for its length.
#[derive(Clone, Copy, Debug)]
pub struct Oversized<'a> {
    /// Its tag as the client wrote it, empty where none was found.
    pub tag: &'a [u8],
    /// Its length in bytes.
    pub size: u64,
    /// The acknowledgement the client asks for. Without it, the client sends the same message
    /// again and again; with it, the client takes what was dropped for stored.
    pub ack: Option<Ack<'a>>,
}

/// The server end of one connection: bytes in, messages out, acknowledgements to write back.
///
/// Read the socket into [`room`](Self::room), say how much came with [`filled`](Self::filled), and
/// take messages with [`poll`](Self::poll) until there are no more. The messages borrow the bytes
/// where the socket put them.
#[derive(Debug)]
pub struct Receiver {
    settings: ReceiverSettings,
    input: Input,
    framer: Framer,
    /// In its place, once the connection has begun with JSON.
    json: Option<JsonFramer>,
    /// Where the unread input begins in the connection, in bytes.
    position: u64,
    /// How far the framer is in the unread input.
    framed: usize,
    /// Bytes of the message given out last, which the next poll forgets.
    given: usize,
    /// Where the message under the framer begins in the connection, in bytes.
    message_at: u64,
    /// Where the element under the framer begins in the unread input.
    element: usize,
    /// How many elements of that message have begun.
    elements: u32,
    oversized: Option<Discarded>,
    failed: Option<ReceiveError>,
    scratch: Scratch,
    /// What is read is no message yet, but what a handshake consists of.
    is_greeting: bool,
}

/// What is kept of a message that is being dropped: its head, for the tag, and its last element,
/// for the chunk id.
#[derive(Debug, Default)]
struct Discarded {
    head: Vec<u8>,
    last_is_whole: bool,
}

/// A complete value in the unread input.
enum Frame {
    Whole {
        len: usize,
    },
    Discarded {
        size: u64,
        last: usize,
        discarded: Discarded,
    },
}

impl Receiver {
    /// The server end of a new connection.
    pub fn new(settings: ReceiverSettings) -> Self {
        let framer = Framer::new(settings.message_bytes_max);
        Self {
            settings,
            input: Input::default(),
            framer,
            json: None,
            position: 0,
            framed: 0,
            given: 0,
            message_at: 0,
            element: 0,
            elements: 0,
            oversized: None,
            failed: None,
            scratch: Scratch::default(),
            is_greeting: false,
        }
    }

    /// Room for the next read; never empty. It grows with what arrives.
    pub fn room(&mut self) -> &mut [u8] {
        self.forget_given();
        let message_len = match self.oversized {
            Some(_) => 0,
            None => self.size_so_far(),
        };
        self.input.room(message_len)
    }

    /// Takes the first `len` bytes of the room as arrived.
    pub fn filled(&mut self, len: usize) {
        self.input.filled(len);
    }

    /// Copies `bytes` in: for those who cannot read into [`room`](Self::room).
    pub fn handle_input(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let room = self.room();
            let len = room.len().min(bytes.len());
            let (now, later) = bytes.split_at(len);
            if let Some(room) = room.get_mut(..len) {
                room.copy_from_slice(now);
            }
            self.filled(len);
            bytes = later;
        }
    }

    /// The next message, or `None` until more bytes come. `now` stands in for times that are 0;
    /// the time of the last read is good enough.
    ///
    /// # Errors
    ///
    /// The connection cannot be read on: close it. Every later call gives the same error.
    pub fn poll(&mut self, now: EventTime) -> Result<Option<Received<'_>>, ReceiveError> {
        let Some(frame) = self.next_frame()? else {
            return Ok(None);
        };
        let at = self.position;
        self.framed = 0;
        let unread = self.input.unread();
        Ok(Some(match frame {
            Frame::Whole { len } => {
                self.given = len;
                let bytes = unread.get(..len).unwrap_or_default();
                let settings = &self.settings;
                let read = match &self.json {
                    Some(_) => message::read_json(bytes, at, settings, now, &mut self.scratch),
                    None => message::read(bytes, at, settings, now, &mut self.scratch),
                };
                match read {
                    Ok(Some(message)) => Received::Message(message),
                    Ok(None) => Received::Broken(bytes),
                    Err(error) => {
                        self.failed = Some(error.clone());
                        return Err(error);
                    }
                }
            }
            Frame::Discarded {
                size,
                last,
                discarded,
            } => {
                self.given = last;
                self.scratch.tag = discarded.head;
                let option = match discarded.last_is_whole {
                    true => unread.get(..last).unwrap_or_default(),
                    false => &[],
                };
                Received::Oversized(Oversized {
                    tag: tag_in_head(&self.scratch.tag),
                    size,
                    ack: Ack::from_option(&Record::new(option)),
                })
            }
        }))
    }

    /// The next value as its bytes, or `None` until more bytes come: what comes before the first
    /// message where there is a handshake. It is no heartbeat and no JSON, and of
    /// [`GREETING_BYTES_MAX`] bytes at most.
    ///
    /// # Errors
    ///
    /// As [`poll`](Self::poll).
    pub fn poll_greeting(&mut self) -> Result<Option<&[u8]>, ReceiveError> {
        self.is_greeting = true;
        let frame = self.next_frame();
        self.is_greeting = false;
        let Some(Frame::Whole { len }) = frame? else {
            return Ok(None);
        };
        self.framed = 0;
        self.given = len;
        Ok(self.input.unread().get(..len))
    }

    /// Gives the memory back that nothing stands in. For a connection that has been idle: the next
    /// message takes new memory.
    pub fn shrink(&mut self) {
        self.forget_given();
        self.scratch = Scratch::default();
        self.input.shrink();
    }

    /// Bytes that came and are not part of a message given out. More than 0 when the client has
    /// left means that it left within a message.
    pub fn unread(&self) -> u64 {
        let discarded = match self.oversized {
            Some(_) => self.position.saturating_sub(self.message_at),
            None => 0,
        };
        discarded + (self.input.unread().len() - self.given) as u64
    }

    /// Bytes of the connection in whole messages given out so far.
    pub fn position(&self) -> u64 {
        self.position + self.given as u64
    }

    /// Finds the next value in the unread input and drops heartbeats.
    fn next_frame(&mut self) -> Result<Option<Frame>, ReceiveError> {
        self.forget_given();
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        if self.position == 0
            && self.framed == 0
            && !self.is_greeting
            && matches!(self.input.unread().first(), Some(b'{' | b'['))
        {
            self.json = Some(JsonFramer::default());
        }
        loop {
            let unframed = self.input.unread().get(self.framed..).unwrap_or_default();
            let (len, found) = match &mut self.json {
                Some(json) => json.advance(unframed),
                None => match self.framer.advance(unframed) {
                    Ok(advanced) => advanced,
                    Err(refused) => {
                        let error = self.located(refused);
                        return Err(self.fail(error));
                    }
                },
            };
            self.framed += len;
            let (size, limit) = (self.size_so_far(), self.bytes_max());
            if size > limit {
                let at = self.message_at;
                return Err(self.fail(ReceiveError::MessageTooLarge { at, size, limit }));
            }
            match found {
                Found::Element => {
                    self.element = self.framed;
                    self.elements = self.elements.saturating_add(1);
                    if let Some(discarded) = &mut self.oversized {
                        discarded.last_is_whole = true;
                        self.consume(self.element);
                    }
                }
                Found::More => {
                    // The tag is kept for the log, so it has to be there first.
                    let has_tag = self.elements > 1 || self.framed > HEAD_BYTES;
                    if has_tag && self.is_oversized(self.size_so_far()) {
                        self.discard();
                    }
                    return Ok(None);
                }
                Found::End { len: 1 }
                    if !self.is_greeting && self.input.unread().first() == Some(&NIL) =>
                {
                    self.end_message(1);
                    self.consume(1);
                }
                Found::End { len } => {
                    if self.is_oversized(len) {
                        self.discard();
                    }
                    self.end_message(len);
                    return Ok(Some(match self.oversized.take() {
                        None => Frame::Whole { len: self.framed },
                        Some(discarded) => Frame::Discarded {
                            size: len,
                            last: self.framed,
                            discarded,
                        },
                    }));
                }
            }
        }
    }

    /// How long the message under the framer is at least, in bytes.
    fn size_so_far(&self) -> u64 {
        match &self.json {
            Some(json) => json.size_so_far(),
            None => self.framer.size_so_far(),
        }
    }

    /// How long what is read may be, in bytes.
    fn bytes_max(&self) -> u64 {
        match self.is_greeting {
            true => GREETING_BYTES_MAX.min(self.settings.message_bytes_max),
            false => self.settings.message_bytes_max,
        }
    }

    fn is_oversized(&self, size: u64) -> bool {
        let limit = self.settings.chunk_size_limit;
        let limit = limit.filter(|_| !self.is_greeting);
        limit.is_some_and(|limit| size > limit)
    }

    /// Forgets what the framer has passed over of a message that is to be dropped, except its
    /// last element as long as that may be an option map.
    fn discard(&mut self) {
        if self.oversized.is_none() {
            let unread = self.input.unread();
            let head = unread.get(..HEAD_BYTES).unwrap_or(unread).to_vec();
            self.oversized = Some(Discarded {
                head,
                last_is_whole: true,
            });
            self.consume(self.element);
        }
        if self.framed > MAX_OPTION_BYTES {
            self.consume(self.framed);
            if let Some(discarded) = &mut self.oversized {
                discarded.last_is_whole = false;
            }
        }
    }

    fn end_message(&mut self, len: u64) {
        self.message_at += len;
        self.element = 0;
        self.elements = 0;
    }

    fn forget_given(&mut self) {
        self.consume(self.given);
        if self.given > KEPT_BYTES_MAX {
            self.scratch = Scratch::default();
        }
        self.given = 0;
    }

    /// Drops the first `len` bytes of the unread input, which the framer has passed over.
    fn consume(&mut self, len: usize) {
        self.input.consume(len);
        self.position += len as u64;
        self.framed -= len.min(self.framed);
        self.element -= len.min(self.element);
    }

    fn located(&self, refused: Refused) -> ReceiveError {
        let message_at = self.message_at;
        match refused {
            Refused::Reserved { at } => ReceiveError::NotMsgpack {
                at: message_at + at,
            },
            Refused::TooDeep { at } => ReceiveError::TooDeep {
                at: message_at + at,
            },
            Refused::TooLarge { size } => ReceiveError::MessageTooLarge {
                at: message_at,
                size,
                limit: self.settings.message_bytes_max,
            },
        }
    }

    fn fail(&mut self, error: ReceiveError) -> ReceiveError {
        self.failed = Some(error.clone());
        error
    }
}

/// A heartbeat: a message that means nothing.
const NIL: u8 = 0xc0;

/// Bytes kept of the beginning of a dropped message: enough for the longest tag.
const HEAD_BYTES: usize = MAX_TAG_BYTES + 16;

/// The tag in the first bytes of a message.
fn tag_in_head(head: &[u8]) -> &[u8] {
    let mut cursor = Cursor::new(head);
    match (cursor.token(), cursor.token()) {
        (Ok(Token::Array(_)), Ok(Token::Str(tag) | Token::Bin(tag))) => tag,
        _ => &[],
    }
}
