//! The dump: what a process is doing, for a person to read, in a private file.
//!
//! ```text
//! Sigdump at 2026-11-21T01:02:13.030487+01:00 process 24557 (subject worker 0)
//!   Engine:        what the caller knows of itself
//!   Threads:       number, name, state, where in the kernel it waits, and its backtrace
//!   Memory:        sizes, as the kernel counts them
//!   Allocator:     sizes, as the allocator counts them, and free or used blocks by size
//!   Descriptors:   number and target
//! ```
//!
//! What each section says is in the file of that name. A process writes one dump at a time and no more than
//! one a second; a text that is too long is cut. In a control process the dump is put together by its one
//! thread, between two looks at its children, and written by a helper process, so that no disk holds the
//! loop up; in a worker both are done by a thread of its own, which depends on no hook of the user's.

mod allocator;
mod descriptors;
mod file;
mod memory;
mod proc;
mod stacks;
mod threads;

use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::config::Config;
use crate::log::{Level, Log};
use crate::logger::{LineFormat, LocalTime};

pub use allocator::{Allocator, SystemAllocator};

/// Longest text of one section's line, in bytes.
const LINE_LEN_MAX: usize = 512;

/// Longest text of one dump, in bytes. What is longer is cut.
const DUMP_LEN_MAX: usize = 4 * 1024 * 1024;

/// Least time between two dumps of a process.
const INTERVAL_MIN: Duration = Duration::from_secs(1);

/// Whether and where dumps are written.
#[derive(Clone)]
pub(crate) struct DumpRules {
    enabled: bool,
    folder: Option<PathBuf>,
    allocator: Arc<dyn Allocator>,
    /// When the last one was begun.
    last: Arc<Mutex<Option<Instant>>>,
}

impl DumpRules {
    pub(crate) fn of(config: &Config) -> Self {
        Self {
            enabled: !config.disable_sigdump,
            folder: config.sigdump_folder.clone(),
            allocator: Arc::clone(&config.allocator),
            last: Arc::default(),
        }
    }

    /// Puts the dump of this process together: everything but the heap profile. Returns nothing, and says so in
    /// the log where it should, when none is wanted now.
    pub(crate) fn compose(&self, log: &dyn Log, engine: &[String]) -> Option<Report> {
        if !self.enabled {
            return None;
        }
        // One that is being put together holds others up here: no two in one second.
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.is_some_and(|it| it.elapsed() < INTERVAL_MIN) {
            let text = "dump: not written, the last one was less than a second ago";
            log.log(Level::Warn, text);
            return None;
        }
        *last = Some(Instant::now());
        let (folder, allocator) = (self.folder.as_deref(), Arc::clone(&self.allocator));
        Some(Report::of_this_process(folder, allocator, engine))
    }

    /// Writes the dump of this process, and says where in the log.
    pub(crate) fn write(&self, log: &dyn Log, engine: &[String]) {
        match self.compose(log, engine).map(|report| report.save()) {
            None => {}
            Some(Ok(path)) => log.log(Level::Info, &format!("dump: written to {}", path.display())),
            Some(Err(error)) => {
                log.log(Level::Error, &format!("dump: cannot be written: {error}"));
            }
        }
    }

    /// Does the same on a thread of its own.
    pub(crate) fn write_aside(&self, log: &Arc<dyn Log>, engine: Vec<String>) {
        let (rules, own_log) = (self.clone(), Arc::clone(log));
        let started = std::thread::Builder::new()
            .name("serverengine-dump".to_owned())
            .spawn(move || rules.write(&*own_log, &engine));
        if let Err(error) = started {
            let text = format!("dump: cannot be written: no thread: {error}");
            log.log(Level::Error, &text);
        }
    }
}

/// A dump that was put together and not written.
pub(crate) struct Report {
    pid: u32,
    folder: PathBuf,
    allocator: Arc<dyn Allocator>,
    /// Up to where the heap profile is named.
    head: String,
    tail: String,
}

impl Report {
    fn of_this_process(
        folder: Option<&Path>,
        allocator: Arc<dyn Allocator>,
        engine: &[String],
    ) -> Self {
        let pid = std::process::id();
        let mut head = String::new();
        let title = proc::read("/proc/self/cmdline").replace('\0', " ");
        let time = crate::logger::moment(LineFormat::Json, LocalTime::now());
        // Writing to a string does not fail.
        let _ = writeln!(head, "Sigdump at {time} process {pid} ({})", title.trim());
        section(&mut head, "Engine", engine.iter().cloned());
        section(&mut head, "Threads", threads::describe());
        section(&mut head, "Memory", memory::describe());
        section(&mut head, "Allocator", allocator.statistics());
        let mut tail = String::new();
        section(&mut tail, "Descriptors", descriptors::describe());
        Self {
            pid,
            folder: file::folder(folder),
            allocator,
            head,
            tail,
        }
    }

