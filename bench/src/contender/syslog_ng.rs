//! syslog-ng, unpacked by `bench/peers`: Debian's packages of rsyslog and syslog-ng refuse each other.

use std::path::PathBuf;

use super::{COLLECTED, Contender, Task};
use crate::feeder::Dialect;
use crate::scenario::{From, To};

pub(super) fn contender() -> Contender {
    let root = std::env::current_exe()
        .ok()
        .and_then(|program| Some(program.ancestors().nth(2)?.join("peers/syslog-ng")))
        .unwrap_or_default();
    let libraries = root.join("usr/lib/syslog-ng");
    let modules = libraries.join("3.38");
    Contender {
        name: "syslog-ng",
        program: root.join("usr/sbin/syslog-ng"),
        leading: vec![format!("--module-path={}", modules.display())],
        environment: vec![("LD_LIBRARY_PATH", libraries)],
        configuration,
        arguments: |path| {
            let state = path.with_extension("state").display().to_string();
            let mut words: Vec<String> = ["--foreground", "--no-caps", "--stderr"]
                .map(str::to_owned)
                .into();
            words.push(format!("--cfgfile={}", path.display()));
            words.push(format!("--persist-file={state}"));
            words.push(format!("--pidfile={state}.pid"));
            words.push(format!("--control={state}.ctl"));
            words
        },
        version_flag: "--version",
        dialect: Dialect::Lines,
        is_slow: true,
    }
}

#[allow(
    clippy::unnecessary_wraps,
    reason = "a contender that can do every work, among others that cannot"
)]
fn configuration(task: &Task<'_>) -> Option<String> {
    let directory: PathBuf = task.directory.to_owned();
    let directory = directory.display();
    let source = match task.scenario.from {
        From::File => format!(
            "file(\"{}\" flags(no-parse) log-fetch-limit(1000) log-iw-size(100000))",
            task.log.path.display()
        ),
        From::Stream => format!(
            "network(ip(\"127.0.0.1\") port({}) transport(\"tcp\") flags(no-parse) log-fetch-limit(1000) log-iw-size(100000))",
            task.input
        ),
    };
    let (parser, template) = match task.scenario.name {
        "nginx" => (
            "parser p { csv-parser(columns(\"n.remote\", \"n.host\", \"n.user\", \"n.time\", \"n.request\", \"n.code\", \
             \"n.size\", \"n.referer\", \"n.agent\") delimiters(\" \") quote-pairs('\"\"[]')); };\n",
            "$(format-json --key n.*)",
        ),
        "json" => (
            "parser p { json-parser(prefix(\"j.\")); };\n",
            "$(format-json --key j.*)",
        ),
        _ if task.scenario.to == To::File => ("", "$(format-json message=$MSG)"),
        _ => ("", "$MSG"),
    };
    let step = if parser.is_empty() { "" } else { "parser(p); " };
    let kept = match task.scenario.name {
        "tail-file" => format!(
            " disk-buffer(reliable(no) disk-buf-size(4294967296) mem-buf-length(1000) dir(\"{directory}\"))"
        ),
        _ => String::new(),
    };
    let destination = match task.scenario.to {
        To::Socket => format!(
            "network(\"127.0.0.1\" port({}) transport(\"tcp\") template(\"{template}\\n\"){kept})",
            task.output
        ),
        To::File => format!("file(\"{directory}/{COLLECTED}.log\" template(\"{template}\\n\"))"),
    };
    Some(format!(
        "@version: 3.35\n\
         options {{ flush-lines(1000); log-fifo-size(200000); stats-freq(0); threaded(yes); }};\n\
         {parser}source s {{ {source}; }};\n\
         destination d {{ {destination}; }};\n\
         log {{ source(s); {step}destination(d); flags(flow-control); }};\n"
    ))
}
