//! Heartbeats: how a control process knows that a child is not frozen, without being woken by it.
//!
//! ```text
//!   page shared with all children    ┌ word ┬ word ┬ word ┬ …      each the time of a child's last beat
//!                                    └──▲───┴──────┴──────┴
//!   child, once per interval ───────────┘            control process: looks when a deadline says so
//! ```
//!
//! The first sign of life is a frame on the life-line; from then on a beat is one store into memory. Nobody
//! is woken by it: the parent reads the word when the child would be silent for too long otherwise. With
//! sixty-four workers an idle server sleeps for the whole timeout.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::sys::{self, SharedPage};

/// The hearts of all children of a control process.
#[derive(Debug, Default)]
pub(crate) struct Hearts {
    page: Option<Arc<SharedPage>>,
    /// One that only this table holds is free: its child is gone.
    hearts: Vec<Arc<Heart>>,
}

/// Time of a child's last beat, seen by the child and its parent.
#[derive(Debug)]
pub(crate) struct Heart {
    page: Arc<SharedPage>,
    word: usize,
}

impl Hearts {
    /// Returns a heart that has not beaten yet, for the next child.
    pub(crate) fn take(&mut self) -> io::Result<Arc<Heart>> {
        let free = self.hearts.iter().find(|it| Arc::strong_count(it) == 1);
        if let Some(heart) = free {
            heart.page.store(heart.word, 0);
            return Ok(Arc::clone(heart));
        }
        let word = self.hearts.len() % SharedPage::WORDS;
        let page = match &self.page {
            Some(page) if word > 0 => Arc::clone(page),
            Some(_) | None => Arc::new(SharedPage::new()?),
        };
        self.page = Some(Arc::clone(&page));
        let heart = Arc::new(Heart { page, word });
        self.hearts.push(Arc::clone(&heart));
        Ok(heart)
    }
}

impl Heart {
    /// Beats. In the child.
    pub(crate) fn beat(&self) {
        let nanos = u64::try_from(sys::monotonic().as_nanos()).unwrap_or(u64::MAX);
        self.page.store(self.word, nanos);
    }

    /// Returns how long ago it beat. `None`: it never did.
    pub(crate) fn silence(&self) -> Option<Duration> {
        match self.page.load(self.word) {
            0 => None,
            nanos => Some(sys::monotonic().saturating_sub(Duration::from_nanos(nanos))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_heart_is_free_when_its_child_is_gone_and_has_not_beaten_then() {
        let mut hearts = Hearts::default();
        let first = hearts.take().unwrap();
        let second = hearts.take().unwrap();
        assert_eq!(first.silence(), None);
        first.beat();
        assert!(first.silence().unwrap() < Duration::from_secs(60));
        assert_eq!(second.silence(), None);
        let word = first.word;
        drop(first);
        let third = hearts.take().unwrap();
        assert_eq!((third.word, third.silence()), (word, None));
    }

    #[test]
    fn there_are_hearts_for_more_children_than_a_page_has_words() {
        let mut hearts = Hearts::default();
        let all: Vec<_> = (0..SharedPage::WORDS + 2)
            .map(|_| hearts.take().unwrap())
            .collect();
        all[0].beat();
        let beating = all.iter().filter(|it| it.silence().is_some()).count();
        assert_eq!(beating, 1, "two children have one heart");
    }
}
