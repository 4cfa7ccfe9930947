//! Bytes from whom we do not trust: refused with their place, never a panic, never memory taken on
//! a peer's word.

use std::time::Instant;

use millrun_event::EventTime;
use proptest::prelude::*;

use crate::{
    Chunk, Compression, ReceiveError, Received, Receiver, ReceiverSettings, Sender, SenderSettings,
};

const NOW: EventTime = EventTime::new(1, 0);

fn refusal(settings: ReceiverSettings, bytes: &[u8]) -> ReceiveError {
    let mut receiver = Receiver::new(settings);
    receiver.handle_input(bytes);
    loop {
        match receiver.poll(NOW) {
            Ok(Some(_)) => {}
            Ok(None) => panic!("{bytes:?} was taken"),
            Err(error) => {
                assert_eq!(receiver.poll(NOW).unwrap_err(), error, "errors stay");
                return error;
            }
        }
    }
}

#[test]
fn refusals_say_where() {
    // Each behind a sound message of five bytes.
    let behind = |bytes: &[u8]| {
        let whole = [b"\x93\xa1t\x01\x80", bytes].concat();
        refusal(ReceiverSettings::default(), &whole)
    };
    assert_eq!(behind(b"\x93\xa1t\xc1"), ReceiveError::NotMsgpack { at: 8 });
    assert_eq!(behind(&[0x91; 129]), ReceiveError::TooDeep { at: 5 + 128 });
    assert_eq!(
        behind(b"\x93\xa1t\xdb\xff\xff\xff\xff"),
        ReceiveError::MessageTooLarge {
            at: 5,
            size: 8 + 0xffff_ffff + 1,
            limit: 512 << 20,
        }
    );
    assert_eq!(
        behind(b"\x92\xa1t\xdd\xff\xff\xff\xff"),
        ReceiveError::MessageTooLarge {
            at: 5,
            size: 8 + 0xffff_ffff,
            limit: 512 << 20,
        }
    );
    assert_eq!(
        behind(b"\x92\xa1t\xc4\x05\x92\x01\x80\xc1\x00"),
        ReceiveError::PayloadNotMsgpack { at: 5, offset: 3 }
    );
    assert_eq!(
        behind(b"\x93\xa1t\xc4\x02\x01\x02\x81\xaacompressed\xa4gzip"),
        ReceiveError::NotExpandable {
            at: 5,
            compression: "gzip",
            problem: "unexpected end of file".into(),
        }
    );
    assert_eq!(
        behind(b"\x93\xa1t\xc4\x02\x01\x02\x81\xaacompressed\xa4zstd"),
        ReceiveError::NotExpandable {
            at: 5,
            compression: "zstd",
            problem: "Unknown frame descriptor".into(),
        }
    );
    let mut packed = b"\x92\xa1t\xc4\xff".to_vec();
    packed.resize(packed.len() + 255, 0x91);
    assert!(matches!(
        behind(&packed),
        ReceiveError::PayloadTooDeep { at: 5, .. }
    ));
}

#[test]
fn long_tags_and_options_are_refused() {
    let mut tag = b"\x93\xda\x10\x01".to_vec();
    tag.resize(tag.len() + 4097, b'x');
    tag.extend_from_slice(b"\x01\x80");
    assert_eq!(
        refusal(ReceiverSettings::default(), &tag),
        ReceiveError::TagTooLong { at: 0, len: 4097 }
    );
    let mut option = b"\x94\xa1t\x01\x80\x81\xa5chunk\xdb\x00\x01\x00\x00".to_vec();
    option.resize(option.len() + 0x10000, b'x');
    assert_eq!(
        refusal(ReceiverSettings::default(), &option),
        ReceiveError::OptionTooLong {
            at: 0,
            len: 0x10000 + 12,
        }
    );
}

