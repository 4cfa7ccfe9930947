//! The bare work, by this program itself: what nobody can do without.

use anyhow::Result;

use super::{COLLECTED, Contender, Task};
use crate::feeder::Dialect;
use crate::scenario::{From, To};

/// The word that makes this program do the bare work.
pub(crate) const FLOOR: &str = "floor";

pub(super) fn contender() -> Result<Contender> {
    Ok(Contender {
        name: "floor",
        program: std::env::current_exe()?,
        leading: vec![FLOOR.to_owned()],
        environment: Vec::new(),
        configuration: |task| Some(configuration(task)),
        arguments: |path| vec![path.display().to_string()],
        version_flag: "--version",
        dialect: Dialect::Forward,
        is_slow: false,
    })
}

/// The words that `crate::floor` reads: what comes from where, what is done, what goes where.
fn configuration(task: &Task<'_>) -> String {
    let from = match task.scenario.from {
        From::File => format!("file {}", task.log.path.display()),
        From::Stream => format!("listen {}", task.input),
    };
    let work = match (task.scenario.name, task.scenario.from) {
        ("tail-file", _) => format!("keep {}", task.directory.join("kept").display()),
        ("json", _) => "validate -".to_owned(),
        (_, From::File) => "frame -".to_owned(),
        (_, From::Stream) => "copy -".to_owned(),
    };
    let to = match task.scenario.to {
        To::Socket => format!("connect {}", task.output),
        To::File => format!(
            "file {}",
            task.directory.join(format!("{COLLECTED}.log")).display()
        ),
    };
    format!("{from}\n{work}\n{to}\n")
}
