//! The threads that help the sources' threads to parse and filter.
//!
//! ```text
//! source's thread   take apart ─┬─ piece 0 ─────────────────┬─ put together ─▶ append, commit (one transaction)
//!                               ├─ piece 1 ── a helper ─────┤   in the order
//!                               └─ piece 2 ── a helper ─────┘   of the pieces
//! ```
//! A batch is taken apart, its pieces are worked on side by side, and it goes on when all of them are done: so its
//! origin, its transaction and the order of its events are what they are without helpers ([`Round`]). Whoever has the
//! batch works on its pieces, too; helpers that are busy elsewhere cost it nothing but their help. What is in memory is
//! at most one batch more for each source.
//!
//! The helpers belong to the worker, not to a source, so that a single busy source has all cores. They compress pieces
//! of what goes to a buffer that compresses, too (`millrun_buffer::PackHelpers`). That is so for `forward`;
//! what `file` and `http` compress as they send it, their flush threads compress.

mod round;

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use millrun_buffer::{PackHelpers, Piece};

use self::round::Round;

/// The most helpers of a worker.
pub const HELPERS_MAX: usize = 15;

/// The least bytes of a piece: to hand over less costs more than it brings.
pub const PIECE_BYTES_MIN: usize = 16 * 1024;

/// The most batches that wait for helpers at once. There is at most one for each source; those of more sources are
/// worked on by their own threads alone.
const ROUNDS_MAX: usize = 64;

/// The helpers of a worker. Clones are the same crew; the last one ends it.
#[derive(Clone)]
pub struct Crew {
    team: Option<Arc<Team>>,
}

struct Team {
    board: Arc<Board>,
    threads: Vec<JoinHandle<()>>,
}

/// Where helpers look for work.
#[derive(Default)]
struct Board {
    state: Mutex<BoardState>,
    changed: Condvar,
}

#[derive(Default)]
struct BoardState {
    rounds: VecDeque<Arc<dyn Work>>,
    is_over: bool,
}

/// A round whose pieces are to be worked on.
trait Work: Send + Sync {
    /// Works on one piece; false when none is left to be taken.
    fn work(&self) -> bool;
}

struct Open<P> {
    round: Mutex<Round<P>>,
    over: Condvar,
    task: fn(&mut P),
}

impl Crew {
    /// A crew without helpers.
    #[must_use]
    pub fn alone() -> Self {
        Self { team: None }
    }

    /// A crew with so many helpers, at most [`HELPERS_MAX`].
    ///
    /// # Errors
    /// A thread could not be started; those that were are ended.
    pub fn new(helpers: usize) -> std::io::Result<Self> {
        if helpers == 0 {
            return Ok(Self::alone());
        }
        let board = Arc::new(Board::default());
        let mut team = Team {
            board: Arc::clone(&board),
            threads: Vec::new(),
        };
        for number in 0..helpers.min(HELPERS_MAX) {
            let board = Arc::clone(&board);
            let thread = std::thread::Builder::new().name(format!("helper-{number}"));
            team.threads.push(thread.spawn(move || board.help())?);
        }
        Ok(Self {
            team: Some(Arc::new(team)),
        })
    }

    /// How many threads work on a batch: the helpers and the one that has it.
    #[must_use]
    pub fn hands(&self) -> usize {
        1 + self.team.as_ref().map_or(0, |team| team.threads.len())
    }

    /// Into how many pieces a batch of so many bytes is taken apart.
    #[must_use]
    pub fn pieces(&self, bytes: usize) -> usize {
        self.hands().min(bytes / PIECE_BYTES_MIN).max(1)
    }

    /// Does `task` to each of `pieces`, which are in their order again when it returns.
    ///
    /// # Panics
    /// Where `task` panicked, whichever thread did it.
    pub fn each<P: Send + 'static>(&self, pieces: &mut Vec<P>, task: fn(&mut P)) {
        let board = match &self.team {
            Some(team) if pieces.len() > 1 => &team.board,
            _ => return pieces.iter_mut().for_each(task),
        };
        let open = Arc::new(Open {
            round: Mutex::new(Round::new(std::mem::take(pieces))),
            over: Condvar::new(),
            task,
        });
        let shown: Arc<dyn Work> = Arc::clone(&open) as Arc<dyn Work>;
        board.show(&shown);
        while open.work() {}
        board.take_off(&shown);
        let (done, lost) = open.wait();
        *pieces = done;
        assert!(lost == 0, "a piece of a batch could not be worked on");
    }
}

impl PackHelpers for Crew {
    fn hands(&self) -> usize {
        Self::hands(self)
    }

    fn pack(&self, pieces: &mut Vec<Piece>) {
        self.each(pieces, Piece::pack);
    }
}

impl std::fmt::Debug for Crew {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Crew of {}", self.hands())
    }
}

