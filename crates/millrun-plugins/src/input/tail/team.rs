//! A block of lines parsed by several threads.
//!
//! ```text
//! block ─▶ pieces of whole lines ─▶ each by an encoder of its own, on a hand of the crew ─▶ events, in the block's order
//! ```
//! A parser makes of a line what it makes of it, whatever lines came before; so a block in pieces becomes what the block
//! would have become. Lines that are grouped are left to one encoder.

use millrun_core::Crew;
use millrun_event::{EventBuffer, EventTime};

use super::encode::Encoder;
use super::sink::Lost;

/// The encoders of a tail beside its own: one for each hand.
pub(crate) struct Team {
    crew: Crew,
    idle: Vec<Piece>,
    at_work: Vec<Piece>,
}

/// An encoder, some lines, and what became of them.
struct Piece {
    encoder: Encoder,
    lines: Vec<u8>,
    path: Vec<u8>,
    now: EventTime,
    events: EventBuffer,
    lost: Lost,
}

impl Team {
    /// A team of these encoders, which has no crew yet.
    pub(crate) fn new(encoders: Vec<Encoder>) -> Self {
        let pieces = encoders.into_iter().map(|encoder| Piece {
            encoder,
            lines: Vec::new(),
            path: Vec::new(),
            now: EventTime::default(),
            events: EventBuffer::default(),
            lost: Lost::default(),
        });
        Self {
            crew: Crew::alone(),
            idle: pieces.collect(),
            at_work: Vec::new(),
        }
    }

    /// The threads that do the work from now on.
    pub(crate) fn join(&mut self, crew: Crew) {
        self.crew = crew;
    }

    /// As [`Encoder::encode`]; nothing is done and `None` answered where the block is not worth being taken apart.
    pub(crate) fn encode(
        &mut self,
        block: &[u8],
        path: &[u8],
        now: EventTime,
        out: &mut EventBuffer,
    ) -> Option<Lost> {
        let count = self.crew.pieces(block.len()).min(self.idle.len());
        if count < 2 {
            return None;
        }
        let piece_bytes = block.len().div_ceil(count);
        let mut rest = block;
        while !rest.is_empty() {
            let (lines, behind) = first_lines(rest, piece_bytes);
            rest = behind;
            let Some(mut piece) = self.idle.pop() else {
                break;
            };
            piece.lines.clear();
            piece.lines.extend_from_slice(lines);
            piece.path.clear();
            piece.path.extend_from_slice(path);
            piece.now = now;
            self.at_work.push(piece);
        }
        self.crew.each(&mut self.at_work, Piece::run);
        let mut lost = Lost::default();
        for piece in self.at_work.drain(..) {
            let events = piece.events.as_events();
            out.extend(events.bytes, events.count);
            lost.unparsable += piece.lost.unparsable;
            lost.oversized += piece.lost.oversized;
            lost.truncated += piece.lost.truncated;
            self.idle.push(piece);
        }
        Some(lost)
    }
}

impl Piece {
    fn run(&mut self) {
        self.events.clear();
        let events = &mut self.events;
        self.lost = self
            .encoder
            .encode(&self.lines, &self.path, self.now, events);
    }
}

/// The whole lines with which `length` bytes are reached, and the others.
fn first_lines(block: &[u8], length: usize) -> (&[u8], &[u8]) {
    let searched = block.get(length.saturating_sub(1)..).unwrap_or_default();
    let end = match memchr::memchr(b'\n', searched) {
        Some(newline) => length.saturating_sub(1) + newline + 1,
        None => block.len(),
    };
    block.split_at_checked(end).unwrap_or((block, &[]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parser::{JsonParser, LineParser, Settings};
    use proptest::prelude::*;

    const NOW: EventTime = EventTime::new(1_795_264_496, 0);

    fn encoder() -> Encoder {
        let settings = Settings {
            time_key: Some("t".to_owned()),
            ..Settings::default()
        };
        let parser: Box<dyn LineParser> = Box::new(JsonParser::new(settings).unwrap());
        let mut encoder = Encoder::parsed("t", parser, Some("path"));
        encoder.line_bytes_max = Some(600);
        encoder
    }

    /// Lines of which some are several events, some none, and some too long.
    fn block(kinds: &[(u8, u16)]) -> Vec<u8> {
        let mut block = Vec::new();
        for (number, (kind, length)) in kinds.iter().enumerate() {
            let filler = "x".repeat(usize::from(*length));
            let line = match kind {
                0 => format!("[{{\"n\":{number}}},{{\"m\":\"{filler}\"}}]\n"),
                1 => format!("no json {number}\n"),
                2 => format!("{{\"n\":{number},\"m\":\"{}\"}}\n", "y".repeat(600)),
                3 => "\n".to_owned(),
                _ => format!(
                    "{{\"t\":{},\"n\":{number},\"m\":\"{filler}\"}}\n",
                    1000 + number
                ),
            };
            block.extend_from_slice(line.as_bytes());
        }
        block
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn a_team_makes_of_a_block_what_one_encoder_makes(
            kinds in prop::collection::vec((0u8..12, 0u16..500), 100..900),
            helpers in 1usize..5,
        ) {
            let block = block(&kinds);
            let mut alone = EventBuffer::default();
            let lost = encoder().encode(&block, b"/l", NOW, &mut alone);
            let mut team = Team::new((0..=helpers).map(|_| encoder()).collect());
            team.join(Crew::new(helpers).unwrap());
            for _ in 0..2 {
                let mut together = EventBuffer::default();
                let team_lost = team.encode(&block, b"/l", NOW, &mut together);
                if block.len() < 2 * millrun_core::PIECE_BYTES_MIN {
                    prop_assert_eq!(team_lost, None);
                } else {
                    prop_assert_eq!(team_lost, Some(lost));
                    prop_assert!(together.as_events().bytes == alone.as_events().bytes);
                    prop_assert_eq!(together.count(), alone.count());
                }
            }
        }
    }

    #[test]
    fn pieces_end_with_their_lines() {
        let block = b"ab\ncdef\ng";
        assert_eq!(first_lines(block, 1), (&b"ab\n"[..], &b"cdef\ng"[..]));
        assert_eq!(first_lines(block, 3), (&b"ab\n"[..], &b"cdef\ng"[..]));
        assert_eq!(first_lines(block, 4), (&b"ab\ncdef\n"[..], &b"g"[..]));
        assert_eq!(first_lines(block, 9), (&block[..], &b""[..]));
        assert_eq!(first_lines(block, 99), (&block[..], &b""[..]));
    }
}
