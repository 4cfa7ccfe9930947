//! Processes: fork, pidfd, reaping, and what a child does about its parent.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::unistd::Pid;

use crate::core::ExitReason;

/// Longest name the kernel keeps for a thread, in bytes.
const NAME_LEN_MAX: usize = 15;

/// The two returns of a fork.
pub(crate) enum Fork {
    Parent(i32),
    Child,
}

/// Forks. Refused when this process has more than one thread: in the child only the calling one would
/// exist, and every lock another one holds would stay locked for ever.
pub(crate) fn fork() -> io::Result<Fork> {
    let threads = thread_count()?;
    if threads != 1 {
        return Err(io::Error::other(format!(
            "a control process must have one thread when it forks, this one has {threads}; a hook that \
             runs in it (before_run, before_fork, reload, or building the worker) has started a thread \
             and left it running: start threads in Worker::run instead"
        )));
    }
    // SAFETY: The process has exactly one thread, counted above, and no signal handler of ours runs code.
    // So no lock is held by a thread that vanishes, and the child may do all that the parent may.
    match unsafe { nix::unistd::fork() }? {
        nix::unistd::ForkResult::Parent { child } => Ok(Fork::Parent(child.as_raw())),
        nix::unistd::ForkResult::Child => Ok(Fork::Child),
    }
}

/// Returns the number of threads of this process.
pub(super) fn thread_count() -> io::Result<usize> {
    let tasks = std::fs::read_dir("/proc/self/task").map_err(|error| {
        io::Error::new(
            error.kind(),
            format!("cannot count the threads of this process in /proc/self/task: {error}"),
        )
    })?;
    Ok(tasks.count())
}

/// A child of this process, by a descriptor that can never mean another process.
#[derive(Debug)]
pub(crate) struct PidFd {
    descriptor: OwnedFd,
    pid: i32,
}

impl PidFd {
    /// Opens a descriptor of a child that has not been reaped yet.
    pub(crate) fn open(pid: i32) -> io::Result<Self> {
        // SAFETY: pidfd_open takes two integers and touches no memory of ours.
        let result = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
        let raw = Errno::result(result)?;
        let raw = i32::try_from(raw).map_err(io::Error::other)?;
        // SAFETY: The kernel has just returned this descriptor (close-on-exec); nobody else owns it.
        let descriptor = unsafe { OwnedFd::from_raw_fd(raw) };
        Ok(Self { descriptor, pid })
    }

    pub(crate) fn pid(&self) -> i32 {
        self.pid
    }

    /// Sends a signal. A child that is dead but not reaped swallows it.
    pub(crate) fn signal(&self, signal: Signal) -> io::Result<()> {
        // SAFETY: The descriptor is open; a null siginfo means "as kill(2) does"; flags are none.
        let result = unsafe {
            libc::syscall(
                libc::SYS_pidfd_send_signal,
                self.descriptor.as_raw_fd(),
                signal as libc::c_int,
                std::ptr::null::<libc::siginfo_t>(),
                0,
            )
        };
        Errno::result(result)?;
        Ok(())
    }

    /// Reaps the child if it has exited.
    pub(crate) fn reap(&self) -> io::Result<Option<ExitReason>> {
        let id = self.descriptor.as_raw_fd().unsigned_abs();
        wait(libc::P_PIDFD, id, libc::WEXITED | libc::WNOHANG)
    }

    /// Returns whether the child has exited; it stays to be reaped, so its pid is not used again.
    pub(crate) fn has_exited(&self) -> io::Result<bool> {
        let id = self.descriptor.as_raw_fd().unsigned_abs();
        let flags = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
        Ok(wait(libc::P_PIDFD, id, flags)?.is_some())
    }
}

impl AsFd for PidFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

/// Reaps the child of this pid if it has exited.
pub(crate) fn reap(pid: i32) -> io::Result<Option<ExitReason>> {
    wait(
        libc::P_PID,
        pid.unsigned_abs(),
        libc::WEXITED | libc::WNOHANG,
    )
}

/// Reaps the child of this pid, and waits for its exit. Only for one that was just killed.
pub(crate) fn reap_blocking(pid: i32) -> io::Result<Option<ExitReason>> {
    wait(libc::P_PID, pid.unsigned_abs(), libc::WEXITED)
}

// nix's waitid refuses signals it has no name for (the real-time ones), after the child is reaped.
fn wait(kind: libc::idtype_t, id: libc::id_t, flags: i32) -> io::Result<Option<ExitReason>> {
    loop {
        // SAFETY: siginfo_t is plain data for which zero is a valid value.
        let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
        // SAFETY: `info` is valid for writes for the duration of the call.
        let result = unsafe { libc::waitid(kind, id, &raw mut info, flags) };
        match Errno::result(result) {
            Err(Errno::EINTR) => continue,
            Err(error) => return Err(error.into()),
            Ok(_) => {}
        }
        // SAFETY: waitid filled the fields of SIGCHLD, or left the zeroes that mean "nobody".
        let (pid, status) = unsafe { (info.si_pid(), info.si_status()) };
        if pid == 0 {
            return Ok(None);
        }
        return Ok(Some(match info.si_code {
            libc::CLD_EXITED => ExitReason::Code(status),
            _ => ExitReason::Signal(status),
        }));
    }
}

