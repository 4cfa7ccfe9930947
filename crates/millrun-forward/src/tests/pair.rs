//! Both ends in simulated time: a sender and a receiver with a wire between that cuts, holds back
//! and breaks.

use std::time::{Duration, Instant};

use millrun_event::{EventBuffer, EventTime, write};
use proptest::prelude::*;

use crate::{
    Chunk, ChunkId, Compression, Message, Received, Receiver, ReceiverSettings, SendError, Sender,
    SenderSettings,
};

struct Pair {
    sender: Sender,
    receiver: Receiver,
    time: Instant,
    to_receiver: Vec<u8>,
    to_sender: Vec<u8>,
    /// Tag, entries and count of every message received.
    stored: Vec<(Vec<u8>, Vec<u8>, u32)>,
    acked: Vec<ChunkId>,
}

impl Pair {
    fn new(settings: SenderSettings) -> Self {
        Self {
            sender: Sender::new(settings),
            receiver: Receiver::new(ReceiverSettings::default()),
            time: Instant::now(),
            to_receiver: Vec::new(),
            to_sender: Vec::new(),
            stored: Vec::new(),
            acked: Vec::new(),
        }
    }

    fn send(&mut self, id: u8, payload: &EventBuffer) -> Result<(), SendError> {
        let outgoing = self.sender.send(&chunk(id, payload), self.time)?;
        assert_eq!(outgoing.len(), outgoing.slices().concat().len());
        self.to_receiver.extend(outgoing.slices().concat());
        Ok(())
    }

    /// Carries up to `len` bytes to the receiver and puts its answers on the way back.
    fn deliver(&mut self, len: usize) {
        let rest = self.to_receiver.split_off(len.min(self.to_receiver.len()));
        self.receiver.handle_input(&self.to_receiver);
        self.to_receiver = rest;
        while let Some(received) = self.receiver.poll(EventTime::new(1, 0)).unwrap() {
            let Received::Message(message) = received else {
                panic!("{received:?} from our own sender");
            };
            let Message {
                tag, events, ack, ..
            } = message;
            self.stored
                .push((tag.to_vec(), events.bytes.to_vec(), events.count));
            if let Some(ack) = ack {
                ack.write(&mut self.to_sender);
            }
        }
    }

    /// Carries up to `len` bytes of answers to the sender.
    fn answer(&mut self, len: usize) -> Result<(), SendError> {
        let rest = self.to_sender.split_off(len.min(self.to_sender.len()));
        let answers = std::mem::replace(&mut self.to_sender, rest);
        let result = self.sender.handle_input(&answers);
        self.acked
            .extend(std::iter::from_fn(|| self.sender.poll_acked()));
        result
    }

    fn pass(&mut self, time: Duration) -> Result<(), SendError> {
        self.time += time;
        self.sender.handle_timeout(self.time)
    }
}

fn chunk(id: u8, payload: &EventBuffer) -> Chunk<'_> {
    Chunk {
        id: [id; 16],
        tag: b"app.web",
        payload: payload.as_events().bytes,
        compression: Compression::None,
        count: payload.count(),
        number: None,
    }
}

fn events(lines: &[&str]) -> EventBuffer {
    let mut events = EventBuffer::default();
    for (second, line) in (1_700_000_000..).zip(lines) {
        events.push(EventTime::new(second, 0), |record| {
            write::map(record, 1);
            write::str(record, b"message");
            write::str(record, line.as_bytes());
        });
    }
    events
}

fn with_acks() -> SenderSettings {
    SenderSettings {
        require_ack: true,
        ack_response_timeout: Duration::from_secs(10),
        chunks_in_flight_max: 3,
        ..SenderSettings::default()
    }
}

#[test]
fn a_chunk_arrives_at_every_cut_of_message_and_answer() {
    let payload = events(&["one", "two"]);
    for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
        let settings = SenderSettings {
            compression,
            ..with_acks()
        };
        let mut measure = Pair::new(settings.clone());
        measure.send(1, &payload).unwrap();
        for cut in 0..=measure.to_receiver.len() {
            let mut pair = Pair::new(settings.clone());
            pair.send(1, &payload).unwrap();
            pair.deliver(cut);
            pair.deliver(usize::MAX);
            pair.answer(cut).unwrap();
            pair.answer(usize::MAX).unwrap();
            let bytes = payload.as_events().bytes.to_vec();
            assert_eq!(pair.stored, [(b"app.web".to_vec(), bytes, 2)]);
            assert_eq!(pair.acked, [[1; 16]]);
            assert_eq!(pair.sender.in_flight(), 0);
        }
    }
}