impl Drop for Team {
    fn drop(&mut self) {
        self.board.state().is_over = true;
        self.board.changed.notify_all();
        for thread in self.threads.drain(..) {
            // Its panics were caught.
            let _ = thread.join();
        }
    }
}

impl Board {
    fn state(&self) -> MutexGuard<'_, BoardState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn show(&self, round: &Arc<dyn Work>) {
        let mut state = self.state();
        if state.rounds.len() < ROUNDS_MAX {
            state.rounds.push_back(Arc::clone(round));
            self.changed.notify_all();
        }
    }

    fn take_off(&self, round: &Arc<dyn Work>) {
        let mut state = self.state();
        state.rounds.retain(|shown| !Arc::ptr_eq(shown, round));
    }

    /// What a helper does.
    fn help(&self) {
        let mut state = self.state();
        while !state.is_over {
            let Some(round) = state.rounds.front().map(Arc::clone) else {
                state = self
                    .changed
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            drop(state);
            if !round.work() {
                self.take_off(&round);
            }
            drop(round);
            state = self.state();
        }
    }
}

impl<P> Open<P> {
    fn round(&self) -> MutexGuard<'_, Round<P>> {
        self.round.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until no piece is in a hand.
    fn wait(&self) -> (Vec<P>, usize) {
        let mut round = self.round();
        while !round.is_over() {
            round = self
                .over
                .wait(round)
                .unwrap_or_else(PoisonError::into_inner);
        }
        round.finish()
    }
}

impl<P: Send> Work for Open<P> {
    fn work(&self) -> bool {
        let Some((number, mut piece)) = self.round().take() else {
            return false;
        };
        let worked = catch_unwind(AssertUnwindSafe(|| {
            (self.task)(&mut piece);
            piece
        }));
        let is_over = match worked {
            Ok(piece) => self.round().give_back(number, piece),
            Err(_) => self.round().lose(number),
        };
        if is_over {
            self.over.notify_all();
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::thread::ThreadId;
    use std::time::Duration;

    use super::*;

    type Piece = (u64, Option<ThreadId>);

    /// Takes its time, the earlier pieces the longer.
    fn dawdle(piece: &mut Piece) {
        std::thread::sleep(Duration::from_micros(piece.0 * 7919 % 1500));
        piece.0 += 1000;
        piece.1 = Some(std::thread::current().id());
    }

    #[test]
    fn the_order_is_kept_under_any_delays_and_helpers_take_part() {
        let crew = Crew::new(3).unwrap();
        assert_eq!(crew.hands(), 4);
        let mut threads = HashSet::new();
        for _ in 0..20 {
            let mut pieces: Vec<Piece> = (0..16).map(|number| (number, None)).collect();
            crew.each(&mut pieces, dawdle);
            let numbers: Vec<u64> = pieces.iter().map(|piece| piece.0).collect();
            assert_eq!(numbers, (1000..1016).collect::<Vec<_>>());
            threads.extend(pieces.iter().filter_map(|piece| piece.1));
        }
        assert!(threads.len() > 1, "no helper took part");
    }

    #[test]
    fn sources_share_the_helpers_and_keep_their_pieces() {
        let crew = Crew::new(2).unwrap();
        std::thread::scope(|scope| {
            for source in 0..6u64 {
                let crew = &crew;
                scope.spawn(move || {
                    for _ in 0..20 {
                        let first = source * 10_000;
                        let mut pieces: Vec<Piece> =
                            (first..first + 5).map(|number| (number, None)).collect();
                        crew.each(&mut pieces, dawdle);
                        let numbers: Vec<u64> = pieces.iter().map(|piece| piece.0).collect();
                        let expected: Vec<u64> = (first + 1000..first + 1005).collect();
                        assert_eq!(numbers, expected);
                    }
                });
            }
        });
    }

    #[test]
    fn without_helpers_the_thread_does_it_all() {
        let crew = Crew::new(0).unwrap();
        let mut pieces: Vec<Piece> = vec![(1, None), (2, None)];
        crew.each(&mut pieces, dawdle);
        let here = Some(std::thread::current().id());
        assert_eq!(pieces, [(1001, here), (1002, here)]);
        assert_eq!((crew.hands(), crew.pieces(1 << 20)), (1, 1));
    }

    #[test]
    fn small_batches_are_not_taken_apart() {
        let crew = Crew::new(3).unwrap();
        let pieces = [0, 2 * PIECE_BYTES_MIN - 1, 2 * PIECE_BYTES_MIN, 1 << 20];
        assert_eq!(pieces.map(|bytes| crew.pieces(bytes)), [1, 1, 2, 4]);
    }

    #[test]
    #[should_panic(expected = "a piece of a batch could not be worked on")]
    fn a_panic_of_a_helper_is_one_of_the_source() {
        let crew = Crew::new(1).unwrap();
        let mut pieces: Vec<u64> = (0..4).collect();
        crew.each(&mut pieces, |piece| {
            assert!(*piece != 3, "broken on purpose");
        });
    }
}
