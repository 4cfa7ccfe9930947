//! The programs compared, each configured for its cheapest way of doing the same work:
//! read a file from its head, send every line unparsed over one TCP connection, buffer in memory.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::log_file::LogFile;

/// One program under test.
pub(crate) struct Contender {
    pub(crate) name: &'static str,
    program: PathBuf,
    /// The text of its configuration for a log, a state directory and a receiver's port.
    configuration: fn(&LogFile, &Path, u16) -> String,
    /// The arguments that run it in the foreground with the configuration at a path.
    arguments: fn(&Path) -> Vec<String>,
}

impl Contender {
    /// The contenders with these names, in this order.
    pub(crate) fn chosen(names: &[String]) -> Result<Vec<Self>> {
        names.iter().map(|name| Self::named(name)).collect()
    }

    fn named(name: &str) -> Result<Self> {
        let contender = match name {
            "millrun" => Self {
                name: "millrun",
                program: std::env::current_exe()?.with_file_name("millrun"),
                configuration: millrun_configuration,
                arguments: |path| vec!["-c".into(), path.display().to_string(), "-q".into()],
            },
            "rsyslog" => Self {
                name: "rsyslog",
                program: PathBuf::from("/usr/sbin/rsyslogd"),
                configuration: rsyslog_configuration,
                arguments: |path| {
                    ["-n", "-iNONE", "-f"]
                        .map(str::to_owned)
                        .into_iter()
                        .chain([path.display().to_string()])
                        .collect()
                },
            },
            _ => bail!("unknown contender '{name}'; known are millrun and rsyslog"),
        };
        if !contender.program.exists() {
            bail!(
                "{name} is not installed: {} is missing",
                contender.program.display()
            );
        }
        Ok(contender)
    }

    /// The command that does the work in `directory`, its configuration written there.
    pub(crate) fn command(&self, log: &LogFile, directory: &Path, port: u16) -> Result<Command> {
        let path = directory.join(format!("{}.conf", self.name));
        std::fs::write(&path, (self.configuration)(log, directory, port))
            .with_context(|| format!("cannot write {}", path.display()))?;
        let mut command = Command::new(&self.program);
        command.args((self.arguments)(&path)).current_dir(directory);
        Ok(command)
    }

    /// The first line of what the program says to `--version` (or `-v`).
    pub(crate) fn version(&self) -> String {
        let flag = if self.name == "rsyslog" {
            "-v"
        } else {
            "--version"
        };
        let output = Command::new(&self.program).arg(flag).output();
        let text = output.map(|output| output.stdout).unwrap_or_default();
        String::from_utf8_lossy(&text)
            .lines()
            .next()
            .unwrap_or("unknown")
            .trim()
            .to_owned()
    }
}

fn millrun_configuration(log: &LogFile, directory: &Path, port: u16) -> String {
    format!(
        "\
<system>
  root_dir {directory}/state
</system>
<source>
  @type tail
  path {log}
  pos_file {directory}/bench.pos
  read_from_head true
  tag bench
  <parse>
    @type none
  </parse>
</source>
<match bench>
  @type forward
  heartbeat_type none
  keepalive true
  <server>
    host 127.0.0.1
    port {port}
  </server>
  <buffer>
    @type memory
    flush_mode immediate
  </buffer>
</match>
",
        log = log.path.display(),
        directory = directory.display(),
    )
}

// Of the main queue's types, this one costs the least: `Direct` takes 1.4 times its CPU time.
fn rsyslog_configuration(log: &LogFile, directory: &Path, port: u16) -> String {
    format!(
        "\
global(workDirectory=\"{directory}\")
module(load=\"imfile\" mode=\"inotify\")
template(name=\"line\" type=\"list\") {{ property(name=\"msg\") }}
main_queue(queue.type=\"LinkedList\" queue.size=\"100000\" queue.dequeueBatchSize=\"1024\")
input(type=\"imfile\" file=\"{log}\" tag=\"bench\" addMetadata=\"off\")
action(type=\"omfwd\" target=\"127.0.0.1\" port=\"{port}\" protocol=\"tcp\" template=\"line\")
",
        log = log.path.display(),
        directory = directory.display(),
    )
}
