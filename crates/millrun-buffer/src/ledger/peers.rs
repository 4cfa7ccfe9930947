//! What other millruns have had committed here.
//!
//! A resend is recognised by `(sender, sequence)`, proved by the hash of the payload, and answered without being stored again.
//! What lies below a sender's lowest unanswered number is never sent again, except by copies that were late on the way, so
//! it needs no hash and no memory. All limits here forget in the direction of storing twice, never in that of not storing.

use std::collections::BTreeMap;

use super::record::Record;

/// The numbers remembered of one sender; beyond, the lowest are forgotten.
const SEQUENCES_MAX: usize = 65_536;

/// The senders remembered; beyond, those that have been silent longest are forgotten. A sender is one life of one output on its
/// way to one receiver, so restarts make new ones.
const SENDERS_MAX: usize = 16_384;

/// How many are forgotten at a time, so that looking for them is rare.
const SENDERS_FORGOTTEN: usize = SENDERS_MAX / 16;

/// A chunk of a sender that was committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Taken {
    /// The CRC-32 of its payload.
    pub(super) hash: u32,
    /// Some of it went to memory buffers, which die with the process.
    pub(super) in_memory: bool,
}

/// What is known of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    /// It is answered, and the sender knows.
    Below,
    /// It is committed; the sender may ask again.
    Taken(Taken),
}

/// All senders.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Peers {
    senders: BTreeMap<[u8; 16], Peer>,
    clock: Recency,
}

#[derive(Debug, Clone, PartialEq, Default)]
struct Peer {
    lowest: u64,
    committed: BTreeMap<u64, Taken>,
    heard: Recency,
}

/// A count of what was heard from all senders. It says who is forgotten first and is no part of what a ledger means.
#[derive(Debug, Clone, Copy, Default)]
struct Recency(u64);

impl PartialEq for Recency {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Peers {
    /// Notes committed chunks of a sender and its lowest unanswered number.
    pub(super) fn note(
        &mut self,
        sender: [u8; 16],
        lowest: u64,
        committed: impl IntoIterator<Item = (u64, Taken)>,
    ) {
        if self.senders.len() >= SENDERS_MAX && !self.senders.contains_key(&sender) {
            self.forget_silent();
        }
        self.clock.0 += 1;
        let peer = self.senders.entry(sender).or_default();
        peer.heard = self.clock;
        peer.committed.extend(committed);
        peer.lowest = peer.lowest.max(lowest);
        peer.committed = peer.committed.split_off(&peer.lowest);
        while peer.committed.len() > SEQUENCES_MAX {
            peer.committed.pop_first();
        }
    }

    pub(super) fn find(&self, sender: &[u8; 16], sequence: u64) -> Option<Known> {
        let peer = self.senders.get(sender)?;
        if sequence < peer.lowest {
            return Some(Known::Below);
        }
        peer.committed.get(&sequence).copied().map(Known::Taken)
    }

    /// Takes over what another ledger knows.
    pub(super) fn join(&mut self, other: &Self) {
        for (sender, peer) in other.by_recency() {
            let committed = peer
                .committed
                .iter()
                .map(|(number, taken)| (*number, *taken));
            self.note(*sender, peer.lowest, committed);
        }
    }

    /// The records that lead to this knowledge, those of the longest silent senders first.
    pub(super) fn records(&self) -> impl Iterator<Item = Record> {
        self.by_recency().into_iter().map(|(sender, peer)| {
            let committed = peer
                .committed
                .iter()
                .map(|(number, taken)| (*number, *taken));
            Record::Peer {
                sender: *sender,
                lowest: peer.lowest,
                committed: committed.collect(),
            }
        })
    }

    fn by_recency(&self) -> Vec<(&[u8; 16], &Peer)> {
        let mut senders: Vec<_> = self.senders.iter().collect();
        senders.sort_by_key(|(_, peer)| peer.heard.0);
        senders
    }

    fn forget_silent(&mut self) {
        let oldest = self.by_recency().into_iter().take(SENDERS_FORGOTTEN);
        for sender in oldest.map(|(sender, _)| *sender).collect::<Vec<_>>() {
            self.senders.remove(&sender);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TAKEN: Taken = Taken {
        hash: 7,
        in_memory: false,
    };

    fn sender(number: usize) -> [u8; 16] {
        (number as u128).to_be_bytes()
    }

    #[test]
    fn a_number_is_known_until_its_sender_has_the_answer_and_after() {
        let mut peers = Peers::default();
        peers.note(sender(1), 3, [(5, TAKEN)]);
        assert_eq!(peers.find(&sender(1), 2), Some(Known::Below));
        assert_eq!(peers.find(&sender(1), 4), None);
        assert_eq!(peers.find(&sender(1), 5), Some(Known::Taken(TAKEN)));
        assert_eq!(peers.find(&sender(2), 2), None);
        // A late message with an older lowest number takes nothing back.
        peers.note(sender(1), 1, [(4, TAKEN)]);
        assert_eq!(peers.find(&sender(1), 2), Some(Known::Below));
        peers.note(sender(1), 6, []);
        assert_eq!(peers.find(&sender(1), 5), Some(Known::Below));
    }

    #[test]
    fn too_many_numbers_forget_the_lowest_and_never_take_them_for_answered() {
        let mut peers = Peers::default();
        // Number 0 is still on its way while all these have come.
        let count = SEQUENCES_MAX as u64 + 10;
        peers.note(sender(1), 0, (1..=count).map(|number| (number, TAKEN)));
        assert_eq!(peers.find(&sender(1), 0), None);
        assert_eq!(peers.find(&sender(1), 10), None);
        assert_eq!(peers.find(&sender(1), 11), Some(Known::Taken(TAKEN)));
    }

    #[test]
    fn too_many_senders_forget_the_longest_silent_also_after_compaction() {
        let mut peers = Peers::default();
        for number in 0..SENDERS_MAX {
            peers.note(sender(number), 1, []);
        }
        peers.note(sender(0), 2, []);
        let mut compacted = Peers::default();
        compacted.join(&peers);
        assert_eq!(compacted, peers);
        compacted.note(sender(SENDERS_MAX), 1, []);
        assert_eq!(compacted.find(&sender(0), 1), Some(Known::Below));
        assert_eq!(compacted.find(&sender(1), 0), None);
        assert_eq!(compacted.find(&sender(SENDERS_FORGOTTEN), 0), None);
        let next = sender(SENDERS_FORGOTTEN + 1);
        assert_eq!(compacted.find(&next, 0), Some(Known::Below));
    }
}
