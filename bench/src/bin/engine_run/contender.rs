//! The programs that are compared, each told to run so many workers that do nothing.
//!
//! Each is configured as its manual says for that, with its own way to call code in a worker that has just
//! started; there is no application behind it, and nobody connects.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use nix::sys::signal::Signal;

use crate::subject::Subject;

/// Where workers announce themselves.
pub(crate) const READY: &str = "ENGINE_BENCH_READY";

/// Stands for the contender's folder in its files and on its command line.
const PLACE: &str = "%DIR%";

/// What a round stands on.
pub(crate) struct Ground {
    /// Where contenders have their folders.
    pub(crate) directory: PathBuf,
    /// Our program.
    pub(crate) subject: PathBuf,
}

impl Ground {
    /// Returns the folder of a contender.
    pub(crate) fn place_of(&self, contender: &Contender) -> PathBuf {
        self.directory.join(contender.name)
    }
}

/// One of the programs.
pub(crate) struct Contender {
    pub(crate) name: &'static str,
    /// The program that must be there; `None`: ours.
    program: Option<&'static str>,
    /// Prints its version.
    version: &'static [&'static str],
    /// What replaces all workers.
    pub(crate) restart: Signal,
    /// Writes its files for so many workers, and returns its command line.
    prepare: fn(usize) -> Preparation,
}

/// Files to write, and a command line; `%DIR%` stands for the directory.
struct Preparation {
    files: Vec<(&'static str, String)>,
    command: Vec<String>,
}

const ALL: [Contender; 8] = [
    Contender {
        name: "engine",
        program: None,
        version: &[],
        restart: Signal::SIGUSR1,
        prepare: |workers| own(workers, Subject::Bare),
    },
    Contender {
        name: "engine-reserve",
        program: None,
        version: &[],
        restart: Signal::SIGUSR1,
        prepare: |workers| own(workers, Subject::Reserve),
    },
    Contender {
        name: "engine-supervised",
        program: None,
        version: &[],
        restart: Signal::SIGUSR1,
        prepare: |workers| own(workers, Subject::Supervised),
    },
    Contender {
        name: "ruby-serverengine",
        program: Some("ruby"),
        version: &[
            "ruby",
            "-r",
            "serverengine",
            "-e",
            "puts ServerEngine::VERSION",
        ],
        restart: Signal::SIGUSR1,
        prepare: ruby_serverengine,
    },
    Contender {
        name: "unicorn",
        program: Some("unicorn"),
        version: &["unicorn", "--version"],
        restart: Signal::SIGHUP,
        prepare: unicorn,
    },
    Contender {
        name: "puma",
        program: Some("puma"),
        version: &["puma", "--version"],
        restart: Signal::SIGUSR1,
        prepare: puma,
    },
    Contender {
        name: "gunicorn",
        program: Some("gunicorn"),
        version: &["gunicorn", "--version"],
        restart: Signal::SIGHUP,
        prepare: gunicorn,
    },
    Contender {
        name: "supervisor",
        program: Some("supervisord"),
        version: &["supervisord", "--version"],
        restart: Signal::SIGHUP,
        prepare: supervisor,
    },
];

impl Contender {
    /// Returns those that are installed, of those that were asked for, and the names of the others.
    pub(crate) fn present(only: &[String]) -> (Vec<Self>, Vec<&'static str>) {
        let asked = ALL
            .into_iter()
            .filter(|it| only.is_empty() || only.iter().any(|name| name == it.name));
        let (present, missing): (Vec<_>, Vec<_>) =
            asked.partition(|it| it.program.is_none() || it.version().is_some());
        (present, missing.into_iter().map(|it| it.name).collect())
    }

    pub(crate) fn version(&self) -> Option<String> {
        let Some((program, arguments)) = self.version.split_first() else {
            return Some(env!("CARGO_PKG_VERSION").to_owned());
        };
        let output = Command::new(program).args(arguments).output().ok()?;
        let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        output.status.success().then_some(text)
    }

