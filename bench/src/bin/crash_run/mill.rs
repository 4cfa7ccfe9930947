//! The millruns that are killed.

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::arguments::{Arguments, Rotation};

/// How long a family may outlive its killed parent.
const ORPHANS_MAX: Duration = Duration::from_secs(10);

/// Which process of a millrun is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// The one that was started.
    Server,
    /// One of its children: worker or logger.
    Child(u64),
}

/// An agent or an aggregator.
pub(crate) struct Mill {
    directory: PathBuf,
    pub(crate) port: u16,
    child: Option<Child>,
}

impl Mill {
    pub(crate) fn agent(directory: &Path, ports: &[u16], arguments: &Arguments) -> Result<Self> {
        let server = |port: &u16| format!("<server>\n host 127.0.0.1\n port {port}\n</server>\n");
        let servers: String = ports.iter().map(server).collect();
        let root = directory.display();
        let path = match arguments.rotation {
            Rotation::Rename => format!("path {root}/in.log*\n follow_inodes true"),
            Rotation::Copytruncate => format!("path {root}/in.log"),
        };
        let second = match arguments.fans_out {
            false => String::new(),
            true => format!(
                "<store>\n @type file\n path {root}/agent/kept\n append true\n\
                 <format>\n @type single_value\n </format>\n\
                 <buffer []>\n @type file\n path {root}/agent/buffer_kept\n flush_mode interval\n\
                 flush_interval 0.3\n flush_thread_interval 0.05\n flush_thread_count 2\n\
                 retry_wait 0.1\n retry_max_interval 0.5\n chunk_limit_size 1m\n</buffer>\n</store>\n"
            ),
        };
        let conf = format!(
            "<system>\n root_dir {root}/agent/state\n</system>\n\
             <source>\n @type tail\n {path}\n pos_file {root}/agent/in.pos\n tag t\n\
             read_from_head true\n refresh_interval 1s\n <parse>\n @type none\n </parse>\n</source>\n\
             <match t>\n @type copy\n{second}<store>\n @type forward\n require_ack_response true\n ack_response_timeout 5\n\
             recover_wait 1\n keepalive true\n compress gzip\n{servers}\
             <buffer>\n @type file\n path {root}/agent/buffer\n flush_mode interval\n\
             flush_interval 0.2\n flush_thread_interval 0.05\n flush_thread_count 2\n\
             retry_wait 0.1\n retry_max_interval 0.5\n chunk_limit_size 256k\n</buffer>\n</store>\n</match>\n"
        );
        Self::new(directory.join("agent"), 0, &conf)
    }

    pub(crate) fn aggregator(directory: &Path, number: usize, workers: usize) -> Result<Self> {
        // Free now; nobody but us is expected to take it before it is used.
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let name = format!("aggregator{number}");
        let root = directory.join(&name);
        let root = root.display();
        let conf = format!(
            "<system>\n root_dir {root}/state\n workers {workers}\n</system>\n\
             <source>\n @type forward\n bind 127.0.0.1\n port {port}\n</source>\n\
             <match t>\n @type file\n path \"{root}/got.#{{worker_id}}\"\n append true\n\
             <format>\n @type single_value\n </format>\n\
             <buffer []>\n @type file\n path {root}/buffer\n flush_mode interval\n\
             flush_interval 0.2\n flush_thread_interval 0.05\n retry_wait 0.1\n\
             retry_max_interval 0.5\n</buffer>\n</match>\n"
        );
        Self::new(directory.join(name), port, &conf)
    }

    fn new(directory: PathBuf, port: u16, conf: &str) -> Result<Self> {
        fs::create_dir_all(&directory)?;
        fs::write(directory.join("f.conf"), conf)?;
        Ok(Self {
            directory,
            port,
            child: None,
        })
    }

    pub(crate) fn name(&self) -> &str {
        let name = self.directory.file_name().and_then(|name| name.to_str());
        name.unwrap_or_default()
    }

