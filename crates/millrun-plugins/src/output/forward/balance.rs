//! Which server gets the next chunk (fluentd.md section 5.6).
//!
//! Regular servers that can be used take turns by their weights; for those that cannot, standby ones
//! step in until the weight that is missing is made up for. Weights divided by their greatest common
//! divisor say how often each server stands in a round; several rounds, each shuffled for itself, make
//! the list that is gone through again and again (in Fluentd the whole list is shuffled). So the shares
//! are exact over every round, and two senders do not fall into step.

use millrun_buffer::Random;
use millrun_core::round_shares;

/// How often each server should stand in the list on average, so that there is something to
/// shuffle.
const ROUNDS_MIN: usize = 6;

/// The longest list; weights that need more are rounded.
const TURNS_MAX: u64 = 4096;

/// What is known of one server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) weight: u32,
    pub(super) is_standby: bool,
    pub(super) is_available: bool,
}

/// The order in which servers are tried.
#[derive(Debug)]
pub(super) struct Balance {
    random: Random,
    /// What the turns were made of.
    candidates: Vec<Candidate>,
    /// Servers by number.
    turns: Vec<usize>,
    next: usize,
    /// Standby servers that stand in for others.
    standing_in: Vec<usize>,
}

impl Balance {
    pub(super) fn new(random: Random) -> Self {
        Self {
            random,
            candidates: Vec::new(),
            turns: Vec::new(),
            next: 0,
            standing_in: Vec::new(),
        }
    }

    /// The servers to try for one chunk: whose turn it is and the whole list behind it, so that one with
    /// several turns is there as often, as in Fluentd; then those that are not to be used, for a try is better
    /// than none. Second, the standby servers that have just begun to stand in.
    pub(super) fn order(&mut self, candidates: &[Candidate]) -> (Vec<usize>, Vec<usize>) {
        let new = match self.candidates == candidates {
            true => Vec::new(),
            false => self.rebuild(candidates),
        };
        let start = self.next;
        self.next = (start + 1).checked_rem(self.turns.len()).unwrap_or(0);
        let turns = self.turns.iter().cycle().skip(start).take(self.turns.len());
        let mut order: Vec<usize> = turns.copied().collect();
        let mut others: Vec<usize> = (0..candidates.len()).collect();
        others.retain(|index| {
            candidates
                .get(*index)
                .is_some_and(|candidate| candidate.weight > 0)
        });
        others.sort_by_key(|index| {
            let candidate = candidates.get(*index);
            candidate.map(|candidate| (!candidate.is_available, candidate.is_standby))
        });
        others.retain(|index| !order.contains(index));
        order.append(&mut others);
        (order, new)
    }

    /// Makes the turns anew; the standby servers that stand in and did not before.
    fn rebuild(&mut self, candidates: &[Candidate]) -> Vec<usize> {
        self.candidates = candidates.to_vec();
        let used = || {
            candidates
                .iter()
                .enumerate()
                .filter(|(_, one)| one.weight > 0)
        };
        let regular = used().filter(|(_, one)| !one.is_standby);
        let (mut chosen, lost): (Vec<_>, Vec<_>) = regular.partition(|(_, one)| one.is_available);
        let mut missing: u64 = lost.iter().map(|(_, one)| u64::from(one.weight)).sum();
        let mut standing_in = Vec::new();
        for (index, one) in used().filter(|(_, one)| one.is_standby && one.is_available) {
            if missing == 0 {
                break;
            }
            missing = missing.saturating_sub(u64::from(one.weight));
            standing_in.push(index);
            chosen.push((index, one));
        }
        if chosen.is_empty() {
            // A try is better than none, and all are equally bad.
            chosen = lost;
        }
        let weights: Vec<(usize, u32)> = chosen
            .iter()
            .map(|(index, one)| (*index, one.weight))
            .collect();
        self.turns = turns(&weights, &mut self.random);
        self.next = 0;
        let mut new = standing_in.clone();
        new.retain(|index| !self.standing_in.contains(index));
        self.standing_in = standing_in;
        new
    }
}

