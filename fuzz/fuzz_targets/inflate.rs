//! gzip and zstd, of a chunk and of a message: what was packed comes back, what expands too far is refused, and costs
//! no more memory than the limit.
#![no_main]

use libfuzzer_sys::fuzz_target;
use millrun_buffer::{Compression, Packer};
use millrun_event::{EventTime, write};
use millrun_forward::{Received, Receiver, ReceiverSettings};

/// What may come out, in bytes.
const LIMIT: u64 = 32 << 10;

fuzz_target!(|bytes: &[u8]| {
    for (compression, word) in [(Compression::Gzip, "gzip"), (Compression::Zstd, "zstd")] {
        let mut out = Vec::new();
        if compression.unpack(bytes, LIMIT, &mut out).is_ok() {
            assert!(out.len() as u64 <= LIMIT, "within the limit");
        }
        assert!(out.capacity() as u64 <= 4 * LIMIT, "a bomb takes no memory");

        let mut packer = Packer::default();
        let packed = packer.pack(compression, bytes).expect("memory suffices");
        let mut again = Vec::new();
        let limit = bytes.len() as u64;
        compression.unpack(packed, limit, &mut again).expect("it was packed here");
        assert_eq!(again, bytes);
        if let Some(less) = limit.checked_sub(1) {
            assert!(compression.unpack(packed, less, &mut Vec::new()).is_err());
        }
        message(bytes, word);
    }
});

/// The same bytes as the payload of a message.
fn message(bytes: &[u8], word: &str) {
    let mut stream = Vec::new();
    write::array(&mut stream, 3);
    write::str(&mut stream, b"t");
    write::bin(&mut stream, bytes);
    write::map(&mut stream, 1);
    write::str(&mut stream, b"compressed");
    write::str(&mut stream, word.as_bytes());
    let mut settings = ReceiverSettings::default();
    settings.decompression_bytes_max = LIMIT;
    let mut receiver = Receiver::new(settings);
    receiver.handle_input(&stream);
    if let Ok(Some(Received::Message(message))) = receiver.poll(EventTime::new(1, 0)) {
        // Integer times become event times, six bytes longer at most for each entry of three.
        assert!(message.events.bytes.len() as u64 <= 4 * LIMIT, "within the limit");
    }
}
