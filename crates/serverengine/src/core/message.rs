//! What a control process says about what it decided: values, written out by the shell.

use std::fmt;
use std::time::Duration;

use crate::log::Level;

use super::{Change, ExitReason, Mode, SlotId};

/// One line of the log. What it is about is called by the noun of the policy: "Worker" or "Server".
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Message {
    Stop(Mode, Cause),
    Restart(Mode),
    Reload,
    Detach,
    DetachRefused,
    Overlap(SlotId),
    Released(SlotId),
    ConfigRefused(Change, String),
    Scaled {
        before: usize,
        now: usize,
    },
    NotStarted(SlotId, String),
    Finished(SlotId, ExitReason),
    Exited(SlotId, ExitReason),
    Unrecoverable(SlotId, i32),
    Failing {
        slot: SlotId,
        failures: u32,
        delay: Duration,
    },
    Overdue(SlotId, Overdue),
    Killed(SlotId),
}

/// Why a stop was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    Command,
    Detach,
    UnrecoverableExit,
}

/// What a child did not do in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Overdue {
    Speak(Duration),
    GetReady(Duration),
    Stop,
}

impl Message {
    pub(crate) fn level(&self) -> Level {
        match self {
            Self::Stop(..)
            | Self::Restart(_)
            | Self::Reload
            | Self::Detach
            | Self::Overlap(_)
            | Self::Released(_)
            | Self::Scaled { .. }
            | Self::Finished(..)
            | Self::Exited(_, ExitReason::Code(0)) => Level::Info,
            Self::DetachRefused | Self::Failing { .. } | Self::Overdue(..) | Self::Killed(_) => {
                Level::Warn
            }
            Self::ConfigRefused(..)
            | Self::NotStarted(..)
            | Self::Exited(_, ExitReason::Code(_) | ExitReason::Signal(_))
            | Self::Unrecoverable(..) => Level::Error,
        }
    }

    /// Returns the line; children are called `noun`.
    pub(crate) fn text(&self, noun: &str) -> String {
        match self {
            Self::Stop(mode, cause) => format!("Received {mode} stop{cause}"),
            Self::Restart(mode) => format!("Received {mode} restart"),
            Self::Reload => "Received reload".to_owned(),
            Self::Detach => "Received detach".to_owned(),
            Self::DetachRefused => {
                format!("detach refused: an earlier {noun} is still finishing")
            }
            Self::Overlap(slot) => {
                format!("{noun} {slot} is still finishing: starting another one beside it")
            }
            Self::Released(slot) => format!("{noun} {slot} is released and finishes by itself"),
            Self::ConfigRefused(change, reason) => {
                let kept = match change {
                    Change::Reload => "nothing was reloaded",
                    Change::Restart(_) => "nothing was restarted",
                };
                format!("new configuration refused, {kept}: {reason}")
            }
            Self::Scaled { before, now } => {
                format!("{noun} slots: {before} before, {now} now")
            }
            Self::NotStarted(slot, reason) => {
                format!("{noun} {slot} could not be started: {reason}")
            }
            Self::Finished(slot, reason) => format!("{noun} {slot} finished with {reason}"),
            Self::Exited(slot, reason @ ExitReason::Code(0)) => {
                format!("{noun} {slot} exited with {reason}")
            }
            Self::Exited(slot, reason) => {
                format!("{noun} {slot} exited unexpectedly with {reason}")
            }
            Self::Unrecoverable(slot, code) => {
                format!("{noun} {slot} is not restarted: exit code {code} is unrecoverable")
            }
            Self::Failing {
                slot,
                failures,
                delay,
            } => {
                format!("{noun} {slot} failed {failures} times in a row: next start in {delay:.1?}")
            }
            Self::Overdue(slot, what) => {
                format!("{noun} {slot} {what}: stopping it immediately")
            }
            Self::Killed(slot) => format!("{noun} {slot} did not stop: killed"),
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Graceful => "graceful",
            Self::Immediate => "immediate",
        })
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Command => "",
            Self::Detach => " (detach)",
            Self::UnrecoverableExit => " (unrecoverable exit)",
        })
    }
}

impl fmt::Display for Overdue {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Speak(limit) => write!(formatter, "was silent for {limit:?}"),
            Self::GetReady(limit) => write!(formatter, "was not ready within {limit:?}"),
            Self::Stop => formatter.write_str("did not stop in time"),
        }
    }
}