    /// Returns what starts it with so many workers.
    pub(crate) fn command(&self, workers: usize, ground: &Ground) -> Result<Command> {
        let place = ground.place_of(self);
        if place.exists() {
            fs::remove_dir_all(&place)?;
        }
        fs::create_dir(&place).with_context(|| format!("cannot create {}", place.display()))?;
        let name = place.to_str().context("the temporary folder has no name")?;
        let Preparation { files, command } = (self.prepare)(workers);
        for (file, text) in files {
            fs::write(place.join(file), text.replace(PLACE, name))?;
        }
        let mut words = command.iter().map(|word| word.replace(PLACE, name));
        let mut command = match self.program {
            None => Command::new(&ground.subject),
            Some(_) => Command::new(words.next().context("no program")?),
        };
        command
            .args(words)
            .current_dir(&place)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(place.join("stderr"))?);
        Ok(command)
    }
}

fn words(line: &str) -> Vec<String> {
    line.split(' ').map(str::to_owned).collect()
}

fn own(workers: usize, subject: Subject) -> Preparation {
    Preparation {
        files: Vec::new(),
        command: subject.arguments(workers),
    }
}

const RUBY_ANNOUNCE: &str =
    "File.open(ENV['ENGINE_BENCH_READY'], File::WRONLY) { |f| f.write(\"#{Process.pid}\\n\") }";

fn ruby_serverengine(workers: usize) -> Preparation {
    let text = format!(
        "require 'serverengine'
module Idle
  def initialize
    @stop = ServerEngine::BlockingFlag.new
  end
  def run
    {RUBY_ANNOUNCE}
    until @stop.wait_for_set(3600); end
  end
  def stop
    @stop.set!
  end
end
ServerEngine.create(nil, Idle, {{ worker_type: 'process', workers: {workers}, log: '%DIR%/log',
  disable_sigdump: true }}).run
"
    );
    Preparation {
        files: vec![("server.rb", text)],
        command: words("ruby %DIR%/server.rb"),
    }
}

const RACK: &str = "run lambda { |env| [200, {}, ['']] }\n";

fn unicorn(workers: usize) -> Preparation {
    let text = format!(
        "worker_processes {workers}
listen '%DIR%/socket'
preload_app true
after_fork {{ |server, worker| {RUBY_ANNOUNCE} }}
"
    );
    Preparation {
        files: vec![("unicorn.rb", text), ("config.ru", RACK.to_owned())],
        command: words("unicorn -E none -c %DIR%/unicorn.rb %DIR%/config.ru"),
    }
}

fn puma(workers: usize) -> Preparation {
    let text = format!(
        "workers {workers}
threads 1, 1
bind 'unix://%DIR%/socket'
environment 'none'
on_worker_boot {{ {RUBY_ANNOUNCE} }}
"
    );
    Preparation {
        files: vec![("puma.rb", text), ("config.ru", RACK.to_owned())],
        command: words("puma -C %DIR%/puma.rb %DIR%/config.ru"),
    }
}

fn gunicorn(workers: usize) -> Preparation {
    let text = format!(
        "import os
workers = {workers}
bind = 'unix:%DIR%/socket'
def post_worker_init(worker):
    with open(os.environ['ENGINE_BENCH_READY'], 'w') as pipe:
        pipe.write('%d\\n' % os.getpid())
"
    );
    let app =
        "def app(environ, start_response):\n    start_response('200 OK', [])\n    return []\n";
    Preparation {
        files: vec![("settings.py", text), ("idle.py", app.to_owned())],
        command: words("gunicorn --config %DIR%/settings.py idle:app"),
    }
}

fn supervisor(workers: usize) -> Preparation {
    let text = format!(
        "[supervisord]
nodaemon=true
logfile=%DIR%/log
pidfile=%DIR%/pid
childlogdir=%DIR%
[program:idle]
command=/bin/sh -c 'echo $$ > $ENGINE_BENCH_READY; exec sleep 100000'
process_name=%(program_name)s_%(process_num)d
numprocs={workers}
startsecs=0
autorestart=true
"
    );
    Preparation {
        files: vec![("supervisord.conf", text)],
        command: words("supervisord --configuration %DIR%/supervisord.conf"),
    }
}
