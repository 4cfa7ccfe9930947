//! What is under way between the agent and its receivers.

use millrun_buffer::{ChunkId, Random, Ticket};

/// A chunk on its way.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) to: usize,
    pub(crate) chunk: ChunkId,
    pub(crate) ticket: Ticket,
    pub(crate) payload: Vec<u8>,
    /// The life of the agent that sent it: answers reach no other.
    pub(crate) life: u64,
}

/// An answer on its way.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) chunk: ChunkId,
    pub(crate) life: u64,
}

/// Messages and answers in no order.
#[derive(Debug, Default)]
pub(crate) struct Network {
    pub(crate) messages: Vec<Message>,
    pub(crate) answers: Vec<Answer>,
}

/// Longest queue: what is beyond is lost.
const UNDER_WAY_MAX: usize = 40;

impl Network {
    pub(crate) fn send(&mut self, message: Message) {
        if self.messages.len() < UNDER_WAY_MAX {
            self.messages.push(message);
        }
    }

    pub(crate) fn answer(&mut self, chunk: ChunkId, life: u64) {
        self.answers.push(Answer { chunk, life });
    }

    /// A message that arrives now; a copy of it may arrive later.
    pub(crate) fn next_message(&mut self, random: &mut Random) -> Option<Message> {
        let at = random.below(self.messages.len() as u64) as usize;
        match random.below(4) {
            0 => self.messages.get(at).cloned(),
            _ => (at < self.messages.len()).then(|| self.messages.swap_remove(at)),
        }
    }

    pub(crate) fn next_answer(&mut self, random: &mut Random) -> Option<Answer> {
        let at = random.below(self.answers.len() as u64) as usize;
        (at < self.answers.len()).then(|| self.answers.swap_remove(at))
    }

    /// A connection breaks.
    pub(crate) fn lose(&mut self, random: &mut Random) {
        if random.below(2) == 0 {
            self.next_answer(random);
        } else if !self.messages.is_empty() {
            let at = random.below(self.messages.len() as u64) as usize;
            self.messages.swap_remove(at);
        }
    }
}
