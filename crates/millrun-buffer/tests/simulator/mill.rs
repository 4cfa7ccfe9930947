//! One instance on its machine: a disk and the lives of its workers.

use millrun_buffer::disk::{Crash, SimulatedDisk};
use millrun_buffer::{Durability, Random};

use crate::logs::Source;
use crate::plan::Plan;
use crate::trace;
use crate::worker::{Died, Worker};

/// An agent, or a receiver with one or two workers.
pub(crate) struct Mill {
    pub(crate) is_agent: bool,
    pub(crate) disk: SimulatedDisk,
    pub(crate) workers: Vec<Option<Worker>>,
    /// How often the number of workers changed.
    pub(crate) eras: u32,
}

impl Mill {
    pub(crate) fn new(is_agent: bool, workers: usize) -> Self {
        Self {
            is_agent,
            disk: SimulatedDisk::new(),
            workers: (0..workers).map(|_| None).collect(),
            eras: 0,
        }
    }

    /// Everything dies, and comes again with another number of workers.
    pub(crate) fn resize(&mut self, workers: usize) {
        trace(|| format!("{} workers instead of {}", workers, self.workers.len()));
        self.workers.clear();
        self.workers.resize_with(workers, || None);
        self.eras += 1;
    }

    /// Starts what does not run. A start may die too; the next step tries again.
    pub(crate) fn start(
        &mut self,
        plan: &Plan,
        sources: &[Source],
        random: &mut Random,
        mortal: bool,
    ) {
        for number in 0..self.workers.len() {
            if self.workers[number].is_some() {
                continue;
            }
            let process = self.disk.another_process();
            if mortal && random.below(3) > 0 {
                let most = [4, 30, 200][random.below(3) as usize];
                process.crash(Crash {
                    after_steps: random.below(most),
                    seed: random.bits(),
                });
            }
            let who = if self.is_agent { "agent" } else { "receiver" };
            trace(|| format!("{who} {number} starts"));
            match Worker::start(&process, self, number, plan, sources, random) {
                Ok(worker) => self.workers[number] = Some(worker),
                Err(Died(reason)) => {
                    assert!(mortal, "a disk without faults can be recovered: {reason}");
                }
            }
        }
    }

    /// Buries the workers that died.
    pub(crate) fn bury(&mut self) {
        for worker in &mut self.workers {
            if worker
                .as_ref()
                .is_some_and(|worker| worker.disk.has_crashed())
            {
                *worker = None;
            }
        }
    }

    /// Kills one worker.
    pub(crate) fn kill(&mut self, random: &mut Random) {
        let number = random.below(self.workers.len() as u64) as usize;
        self.workers[number] = None;
    }

    /// The machine loses its power: all workers die, and what was not synced may be gone.
    pub(crate) fn lose_power(&mut self, plan: &Plan, random: &mut Random) {
        if plan.durability == Durability::Power {
            self.workers.iter_mut().for_each(|worker| *worker = None);
            trace(|| format!("power is lost, agent: {}", self.is_agent));
            self.disk = self.disk.lose_power(random);
        }
    }
}
