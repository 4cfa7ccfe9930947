//! rsyslog. Of the main queue's types `LinkedList` costs the least: `Direct` takes 1.4 times its processor time.

use std::path::PathBuf;

use super::{COLLECTED, Contender, Task};
use crate::feeder::Dialect;
use crate::scenario::{From, To};

pub(super) fn contender() -> Contender {
    Contender {
        name: "rsyslog",
        program: PathBuf::from("/usr/sbin/rsyslogd"),
        leading: Vec::new(),
        environment: Vec::new(),
        configuration,
        arguments: |path| {
            let path = path.display().to_string();
            vec!["-n".into(), "-iNONE".into(), "-f".into(), path]
        },
        version_flag: "-v",
        dialect: Dialect::Lines,
        is_slow: true,
    }
}

/// A line of nginx's log, for liblognorm.
const NGINX_RULE: &str = "version=2\n\
    rule=:%remote:word% %host:word% %user:word% [%time:char-to:]%] \"%method:word% %path:word% %protocol:char-to:\"%\" \
    %code:number% %size:number% \"%referer:char-to:\"%\" \"%agent:char-to:\"%\"\n";

fn configuration(task: &Task<'_>) -> Option<String> {
    let directory = task.directory.display();
    // A queue that is synced at each message promises far more than survival of a kill, one that is not far less.
    if task.scenario.name == "tail-file" {
        return None;
    }
    let mut modules = String::new();
    let input = match task.scenario.from {
        From::File => {
            modules.push_str("module(load=\"imfile\" mode=\"inotify\")\n");
            format!(
                "input(type=\"imfile\" file=\"{}\" tag=\"bench\" addMetadata=\"off\")",
                task.log.path.display()
            )
        }
        From::Stream => {
            modules.push_str("module(load=\"imptcp\")\n");
            format!(
                "input(type=\"imptcp\" address=\"127.0.0.1\" port=\"{}\")",
                task.input
            )
        }
    };
    let (parser, property) = match task.scenario.name {
        "nginx" => {
            let rules = task.directory.join("nginx.rulebase");
            std::fs::write(&rules, NGINX_RULE).ok()?;
            modules.push_str("module(load=\"mmnormalize\")\n");
            let rules = rules.display();
            (
                format!("action(type=\"mmnormalize\" ruleBase=\"{rules}\" useRawMsg=\"off\")\n"),
                "$!all-json",
            )
        }
        "json" => {
            modules.push_str("module(load=\"mmjsonparse\")\n");
            (
                "action(type=\"mmjsonparse\" cookie=\"\")\n".to_owned(),
                "$!all-json",
            )
        }
        _ if task.scenario.from == From::Stream => (String::new(), "rawmsg"),
        _ => (String::new(), "msg"),
    };
    let end = match (property, task.scenario.to) {
        ("msg", To::Socket) => "",
        _ => " constant(value=\"\\n\")",
    };
    let action = match task.scenario.to {
        To::Socket => format!(
            "action(type=\"omfwd\" target=\"127.0.0.1\" port=\"{}\" protocol=\"tcp\" template=\"line\")",
            task.output
        ),
        To::File => format!(
            "action(type=\"omfile\" file=\"{directory}/{COLLECTED}.log\" template=\"line\" \
             ioBufferSize=\"256k\" flushOnTXEnd=\"off\" flushInterval=\"1\" asyncWriting=\"on\")"
        ),
    };
    Some(format!(
        "global(workDirectory=\"{directory}\")\n{modules}\
         template(name=\"line\" type=\"list\") {{ property(name=\"{property}\"){end} }}\n\
         main_queue(queue.type=\"LinkedList\" queue.size=\"100000\" queue.dequeueBatchSize=\"1024\")\n\
         {input}\n{parser}{action}\n"
    ))
}
