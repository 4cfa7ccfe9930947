//! A stream with its count: borrowed ([`Events`]) and being written ([`EventBuffer`]).

use crate::time::EventTime;
use crate::write;

/// Entries back to back, and how many they are.
#[derive(Clone, Copy, Debug, Default)]
pub struct Events<'a> {
    /// The entries' bytes.
    pub bytes: &'a [u8],
    /// How many entries `bytes` holds.
    pub count: u32,
}

impl Events<'_> {
    /// True when there is no entry.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
}

/// A stream under construction. Cleared and used again, it keeps its capacity, so that a steady
/// flow allocates nothing.
#[derive(Clone, Debug, Default)]
pub struct EventBuffer {
    bytes: Vec<u8>,
    count: u32,
}

impl EventBuffer {
    /// An empty buffer with room for `capacity` bytes.
    pub fn with_capacity(capacity: usize) -> Self {
        Self {
            bytes: Vec::with_capacity(capacity),
            count: 0,
        }
    }

    /// Forgets the entries, keeps the room.
    #[inline]
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.count = 0;
    }

    /// The stream written so far.
    #[inline]
    pub fn as_events(&self) -> Events<'_> {
        Events {
            bytes: &self.bytes,
            count: self.count,
        }
    }

    /// Appends an entry whose record is written by `record`: exactly one map.
    #[inline]
    pub fn push(&mut self, time: EventTime, record: impl FnOnce(&mut Vec<u8>)) {
        let [a, b, c, d, e, f, g, h, i, j] = time.to_bytes();
        // In one piece: room is made once.
        let head = [0x92, a, b, c, d, e, f, g, h, i, j];
        self.bytes.extend_from_slice(&head);
        record(&mut self.bytes);
        self.count += 1;
    }

    /// Appends an entry whose record is written by `record`, or nothing where it answers `None`.
    #[inline]
    pub fn push_if<T>(
        &mut self,
        record: impl FnOnce(&mut Vec<u8>) -> Option<(EventTime, T)>,
    ) -> Option<T> {
        let start = self.bytes.len();
        self.bytes.push(0x92);
        write::time(&mut self.bytes, EventTime::default());
        let Some((time, answer)) = record(&mut self.bytes) else {
            self.bytes.truncate(start);
            return None;
        };
        if let Some(slot) = self
            .bytes
            .get_mut(start + 1..start + 1 + EventTime::ENCODED_LEN)
        {
            slot.copy_from_slice(&time.to_bytes());
        }
        self.count += 1;
        Some(answer)
    }

    /// Appends `count` whole entries that stand in `bytes`.
    #[inline]
    pub fn extend(&mut self, bytes: &[u8], count: u32) {
        self.bytes.extend_from_slice(bytes);
        self.count += count;
    }

    /// Bytes written so far.
    #[inline]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Bytes it has room for in all, before it takes new memory.
    #[inline]
    pub fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// True when no entry is in it.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Entries written so far.
    #[inline]
    pub fn count(&self) -> u32 {
        self.count
    }
}
