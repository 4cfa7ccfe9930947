//! The `exec` output: every chunk to a command.
//!
//! ```text
//! <match app.**>
//!   @type exec
//!   command sh -c 'gzip < "$0" >> /var/log/app.gz'     the chunk's file is the last argument
//!   <format>
//!     @type json
//!   </format>
//! </match>
//!
//! chunk ──▶ sh -c "<command> <file>" ──▶ status 0: delivered
//!                                    └─▶ any other, a signal, too late: tried again
//! ```
//!
//! The file is the one of the buffer where there is one; of a memory buffer, or a compressed one, it is
//! made for the command. Chunks keep their order while commands are quick: a flush thread begins another one beside
//! those that are at work only when the latest has been for `flush_thread_burst_interval` (a second), as in Fluentd.
//! At the end running commands are waited for: what they consumed is not delivered a second time by the next start.

use std::fs;
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use millrun_buffer::{Chunk, ChunkId, Compression};
use millrun_config::{Element, parameters};
use millrun_core::{
    Assembly, BufferDefaults, BufferedOutput, Content, DeliveryError, Node, PluginId, Progress,
    Sender, Settled, expand, read_chunk,
};
use millrun_pattern::{TimeFormat, Zone};

use crate::formatter::{Batches, plugin_formatter};

/// How often a running command is looked after.
const POLL: Duration = Duration::from_millis(2);

/// How much longer than its command a chunk may be under way: the end of the command is noticed first.
const COMMIT_SLACK: Duration = Duration::from_secs(30);

/// How many commands a flush thread has at work at once, at most. Fluentd knows no limit.
const COMMANDS_MAX: usize = 16;

/// How long the latest command is at work before another one joins it, where nothing is said.
const BURST_INTERVAL_DEFAULT: Duration = Duration::from_secs(1);

parameters! {
    /// Hands chunks to a command.
    pub struct ExecParameters in "match", type "exec" {
        /// The command, for the shell; the file of a chunk is added as its last argument. May hold placeholders of
        /// chunk keys.
        command: String = required;
        /// A command that takes longer is killed and tried again.
        command_timeout: Duration = "270";
        /// Warn of flushes that take longer, in seconds.
        slow_flush_log_threshold: f64 = "20.0";
    }
    sections {
        /// What an event looks like.
        format: Option<Element>;
        /// Fields added to each record.
        inject: Option<Element>;
        /// Where events wait.
        buffer: Option<Element>;
        /// Where chunks go that the command never takes.
        secondary: Option<Element>;
    }
    legacy { Buffer, Format, Inject }
}

pub(super) fn build(element: &Element, id: &PluginId, assembly: &mut Assembly<'_>) -> Option<Node> {
    let parameters = ExecParameters::read(element, assembly.diagnostics)?;
    let formatter = plugin_formatter(element, "tsv", assembly)?;
    let reading = assembly.read_buffer(element, id, &BufferDefaults::default())?;
    let is_written = reading
        .element
        .entry("flush_thread_burst_interval")
        .is_some();
    let burst_interval = match reading.plan.flush_thread_burst_interval {
        Some(interval) => interval,
        None if is_written => Duration::ZERO,
        None => BURST_INTERVAL_DEFAULT,
    };
    let output = Exec {
        shared: Arc::new(Shared {
            id: id.clone(),
            command: parameters.command,
            timeout: parameters.command_timeout,
            burst_interval,
            zone: reading.zone.clone(),
        }),
        formatter: Batches::new(formatter),
    };
    Some(assembly.buffered(id, Arc::new(output), reading))
}

struct Exec {
    shared: Arc<Shared>,
    formatter: Batches,
}

struct Shared {
    id: PluginId,
    command: String,
    timeout: Duration,
    /// How long the latest command is at work before another one joins it.
    burst_interval: Duration,
    zone: Zone,
}

impl BufferedOutput for Exec {
    fn content(&self) -> Content<'_> {
        Content::Formatted(&self.formatter)
    }

    fn sender(&self) -> Box<dyn Sender> {
        Box::new(ExecSender {
            shared: Arc::clone(&self.shared),
            running: Vec::new(),
            bytes: Vec::new(),
        })
    }

    fn is_synchronous(&self) -> bool {
        false
    }
}

