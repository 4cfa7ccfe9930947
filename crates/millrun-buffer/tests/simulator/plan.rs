//! What a schedule is about: a topology and its settings.

use std::path::{Path, PathBuf};
use std::time::Duration;

use millrun_buffer::{BufferConfig, BufferKind, Durability, FlushMode, Random};

/// Where lines go. The names are those of buffers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Output {
    /// To files, under three tags.
    Tagged,
    /// To a file, without each fifth line.
    Filtered,
    /// Into [`Output::Emitted`].
    Relayed,
    /// What comes from [`Output::Relayed`], to a file.
    Emitted,
    /// To receivers.
    Remote,
    /// To somebody who only acknowledges.
    Answered,
    /// The same, each second line, from memory.
    Memory,
    /// Of a receiver: what it was sent, to a file.
    Collected,
}

impl Output {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Tagged => "tagged",
            Self::Filtered => "filtered",
            Self::Relayed => "relayed",
            Self::Emitted => "emitted",
            Self::Remote => "remote",
            Self::Answered => "answered",
            Self::Memory => "memory",
            Self::Collected => "collected",
        }
    }

    /// Whether it takes a line of this number.
    pub(crate) fn takes(self, number: u32) -> bool {
        match self {
            Self::Filtered => !number.is_multiple_of(5),
            Self::Memory => number.is_multiple_of(2),
            _ => true,
        }
    }

    pub(crate) fn is_exact(self) -> bool {
        !matches!(self, Self::Answered | Self::Memory)
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) durability: Durability,
    /// The agent's, of those that take what is read.
    pub(crate) outputs: Vec<Output>,
    pub(crate) sources: usize,
    /// Workers of each receiver, at first.
    pub(crate) receivers: Vec<usize>,
    /// Whether receivers are started with other numbers of workers than before.
    pub(crate) changes_workers: bool,
    pub(crate) chunk_limit_size: u64,
    pub(crate) flush_mode: FlushMode,
    /// Of [`BufferConfig`]; 1 and 2 where files of delivered chunks are used again all the time.
    pub(crate) burst: u32,
    pub(crate) in_doubt_timeout: Duration,
}

impl Plan {
    pub(crate) fn new(random: &mut Random) -> Self {
        let all = [
            Output::Tagged,
            Output::Filtered,
            Output::Relayed,
            Output::Remote,
            Output::Answered,
            Output::Memory,
        ];
        let mut outputs: Vec<_> = all.into_iter().filter(|_| random.below(5) < 2).collect();
        if outputs.is_empty() {
            outputs.push(all[random.below(all.len() as u64) as usize]);
        }
        let receivers = match outputs.contains(&Output::Remote) {
            true => 1 + random.below(2),
            false => 0,
        };
        Self {
            durability: match random.below(3) {
                0 => Durability::Power,
                _ => Durability::Process,
            },
            outputs,
            sources: 1 + random.below(2) as usize,
            receivers: (0..receivers)
                .map(|_| 1 + random.below(2) as usize)
                .collect(),
            chunk_limit_size: 20 + random.below(300),
            flush_mode: match random.below(3) {
                0 => FlushMode::Immediate,
                1 => FlushMode::Lazy,
                _ => FlushMode::Interval,
            },
            burst: BufferConfig::memory().burst,
            changes_workers: false,
            in_doubt_timeout: Duration::from_secs(60),
        }
    }

    /// Everything in a hurry, as where thousands of commits come in a second: each `burst`-th one at the latest finds chunks open
    /// and files to use again.
    pub(crate) fn hurry(&mut self, burst: u32) {
        self.burst = burst;
        self.flush_mode = FlushMode::Immediate;
        self.durability = Durability::Process;
    }

    /// The buffers of the agent, or of a receiver's worker; `left_behind` tells of a buffer's directory which ones below it are
    /// of workers that there are no more.
    pub(crate) fn buffers(
        &self,
        worker: Option<usize>,
        is_agent: bool,
        left_behind: &dyn Fn(&Path) -> Vec<PathBuf>,
    ) -> Vec<(Output, BufferConfig)> {
        let mut outputs = match is_agent {
            true => self.outputs.clone(),
            false => vec![Output::Collected],
        };
        if outputs.contains(&Output::Relayed) {
            outputs.push(Output::Emitted);
        }
        let config = |output: Output| {
            let base = match output {
                Output::Memory => BufferConfig::memory(),
                output if self.changes_workers => {
                    let mut config =
                        BufferConfig::file(format!("/buffers/{}", output.name()), "/backup");
                    if let BufferKind::File {
                        path,
                        worker: number,
                        left_behind: left,
                        ..
                    } = &mut config.kind
                    {
                        *number = worker;
                        *left = left_behind(path);
                    }
                    config
                }
                output => {
                    let worker = worker.map_or(String::new(), |worker| format!(".{worker}"));
                    BufferConfig::file(format!("/buffers{worker}/{}", output.name()), "/backup")
                }
            };
            let config = BufferConfig {
                chunk_limit_size: self.chunk_limit_size,
                flush_mode: self.flush_mode,
                burst: self.burst,
                flush_interval: Duration::from_secs(5),
                ..base
            };
            (output, config)
        };
        outputs.into_iter().map(config).collect()
    }
}
