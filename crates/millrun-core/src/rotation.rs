//! Outputs that take turns: each batch goes to one of them, whatever becomes of it there.
//!
//! Weights divided by their greatest common divisor say how often each stands in a round. A round is spread
//! evenly (the one whose share lags most is next, the earlier one where two do), so with equal weights the
//! order is that of the file.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::graph::Node;

/// The longest round; weights that need more are rounded, and none of them to nothing.
const TURNS_MAX: u64 = 4096;

/// Outputs that take turns.
pub struct Rotation {
    nodes: Vec<Arc<Node>>,
    /// Numbers of nodes.
    turns: Vec<usize>,
    next: AtomicUsize,
}

impl Rotation {
    /// Outputs, each with its weight; one of weight 0 never has its turn. `None` where no weight is above 0.
    #[must_use]
    pub fn new(weighted: Vec<(Arc<Node>, u32)>) -> Option<Self> {
        let (nodes, weights): (Vec<_>, Vec<_>) = weighted.into_iter().unzip();
        let turns = turns(&weights);
        let rotation = Self {
            nodes,
            turns,
            next: AtomicUsize::new(0),
        };
        rotation.turn(0).is_some().then_some(rotation)
    }

    /// All of them.
    pub(crate) fn nodes(&self) -> &[Arc<Node>] {
        &self.nodes
    }

    /// The one whose turn it is.
    pub(crate) fn next(&self) -> Option<&Node> {
        self.turn(self.next.fetch_add(1, Ordering::Relaxed))
    }

    fn turn(&self, number: usize) -> Option<&Node> {
        let place = number.checked_rem(self.turns.len())?;
        let node = self.nodes.get(*self.turns.get(place)?)?;
        Some(node)
    }
}

/// How often each of several stands in a round by its weight: the weights divided by their greatest common
/// divisor, and where a round would be longer than so many turns, less, rounded up, so that none is left out.
#[must_use]
pub fn round_shares(weights: &[u32], turns_max: u64) -> Vec<u64> {
    let divisor = weights
        .iter()
        .fold(0, |divisor, weight| gcd(divisor, *weight));
    let reduced = weights
        .iter()
        .map(|weight| u64::from(weight / divisor.max(1)));
    let total: u64 = reduced.clone().sum();
    let scale = total.div_ceil(turns_max.max(1)).max(1);
    reduced.map(|share| share.div_ceil(scale)).collect()
}

/// One round.
fn turns(weights: &[u32]) -> Vec<usize> {
    let shares = round_shares(weights, TURNS_MAX).into_iter();
    let shares: Vec<i64> = shares
        .map(|share| i64::try_from(share).unwrap_or(i64::MAX))
        .collect();
    let round: i64 = shares.iter().sum();
    let mut lags = vec![0_i64; shares.len()];
    let mut turns = Vec::new();
    for _ in 0..round {
        for (lag, share) in lags.iter_mut().zip(&shares) {
            *lag += share;
        }
        let most = lags.iter().copied().max().unwrap_or_default();
        let Some(place) = lags.iter().position(|lag| *lag == most) else {
            break;
        };
        if let Some(lag) = lags.get_mut(place) {
            *lag -= round;
        }
        turns.push(place);
    }
    turns
}

fn gcd(one: u32, other: u32) -> u32 {
    match one.checked_rem(other) {
        Some(rest) => gcd(other, rest),
        None => one,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_weights_go_in_file_order() {
        assert_eq!(turns(&[1, 1, 1]), [0, 1, 2]);
        assert_eq!(turns(&[60, 60]), [0, 1]);
        assert_eq!(turns(&[5]), [0]);
    }

    #[test]
    fn a_weight_of_zero_has_no_turn() {
        assert_eq!(turns(&[0, 1]), [1]);
        assert!(turns(&[0, 0]).is_empty());
        assert!(turns(&[]).is_empty());
        assert!(Rotation::new(Vec::new()).is_none());
    }

    #[test]
    fn shares_are_exact_and_spread() {
        assert_eq!(turns(&[20, 10]), [0, 1, 0]);
        assert_eq!(turns(&[3, 1]), [0, 0, 1, 0]);
        for weights in [&[7, 3, 2][..], &[1, 100], &[6, 4, 0, 2]] {
            let turns = turns(weights);
            let divisor = weights.iter().fold(0, |divisor, it| gcd(divisor, *it));
            for (place, weight) in weights.iter().enumerate() {
                let count = turns.iter().filter(|it| **it == place).count();
                assert_eq!(count, (weight / divisor) as usize, "{weights:?}");
            }
        }
    }

    #[test]
    fn weights_too_far_apart_are_rounded_and_none_to_nothing() {
        let turns = turns(&[u32::MAX, 1, u32::MAX - 1]);
        assert!(turns.len() <= TURNS_MAX as usize + 3);
        assert_eq!(turns.iter().filter(|it| **it == 1).count(), 1);
    }
}
