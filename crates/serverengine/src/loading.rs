//! Loading the configuration anew, where it can hold nobody up.
//!
//! ```text
//!   control loop ──fork──► helper: calls the callback, writes what may change into shared memory, ends
//!        │                    │
//!        └── epoll ◄── the end of a pipe        or the deadline: it is killed
//! ```
//!
//! Where workers are threads a fork is not possible: there the helper is a thread, which at the deadline
//! is given up rather than killed, and no other one is started while it lives.
//!
//! What was loaded less than [`FRESH_MAX`] ago from a file that has not changed since is not loaded again.

use std::fs;
use std::fs::File;
use std::io::{self, PipeReader, PipeWriter, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use crate::config::{Config, ConfigSource, reload};
use crate::control::panicked;
use crate::published::Published;
use crate::sys;

/// How long an unchanged file is not looked into again.
const FRESH_MAX: Duration = Duration::from_secs(5);

/// A file that was changed this shortly before it was read may have been changed again in the same tick
/// of the file system's clock.
const TICK_MAX: Duration = Duration::from_millis(50);

/// First byte of an answer.
const LOADED: u8 = b'+';
const FAILED: u8 = b'-';

/// Where a control process gets its configuration from, and what it has of it.
pub(crate) struct Loader {
    source: Arc<ConfigSource>,
    pub(crate) config: Config,
    loaded: Option<Loaded>,
}

struct Loaded {
    at: Instant,
    stamp: Stamp,
}

/// What changes with a file.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Stamp {
    inode: u64,
    device: u64,
    length: u64,
    modified: SystemTime,
}

impl Stamp {
    /// Returns nothing for a file that may be changed again without a trace.
    fn of(path: &Path) -> Option<Self> {
        let metadata = fs::metadata(path).ok()?;
        let modified = metadata.modified().ok()?;
        let age = SystemTime::now().duration_since(modified).ok()?;
        (age > TICK_MAX).then_some(Self {
            inode: metadata.ino(),
            device: metadata.dev(),
            length: metadata.len(),
            modified,
        })
    }
}

impl Loader {
    /// Loads the configuration for the first time, in this process.
    pub(crate) fn first(mut source: ConfigSource) -> Result<Self, String> {
        let stamp = source.file().and_then(Stamp::of);
        let config = source.first().map_err(|error| error.to_string())?;
        let mut loader = Self {
            source: Arc::new(source),
            config,
            loaded: None,
        };
        loader.note(stamp);
        Ok(loader)
    }

    /// Returns whether a reload has anything to load.
    pub(crate) fn can_load(&self) -> bool {
        self.source.is_callback()
    }

    /// Returns whether what was loaded last is as good as new.
    pub(crate) fn is_fresh(&self) -> bool {
        self.loaded.as_ref().is_some_and(|it| {
            it.at.elapsed() < FRESH_MAX
                && self.source.file().and_then(Stamp::of).as_ref() == Some(&it.stamp)
        })
    }

    /// Notes that the file was loaded as it was then.
    pub(crate) fn note(&mut self, stamp: Option<Stamp>) {
        self.loaded = stamp.map(|stamp| Loaded {
            at: Instant::now(),
            stamp,
        });
    }

    /// Makes a task for a helper, and what remains here of it.
    pub(crate) fn task(&self) -> io::Result<(Task, Loading)> {
        let (end, running) = io::pipe()?;
        let answer = File::from(sys::memory_file()?);
        let loading = Loading {
            end,
            answer: answer.try_clone()?.into(),
            helper: None,
            limit: self.config.config_load_timeout,
            stamp: self.source.file().and_then(Stamp::of),
        };
        let task = Task {
            source: Arc::clone(&self.source),
            before: self.config.clone(),
            answer,
            _running: running,
        };
        Ok((task, loading))
    }
}

/// What a helper does.
pub(crate) struct Task {
    source: Arc<ConfigSource>,
    before: Config,
    answer: File,
    /// Its end says that the answer is there.
    _running: PipeWriter,
}

impl Task {
    /// Does it on a thread of this process.
    pub(crate) fn run_on_thread(self) -> io::Result<()> {
        let name = "serverengine-loader".to_owned();
        thread::Builder::new().name(name).spawn(|| self.run())?;
        Ok(())
    }