#[test]
fn broken_json_is_refused() {
    let error = refusal(ReceiverSettings::default(), br#"["t",1,{}]["t",1,{,}]"#);
    assert!(
        matches!(error, ReceiveError::Json { at: 10, .. }),
        "{error}"
    );
    let settings = ReceiverSettings {
        message_bytes_max: 100,
        ..ReceiverSettings::default()
    };
    let error = refusal(settings, &[b"[\"".as_slice(), &[b'x'; 99]].concat());
    assert!(matches!(error, ReceiveError::MessageTooLarge { .. }));
}

#[test]
fn a_bomb_is_refused_at_the_limit() {
    for (compression, word) in [
        (Compression::Gzip, b"\xa4gzip"),
        (Compression::Zstd, b"\xa4zstd"),
    ] {
        let mut bomb = Vec::new();
        compression
            .compress(&vec![0xc0; 2 << 20], &mut bomb)
            .unwrap();
        let mut bytes = b"\x93\xa1t\xc5".to_vec();
        bytes.extend_from_slice(&(bomb.len() as u16).to_be_bytes());
        bytes.extend_from_slice(&bomb);
        bytes.extend_from_slice(b"\x81\xaacompressed");
        bytes.extend_from_slice(word);
        let settings = ReceiverSettings {
            decompression_bytes_max: (2 << 20) - 1,
            ..ReceiverSettings::default()
        };
        let limit = settings.decompression_bytes_max;
        assert_eq!(
            refusal(settings, &bytes),
            ReceiveError::ExpandsTooFar { at: 0, limit }
        );
    }
}

/// A claim of 500 MiB is within the limit and must still not cost 500 MiB.
#[test]
fn a_claimed_length_takes_no_memory() {
    let mut receiver = Receiver::new(ReceiverSettings::default());
    receiver.handle_input(b"\x93\xa1t\xc6\x1f\x00\x00\x00");
    assert!(receiver.poll(NOW).unwrap().is_none());
    assert!(receiver.room().len() <= 64 << 10);
    let mut receiver = Receiver::new(ReceiverSettings::default());
    receiver.handle_input(b"\x92\xa1t\xdd\x1f\x00\x00\x00");
    assert!(receiver.poll(NOW).unwrap().is_none());
    assert!(receiver.room().len() <= 64 << 10);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(500) })]

    /// Whatever comes, the receiver answers the same for every cut, and what it gives out is sound.
    #[test]
    fn arbitrary_bytes_never_panic(
        bytes in proptest::collection::vec(
            prop_oneof![any::<u8>(), Just(0x92), Just(0x93), Just(0xa1), Just(0x81), Just(0xc4)],
            0..200,
        ),
        cut in any::<prop::sample::Index>(),
    ) {
        let cut = cut.index(bytes.len() + 1);
        let whole = drain(&[&bytes]);
        let pieces = drain(&[&bytes[..cut], &bytes[cut..]]);
        prop_assert_eq!(whole, pieces);

        let settings = SenderSettings {
            require_ack: true,
            ..SenderSettings::default()
        };
        let mut sender = Sender::new(settings);
        let chunk = Chunk {
            id: [0; 16],
            tag: b"t",
            payload: &bytes,
            compression: Compression::None,
            count: 0,
            number: None,
        };
        sender.send(&chunk, Instant::now()).unwrap();
        let _ = sender.handle_input(&bytes);
    }
}

/// What was given out: tag, bytes and a number of each; then what ended the connection.
type Drained = (Vec<(Vec<u8>, Vec<u8>, u32)>, Option<ReceiveError>);

fn drain(pieces: &[&[u8]]) -> Drained {
    let settings = ReceiverSettings {
        chunk_size_limit: Some(60),
        decompression_bytes_max: 1 << 10,
        ..ReceiverSettings::default()
    };
    let mut receiver = Receiver::new(settings);
    let mut seen = Vec::new();
    for piece in pieces {
        receiver.handle_input(piece);
        loop {
            match receiver.poll(NOW) {
                Ok(None) => break,
                Err(error) => return (seen, Some(error)),
                Ok(Some(Received::Message(message))) => {
                    let count = millrun_event::count_entries(message.events.bytes).unwrap();
                    assert_eq!(count, message.events.count);
                    let (tag, bytes) = (message.tag.to_vec(), message.events.bytes.to_vec());
                    seen.push((tag, bytes, message.invalid));
                }
                Ok(Some(Received::Broken(value))) => {
                    seen.push((Vec::new(), value.to_vec(), 0));
                }
                Ok(Some(Received::Oversized(oversized))) => {
                    let mut answer = Vec::new();
                    if let Some(ack) = oversized.ack {
                        ack.write(&mut answer);
                    }
                    seen.push((oversized.tag.to_vec(), answer, oversized.size as u32));
                }
            }
        }
    }
    (seen, None)
}
