//! The time of an event.

/// A point in time as the forward protocol carries it: unsigned seconds since 1970-01-01T00:00Z
/// and nanoseconds within that second (fluentd.md sections 4.10 and 5.4). Ends in the year 2106.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventTime {
    /// Whole seconds since the epoch.
    pub seconds: u32,
    /// Nanoseconds, below 1,000,000,000 in times we make; anything in times we were sent.
    pub nanoseconds: u32,
}

impl EventTime {
    /// Length in bytes of the msgpack form, `d7 00` and two big-endian 32-bit numbers.
    pub const ENCODED_LEN: usize = 10;

    /// A time from its parts.
    pub const fn new(seconds: u32, nanoseconds: u32) -> Self {
        Self {
            seconds,
            nanoseconds,
        }
    }

    /// The wall clock. Costs 25 to 32 ns: call it once per block of lines, never per line.
    pub fn now() -> Self {
        Self::from(std::time::SystemTime::now())
    }

    /// The fixext8 form.
    #[inline]
    pub fn to_bytes(self) -> [u8; Self::ENCODED_LEN] {
        let [s0, s1, s2, s3] = self.seconds.to_be_bytes();
        let [n0, n1, n2, n3] = self.nanoseconds.to_be_bytes();
        [0xd7, 0x00, s0, s1, s2, s3, n0, n1, n2, n3]
    }

    /// Reads the eight payload bytes of the extension.
    #[inline]
    pub fn from_payload(payload: [u8; 8]) -> Self {
        let [s0, s1, s2, s3, n0, n1, n2, n3] = payload;
        Self::new(
            u32::from_be_bytes([s0, s1, s2, s3]),
            u32::from_be_bytes([n0, n1, n2, n3]),
        )
    }
}

impl From<std::time::SystemTime> for EventTime {
    /// Times before 1970 become the epoch, times after 2106 its end.
    fn from(time: std::time::SystemTime) -> Self {
        let since = time
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap_or_default();
        Self::new(
            u32::try_from(since.as_secs()).unwrap_or(u32::MAX),
            since.subsec_nanos(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn has_the_fixext8_form_of_the_protocol() {
        let bytes = EventTime::new(0x0102_0304, 0x0506_0708).to_bytes();
        assert_eq!(bytes, [0xd7, 0, 1, 2, 3, 4, 5, 6, 7, 8]);
    }

    #[test]
    fn clamps_what_the_format_cannot_carry() {
        let early = std::time::UNIX_EPOCH - std::time::Duration::from_secs(5);
        assert_eq!(EventTime::from(early), EventTime::new(0, 0));
        let late = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1 << 40);
        assert_eq!(EventTime::from(late).seconds, u32::MAX);
    }
}
