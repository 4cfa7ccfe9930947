//! Ours, as it is built.

use anyhow::Result;

use super::{COLLECTED, Contender, Task};
use crate::feeder::Dialect;
use crate::scenario::{From, To};

pub(super) fn contender() -> Result<Contender> {
    Ok(Contender {
        name: "millrun",
        program: std::env::current_exe()?.with_file_name("millrun"),
        leading: Vec::new(),
        environment: Vec::new(),
        configuration,
        arguments: |path| vec!["-c".into(), path.display().to_string(), "-q".into()],
        version_flag: "--version",
        dialect: Dialect::Forward,
        is_slow: false,
    })
}

#[allow(
    clippy::unnecessary_wraps,
    reason = "a contender that can do every work, among others that cannot"
)]
fn configuration(task: &Task<'_>) -> Option<String> {
    let directory = task.directory.display();
    let source = match task.scenario.from {
        From::File => {
            let parser = match task.scenario.name {
                "nginx" => "nginx",
                "json" => "json",
                _ => "none",
            };
            format!(
                "<source>\n  @type tail\n  path {log}\n  pos_file {directory}/bench.pos\n  \
                 read_from_head true\n  tag bench\n  <parse>\n    @type {parser}\n  </parse>\n</source>\n",
                log = task.log.path.display(),
            )
        }
        From::Stream => format!(
            "<source>\n  @type forward\n  bind 127.0.0.1\n  port {}\n</source>\n",
            task.input
        ),
    };
    let buffer = match task.scenario.name {
        "tail-file" => format!("@type file\n    path {directory}/buffer"),
        _ => "@type memory".to_owned(),
    };
    let output = match task.scenario.to {
        To::Socket => format!(
            "  @type forward\n  heartbeat_type none\n  keepalive true\n  <server>\n    \
             host 127.0.0.1\n    port {port}\n  </server>\n  <buffer>\n    {buffer}\n    flush_mode immediate\n    \
             overflow_action block\n  </buffer>\n",
            port = task.output,
        ),
        To::File => format!(
            "  @type file\n  path {directory}/{COLLECTED}\n  append true\n  <format>\n    @type json\n  </format>\n  \
             <buffer []>\n    {buffer}\n    flush_mode immediate\n    overflow_action block\n  </buffer>\n"
        ),
    };
    Some(format!(
        "<system>\n  root_dir {directory}/state\n</system>\n{source}<match bench>\n{output}</match>\n"
    ))
}