    /// Writes it, and the heap profile beside it. Returns the file's path. May be called in a process that was
    /// forked from the one that it is about.
    ///
    /// # Errors
    ///
    /// The file cannot be written, or somebody else's is in its place.
    pub(crate) fn save(&self) -> io::Result<PathBuf> {
        let path = self.folder.join(format!("sigdump-{}.log", self.pid));
        let mut text = self.head.clone();
        lines(&mut text, self.profile());
        text.push_str(&self.tail);
        if text.len() > DUMP_LEN_MAX {
            text.truncate(text.floor_char_boundary(DUMP_LEN_MAX));
            text.push_str("\n  (cut here)\n");
        }
        text.push('\n');
        file::open(&path)?.write_all(text.as_bytes())?;
        Ok(path)
    }

    /// Has the allocator write its profile beside the dump. Returns what to say of it.
    fn profile(&self) -> Option<String> {
        if !self.allocator.has_heap_profile() {
            return None;
        }
        let path = self.folder.join(format!("sigdump-{}.heap", self.pid));
        let written = file::create(&path).and_then(|file| self.allocator.write_heap_profile(&file));
        Some(match written {
            Ok(()) => format!("heap profile in {}", path.display()),
            Err(error) => format!("no heap profile: {}: {error}", path.display()),
        })
    }
}

fn section(text: &mut String, name: &str, content: impl IntoIterator<Item = String>) {
    let _ = writeln!(text, "  {name}:");
    lines(text, content);
}

fn lines(text: &mut String, content: impl IntoIterator<Item = String>) {
    for line in content {
        let end = line.floor_char_boundary(LINE_LEN_MAX);
        let _ = writeln!(text, "    {}", line.get(..end).unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn it_names_threads_memory_and_descriptors() {
        let folder = tempfile::tempdir().unwrap();
        let engine = ["one".to_owned(), "two".to_owned()];
        let write = |engine: &[String]| {
            Report::of_this_process(Some(folder.path()), Arc::new(SystemAllocator), engine).save()
        };
        let path = write(&engine).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("Sigdump at 20"), "{text}");
        for part in [
            "  Engine:\n    one\n    two\n",
            "(system call ",
            "VmRSS ",
            "\n    0 ",
            "in use",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        let own = format!("\n    {} ", std::process::id());
        assert!(text.contains(&own), "the main thread: {text}");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        write(&[]).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text.matches("Sigdump at").count(), 2, "appended");
    }

    #[test]
    fn a_second_dump_within_a_second_is_refused_and_a_heap_profile_is_private() {
        struct Profiler;
        impl Allocator for Profiler {
            fn statistics(&self) -> Vec<String> {
                vec!["of my own".to_owned()]
            }
            fn has_heap_profile(&self) -> bool {
                true
            }
            fn write_heap_profile(&self, mut file: &fs::File) -> io::Result<()> {
                file.write_all(b"profile")
            }
        }
        let folder = tempfile::tempdir().unwrap();
        let rules = DumpRules::of(&Config {
            sigdump_folder: Some(folder.path().to_owned()),
            allocator: Arc::new(Profiler),
            ..Config::default()
        });
        let said = Mutex::new(Vec::new());
        let log = |_: Level, text: &str| said.lock().unwrap().push(text.to_owned());
        rules.write(&log, &[]);
        rules.write(&log, &[]);
        let said = said.lock().unwrap();
        assert!(said[0].starts_with("dump: written to "), "{said:?}");
        assert_eq!(
            said[1],
            "dump: not written, the last one was less than a second ago"
        );
        let pid = std::process::id();
        let heap = folder.path().join(format!("sigdump-{pid}.heap"));
        assert_eq!(fs::read(&heap).unwrap(), b"profile");
        assert_eq!(fs::metadata(&heap).unwrap().mode() & 0o777, 0o600);
        let dump = folder.path().join(format!("sigdump-{pid}.log"));
        let text = fs::read_to_string(dump).unwrap();
        let expected = format!(
            "  Allocator:\n    of my own\n    heap profile in {}\n",
            heap.display()
        );
        assert!(text.contains(&expected), "{text}");
    }
}
