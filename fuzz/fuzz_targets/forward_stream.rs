//! What a client of in_forward sends, at once and in pieces: the same messages, sound to rmpv, within their limits.
#![no_main]

use libfuzzer_sys::fuzz_target;
use millrun_event::{Entries, EventTime};
use millrun_forward::{Received, Receiver, ReceiverSettings};

const NOW: EventTime = EventTime::new(1_795_264_496, 0);
/// What a compressed payload may expand to here, in bytes.
const EXPANDED_MAX: u64 = 64 << 10;

fuzz_target!(|bytes: &[u8]| {
    let Some((first, stream)) = bytes.split_first() else {
        return;
    };
    let whole = outcomes(stream, usize::MAX, *first);
    let pieces = outcomes(stream, usize::from(*first % 7) + 1, *first);
    assert_eq!(whole, pieces, "how bytes come changes nothing");
});

/// What a receiver says to `stream`, fed in pieces of this length, in words.
fn outcomes(stream: &[u8], piece: usize, choice: u8) -> Vec<String> {
    let mut settings = ReceiverSettings::default();
    settings.message_bytes_max = 1 << 20;
    settings.decompression_bytes_max = EXPANDED_MAX;
    settings.chunk_size_limit = (choice & 0x40 != 0).then_some(64);
    settings.add_tag_prefix = (choice & 0x80 != 0).then(|| b"p".to_vec());
    let mut receiver = Receiver::new(settings);
    let mut found = Vec::new();
    for piece in stream.chunks(piece) {
        receiver.handle_input(piece);
        loop {
            match receiver.poll(NOW) {
                Ok(None) => break,
                Ok(Some(received)) => found.push(words(&received, stream.len())),
                Err(error) => {
                    found.push(error.to_string());
                    return found;
                }
            }
        }
    }
    found
}

fn words(received: &Received<'_>, length: usize) -> String {
    if let Received::Message(message) = received {
        let mut count = 0;
        for entry in Entries::new(message.events.bytes) {
            let entry = entry.expect("what is given out is sound");
            let mut rest = entry.bytes;
            rmpv::decode::read_value(&mut rest).expect("the oracle reads it");
            assert!(rest.is_empty(), "to the same end");
            count += 1;
        }
        assert_eq!(count, message.events.count, "events are counted");
        let most = (length as u64).max(EXPANDED_MAX) + 64;
        assert!(message.events.bytes.len() as u64 <= most, "a bomb is refused");
        let mut answer = Vec::new();
        if let Some(ack) = &message.ack {
            ack.write(&mut answer);
        }
        return format!(
            "{:?} {:?} {:?} {} {answer:?}",
            message.tag, message.events.bytes, message.mode, message.invalid
        );
    }
    format!("{received:?}")
}