    /// Does it here.
    pub(crate) fn run(mut self) {
        let loaded = catch_unwind(AssertUnwindSafe(|| self.source.load()));
        let (word, text) = match loaded {
            Ok(Ok(config)) => match config.check() {
                Ok(()) => (LOADED, reload::write(&config, &self.before)),
                Err(text) => (FAILED, text),
            },
            Ok(Err(error)) => (FAILED, error.to_string()),
            Err(panic) => (FAILED, panicked("the configuration callback", &*panic)),
        };
        // Without an answer it failed, and whoever waits says so.
        let _ = self
            .answer
            .write_all(&[word])
            .and_then(|()| self.answer.write_all(text.as_bytes()));
    }
}

/// A load that is under way.
pub(crate) struct Loading {
    end: PipeReader,
    answer: OwnedFd,
    /// The process, unless it is a thread.
    pub(crate) helper: Option<i32>,
    pub(crate) limit: Duration,
    stamp: Option<Stamp>,
}

impl AsFd for Loading {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.end.as_fd()
    }
}

impl Loading {
    /// Takes the answer of a helper that has ended.
    pub(crate) fn finish(self) -> Result<(String, Option<Stamp>), String> {
        let answer = Published::receive(0, self.answer).map_err(|error| error.to_string())?;
        let text = answer.text.unwrap_or_default();
        match text.as_bytes().first() {
            Some(&LOADED) => Ok((text.get(1..).unwrap_or_default().to_owned(), self.stamp)),
            Some(&FAILED) => Err(text.get(1..).unwrap_or_default().to_owned()),
            _ => Err("the process that loaded it died".to_owned()),
        }
    }

    /// Ends a helper that takes too long. Says what became of it.
    pub(crate) fn give_up(self) -> String {
        let limit = self.limit;
        format!("it was not loaded within {limit:?} (config_load_timeout)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(source: ConfigSource) -> Result<String, String> {
        let loader = Loader {
            source: Arc::new(source),
            config: Config::default(),
            loaded: None,
        };
        let (task, loading) = loader.task().unwrap();
        task.run_on_thread().unwrap();
        sys::poll_readable([loading.as_fd()], None).unwrap();
        loading.finish().map(|(text, _)| text)
    }

    #[test]
    fn a_callback_that_fails_or_panics_says_why() {
        let workers = |workers| {
            move || {
                let config = Config {
                    workers,
                    ..Config::default()
                };
                Ok::<_, crate::BoxError>(config)
            }
        };
        let text = answer(workers(3).into()).unwrap();
        let changed = reload::read(&text, &Config::default()).unwrap();
        assert_eq!(changed.config.workers, 3);
        assert_eq!(
            answer(workers(0).into()).unwrap_err(),
            "workers must be 1 to 4096, but is 0"
        );
        let fails = || Err::<Config, _>("no such file");
        assert_eq!(answer(fails.into()).unwrap_err(), "no such file");
        let panics = || -> Result<Config, crate::BoxError> { panic!("on purpose") };
        assert_eq!(
            answer(panics.into()).unwrap_err(),
            "the configuration callback panicked: on purpose"
        );
    }

    #[test]
    fn an_unchanged_file_is_not_loaded_again_for_a_while() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let source = || {
            let load = || Ok::<_, crate::BoxError>(Config::default());
            ConfigSource::from(load).watching(file.path())
        };
        assert!(
            !Loader::first(source()).unwrap().is_fresh(),
            "written a moment ago: it may change in the same tick"
        );
        let long_ago = SystemTime::now() - Duration::from_secs(60);
        file.as_file().set_modified(long_ago).unwrap();
        let mut loader = Loader::first(source()).unwrap();
        assert!(loader.is_fresh());
        file.as_file()
            .set_modified(long_ago + Duration::from_secs(1))
            .unwrap();
        assert!(!loader.is_fresh(), "changed");
        file.as_file().set_modified(long_ago).unwrap();
        assert!(loader.is_fresh());
        if let Some(loaded) = &mut loader.loaded {
            loaded.at = loaded.at.checked_sub(FRESH_MAX).unwrap();
        }
        assert!(!loader.is_fresh(), "too long ago");
    }
}
