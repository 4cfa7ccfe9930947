//! Where messages end.
//!
//! The protocol has no length framing: messages are msgpack values back to back, cut anywhere by
//! the network (fluentd.md section 5.1). [`Framer`] looks at every byte once, however small the
//! pieces are, and keeps only counts: a length the peer claims reserves nothing.
//!
//! ```text
//!                       left           owed
//! 93  a3 "app"  dc 0002 [value][value]  a9 "9 bytes…"
//! └ an array of three: open = [.., 3 - seen]
//! ```

use millrun_event::MAX_DEPTH;

/// Finds the end of one msgpack value after the other.
#[derive(Debug)]
pub(crate) struct Framer {
    /// Bytes of the value passed over so far.
    scanned: u64,
    /// Payload bytes of the scalar under the framer that are still to come.
    owed: u64,
    /// Values still to come in the innermost open container.
    left: u64,
    /// The same for the containers around it, outermost first.
    open: [u64; MAX_DEPTH],
    depth: usize,
    /// True from [`Found::Element`] until that element's head is read.
    announced: bool,
    /// The longest value allowed, in bytes.
    limit: u64,
}

/// What the framer found at the end of what it passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// The bytes are used up within a value.
    More,
    /// The next element of the outermost array begins here.
    Element,
    /// The value ends here; the framer stands at the start of the next one.
    End {
        /// Length of the whole value, in bytes.
        len: u64,
    },
}

/// Why a value is refused before its end has come. `at` counts from the value's start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    Reserved { at: u64 },
    TooDeep { at: u64 },
    TooLarge { size: u64 },
}

impl Framer {
    pub(crate) fn new(limit: u64) -> Self {
        Self {
            scanned: 0,
            owed: 0,
            left: 1,
            open: [0; MAX_DEPTH],
            depth: 0,
            announced: false,
            limit,
        }
    }

    /// How long the value is at least, as far as its heads tell.
    pub(crate) fn size_so_far(&self) -> u64 {
        self.scanned
            .saturating_add(self.owed)
            .saturating_add(self.left)
    }

    /// Passes over the beginning of `bytes`, which follow what was passed over before; answers
    /// how many bytes it took and why it stopped there.
    pub(crate) fn advance(&mut self, bytes: &[u8]) -> Result<(usize, Found), Refused> {
        let mut at = 0;
        loop {
            let rest = bytes.get(at..).unwrap_or_default();
            let payload = usize::try_from(self.owed).unwrap_or(usize::MAX);
            let passed = payload.min(rest.len());
            self.take(passed, &mut at);
            self.owed -= passed as u64;
            if self.owed > 0 {
                return Ok((at, Found::More));
            }

            while self.left == 0 {
                let Some(outer) = self.depth.checked_sub(1) else {
                    let len = self.scanned;
                    *self = Self::new(self.limit);
                    return Ok((at, Found::End { len }));
                };
                self.depth = outer;
                self.left = self.open.get(outer).copied().unwrap_or(0);
            }

            let rest = bytes.get(at..).unwrap_or_default();
            if self.depth == 1 && !self.announced {
                self.announced = true;
                return Ok((at, Found::Element));
            }
            let Some(head) =
                Head::read(rest).map_err(|Unused| Refused::Reserved { at: self.scanned })?
            else {
                return Ok((at, Found::More));
            };
            self.enter(head, &mut at)?;
        }
    }

    fn enter(&mut self, head: Head, at: &mut usize) -> Result<(), Refused> {
        let start = self.scanned;
        self.announced = false;
        self.left -= 1;
        self.take(head.len, at);
        self.owed = head.payload;
        if head.children > 0 {
            let Some(slot) = self.open.get_mut(self.depth) else {
                return Err(Refused::TooDeep { at: start });
            };
            *slot = self.left;
            self.depth += 1;
            self.left = head.children;
        }
        // Each value to come takes a byte at least, so a lie is seen when it is told, not when
        // the limit is reached.
        let size = self.size_so_far();
        if size > self.limit {
            return Err(Refused::TooLarge { size });
        }
        Ok(())
    }

    fn take(&mut self, len: usize, at: &mut usize) {
        self.scanned = self.scanned.saturating_add(len as u64);
        *at = at.saturating_add(len);
    }
}

/// The head of a value: its own length, the payload behind it, the values that belong to it.
struct Head {
    len: usize,
    payload: u64,
    children: u64,
}

/// The byte `c1`.
struct Unused;

impl Head {
    /// `None` while the head is cut off.
    fn read(bytes: &[u8]) -> Result<Option<Self>, Unused> {
        let Some((&marker, rest)) = bytes.split_first() else {
            return Ok(None);
        };
        let fixed = |payload: u64, children: u64| {
            Some(Self {
                len: 1,
                payload,
                children,
            })
        };
        let counted = |width: usize, shape: fn(u64) -> (u64, u64)| {
            let number = rest
                .get(..width)?
                .iter()
                .fold(0u64, |number, byte| number << 8 | u64::from(*byte));
            let (payload, children) = shape(number);
            Some(Self {
                len: 1 + width,
                payload,
                children,
            })
        };
        let text = |number| (number, 0);
        let extension = |number| (number + 1, 0);
        let array = |number| (0, number);
        let map = |number| (0, number * 2);
        Ok(match marker {
            0x00..=0x7f | 0xc0 | 0xc2 | 0xc3 | 0xe0..=0xff => fixed(0, 0),
            0x80..=0x8f => fixed(0, u64::from(marker & 0x0f) * 2),
            0x90..=0x9f => fixed(0, u64::from(marker & 0x0f)),
            0xa0..=0xbf => fixed(u64::from(marker & 0x1f), 0),
            0xc1 => return Err(Unused),
            0xc4 | 0xd9 => counted(1, text),
            0xc5 | 0xda => counted(2, text),
            0xc6 | 0xdb => counted(4, text),
            0xc7 => counted(1, extension),
            0xc8 => counted(2, extension),
            0xc9 => counted(4, extension),
            0xcc | 0xd0 => fixed(1, 0),
            0xcd | 0xd1 => fixed(2, 0),
            0xca | 0xce | 0xd2 => fixed(4, 0),
            0xcb | 0xcf | 0xd3 => fixed(8, 0),
            0xd4 => fixed(2, 0),
            0xd5 => fixed(3, 0),
            0xd6 => fixed(5, 0),
            0xd7 => fixed(9, 0),
            0xd8 => fixed(17, 0),
            0xdc => counted(2, array),
            0xdd => counted(4, array),
            0xde => counted(2, map),
            0xdf => counted(4, map),
        })
    }
}
