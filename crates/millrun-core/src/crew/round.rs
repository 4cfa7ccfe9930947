//! The pieces of one batch while several hands work on them.
//!
//! ```text
//! waiting ── take(number) ──▶ in a hand ── give_back ──▶ done        all done: pieces in the order of their numbers
//!                                 └────── lose ────────▶ lost        the hand's work broke off
//! ```
//! A pure state: hands may take and give back in any order, what comes out is in the order of what went in. This is why
//! the order within a source and tag is kept, whoever is slow.

/// Pieces by number.
#[derive(Debug)]
pub(super) struct Round<P> {
    pieces: Vec<Place<P>>,
    /// The first that no hand has taken.
    next: usize,
    /// How many are in hands or wait.
    open: usize,
    lost: usize,
}

#[derive(Debug)]
enum Place<P> {
    Waiting(P),
    InHand,
    Done(P),
    Lost,
}

impl<P> Round<P> {
    pub(super) fn new(pieces: Vec<P>) -> Self {
        Self {
            open: pieces.len(),
            pieces: pieces.into_iter().map(Place::Waiting).collect(),
            next: 0,
            lost: 0,
        }
    }

    /// The next piece that nobody has, and its number.
    pub(super) fn take(&mut self) -> Option<(usize, P)> {
        let number = self.next;
        let place = self.pieces.get_mut(number)?;
        self.next += 1;
        match std::mem::replace(place, Place::InHand) {
            Place::Waiting(piece) => Some((number, piece)),
            other => {
                *place = other;
                None
            }
        }
    }

    /// Takes back a piece that was worked on; true if it was the last.
    pub(super) fn give_back(&mut self, number: usize, piece: P) -> bool {
        self.settle(number, Place::Done(piece))
    }

    /// A piece will not come back; true if it was the last.
    pub(super) fn lose(&mut self, number: usize) -> bool {
        self.lost += 1;
        self.settle(number, Place::Lost)
    }

    fn settle(&mut self, number: usize, settled: Place<P>) -> bool {
        if let Some(place @ Place::InHand) = self.pieces.get_mut(number) {
            *place = settled;
            self.open -= 1;
        }
        self.is_over()
    }

    /// True when no piece waits or is in a hand.
    pub(super) fn is_over(&self) -> bool {
        self.open == 0
    }

    /// The pieces in the order in which they came, and how many were lost; asked for when the round is over.
    pub(super) fn finish(&mut self) -> (Vec<P>, usize) {
        let pieces = std::mem::take(&mut self.pieces).into_iter();
        let done = pieces.filter_map(|place| match place {
            Place::Done(piece) | Place::Waiting(piece) => Some(piece),
            Place::InHand | Place::Lost => None,
        });
        (done.collect(), self.lost)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// xorshift: schedules that can be repeated.
    struct Random(u64);

    impl Random {
        fn below(&mut self, end: usize) -> usize {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            (self.0 % end as u64) as usize
        }
    }

    /// Plays one schedule: which hand moves next is random, and so is which of its pieces it gives back or loses.
    fn play(seed: u64, losses: bool) {
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let (count, hands) = (random.below(40), 1 + random.below(8));
        let mut round = Round::new((0..count).collect());
        let mut in_hands: Vec<Option<(usize, usize)>> = vec![None; hands];
        let (mut expected, mut lost) = (Vec::new(), 0);
        let mut is_over = count == 0;
        let mut idle = 0;
        while idle < 1000 {
            let hand = random.below(hands);
            assert_eq!(round.is_over(), is_over, "seed {seed}");
            match in_hands[hand].take() {
                None => match round.take() {
                    Some(taken) => in_hands[hand] = Some(taken),
                    None => idle += 1,
                },
                Some((number, piece)) if losses && random.below(5) == 0 => {
                    assert_eq!(number, piece);
                    lost += 1;
                    is_over = round.lose(number);
                }
                Some((number, piece)) => {
                    expected.push(piece);
                    is_over = round.give_back(number, piece * 10);
                }
            }
        }
        assert!(is_over && round.is_over(), "seed {seed}");
        expected.sort_unstable();
        let expected: Vec<usize> = expected.into_iter().map(|piece| piece * 10).collect();
        assert_eq!(round.finish(), (expected, lost), "seed {seed}");
    }

    #[test]
    fn in_any_schedule_each_piece_comes_out_once_and_in_its_place() {
        for seed in 0..2000 {
            play(seed, false);
            play(seed, true);
        }
    }

    #[test]
    fn what_was_never_taken_cannot_be_given_back() {
        let mut round = Round::new(vec!['a', 'b']);
        assert!(!round.give_back(1, 'x') && !round.give_back(7, 'y'));
        let taken = round.take();
        assert_eq!(taken, Some((0, 'a')));
        assert!(!round.give_back(0, 'A'));
        assert!(!round.give_back(0, 'Z'));
        assert_eq!(round.take(), Some((1, 'b')));
        assert!(round.give_back(1, 'B'));
        assert_eq!(round.finish(), (vec!['A', 'B'], 0));
    }
}