    pub(crate) fn start(&mut self) -> Result<()> {
        let beside = std::env::current_exe()?;
        let millrun = beside.with_file_name("millrun");
        let log = self.directory.join("mill.log");
        let log = File::options().create(true).append(true).open(log)?;
        let child = Command::new(&millrun)
            .arg("-c")
            .arg(self.directory.join("f.conf"))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("cannot start {}", millrun.display()))?;
        self.child = Some(child);
        Ok(())
    }

    /// Kills one of its processes; a killed server is started again. False when there was no such
    /// process at this moment.
    pub(crate) fn kill(&mut self, target: Target) -> Result<bool> {
        let Some(child) = &mut self.child else {
            bail!("it is not running");
        };
        if let Some(status) = child.try_wait()? {
            bail!(
                "{} ended by itself with {status}; see its log",
                self.directory.display()
            );
        }
        let server = child.id();
        let family = children(server);
        match target {
            Target::Child(number) => {
                let number = number.checked_rem(family.len() as u64).unwrap_or(0) as usize;
                let Some(victim) = family.get(number) else {
                    return Ok(false);
                };
                // It may have ended since.
                Ok(kill(Pid::from_raw(victim.cast_signed()), Signal::SIGKILL).is_ok())
            }
            Target::Server => {
                child.kill()?;
                child.wait()?;
                let deadline = Instant::now() + ORPHANS_MAX;
                while family.iter().any(|pid| is_alive(*pid)) {
                    if Instant::now() > deadline {
                        bail!(
                            "processes of {} outlived their server",
                            self.directory.display()
                        );
                    }
                    thread::sleep(Duration::from_millis(1));
                }
                self.start()?;
                Ok(true)
            }
        }
    }

    /// Whether nothing waits in its buffer.
    pub(crate) fn is_empty(&self) -> bool {
        !has_chunk(&self.directory)
    }

    /// How often a text stands in its log.
    pub(crate) fn said(&self, text: &str) -> usize {
        let log = fs::read(self.directory.join("mill.log")).unwrap_or_default();
        memchr::memmem::find_iter(&log, text).count()
    }

    /// Stops it in order.
    pub(crate) fn stop(&mut self) -> Result<()> {
        if let Some(mut child) = self.child.take() {
            kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGTERM)?;
            child.wait()?;
        }
        Ok(())
    }
}

impl Drop for Mill {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Whether a chunk lies anywhere below a directory.
fn has_chunk(directory: &Path) -> bool {
    let mut entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.any(|entry| {
        let name = entry.file_name();
        let is_chunk = name.to_str().is_some_and(|name| {
            name.starts_with("buffer") && (name.ends_with(".log") || name.ends_with(".meta"))
        });
        is_chunk || has_chunk(&entry.path())
    })
}

/// The files the mills wrote whose names begin so.
pub(crate) fn delivered(directory: &Path, prefix: &str) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let aggregator = entry?.path();
        if !aggregator.is_dir() {
            continue;
        }
        for file in fs::read_dir(aggregator)? {
            let file = file?;
            if file.file_name().to_string_lossy().starts_with(prefix) {
                found.push(file.path());
            }
        }
    }
    Ok(found)
}

/// What they hold, in bytes.
pub(crate) fn delivered_bytes(directory: &Path, prefix: &str) -> Result<u64> {
    let lengths = delivered(directory, prefix)?.into_iter().map(fs::metadata);
    Ok(lengths.sum::<std::io::Result<LengthSum>>()?.0)
}

struct LengthSum(u64);

impl std::iter::Sum<fs::Metadata> for LengthSum {
    fn sum<I: Iterator<Item = fs::Metadata>>(files: I) -> Self {
        Self(files.map(|file| file.len()).sum())
    }
}

/// The state and the parent of a process.
fn stat(pid: u32) -> Option<(char, u32)> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = text.rsplit_once(") ")?;
    let mut fields = fields.split(' ');
    let state = fields.next()?.chars().next()?;
    Some((state, fields.next()?.parse().ok()?))
}

fn is_alive(pid: u32) -> bool {
    stat(pid).is_some_and(|(state, _)| !matches!(state, 'Z' | 'X'))
}

fn children(parent: u32) -> Vec<u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| matches!(stat(*pid), Some((state, of)) if of == parent && state != 'Z'))
        .collect()
}
