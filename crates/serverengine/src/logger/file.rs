//! The log file: appended to, rotated, found again when somebody moved it.
//!
//! Rotation holds an exclusive lock on the file and looks whether it still has its name, so two servers
//! with one log file rotate it once. Whether others moved it is looked at once a second at most, and only
//! when there is something to write.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::format::{LocalTime, header};
use super::rotation::{Rotation, shifts};

/// Least time between two looks at who has the file's name.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// How many files of one day can be put aside.
const SAME_NAME_MAX: u32 = 1000;

/// A file that lines are appended to.
#[derive(Debug)]
pub(super) struct LogFile {
    path: PathBuf,
    rotation: Rotation,
    file: File,
    size: u64,
    /// The period of what is in the file, if periods matter.
    period: Option<u64>,
    looked: Instant,
    /// Whether a line was begun that the disk had no room for the rest of.
    torn: bool,
}

/// What went wrong with lines.
#[derive(Debug)]
pub(super) enum Trouble {
    /// They, or some of them, are not in the file.
    NotWritten(io::Error),
    /// They are; only in the old file.
    NotRotated(io::Error),
}

impl LogFile {
    pub(super) fn open(path: &Path, rotation: Rotation, time: LocalTime) -> io::Result<Self> {
        let file = append_to(path, time)?;
        let metadata = file.metadata()?;
        let changed = LocalTime {
            since_epoch: Duration::from_secs(metadata.mtime().unsigned_abs()),
            ..time
        };
        let period = match rotation {
            Rotation::Period(period) => Some(period.number(changed)),
            Rotation::Never | Rotation::Size { .. } => None,
        };
        Ok(Self {
            path: path.to_owned(),
            rotation,
            size: metadata.len(),
            file,
            period,
            looked: Instant::now(),
            torn: false,
        })
    }

    /// Appends whole lines, and rotates before them if they call for it. A rotation that fails is no
    /// reason not to write them; nor is a path that cannot be opened anew.
    pub(super) fn append(&mut self, lines: &[u8], time: LocalTime) -> Result<(), Trouble> {
        let mut kept = Ok(());
        if self.looked.elapsed() >= LOOK_INTERVAL {
            self.looked = Instant::now();
            if !self.has_its_name() {
                kept = self.reopen(time);
            }
        }
        if self.is_due(lines.len(), time) {
            kept = self.rotate(time);
        }
        self.write(lines).map_err(Trouble::NotWritten)?;
        kept.map_err(Trouble::NotRotated)
    }

