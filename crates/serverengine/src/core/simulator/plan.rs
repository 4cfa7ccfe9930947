//! What a simulated control process is configured to do, and what is asked of it.

use std::time::Duration;

use crate::core::policy::{Detachment, Repeat};
use crate::core::{Backoff, Command, Delegation, Event, Mode, Policy};

use super::news::News;
use super::random::Random;
use super::rules::Verdict;
use super::{SLOTS_MAX, World};

/// Draws the rules of a server, or of a supervisor.
pub(super) fn policy(random: &mut Random) -> Policy {
    let is_supervisor = random.one_in(3);
    let slots = if is_supervisor {
        1
    } else {
        1 + random.below(SLOTS_MAX) as usize
    };
    let delay = |random: &mut Random, odds: u32, up_to: u32| {
        if random.one_in(odds) {
            random.seconds(1, up_to)
        } else {
            Duration::ZERO
        }
    };
    let repeat = |random: &mut Random| {
        random.one_in(4).then(|| Repeat {
            interval: random.seconds(1, 10),
            increment: random.seconds(0, 3),
        })
    };
    Policy {
        noun: if is_supervisor { "Server" } else { "Worker" },
        slots,
        may_scale: !is_supervisor,
        start_delay: delay(random, 3, 2),
        start_delay_rand: 0.2,
        restart_interval: delay(random, 4, 4),
        backoff: Backoff::default(),
        start_timeout: (!random.one_in(8)).then(|| random.seconds(1, 20)),
        heartbeat_timeout: (!random.one_in(3)).then(|| random.seconds(4, 12)),
        graceful_timeout: Some(random.seconds(1, 20)),
        immediate_timeout: Some(random.seconds(1, 5)),
        graceful_repeat: repeat(random),
        immediate_repeat: repeat(random),
        restart_parallel: match random.below(4) {
            0 => usize::MAX,
            count => count as usize,
        },
        unrecoverable_exit_codes: if random.one_in(6) {
            vec![3]
        } else {
            Vec::new()
        },
        stop_at_unrecoverable_exit: random.one_in(2),
        restart: if is_supervisor && random.one_in(2) {
            Delegation::Children
        } else {
            Delegation::Here
        },
        detach: (is_supervisor && !random.one_in(3)).then(|| Detachment {
            wait: random.seconds(1, 10),
            exit: random.one_in(4),
        }),
    }
}

impl World {
    /// Draws the commands of one life of the control process, and the stop that ends it.
    pub(super) fn plan(&mut self) {
        let busy = 1_000 * (20 + self.random.below(100));
        for _ in 0..4 + self.random.below(24) {
            let command = match self.random.below(12) {
                0..=2 => Command::Restart(Mode::Graceful),
                3 => Command::Restart(Mode::Immediate),
                4..=6 => Command::Reload,
                7 => Command::Dump,
                8 => Command::Forward(10),
                9 | 10 if self.state.policy.detach.is_some() => Command::Detach,
                _ => continue,
            };
            let moment = self.random.millis(busy);
            self.after(moment, News::Command(command));
        }
        if self.random.one_in(4) {
            let moment = self.random.millis(busy);
            let lasts = self.random.seconds(1, 20);
            self.after(moment, News::Freeze(lasts));
        }
        // Often during the start, which is where stops used to be lost.
        let moment = if self.random.one_in(8) {
            self.random.millis(3_000)
        } else {
            Duration::from_millis(u64::from(busy))
        };
        let stop = self.draw_stop();
        self.after(moment, News::Command(stop));
        if self.random.one_in(3) {
            let later = moment + self.random.millis(20_000);
            self.after(later, News::Command(Command::Stop(Mode::Immediate)));
        }
    }

    fn draw_stop(&mut self) -> Command {
        match self.random.below(3) {
            0 => Command::Stop(Mode::Immediate),
            1 if self.state.policy.detach.is_none() => Command::Detach,
            _ => Command::Stop(Mode::Graceful),
        }
    }

    /// Stops now.
    pub(super) fn stop(&mut self) -> Verdict {
        let stop = self.draw_stop();
        self.step(Event::Command(stop))
    }

    /// Draws what a reload makes of the rules.
    pub(super) fn reloaded(&mut self) -> Result<Option<Box<Policy>>, String> {
        match self.random.below(5) {
            0 => Err(String::new()),
            1 | 2 if self.state.policy.may_scale => Ok(Some(Box::new(Policy {
                slots: 1 + self.random.below(SLOTS_MAX) as usize,
                ..self.state.policy.clone()
            }))),
            _ => Ok(None),
        }
    }
}