struct ExecSender {
    shared: Arc<Shared>,
    /// The oldest first.
    running: Vec<Running>,
    bytes: Vec<u8>,
}

/// A command at work.
struct Running {
    chunk: ChunkId,
    program: String,
    child: Child,
    since: Instant,
    /// Made for the command.
    file: Option<PathBuf>,
}

impl Drop for Running {
    fn drop(&mut self) {
        // One that has ended cannot be killed, nor waited for twice.
        if self.child.try_wait().ok().flatten().is_none() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
        if let Some(file) = &self.file {
            let _ = fs::remove_file(file);
        }
    }
}

impl Sender for ExecSender {
    fn begin(&mut self, chunk: &Chunk, now: Instant) -> Result<Progress, DeliveryError> {
        let shared = &*self.shared;
        let strftime = |template: &str, slice: i64| match TimeFormat::compile(template) {
            Ok(format) => format.to_string(slice, 0, &shared.zone),
            Err(_) => template.to_owned(),
        };
        let command = expand(
            &shared.command,
            chunk.metadata(),
            Some(chunk.id()),
            strftime,
        )
        .map_err(|error| DeliveryError::Unrecoverable(error.to_string()))?
        .text;
        let plain = chunk
            .path()
            .filter(|_| chunk.compression() == Compression::Text);
        let (path, file) = match plain {
            Some(path) => (path.to_owned(), None),
            None => {
                let bytes = read_chunk(chunk, &mut self.bytes)?;
                let path = temporary(chunk.id(), bytes)?;
                (path.clone(), Some(path))
            }
        };
        let program = format!("{command} {}", path.display());
        let child = Command::new("/bin/sh")
            .arg("-c")
            .arg(&program)
            .stdin(Stdio::null())
            .spawn()
            .map_err(|error| {
                DeliveryError::Retriable(format!("cannot start the command {program:?}: {error}"))
            })?;
        self.running.push(Running {
            chunk: chunk.id(),
            program,
            child,
            since: now,
            file,
        });
        Ok(Progress::UnderWay)
    }

    fn window(&self) -> usize {
        let at_work = self.running.len();
        let joins = self.joins_in().is_none_or(|left| left.is_zero());
        COMMANDS_MAX.min(at_work + usize::from(joins))
    }

    fn wait(&mut self, timeout: Duration, settled: &mut Vec<Settled>) {
        let shared = Arc::clone(&self.shared);
        // Another one may join before.
        let timeout = self
            .joins_in()
            .filter(|left| !left.is_zero())
            .map_or(timeout, |left| left.min(timeout));
        let deadline = Instant::now() + timeout;
        loop {
            self.running
                .retain_mut(|running| match running.outcome(&shared) {
                    Some(outcome) => {
                        settled.push(Settled {
                            chunk: running.chunk,
                            outcome,
                        });
                        false
                    }
                    None => true,
                });
            if !settled.is_empty() || self.running.is_empty() || Instant::now() >= deadline {
                return;
            }
            std::thread::sleep(POLL);
        }
    }

    fn commit_timeout(&self, _: Duration) -> Duration {
        self.shared.timeout + COMMIT_SLACK
    }
}

impl ExecSender {
    /// How long until another command may join those at work, if there are any.
    fn joins_in(&self) -> Option<Duration> {
        let latest = self.running.last()?;
        Some(
            self.shared
                .burst_interval
                .saturating_sub(latest.since.elapsed()),
        )
    }
}

impl Running {
    /// How the command has ended, if it has.
    fn outcome(&mut self, shared: &Shared) -> Option<Result<(), DeliveryError>> {
        match self.child.try_wait() {
            Ok(Some(status)) if status.success() => Some(Ok(())),
            Ok(Some(status)) => Some(Err(shared.exited(&self.program, status))),
            Ok(None) if self.since.elapsed() >= shared.timeout => {
                Some(Err(shared.timed_out(&self.program)))
            }
            Ok(None) => None,
            Err(error) => {
                let text = format!("cannot wait for the command: {error}");
                Some(Err(DeliveryError::Retriable(text)))
            }
        }
    }
}

