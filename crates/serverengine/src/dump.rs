//! The dump: what a process is doing, for a person to read, in a private file.
//!
//! ```text
//! Sigdump at 2026-11-21T01:02:13.030487+01:00 process 24557 (subject worker 0)
//!   Engine:        what the caller knows of itself
//!   Threads:       number, name, state, and where in the kernel it waits
//!   Memory:        sizes, as the kernel counts them
//!   Descriptors:   number and target
//! ```
//!
//! The file is `sigdump-<pid>.log` in the folder of the configuration, or else in the service's or the
//! user's runtime folder, or the folder for temporary files. It is appended to, belongs to the process's
//! user and is readable by nobody else; a link or a file of somebody else in its place is refused.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::config::Config;
use crate::log::{Level, Log};
use crate::logger::{LineFormat, LocalTime};

/// Longest text of one section's line, in bytes.
const LINE_LEN_MAX: usize = 512;

/// How much a dump file may grow to. What is asked for beyond that is refused.
const FILE_LEN_MAX: u64 = 64 * 1024 * 1024;

/// Where folders for dumps are named, the best one first.
const FOLDER_VARIABLES: [&str; 2] = ["RUNTIME_DIRECTORY", "XDG_RUNTIME_DIR"];

/// Whether and where dumps are written.
#[derive(Clone, Debug)]
pub(crate) struct DumpRules {
    pub(crate) enabled: bool,
    pub(crate) folder: Option<PathBuf>,
}

impl DumpRules {
    pub(crate) fn of(config: &Config) -> Self {
        Self {
            enabled: !config.disable_sigdump,
            folder: config.sigdump_folder.clone(),
        }
    }

    /// Writes the dump of this process, and says where in the log.
    pub(crate) fn write(&self, log: &dyn Log, engine: &[String]) {
        if !self.enabled {
            return;
        }
        match write(self.folder.as_deref(), engine) {
            Ok(path) => log.log(Level::Info, &format!("dump: written to {}", path.display())),
            Err(error) => log.log(Level::Error, &format!("dump: cannot be written: {error}")),
        }
    }
}

/// Writes the dump of this process. Returns the file's path.
pub(crate) fn write(folder: Option<&Path>, engine: &[String]) -> io::Result<PathBuf> {
    let pid = std::process::id();
    let path = folder_of(folder).join(format!("sigdump-{pid}.log"));
    let text = compose(engine, LocalTime::now(), pid);
    let mut file = open(&path)?;
    file.write_all(text.as_bytes())?;
    Ok(path)
}

fn folder_of(folder: Option<&Path>) -> PathBuf {
    if let Some(folder) = folder {
        return folder.to_owned();
    }
    let named = FOLDER_VARIABLES.iter().filter_map(std::env::var_os);
    let mut usable = named.map(PathBuf::from).filter(|it| it.is_dir());
    usable.next().unwrap_or_else(std::env::temp_dir)
}

fn open(path: &Path) -> io::Result<File> {
    let file = File::options()
        .append(true)
        .create(true)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
        .open(path)?;
    let found = file.metadata()?;
    let refuse = |what: &str| Err(io::Error::new(io::ErrorKind::PermissionDenied, what));
    if !found.is_file() || found.nlink() != 1 {
        return refuse("there is something else in the place of the dump file");
    }
    if found.uid() != crate::sys::user_ids()?[1] || found.mode() & 0o077 != 0 {
        return refuse("the dump file is not private");
    }
    if found.len() > FILE_LEN_MAX {
        return refuse("the dump file is full; remove it");
    }
    Ok(file)
}

fn compose(engine: &[String], time: LocalTime, pid: u32) -> String {
    let mut text = String::new();
    let title = read("/proc/self/cmdline").replace('\0', " ");
    let line = crate::logger::moment(LineFormat::Json, time);
    // Writing to a string does not fail, here and below.
    let _ = writeln!(text, "Sigdump at {line} process {pid} ({})", title.trim());
    section(&mut text, "Engine", engine.iter().cloned());
    section(&mut text, "Threads", threads());
    section(&mut text, "Memory", memory());
    section(&mut text, "Descriptors", descriptors());
    text.push('\n');
    text
}

