//! A worker that is a program: what it is given, and its start.

use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::Arc;

use crate::control::Birth;
use crate::lifeline::frame::Frame;
use crate::log::{Level, Log, StderrLog};
use crate::privilege::Identity;
use crate::sys;

use super::process::{EXIT_ORPHANED, tie_to_parent};

/// Status of a child whose program could not be started; the one shells use.
const EXIT_NO_PROGRAM: i32 = 127;

/// Least number of a descriptor that can be given to a program; those below are its standard streams.
pub(crate) const DESCRIPTOR_MIN: i32 = 3;

/// Greatest number of a descriptor that can be given to a program.
pub(crate) const DESCRIPTOR_MAX: i32 = 1023;

/// A program to run as a worker, and the descriptors it is allowed.
///
/// ```
/// use std::process::Command;
///
/// use serverengine::Program;
///
/// # fn main() -> std::io::Result<()> {
/// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
/// let mut command = Command::new("/usr/bin/app");
/// command.arg("--listen-fd=3");
/// let program = Program::from(command).pass(listener, 3)?;
/// # let _ = program;
/// # Ok(())
/// # }
/// ```
///
/// Standard input, output and error are those of the server unless the command says otherwise. Every
/// other descriptor is closed, also those that the server or its libraries left open by mistake.
#[derive(Debug)]
pub struct Program {
    command: Command,
    passed: Vec<(OwnedFd, i32)>,
}

impl Program {
    /// Allows a descriptor to the program, under this number, 3 to 1023.
    ///
    /// # Errors
    ///
    /// The number is out of these bounds or already given away ([`io::ErrorKind::InvalidInput`]).
    pub fn pass(mut self, descriptor: impl Into<OwnedFd>, number: i32) -> io::Result<Self> {
        let wrong = |text: String| Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        if !(DESCRIPTOR_MIN..=DESCRIPTOR_MAX).contains(&number) {
            return wrong(format!(
                "a descriptor can be passed as {DESCRIPTOR_MIN} to {DESCRIPTOR_MAX}, not as {number}"
            ));
        }
        if self.passed.iter().any(|(_, taken)| *taken == number) {
            return wrong(format!("descriptor {number} is passed twice"));
        }
        self.passed.push((descriptor.into(), number));
        Ok(self)
    }
}

impl From<Command> for Program {
    fn from(command: Command) -> Self {
        Self {
            command,
            passed: Vec::new(),
        }
    }
}

impl fmt::Display for Program {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.command.get_program().display().fmt(formatter)
    }
}

/// Becomes the program, in a child that was just forked.
pub(crate) fn be_program(
    mut program: Program,
    birth: Birth,
    identity: &Identity,
    log: &Arc<dyn Log>,
) -> ! {
    let error = match start(&mut program, birth, identity) {
        Ok(never) => match never {},
        Err(error) => error,
    };
    let text = format!("cannot run {program}: {error}");
    if program.passed.is_empty() {
        log.log(Level::Error, &text);
    } else {
        // What the log writes to may have made room for what was passed.
        StderrLog.log(Level::Error, &text);
    }
    sys::exit_now(EXIT_NO_PROGRAM)
}

enum Never {}

fn start(program: &mut Program, birth: Birth, identity: &Identity) -> io::Result<Never> {
    if let Some(pipe) = birth.commands {
        program.command.stdin(Stdio::from(pipe));
    }
    // The kernel keeps this over the exec, other than for programs with privileges of their own.
    if !tie_to_parent(birth.parent, identity)? {
        sys::exit_now(EXIT_ORPHANED);
    }
    // Before the life-line makes room, too.
    birth.lifeline.send(&Frame::Ready, None)?;
    sys::allow_only(&program.passed)?;
    // It resets the signal mask; the dispositions are the defaults already.
    Err(program.command.exec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_cannot_be_passed_are_named() {
        let program = || Program::from(Command::new("true"));
        let descriptor = || std::io::pipe().unwrap().0;
        for number in [-1, 2, 1024] {
            let error = program().pass(descriptor(), number).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("a descriptor can be passed as 3 to 1023, not as {number}")
            );
        }
        let once = program().pass(descriptor(), 3).unwrap();
        let error = once.pass(descriptor(), 3).unwrap_err();
        assert_eq!(error.to_string(), "descriptor 3 is passed twice");
    }
}