/// Several rounds, each shuffled for itself.
fn turns(weights: &[(usize, u32)], random: &mut Random) -> Vec<usize> {
    let bare: Vec<u32> = weights.iter().map(|(_, weight)| *weight).collect();
    let shares = round_shares(&bare, TURNS_MAX);
    let round: Vec<usize> = weights
        .iter()
        .zip(shares)
        .flat_map(|((index, _), share)| (0..share).map(move |_| *index))
        .collect();
    let rounds = (ROUNDS_MIN * weights.len()).checked_div(round.len());
    let mut turns = Vec::new();
    for _ in 0..rounds.unwrap_or(0).max(1) {
        let start = turns.len();
        turns.extend_from_slice(&round);
        for place in (start + 1..turns.len()).rev() {
            let span = (place - start) as u64 + 1;
            turns.swap(place, start + random.below(span) as usize);
        }
    }
    turns
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidates(weights: &[(u32, bool, bool)]) -> Vec<Candidate> {
        let candidate = |(weight, is_standby, is_available): &(u32, bool, bool)| Candidate {
            weight: *weight,
            is_standby: *is_standby,
            is_available: *is_available,
        };
        weights.iter().map(candidate).collect()
    }

    fn balance() -> Balance {
        Balance::new(Random::from_seed(5))
    }

    fn shares(weights: &[u32], chunks: usize) -> Vec<usize> {
        let weights: Vec<_> = weights
            .iter()
            .map(|weight| (*weight, false, true))
            .collect();
        let (candidates, mut balance) = (candidates(&weights), balance());
        let mut shares = vec![0; weights.len()];
        for _ in 0..chunks {
            shares[balance.order(&candidates).0[0]] += 1;
        }
        shares
    }

    #[test]
    fn weights_are_exact_over_a_round() {
        assert_eq!(shares(&[60, 40], 20), [12, 8]);
        assert_eq!(shares(&[3, 1], 16), [12, 4]);
        assert_eq!(shares(&[60, 60], 12), [6, 6]);
        assert_eq!(shares(&[60, 0, 60], 12), [6, 0, 6]);
    }

    #[test]
    fn weights_far_apart_leave_everybody_a_turn() {
        let shares = shares(&[u32::MAX, 1], 20_000);
        assert!(shares[1] > 0 && shares[0] > shares[1] * 1000, "{shares:?}");
    }

    #[test]
    fn standby_servers_step_in_until_the_missing_weight_is_made_up_for_and_step_back() {
        let all = [
            (60, false, true),
            (60, false, true),
            (40, true, true),
            (40, true, true),
            (40, true, true),
        ];
        let mut balance = balance();
        for _ in 0..20 {
            let (order, new) = balance.order(&candidates(&all));
            assert!(
                order[..12].iter().all(|index| *index < 2) && new.is_empty(),
                "{order:?}"
            );
            assert_eq!(order[12..], [2, 3, 4]);
        }
        let mut one_down = all;
        one_down[1].2 = false;
        let (first, new) = balance.order(&candidates(&one_down));
        assert_eq!(new, [2, 3]);
        let mut seen = vec![first[0]];
        for _ in 0..100 {
            let (order, new) = balance.order(&candidates(&one_down));
            assert!(new.is_empty());
            // Those that are down come last, but they come.
            assert_eq!(order.last(), Some(&1));
            seen.push(order[0]);
        }
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen, [0, 2, 3]);
        for _ in 0..20 {
            assert!(balance.order(&candidates(&all)).0[0] < 2);
        }
    }

    #[test]
    fn where_all_are_down_they_keep_their_turns() {
        let down = candidates(&[(60, false, false), (60, false, false), (60, true, false)]);
        let (order, standing_in) = balance().order(&down);
        assert_eq!((order.len(), standing_in.len()), (13, 0));
        let turns = |server| order.iter().filter(|index| **index == server).count();
        assert_eq!([turns(0), turns(1), turns(2)], [6, 6, 1]);
    }

    #[test]
    fn nobody_to_send_to_is_an_empty_order() {
        assert!(
            balance()
                .order(&candidates(&[(0, false, true)]))
                .0
                .is_empty()
        );
        // Only standby servers: they are not used in turns, and tried all the same.
        assert_eq!(balance().order(&candidates(&[(1, true, true)])).0, [0]);
    }
}