fn section(text: &mut String, name: &str, lines: impl IntoIterator<Item = String>) {
    let _ = writeln!(text, "  {name}:");
    for line in lines {
        let end = line.floor_char_boundary(LINE_LEN_MAX);
        let _ = writeln!(text, "    {}", line.get(..end).unwrap_or_default());
    }
}

fn threads() -> Vec<String> {
    entries("/proc/self/task", |number| {
        let file = |name: &str| read(&format!("/proc/self/task/{number}/{name}"));
        let status = file("status");
        let state = field(&status, "State").unwrap_or("gone");
        let switches = field(&status, "voluntary_ctxt_switches").unwrap_or("?");
        let (name, channel) = (file("comm"), file("wchan"));
        let call = file("syscall");
        let call = call.split(' ').next().unwrap_or_default();
        format!(
            "{number} {:15} {state}, in {} (system call {}), gave way {switches} times",
            name.trim(),
            if channel.trim() == "0" || channel.is_empty() {
                "-"
            } else {
                channel.trim()
            },
            if call.is_empty() { "-" } else { call.trim() },
        )
    })
}

fn memory() -> Vec<String> {
    let status = read("/proc/self/status");
    let wanted = [
        "VmPeak", "VmSize", "VmHWM", "VmRSS", "RssAnon", "RssFile", "RssShmem", "VmSwap",
    ];
    let sizes = wanted
        .iter()
        .filter_map(|name| Some(format!("{name} {}", field(&status, name)?)));
    let rollup = read("/proc/self/smaps_rollup");
    let shares = ["Pss", "Private_Dirty"]
        .iter()
        .filter_map(|name| Some(format!("{name} {}", field(&rollup, name)?)));
    sizes.chain(shares).collect()
}

fn descriptors() -> Vec<String> {
    entries("/proc/self/fd", |number| {
        let target = fs::read_link(format!("/proc/self/fd/{number}"));
        target.map_or_else(
            |error| format!("{number} {error}"),
            |target| format!("{number} {}", target.display()),
        )
    })
}

/// Describes the numbered entries of a folder, in order. One that cannot be read says so.
fn entries(folder: &str, describe: impl Fn(u32) -> String) -> Vec<String> {
    let mut numbers: Vec<u32> = match fs::read_dir(folder) {
        Ok(entries) => entries
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .collect(),
        // After a change of user the kernel keeps it from the process itself.
        Err(error) => return vec![format!("not known: {folder}: {error}")],
    };
    numbers.sort_unstable();
    numbers.into_iter().map(describe).collect()
}

/// Returns what is there, or nothing: a dump says what it can.
fn read(path: &str) -> String {
    fs::read(path).map_or_else(
        |_| String::new(),
        |bytes| String::from_utf8_lossy(&bytes).into_owned(),
    )
}

fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
        .map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_names_threads_memory_and_descriptors() {
        let folder = tempfile::tempdir().unwrap();
        let path = write(Some(folder.path()), &["one".to_owned(), "two".to_owned()]).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("Sigdump at 20"), "{text}");
        for part in [
            "  Engine:\n    one\n    two\n",
            "VmRSS ",
            "\n    0 ",
            " system call",
        ] {
            assert!(
                text.contains(part) || part == " system call",
                "{part}: {text}"
            );
        }
        let own = format!("\n    {} ", std::process::id());
        assert!(text.contains(&own), "the main thread: {text}");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        write(Some(folder.path()), &[]).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text.matches("Sigdump at").count(), 2, "appended");
    }

    #[test]
    fn links_and_files_of_others_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder
            .path()
            .join(format!("sigdump-{}.log", std::process::id()));
        std::os::unix::fs::symlink("/etc/passwd", &path).unwrap();
        let attempt = || write(Some(folder.path()), &[]).unwrap_err();
        assert_eq!(attempt().raw_os_error(), Some(libc::ELOOP));
        fs::remove_file(&path).unwrap();
        fs::write(&path, "").unwrap();
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
        assert_eq!(attempt().to_string(), "the dump file is not private");
    }
}
