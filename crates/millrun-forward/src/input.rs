//! The bytes of a connection that are not consumed yet.

use crate::limits::{KEPT_BYTES_MAX, READ_BYTES_MAX, READ_BYTES_MIN};

/// A buffer the socket reads into directly, so that no byte is copied on its way to the decoder
/// but the cut-off beginning of a message, once.
///
/// ```text
/// [ consumed | unread: start..end | room ]
/// ```
///
/// It grows with what arrives, never with what a length field announces.
#[derive(Debug, Default)]
pub(crate) struct Input {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
    /// Room for the next read: doubled by reads that fill it, so an idle connection stays small.
    wanted: usize,
}

impl Input {
    /// Room to read into; never empty. `message_len` is how long the message at the start of the
    /// unread bytes says it is: growing goes no further than that needs.
    pub(crate) fn room(&mut self, message_len: u64) -> &mut [u8] {
        let wanted = self.wanted.clamp(READ_BYTES_MIN, READ_BYTES_MAX);
        if self.start == self.end {
            self.start = 0;
            self.end = 0;
            if self.bytes.len() > KEPT_BYTES_MAX {
                self.bytes.truncate(wanted);
                self.bytes.shrink_to_fit();
            }
        }
        if self.bytes.len() - self.end < wanted && self.start > 0 {
            self.bytes.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if self.bytes.len() - self.end < wanted {
            // Doubling keeps the copies of a long message in proportion to its length.
            let message_len = usize::try_from(message_len).unwrap_or(usize::MAX);
            let enough = self
                .start
                .saturating_add(message_len)
                .saturating_add(wanted);
            let doubled = self.bytes.len().saturating_mul(2).min(enough);
            let len = doubled.max(self.end + wanted);
            self.bytes.resize(len, 0);
        }
        self.bytes.get_mut(self.end..).unwrap_or_default()
    }

    /// Takes the first `len` bytes of the room as read.
    pub(crate) fn filled(&mut self, len: usize) {
        let room = self.bytes.len() - self.end;
        self.wanted = if len >= room {
            room.saturating_mul(2).min(READ_BYTES_MAX)
        } else {
            self.wanted
        };
        self.end += len.min(room);
    }

    /// Gives the memory back, unless something unread stands in it.
    pub(crate) fn shrink(&mut self) {
        if self.start == self.end {
            *self = Self::default();
        }
    }

    /// What was read and not consumed.
    pub(crate) fn unread(&self) -> &[u8] {
        self.bytes.get(self.start..self.end).unwrap_or_default()
    }

    /// Forgets the first `len` unread bytes.
    pub(crate) fn consume(&mut self, len: usize) {
        self.start = self.start.saturating_add(len).min(self.end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_cut_off_beginning_of_a_message_in_front_of_the_next_read() {
        let mut input = Input::default();
        input.room(0)[..4].copy_from_slice(b"abcd");
        input.filled(4);
        input.consume(3);
        for letter in b"efgh" {
            input.room(0)[0] = *letter;
            input.filled(1);
        }
        assert_eq!(input.unread(), b"defgh");
    }

    #[test]
    fn room_follows_the_reads_and_shrinks_after_a_large_message() {
        let mut input = Input::default();
        let first = input.room(0).len();
        assert_eq!(first, READ_BYTES_MIN);
        while input.unread().len() <= KEPT_BYTES_MAX {
            let room = input.room(u64::MAX).len();
            input.filled(room);
        }
        let unread = input.unread().len();
        input.consume(unread);
        assert!(input.room(0).len() <= READ_BYTES_MAX);
        input.filled(1);
        input.shrink();
        assert_eq!(input.unread().len(), 1);
        input.consume(1);
        input.shrink();
        assert_eq!(input.bytes.capacity(), 0);
    }
}