#[test]
fn writes_the_bytes_fluentd_writes() {
    let payload = events(&["one"]);
    let mut pair = Pair::new(with_acks());
    pair.send(0xff, &payload).unwrap();
    let mut expected = b"\x93\xa7app.web\xdb\x00\x00\x00\x18".to_vec();
    expected.extend_from_slice(payload.as_events().bytes);
    expected.extend_from_slice(b"\x83\xa4size\x01\xaacompressed\xa4text");
    expected.extend_from_slice(b"\xa5chunk\xb9/////////////////////w==\n");
    assert_eq!(pair.to_receiver, expected);

    let mut pair = Pair::new(SenderSettings::default());
    pair.send(0xff, &payload).unwrap();
    expected.truncate(expected.len() - 32);
    let option = expected.len() - b"\x83\xa4size\x01\xaacompressed\xa4text".len();
    expected[option] = 0x82;
    assert_eq!(pair.to_receiver, expected);
}

#[test]
fn the_window_bounds_what_is_in_flight() {
    let payload = events(&["one"]);
    let mut pair = Pair::new(with_acks());
    for id in 1..=3 {
        assert!(pair.sender.has_room());
        pair.send(id, &payload).unwrap();
    }
    assert!(!pair.sender.has_room());
    assert_eq!(
        pair.send(4, &payload),
        Err(SendError::WindowFull { limit: 3 })
    );
    pair.deliver(usize::MAX);
    pair.answer(usize::MAX).unwrap();
    assert_eq!(pair.acked, [[1; 16], [2; 16], [3; 16]]);
    pair.send(4, &payload).unwrap();
}

#[test]
fn without_acks_nothing_is_in_flight() {
    let payload = events(&["one"]);
    let mut pair = Pair::new(SenderSettings::default());
    for id in 0..100 {
        pair.send(id, &payload).unwrap();
    }
    pair.deliver(usize::MAX);
    assert_eq!(pair.stored.len(), 100);
    assert!(pair.to_sender.is_empty());
    assert_eq!(pair.sender.poll_timeout(), None);
    assert_eq!(pair.sender.handle_close(), Ok(()));
}

#[test]
fn a_missing_answer_leaves_the_chunks_in_doubt() {
    let payload = events(&["one"]);
    let mut pair = Pair::new(with_acks());
    pair.send(1, &payload).unwrap();
    pair.pass(Duration::from_secs(4)).unwrap();
    pair.send(2, &payload).unwrap();
    assert_eq!(
        pair.sender.poll_timeout(),
        Some(pair.time + Duration::from_secs(6))
    );
    pair.pass(Duration::from_millis(5_999)).unwrap();
    let after = Duration::from_secs(10);
    let error = SendError::NoAck { after };
    assert_eq!(pair.pass(Duration::from_millis(1)), Err(error.clone()));
    let in_doubt: Vec<_> = pair.sender.in_doubt().collect();
    assert_eq!(in_doubt, [[1; 16], [2; 16]]);
    // A late answer changes nothing: the caller has acted on the error.
    pair.deliver(usize::MAX);
    assert_eq!(pair.answer(usize::MAX), Err(error.clone()));
    assert_eq!(pair.send(3, &payload), Err(error));
}

#[test]
fn an_early_answer_moves_the_deadline_to_the_next_chunk() {
    let payload = events(&["one"]);
    let mut pair = Pair::new(with_acks());
    pair.send(1, &payload).unwrap();
    pair.deliver(usize::MAX);
    pair.pass(Duration::from_secs(9)).unwrap();
    pair.send(2, &payload).unwrap();
    pair.answer(usize::MAX).unwrap();
    pair.pass(Duration::from_secs(9)).unwrap();
    assert!(pair.pass(Duration::from_secs(1)).is_err());
    let in_doubt: Vec<_> = pair.sender.in_doubt().collect();
    assert_eq!(in_doubt, [[2; 16]]);
}

#[test]
fn answers_in_another_order_are_taken() {
    let payload = events(&["one"]);
    let mut pair = Pair::new(with_acks());
    let mut wire = Vec::new();
    for id in [1, 2] {
        pair.send(id, &payload).unwrap();
        wire.push(std::mem::take(&mut pair.to_receiver));
    }
    pair.to_receiver = [wire[1].as_slice(), &wire[0]].concat();
    pair.deliver(usize::MAX);
    pair.answer(usize::MAX).unwrap();
    assert_eq!(pair.acked, [[2; 16], [1; 16]]);
}

