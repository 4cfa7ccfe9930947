//! A chunk on its way out.
//!
//! ```text
//! head     93  tag  db + length in 32 bits
//! payload  the chunk's bytes as they are, or compressed
//! option   82 to 84  "size": count  "compressed": "text" | "gzip" | "zstd"  ("chunk": id  ("millrun": …))
//! ```
//!
//! The payload is declared as a string, with 32 bits of length whatever its size: that is what
//! Fluentd's client writes, and so the one form that every server is known to read.

use millrun_event::write;

use crate::base64::ENCODED_LEN;
use crate::delivery::Delivery;

/// One message in three pieces, to be written in order: one vectored write, and the payload is not
/// copied.
#[derive(Clone, Copy, Debug)]
pub struct Outgoing<'a> {
    /// Everything before the payload.
    pub head: &'a [u8],
    /// The entries.
    pub payload: &'a [u8],
    /// Everything behind the payload.
    pub option: &'a [u8],
}

impl<'a> Outgoing<'a> {
    /// The three pieces.
    pub fn slices(&self) -> [&'a [u8]; 3] {
        [self.head, self.payload, self.option]
    }

    /// Length of the message in bytes.
    #[allow(clippy::len_without_is_empty)] // No message is empty.
    pub fn len(&self) -> usize {
        self.head.len() + self.payload.len() + self.option.len()
    }
}

pub(crate) fn write_head(tag: &[u8], payload_len: u32, out: &mut Vec<u8>) {
    out.clear();
    write::array(out, 3);
    write::str(out, tag);
    out.push(0xdb);
    out.extend_from_slice(&payload_len.to_be_bytes());
}

pub(crate) fn write_option(
    count: u32,
    compressed: &[u8],
    (chunk, delivery): (Option<&[u8; ENCODED_LEN]>, Option<&Delivery>),
    out: &mut Vec<u8>,
) {
    out.clear();
    write::map(
        out,
        2 + u32::from(chunk.is_some()) + u32::from(delivery.is_some()),
    );
    write::str(out, b"size");
    write::uint(out, u64::from(count));
    write::str(out, b"compressed");
    write::str(out, compressed);
    if let Some(chunk) = chunk {
        write::str(out, b"chunk");
        write::str(out, chunk);
    }
    if let Some(delivery) = delivery {
        delivery.write(out);
    }
}
