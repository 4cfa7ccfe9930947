//! The dump of a control process: put together in the loop, written to its file by a helper.
//!
//! What the loop does takes no longer than reading /proc. The file may be on a disk that hangs, and a heap
//! profile may be long: both are the helper's. Where workers are threads no process can be forked, and a
//! thread writes.

use std::io::{self, PipeReader, Read, Write};
use std::os::fd::AsFd;
use std::time::Duration;

use crate::core::Monotonic;
use crate::log::Level;

use super::child::Child;
use super::{Control, Kind, Role, Source};

/// How long the file may take.
const WRITING_MAX: Duration = Duration::from_secs(30);

/// Longest answer of a helper that is read, in bytes.
const ANSWER_LEN_MAX: u64 = 8 * 1024;

/// First byte of an answer.
const WRITTEN: u8 = b'+';
const FAILED: u8 = b'-';

/// A dump that is being written.
pub(super) struct Dumping {
    /// Its end says that the helper has ended.
    answer: PipeReader,
    helper: i32,
    deadline: Monotonic,
}

impl Dumping {
    pub(super) fn deadline(&self) -> Monotonic {
        self.deadline
    }
}

impl<R: Role> Control<R> {
    /// Says what this process is doing: what it knows of its children in the log, everything in a file.
    pub(super) fn dump(&mut self) {
        let mut lines = vec![format!("up for {:?}", self.started.elapsed())];
        for (number, slot) in self.state.slots.iter().enumerate() {
            let child = slot
                .life()
                .and_then(|life| self.children.get(&life.generation));
            let name = child.map_or_else(|| "-".to_owned(), Child::name);
            lines.push(format!(
                "{} {number} {name}{} failures {} {:?}",
                self.state.policy.noun,
                child.map_or_else(String::new, |it| self.config_of(it)),
                slot.failures,
                slot.phase()
            ));
        }
        lines.extend(self.reserve.describe());
        for line in &lines {
            self.logging.log.log(Level::Info, &format!("dump: {line}"));
        }
        if self.role.kind() == Kind::Thread {
            return self.dump_rules.write_aside(&self.logging.log, lines);
        }
        if self.dumping.is_some() {
            let text = "dump: not written, the last one is still being written";
            return self.logging.log.log(Level::Warn, text);
        }
        if let Err(error) = self.begin_dump(&lines) {
            self.dump_is_done(Err(error.to_string()));
        }
    }

    fn begin_dump(&mut self, lines: &[String]) -> io::Result<()> {
        let Some(report) = self.dump_rules.compose(&*self.logging.log, lines) else {
            return Ok(());
        };
        let (answer, mut said) = io::pipe()?;
        let helper = self.fork_helper(move || {
            let (word, text) = match report.save() {
                Ok(path) => (WRITTEN, path.display().to_string()),
                Err(error) => (FAILED, error.to_string()),
            };
            // Without an answer it failed, and whoever waits says so.
            let _ = said.write_all(&[&[word], text.as_bytes()].concat());
        })?;
        if let Err(error) = self.poller.add(answer.as_fd(), Source::Dump) {
            self.end_helper(helper);
            return Err(error);
        }
        self.dumping = Some(Dumping {
            answer,
            helper,
            deadline: self.now().saturating_add(WRITING_MAX),
        });
        Ok(())
    }

    /// The helper has answered, or ended.
    pub(super) fn dump_was_written(&mut self) {
        let Some(dumping) = self.end_dumping() else {
            return;
        };
        let mut answer = String::new();
        // What is not text, or not all of it, counts as no answer.
        let _ = (&dumping.answer)
            .take(ANSWER_LEN_MAX)
            .read_to_string(&mut answer);
        let text = answer.get(1..).unwrap_or_default().to_owned();
        self.dump_is_done(match answer.as_bytes().first() {
            Some(&WRITTEN) => Ok(text),
            Some(&FAILED) => Err(text),
            _ => Err("the process that wrote it died".to_owned()),
        });
    }

    /// Gives a helper up that takes too long.
    pub(super) fn give_up_dumping(&mut self, now: Monotonic) {
        let is_late = |it: &Dumping| it.deadline <= now;
        if !self.dumping.as_ref().is_some_and(is_late) {
            return;
        }
        if self.end_dumping().is_some() {
            self.dump_is_done(Err(format!("it was not written within {WRITING_MAX:?}")));
        }
    }

    fn end_dumping(&mut self) -> Option<Dumping> {
        let dumping = self.dumping.take()?;
        self.poller.remove(dumping.answer.as_fd());
        self.end_helper(dumping.helper);
        Some(dumping)
    }

    fn dump_is_done(&self, outcome: Result<String, String>) {
        let (level, text) = match outcome {
            Ok(path) => (Level::Info, format!("dump: written to {path}")),
            Err(error) => (Level::Error, format!("dump: cannot be written: {error}")),
        };
        self.logging.log.log(level, &text);
    }
}