#[test]
fn wrong_and_foreign_answers_end_the_connection() {
    let payload = events(&["one"]);
    let cases: [(&[u8], SendError); 9] = [
        (b"\x81\xa3ack\xa9d3JvbmcK\n", SendError::WrongAck),
        (b"\x80", SendError::WrongAck),
        (b"\xa3ack", SendError::WrongAck),
        (b"\xc0", SendError::WrongAck),
        (b"\x90", SendError::WrongAck),
        (b"\x92\xa4HELO\x80", SendError::HandshakeWanted),
        (b"\xc1", SendError::NotAnAck),
        (b"\xdb\xff\xff\xff\xff", SendError::NotAnAck),
        (b"HTTP/1.1 400 Bad Request", SendError::WrongAck),
    ];
    for (answer, error) in cases {
        let mut pair = Pair::new(with_acks());
        pair.send(1, &payload).unwrap();
        pair.to_sender = answer.to_vec();
        assert_eq!(pair.answer(usize::MAX), Err(error.clone()), "{answer:?}");
        assert_eq!(pair.sender.in_doubt().count(), 1);
        assert_eq!(pair.sender.handle_input(b"\x80"), Err(error));
    }
}

#[test]
fn a_second_answer_to_the_same_chunk_is_wrong() {
    let mut pair = Pair::new(with_acks());
    pair.send(1, &events(&["one"])).unwrap();
    pair.deliver(usize::MAX);
    pair.to_sender = pair.to_sender.repeat(2);
    assert_eq!(pair.answer(usize::MAX), Err(SendError::WrongAck));
    assert_eq!(pair.acked, [[1; 16]]);
}

#[test]
fn a_close_with_answers_due_is_an_error() {
    let payload = events(&["one"]);
    let mut pair = Pair::new(with_acks());
    assert_eq!(pair.sender.handle_close(), Ok(()));
    pair.send(1, &payload).unwrap();
    pair.send(2, &payload).unwrap();
    assert_eq!(
        pair.sender.handle_close(),
        Err(SendError::Closed { unacked: 2 })
    );
}

#[test]
fn a_payload_that_is_compressed_already_travels_as_it_is() {
    let payload = events(&["one", "two"]);
    let mut compressed = Vec::new();
    Compression::Gzip
        .compress(payload.as_events().bytes, &mut compressed)
        .unwrap();
    for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
        let settings = SenderSettings {
            compression,
            ..SenderSettings::default()
        };
        let mut sender = Sender::new(settings);
        let chunk = Chunk {
            payload: &compressed,
            compression: Compression::Gzip,
            ..chunk(1, &payload)
        };
        let outgoing = sender.send(&chunk, Instant::now()).unwrap();
        assert_eq!(outgoing.payload, compressed);
        assert!(outgoing.option.ends_with(b"compressed\xa4gzip"));
    }
}

#[derive(Clone, Debug)]
enum Step {
    Send,
    Deliver(usize),
    Answer(usize),
    Pass(u64),
    /// The connection breaks; what is not acknowledged is sent again over a new one.
    Break,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => Just(Step::Send),
        6 => (0usize..200).prop_map(Step::Deliver),
        4 => (0usize..80).prop_map(Step::Answer),
        1 => (0u64..4_000).prop_map(Step::Pass),
        1 => Just(Step::Break),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(150) })]

    /// What the sender calls acknowledged was stored, whatever the wire did; what was neither
    /// stored nor acknowledged is still in doubt.
    #[test]
    fn nothing_is_acknowledged_that_was_not_stored(steps in proptest::collection::vec(step(), 1..80)) {
        let mut pair = Pair::new(with_acks());
        let mut next = 0u8;
        let mut again: Vec<u8> = Vec::new();
        for step in steps {
            let mut broken = false;
            match step {
                Step::Send if !pair.sender.has_room() => {}
                Step::Send => {
                    let id = again.pop().unwrap_or_else(|| {
                        next += 1;
                        next
                    });
                    pair.send(id, &events(&[&id.to_string()])).unwrap();
                }
                Step::Deliver(len) => pair.deliver(len),
                Step::Answer(len) => pair.answer(len).unwrap(),
                Step::Pass(milliseconds) => {
                    broken = pair.pass(Duration::from_millis(milliseconds)).is_err();
                }
                Step::Break => broken = true,
            }
            if broken {
                again.extend(pair.sender.in_doubt().map(|id| id[0]));
                pair = Pair {
                    stored: pair.stored,
                    acked: pair.acked,
                    time: pair.time,
                    ..Pair::new(with_acks())
                };
            }
        }
        for id in 1..=next {
            let wanted = events(&[&id.to_string()]).as_events().bytes.to_vec();
            let is_stored = pair.stored.iter().any(|(_, bytes, _)| *bytes == wanted);
            let acks = pair.acked.iter().filter(|acked| acked[0] == id).count();
            let is_pending = again.contains(&id) || pair.sender.in_doubt().any(|other| other[0] == id);
            prop_assert!(acks <= 1);
            prop_assert!(is_stored || acks == 0);
            prop_assert_eq!(acks == 0, is_pending);
        }
    }
}
