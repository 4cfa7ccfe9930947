//! Which server gets the next chunk.
//!
//! Weights divided by their greatest common divisor say how often each server stands in a round;
//! several rounds, each shuffled for itself, make the list that is gone through again and again
//! (fluentd.md section 5.6, where the whole list is shuffled). So the shares are exact over every
//! round, and two senders do not fall into step.

use std::time::{Duration, Instant};

use millrun_buffer::Random;

use super::parameters::Server;

/// How often each server should stand in the list on average, so that there is something to
/// shuffle.
const ROUNDS_MIN: usize = 6;

/// The longest list; weights that need more are rounded.
const TURNS_MAX: usize = 4096;

/// The order in which servers are tried, and which of them failed lately.
#[derive(Debug)]
pub(super) struct Balance {
    /// Servers by number, regular ones only.
    turns: Vec<usize>,
    next: usize,
    standby: Vec<usize>,
    /// For each server, until when it is left alone.
    down_until: Vec<Option<Instant>>,
}

impl Balance {
    pub(super) fn new(servers: &[Server], random: &mut Random) -> Self {
        let used = || {
            servers
                .iter()
                .enumerate()
                .filter(|(_, server)| server.weight > 0)
        };
        let regular = || used().filter(|(_, server)| !server.standby);
        let divisor = regular()
            .fold(0, |divisor, (_, server)| gcd(divisor, server.weight))
            .max(1);
        let total: u64 = regular()
            .map(|(_, server)| u64::from(server.weight / divisor))
            .sum();
        // With weights too far apart, the list would be too long: every server keeps one turn.
        let scale = total.div_ceil(TURNS_MAX as u64).max(1);
        let round: Vec<usize> = regular()
            .flat_map(|(index, server)| {
                let count = u64::from(server.weight / divisor).div_ceil(scale);
                (0..count).map(move |_| index)
            })
            .collect();
        let rounds = (ROUNDS_MIN * regular().count()).checked_div(round.len());
        let mut turns = Vec::new();
        for _ in 0..rounds.unwrap_or(0).max(1) {
            let start = turns.len();
            turns.extend_from_slice(&round);
            for place in (start + 1..turns.len()).rev() {
                let span = (place - start) as u64 + 1;
                turns.swap(place, start + random.below(span) as usize);
            }
        }
        Self {
            turns,
            next: 0,
            standby: used()
                .filter(|(_, server)| server.standby)
                .map(|(index, _)| index)
                .collect(),
            down_until: vec![None; servers.len()],
        }
    }

    /// The servers to try for one chunk, each once: whose turn it is, the regular ones behind it,
    /// the standby ones; those that failed lately last, for a try is better than none.
    pub(super) fn order(&mut self, now: Instant) -> Vec<usize> {
        let start = self.next;
        self.next = (start + 1).checked_rem(self.turns.len()).unwrap_or(0);
        let turns = self.turns.iter().cycle().skip(start).take(self.turns.len());
        let mut order: Vec<usize> = Vec::new();
        for index in turns.chain(&self.standby) {
            if !order.contains(index) {
                order.push(*index);
            }
        }
        order.sort_by_key(|index| self.down_until(*index, now).is_some());
        order
    }

    /// Leaves a server alone for `pause`; true if it was sound before.
    pub(super) fn failed(&mut self, server: usize, now: Instant, pause: Duration) -> bool {
        let until = self.down_until.get_mut(server);
        until.is_some_and(|until| until.replace(now + pause).is_none())
    }

    /// Takes a server for sound; true if it was not before.
    pub(super) fn succeeded(&mut self, server: usize) -> bool {
        let until = self.down_until.get_mut(server);
        until.and_then(Option::take).is_some()
    }

    /// Until when a server is left alone, if it is.
    pub(super) fn down_until(&self, server: usize, now: Instant) -> Option<Instant> {
        let until = self.down_until.get(server).copied().flatten();
        until.filter(|until| *until > now)
    }
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn servers(weights: &[(u32, bool)]) -> Vec<Server> {
        let server = |(weight, standby): &(u32, bool)| Server {
            weight: *weight,
            standby: *standby,
            ..Server::at("", 0)
        };
        weights.iter().map(server).collect()
    }

    fn shares(weights: &[u32], chunks: usize) -> Vec<usize> {
        let weights: Vec<_> = weights.iter().map(|weight| (*weight, false)).collect();
        let mut balance = Balance::new(&servers(&weights), &mut Random::from_seed(5));
        let now = Instant::now();
        let mut shares = vec![0; weights.len()];
        for _ in 0..chunks {
            shares[balance.order(now)[0]] += 1;
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
    fn standby_servers_come_last_until_a_regular_one_fails() {
        let servers = servers(&[(60, true), (60, false), (60, false)]);
        let mut balance = Balance::new(&servers, &mut Random::from_seed(5));
        let now = Instant::now();
        for _ in 0..20 {
            assert_eq!(balance.order(now)[2], 0);
        }
        assert!(balance.failed(1, now, Duration::from_secs(10)));
        assert!(!balance.failed(1, now, Duration::from_secs(10)));
        for _ in 0..20 {
            assert_eq!(balance.order(now), [2, 0, 1]);
        }
        let later = now + Duration::from_secs(10);
        assert_eq!(balance.order(later)[2], 0);
        assert!(balance.succeeded(1));
        assert!(!balance.succeeded(1));
    }

    #[test]
    fn nobody_to_send_to_is_an_empty_order() {
        let mut balance = Balance::new(&servers(&[(0, false)]), &mut Random::from_seed(5));
        assert!(balance.order(Instant::now()).is_empty());
    }
}