impl Shared {
    fn exited(&self, program: &str, status: ExitStatus) -> DeliveryError {
        let number = |number: Option<i32>| number.map_or("nil".to_owned(), |n| n.to_string());
        let (code, signal) = (number(status.code()), number(status.signal()));
        tracing::warn!(
            plugin_id = self.id.given(), prog = program, status = %code, signal = %signal,
            "command exits with error code"
        );
        DeliveryError::Reported(format!("the command ended with {status}"))
    }

    fn timed_out(&self, program: &str) -> DeliveryError {
        let timeout = self.timeout.as_secs_f64();
        tracing::warn!(
            plugin_id = self.id.given(),
            prog = program,
            timeout,
            "command does not end within command_timeout; it is killed"
        );
        DeliveryError::Reported(format!("the command did not end within {timeout} s"))
    }
}

/// Writes the bytes of a chunk to a file for the command alone.
fn temporary(chunk: ChunkId, bytes: &[u8]) -> Result<PathBuf, DeliveryError> {
    let path = std::env::temp_dir().join(format!("fluent-plugin-{}-{chunk}", std::process::id()));
    let written = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .open(&path)
        .and_then(|mut file| file.write_all(bytes));
    match written {
        Ok(()) => Ok(path),
        Err(error) => Err(DeliveryError::Retriable(format!(
            "cannot write {} for the command: {error}",
            path.display()
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::queued_chunks::chunks;

    /// Longest wait for something that must come.
    const PATIENCE: Duration = Duration::from_secs(20);

    fn sender(command: String, burst_interval: Duration) -> ExecSender {
        ExecSender {
            shared: Arc::new(Shared {
                id: PluginId {
                    text: "exec_1".into(),
                    is_given: false,
                },
                command,
                timeout: PATIENCE,
                burst_interval,
                zone: Zone::UTC,
            }),
            running: Vec::new(),
            bytes: Vec::new(),
        }
    }

    #[test]
    fn several_commands_are_at_work_where_they_take_longer_than_the_burst_interval() {
        let directory = tempfile::tempdir().unwrap();
        let go = directory.path().join("go");
        let wait = format!(
            "sh -c 'while ! test -e {}; do sleep 0.01; done'",
            go.display()
        );
        let mut sender = sender(wait, Duration::ZERO);
        let chunks = chunks(&["a", "b", "c"]);
        let mut settled = Vec::new();
        for (chunk, at_work) in chunks.iter().zip(1..) {
            assert_eq!(sender.window(), at_work);
            sender.begin(chunk, Instant::now()).unwrap();
            sender.wait(Duration::ZERO, &mut settled);
            assert_eq!((settled.len(), sender.running.len()), (0, at_work));
        }
        fs::write(&go, "").unwrap();
        let deadline = Instant::now() + PATIENCE;
        while settled.len() < chunks.len() {
            assert!(Instant::now() < deadline, "only {settled:?}");
            sender.wait(PATIENCE, &mut settled);
        }
        assert!(settled.iter().all(|settled| settled.outcome.is_ok()));
    }

    #[test]
    fn quick_commands_follow_one_another() {
        let mut sender = sender("true".into(), PATIENCE);
        let mut settled = Vec::new();
        for chunk in &chunks(&["a", "b"]) {
            assert_eq!(sender.window(), 1);
            sender.begin(chunk, Instant::now()).unwrap();
            // Not before it has ended.
            assert_eq!(sender.window(), 1);
            sender.wait(PATIENCE, &mut settled);
            assert_eq!(
                settled
                    .drain(..)
                    .map(|settled| settled.chunk)
                    .collect::<Vec<_>>(),
                [chunk.id()]
            );
        }
    }

    #[test]
    fn no_more_commands_are_at_work_than_the_limit() {
        let mut sender = sender("sleep 20; true".into(), Duration::ZERO);
        let tags: Vec<String> = (0..COMMANDS_MAX).map(|tag| tag.to_string()).collect();
        let tags: Vec<&str> = tags.iter().map(String::as_str).collect();
        for chunk in &chunks(&tags) {
            assert!(sender.window() > sender.running.len());
            sender.begin(chunk, Instant::now()).unwrap();
        }
        assert_eq!(sender.window(), COMMANDS_MAX);
    }
}