    /// Writes all, or says why not. Then a line may have been begun: what is written next does not
    /// continue it.
    fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        if self.torn {
            self.file.write_all(b"\n")?;
            self.torn = false;
        }
        let mut left = lines;
        while !left.is_empty() {
            match self.file.write(left) {
                Ok(count) => {
                    self.size = self.size.saturating_add(count as u64);
                    left = left.get(count..).unwrap_or_default();
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.torn = left.len() < lines.len();
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// Opens the path anew.
    pub(super) fn reopen(&mut self, time: LocalTime) -> io::Result<()> {
        *self = Self::open(&self.path, self.rotation, time)?;
        Ok(())
    }

    fn is_due(&mut self, length: usize, time: LocalTime) -> bool {
        match self.rotation {
            Rotation::Never => false,
            Rotation::Size { bytes, .. } => {
                self.size > 0 && self.size.saturating_add(length as u64) > bytes
            }
            Rotation::Period(period) => self.period.is_some_and(|it| it < period.number(time)),
        }
    }

    fn has_its_name(&self) -> bool {
        // Without a name the file is still the right place, but nobody can read it there.
        let (Ok(named), Ok(open)) = (fs::metadata(&self.path), self.file.metadata()) else {
            return false;
        };
        named.ino() == open.ino() && named.dev() == open.dev()
    }

    fn rotate(&mut self, time: LocalTime) -> io::Result<()> {
        self.file.lock()?;
        let rotated = self.rotate_locked(time);
        if rotated.is_err() {
            // Otherwise the lock has gone with the old file.
            let _ = self.file.unlock();
        }
        rotated
    }

    fn rotate_locked(&mut self, time: LocalTime) -> io::Result<()> {
        // If not, another process has rotated already.
        if self.has_its_name() {
            match self.rotation {
                Rotation::Never => {}
                Rotation::Size { keep, .. } => {
                    // Those above the first gap stay where they are: with many to keep, most names are
                    // not taken, and each would cost a system call.
                    let there = |number: &u32| fs::symlink_metadata(self.named(number)).is_ok();
                    let taken = (0..keep.max(2) - 2).take_while(there).count();
                    let taken = u32::try_from(taken).unwrap_or(keep);
                    for (from, to) in shifts(taken + 2) {
                        let from = from.map_or_else(|| self.path.clone(), |it| self.named(it));
                        match fs::rename(from, self.named(to)) {
                            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                                return Err(error);
                            }
                            Ok(()) | Err(_) => {}
                        }
                    }
                }
                Rotation::Period(period) => {
                    let suffix = period.suffix(time);
                    let plain = self.named(&suffix);
                    let numbered =
                        (1..SAME_NAME_MAX).map(|it| self.named(format!("{suffix}.{it}")));
                    let free = std::iter::once(plain)
                        .chain(numbered)
                        .find(|name| fs::symlink_metadata(name).is_err());
                    fs::rename(&self.path, free.ok_or(io::ErrorKind::AlreadyExists)?)?;
                }
            }
        }
        self.file = append_to(&self.path, time)?;
        self.size = self.file.metadata()?.len();
        if let Rotation::Period(period) = self.rotation {
            self.period = Some(period.number(time));
        }
        Ok(())
    }

    fn named(&self, suffix: impl std::fmt::Display) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(format!(".{suffix}"));
        name.into()
    }
}

fn append_to(path: &Path, time: LocalTime) -> io::Result<File> {
    match File::options().append(true).create_new(true).open(path) {
        Ok(mut file) => {
            file.write_all(header(time).as_bytes())?;
            Ok(file)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            File::options().append(true).create(true).open(path)
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::super::rotation::Period;
    use super::*;

    const NOON: LocalTime = LocalTime {
        since_epoch: Duration::from_secs(20_778 * 86_400 + 43_200),
        offset_seconds: 0,
    };

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|it| it.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn by_size_no_line_is_lost_until_the_oldest_file_goes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let rotation = Rotation::Size {
            bytes: 200,
            keep: 3,
        };
        let mut file = LogFile::open(&path, rotation, NOON).unwrap();
        for number in 0..30 {
            file.append(format!("line {number:010}\n").as_bytes(), NOON)
                .unwrap();
        }
        assert_eq!(names(folder.path()), ["log", "log.0", "log.1"]);
        let text: String = ["log.1", "log.0", "log"]
            .map(|name| fs::read_to_string(folder.path().join(name)).unwrap())
            .concat();
        let numbers: Vec<u32> = text
            .lines()
            .filter_map(|line| line.strip_prefix("line ")?.parse().ok())
            .collect();
        let first = numbers[0];
        assert!(first > 0, "the oldest were removed");
        assert_eq!(numbers, (first..30).collect::<Vec<_>>());
        for name in names(folder.path()) {
            assert!(fs::metadata(folder.path().join(name)).unwrap().len() <= 200);
        }
    }

    #[test]
    fn by_day_the_old_file_is_named_after_its_day() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let rotation = Rotation::Period(Period::Daily);
        fs::write(folder.path().join("log.20261121"), "taken").unwrap();
        let mut file = LogFile::open(&path, rotation, NOON).unwrap();
        file.period = Some(Period::Daily.number(NOON));
        file.append(b"today\n", NOON).unwrap();
        let tomorrow = LocalTime {
            since_epoch: NOON.since_epoch + Duration::from_secs(86_400),
            ..NOON
        };
        file.append(b"tomorrow\n", tomorrow).unwrap();
        assert_eq!(
            names(folder.path()),
            ["log", "log.20261121", "log.20261121.1"]
        );
        let text = fs::read_to_string(folder.path().join("log.20261121.1")).unwrap();
        assert!(text.ends_with("today\n"));
        // A clock that is set back rotates nothing.
        file.append(b"again\n", NOON).unwrap();
        assert_eq!(names(folder.path()).len(), 3);
    }

    #[test]
    fn b21_a_file_that_others_moved_is_noticed_within_a_second() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut file = LogFile::open(&path, Rotation::Never, NOON).unwrap();
        fs::rename(&path, folder.path().join("moved")).unwrap();
        file.append(b"one\n", NOON).unwrap();
        assert!(!path.exists(), "no look so soon");
        file.looked = Instant::now().checked_sub(LOOK_INTERVAL).unwrap();
        file.append(b"two\n", NOON).unwrap();
        assert!(fs::read_to_string(&path).unwrap().ends_with("two\n"));
    }

    #[test]
    fn a_rotation_that_fails_costs_no_line_and_keeps_no_lock() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let rotation = Rotation::Size { bytes: 10, keep: 3 };
        let mut file = LogFile::open(&path, rotation, NOON).unwrap();
        // No file can be renamed onto a folder.
        fs::write(folder.path().join("log.0"), "older\n").unwrap();
        fs::create_dir(folder.path().join("log.1")).unwrap();
        let trouble = file.append(b"a line\n", NOON).unwrap_err();
        assert!(matches!(trouble, Trouble::NotRotated(_)), "{trouble:?}");
        assert!(fs::read_to_string(&path).unwrap().ends_with("a line\n"));
        File::open(&path).unwrap().try_lock().unwrap();
        fs::remove_dir(folder.path().join("log.1")).unwrap();
        file.append(b"another\n", NOON).unwrap();
        assert!(folder.path().join("log.1").is_file());
    }

    #[test]
    fn two_servers_with_one_file_rotate_it_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let rotation = Rotation::Size {
            bytes: 150,
            keep: 9,
        };
        let mut left = LogFile::open(&path, rotation, NOON).unwrap();
        let mut right = LogFile::open(&path, rotation, NOON).unwrap();
        let line = [b'x'; 60];
        left.append(&line, NOON).unwrap();
        right.append(&line, NOON).unwrap();
        left.append(&line, NOON).unwrap();
        right.append(&line, NOON).unwrap();
        assert_eq!(names(folder.path()), ["log", "log.0"]);
    }
}
