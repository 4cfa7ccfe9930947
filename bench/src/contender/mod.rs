//! The programs compared, each configured for its cheapest way of doing the same work.

mod floor;
mod millrun;
mod rsyslog;
mod syslog_ng;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

pub(crate) use self::floor::FLOOR;
use crate::feeder::Dialect;
use crate::log_file::LogFile;
use crate::scenario::Scenario;

/// One program under test.
pub(crate) struct Contender {
    pub(crate) name: &'static str,
    program: PathBuf,
    /// Said before all other arguments.
    leading: Vec<String>,
    /// What must stand in its environment.
    environment: Vec<(&'static str, PathBuf)>,
    /// The text of its configuration; `None` where it cannot do the work.
    configuration: fn(&Task<'_>) -> Option<String>,
    /// The arguments that run it in the foreground with the configuration at a path.
    arguments: fn(&Path) -> Vec<String>,
    /// Tells its version.
    version_flag: &'static str,
    /// What it takes from the feeder.
    pub(crate) dialect: Dialect,
    /// It needs so much longer for a line that a tenth of the lines tells as much.
    pub(crate) is_slow: bool,
}

/// What a contender is to do.
pub(crate) struct Task<'a> {
    pub(crate) scenario: &'static Scenario,
    pub(crate) log: &'a LogFile,
    /// An empty directory, for everything it writes.
    pub(crate) directory: &'a Path,
    /// Where it listens for the feeder.
    pub(crate) input: u16,
    /// Where the receiver listens.
    pub(crate) output: u16,
}

/// What the names of files begin with that a work is to end in.
pub(crate) const COLLECTED: &str = "collected";

impl Contender {
    /// The contenders with these names, in this order, without those that are not installed.
    pub(crate) fn chosen(names: &[String]) -> Result<Vec<Self>> {
        let mut chosen = Vec::new();
        for name in names {
            let contender = Self::named(name)?;
            if contender.program.exists() {
                chosen.push(contender);
            } else {
                let program = contender.program.display();
                eprintln!("{name} is left out: {program} is missing (bench/README.md)");
            }
        }
        Ok(chosen)
    }

    fn named(name: &str) -> Result<Self> {
        Ok(match name {
            "floor" => floor::contender()?,
            "millrun" => millrun::contender()?,
            "rsyslog" => rsyslog::contender(),
            "syslog-ng" => syslog_ng::contender(),
            _ => bail!("unknown contender '{name}'; known are floor, millrun, rsyslog, syslog-ng"),
        })
    }

    /// The command that does the work, its configuration written into the task's directory; `None` where it cannot do it.
    pub(crate) fn command(&self, task: &Task<'_>) -> Result<Option<Command>> {
        let Some(configuration) = (self.configuration)(task) else {
            return Ok(None);
        };
        let path = task.directory.join(format!("{}.conf", self.name));
        std::fs::write(&path, configuration)
            .with_context(|| format!("cannot write {}", path.display()))?;
        let mut command = self.program();
        command
            .args((self.arguments)(&path))
            .current_dir(task.directory);
        Ok(Some(command))
    }

    /// The first line of what the program says of its version.
    pub(crate) fn version(&self) -> String {
        let output = self.program().arg(self.version_flag).output();
        let text = output.map(|output| output.stdout).unwrap_or_default();
        String::from_utf8_lossy(&text)
            .lines()
            .next()
            .unwrap_or("unknown")
            .trim()
            .to_owned()
    }

    fn program(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.leading);
        for (name, value) in &self.environment {
            command.env(name, value);
        }
        command
    }
}
