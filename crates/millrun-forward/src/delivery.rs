//! What a millrun says of a chunk so that another one stores it once.
//!
//! ```text
//! option    … "chunk": id  "millrun": { "sender": bin 16  "sequence": uint  "lowest": uint  "hash": uint }
//! sender    one life of one output on its way to this receiver
//! sequence  the number of the chunk, unique for the sender; the same in every attempt and in every
//!           later life of the process
//! lowest    the lowest number the sender may still send: what lies below has been answered
//! hash      CRC-32 of the entries, expanded
//! ```
//!
//! It stands behind everything Fluentd's client writes, and only where an acknowledgement is asked
//! for. Receivers that do not know the key pass over it, as they do over any other.
//!
//! The hash is that of the entries and not of what travels: the same entries may be compressed to
//! other bytes after an upgrade, and the attempt is the same all the same. A receiver that finds
//! another hash than the one that is written ignores the whole map: such a message is stored and
//! answered as one of any other client. It tells chunks apart as well: another hash under a number
//! that was stored already is another chunk, and is stored too.

use millrun_event::{Record, Token, Value, write};

const KEY: &[u8] = b"millrun";

/// The number of a chunk on its way to one receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Number {
    /// The sender instance.
    pub sender: [u8; 16],
    /// The chunk's number.
    pub sequence: u64,
    /// The lowest number that may still be sent; not above `sequence`.
    pub lowest: u64,
}

/// A number with the hash of what was sent under it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// The number.
    pub number: Number,
    /// The CRC-32 of the entries.
    pub hash: u32,
}

impl Delivery {
    /// `entries` under `number`.
    pub(crate) fn new(number: Number, entries: &[u8]) -> Self {
        let hash = crc32fast::hash(entries);
        Self { number, hash }
    }

    /// Appends the pair to an option map.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        write::str(out, KEY);
        write::map(out, 4);
        write::str(out, b"sender");
        write::bin(out, &self.number.sender);
        write::str(out, b"sequence");
        write::uint(out, self.number.sequence);
        write::str(out, b"lowest");
        write::uint(out, self.number.lowest);
        write::str(out, b"hash");
        write::uint(out, u64::from(self.hash));
    }

    /// Reads the pair of an option map; `None` where there is none that can be relied on.
    pub(crate) fn read(option: &Record<'_>, entries: &[u8]) -> Option<Self> {
        let map = option.field(KEY)?.record();
        let uint = |key: &[u8]| match map.field(key)?.token()? {
            Token::Uint(number) => Some(number),
            _ => None,
        };
        let number = Number {
            sender: map
                .field(b"sender")
                .as_ref()
                .and_then(Value::text)?
                .try_into()
                .ok()?,
            sequence: uint(b"sequence")?,
            lowest: uint(b"lowest")?,
        };
        if number.lowest > number.sequence {
            return None;
        }
        let delivery = Self::new(number, entries);
        (uint(b"hash")? == u64::from(delivery.hash)).then_some(delivery)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NUMBER: Number = Number {
        sender: *b"0123456789abcdef",
        sequence: 300,
        lowest: 7,
    };

    fn option(delivery: &Delivery) -> Vec<u8> {
        let mut option = Vec::new();
        write::map(&mut option, 1);
        delivery.write(&mut option);
        option
    }

    #[test]
    fn what_is_written_is_read() {
        let delivery = Delivery::new(NUMBER, b"entries");
        let option = option(&delivery);
        let expected = b"\x81\xa7millrun\x84\xa6sender\xc4\x100123456789abcdef\
            \xa8sequence\xcd\x01\x2c\xa6lowest\x07\xa4hash\xce\x2d\xf8\xb3\xc5";
        assert_eq!(option, expected);
        let read = Delivery::read(&Record::new(&option), b"entries");
        assert_eq!(read, Some(delivery));
    }

    #[test]
    fn what_cannot_be_relied_on_is_ignored() {
        let sound = Delivery::new(NUMBER, b"entries");
        let whole = option(&sound);
        assert_eq!(Delivery::read(&Record::new(&whole), b"other"), None);
        for len in 0..whole.len() {
            let cut = Record::new(&whole[..len]);
            assert_eq!(Delivery::read(&cut, b"entries"), None, "{len}");
        }
        let ahead = Number {
            lowest: 301,
            ..NUMBER
        };
        let option = option(&Delivery::new(ahead, b"entries"));
        assert_eq!(Delivery::read(&Record::new(&option), b"entries"), None);
        for foreign in [&b"\x80"[..], b"\x81\xa7millrun\x01", b"\x81\xa7millrun\x80"] {
            assert_eq!(Delivery::read(&Record::new(foreign), b""), None);
        }
    }
}