/// Kills what is left of a process group. Its leader must not have been reaped yet, or the number could
/// belong to somebody else.
pub(crate) fn kill_group(leader: i32) -> io::Result<()> {
    match nix::sys::signal::killpg(Pid::from_raw(leader), Signal::SIGKILL) {
        Ok(()) | Err(Errno::ESRCH) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Kills a child that has not been reaped yet.
pub(crate) fn kill_child(pid: i32) -> io::Result<()> {
    match nix::sys::signal::kill(Pid::from_raw(pid), Signal::SIGKILL) {
        Ok(()) | Err(Errno::ESRCH) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Makes this process the leader of a new session, without a terminal.
pub(crate) fn new_session() -> io::Result<()> {
    nix::unistd::setsid()?;
    Ok(())
}

/// Makes this process the leader of a new process group, out of reach of the terminal's Ctrl-C.
pub(crate) fn own_process_group() -> io::Result<()> {
    Ok(nix::unistd::setpgid(Pid::from_raw(0), Pid::from_raw(0))?)
}

/// Makes a child the leader of a process group of its own.
pub(crate) fn set_process_group(child: i32) -> io::Result<()> {
    let child = Pid::from_raw(child);
    Ok(nix::unistd::setpgid(child, child)?)
}

/// Asks the kernel to kill this process when the *thread* that forked it ends. Cleared by the kernel
/// when credentials change.
pub(crate) fn set_parent_death_signal() -> io::Result<()> {
    Ok(prctl::set_pdeathsig(Signal::SIGKILL)?)
}

/// Takes that wish back.
pub(crate) fn clear_parent_death_signal() -> io::Result<()> {
    Ok(prctl::set_pdeathsig(None)?)
}

/// Makes orphaned descendants of this process its children.
pub(crate) fn set_child_subreaper() -> io::Result<()> {
    Ok(prctl::set_child_subreaper(true)?)
}

pub(crate) fn parent_id() -> i32 {
    nix::unistd::getppid().as_raw()
}

/// Sets the name that `ps -o comm` and `top` show for this thread; what is too long is cut.
pub(crate) fn set_name(name: &str) -> io::Result<()> {
    let bytes = name
        .bytes()
        .filter(|byte| *byte != 0)
        .take(NAME_LEN_MAX)
        .collect::<Vec<u8>>();
    let name = CString::new(bytes).map_err(io::Error::other)?;
    Ok(prctl::set_name(&name)?)
}

/// Returns the pids of all processes whose parent is this one, dead ones included.
pub(crate) fn children_of_this_process() -> io::Result<Vec<i32>> {
    let parent = i32::try_from(std::process::id()).map_err(io::Error::other)?;
    let mut children = Vec::new();
    for entry in std::fs::read_dir("/proc")? {
        let Some(pid) = entry?
            .file_name()
            .to_str()
            .and_then(|name| name.parse::<i32>().ok())
        else {
            continue;
        };
        // A process that vanishes while we look is nobody's child.
        let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else {
            continue;
        };
        if parent_in_stat(&stat) == Some(parent) {
            children.push(pid);
        }
    }
    Ok(children)
}

// "pid (name) state ppid …"; the name may hold spaces and parentheses.
fn parent_in_stat(stat: &str) -> Option<i32> {
    stat.rsplit_once(')')?
        .1
        .split_ascii_whitespace()
        .nth(1)?
        .parse()
        .ok()
}

/// Ends this process without running exit handlers or destructors, which belong to the parent's copy.
pub(crate) fn exit_now(code: i32) -> ! {
    // SAFETY: _exit does not return and touches no memory of ours.
    unsafe { libc::_exit(code) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_spaces_and_parentheses_does_not_hide_the_parent() {
        assert_eq!(parent_in_stat("12 (a) b (c)) S 7 12 12 0"), Some(7));
        assert_eq!(parent_in_stat("12 (a"), None);
        assert_eq!(parent_in_stat(""), None);
    }

    #[test]
    fn a_fork_in_a_process_with_threads_is_refused_and_says_why() {
        // The test harness itself has threads: this one and the main one.
        let error = fork().map(|_| ()).unwrap_err().to_string();
        assert!(
            error
                .starts_with("a control process must have one thread when it forks, this one has "),
            "{error}"
        );
        assert!(
            error.ends_with("start threads in Worker::run instead"),
            "{error}"
        );
    }
}
