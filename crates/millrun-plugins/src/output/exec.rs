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
//! made for the command. Each flush thread runs one command at a time, so that chunks keep their order.
//! At the end a running command is waited for: what it consumed is not delivered a second time by the next start.

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
    let output = Exec {
        shared: Arc::new(Shared {
            id: id.clone(),
            command: parameters.command,
            timeout: parameters.command_timeout,
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
    zone: Zone,
}

impl BufferedOutput for Exec {
    fn content(&self) -> Content<'_> {
        Content::Formatted(&self.formatter)
    }

    fn sender(&self) -> Box<dyn Sender> {
        Box::new(ExecSender {
            shared: Arc::clone(&self.shared),
            running: None,
            bytes: Vec::new(),
        })
    }

    fn is_synchronous(&self) -> bool {
        false
    }
}

struct ExecSender {
    shared: Arc<Shared>,
    running: Option<Running>,
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
        self.running = Some(Running {
            chunk: chunk.id(),
            program,
            child,
            since: now,
            file,
        });
        Ok(Progress::UnderWay)
    }

    fn wait(&mut self, timeout: Duration, settled: &mut Vec<Settled>) {
        let deadline = Instant::now() + timeout;
        let Some(running) = &mut self.running else {
            return;
        };
        let outcome = loop {
            match running.child.try_wait() {
                Ok(Some(status)) if status.success() => break Ok(()),
                Ok(Some(status)) => break Err(self.shared.exited(&running.program, status)),
                Ok(None) if running.since.elapsed() >= self.shared.timeout => {
                    break Err(self.shared.timed_out(&running.program));
                }
                Ok(None) => {}
                Err(error) => {
                    let text = format!("cannot wait for the command: {error}");
                    break Err(DeliveryError::Retriable(text));
                }
            }
            if Instant::now() >= deadline {
                return;
            }
            std::thread::sleep(POLL);
        };
        let chunk = running.chunk;
        self.running = None;
        settled.push(Settled { chunk, outcome });
    }

    fn commit_timeout(&self, _: Duration) -> Duration {
        self.shared.timeout + COMMIT_SLACK
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
