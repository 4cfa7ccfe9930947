//! Real file systems of a few megabytes, gone with the value. Mounting needs root; without it a test says so in one line and ends.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// A file system of its own.
pub(crate) struct Mount {
    directory: tempfile::TempDir,
    /// The file it lies in, when it is no tmpfs.
    image: Option<PathBuf>,
}

impl Mount {
    /// One in memory.
    pub(crate) fn memory(options: &str) -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let kind = ["-t", "tmpfs", "-o", options, "tmpfs"];
        let mounted = run("mount", &kind, directory.path());
        mounted.then_some(Self {
            directory,
            image: None,
        })
    }

    /// ext4 in a sparse file, through a loop device, with a journal: without one, a write of its own that the medium
    /// refuses takes what was synchronised long ago with it.
    pub(crate) fn image(image: PathBuf, bytes: u64) -> Option<Self> {
        File::create(&image).unwrap().set_len(bytes).unwrap();
        let made = run("mkfs.ext4", &["-q"], &image);
        let mount = Self {
            directory: tempfile::tempdir().unwrap(),
            image: Some(image),
        };
        (made && mount.attach()).then_some(mount)
    }

    fn attach(&self) -> bool {
        let image = self.image.as_ref().unwrap().to_str().unwrap();
        let options = ["-o", "loop,errors=remount-ro", image];
        run("mount", &options, self.directory.path())
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn remount(&self, options: &str) {
        let options = ["-o", &format!("remount,{options}")];
        assert!(run("mount", &options, self.path()));
    }

    /// Lets the kernel find an error in it, upon which it makes the file system read-only under everybody's hands.
    pub(crate) fn break_down(&self) -> bool {
        let mounts = fs::read_to_string("/proc/mounts").unwrap();
        let line = mounts
            .lines()
            .find(|line| line.contains(self.path().to_str().unwrap()));
        let device = line.unwrap().split(' ').next().unwrap();
        let device = Path::new(device).file_name().unwrap();
        let trigger = Path::new("/sys/fs/ext4").join(device);
        let triggered = fs::write(trigger.join("trigger_fs_error"), "1");
        if triggered.is_err() {
            println!("skipped: the kernel cannot be told to find an error in a file system");
        }
        triggered.is_ok()
    }

    /// What an administrator does then.
    pub(crate) fn mount_again(&self) {
        // A program that another test is about to start has this one's files open until it runs.
        let gone = (0..1000).any(|_| {
            let gone = run("umount", &[], self.path());
            if !gone {
                std::thread::sleep(Duration::from_millis(10));
            }
            gone
        });
        assert!(gone);
        assert!(self.attach());
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        run("umount", &["-l"], self.directory.path());
    }
}

fn run(program: &str, options: &[&str], path: &Path) -> bool {
    let output = Command::new(program).args(options).arg(path).output();
    let succeeded = output.is_ok_and(|output| output.status.success());
    if !succeeded {
        println!("skipped: {program} does not work here (are you root?)");
    }
    succeeded
}
