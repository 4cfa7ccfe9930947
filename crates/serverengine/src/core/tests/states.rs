//! `STATES.md`: the states of a slot from the table that the code obeys, and what each signal makes each
//! process do, found by sending it.
//!
//! `SERVERENGINE_UPDATE=1 cargo test -p serverengine --lib states` writes it anew.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use crate::core::table::{FIRST, SlotEvent, SlotState, next};
use crate::signals::{Meaning, Signal, SignalMeanings, WorkerMeaning};

use super::*;

const HEAD: &str = "\
# States and signals

Made from the code by `src/core/tests/states.rs`: the diagram and the first table are the table that the code
goes by (a test compares both for every state and event), the tables of signals are what the decisions of each
process are when the signal is sent to it.

## The states of a slot

A slot is the place of one child over all its lives: of a worker in a server, of the server in a supervisor.

";

const SIGNALS: &str = "\
## Signals to control processes

With the default meanings (`Config::signals` changes them for supervisor and server). A server has two workers here,
one of which a rolling restart replaces at a time; a supervisor has its server. \"Loads\" means that `reload_config`
is called; if it refuses, a server does nothing more, and a supervisor does what it does all the same, unless that is to
replace its server. A process that is stopping obeys a more urgent stop and nothing else.

";

const WORKERS: &str = "
## Signals to workers themselves

Workers that are threads live in the server process: its signals are the ones above. A program (`spawn`) does with
signals what it likes.

| Signal | Worker process | if its meaning is `Forward` |
|---|---|---|
";

fn diagram(text: &mut String) {
    text.push_str("```mermaid\nstateDiagram-v2\n");
    writeln!(text, "    [*] --> {FIRST:?}").unwrap();
    for from in SlotState::ALL {
        for to in SlotState::ALL {
            let events = SlotEvent::ALL
                .into_iter()
                .filter(|event| from != to && next(from, *event) == to)
                .map(|event| format!("{event:?}"))
                .collect::<Vec<_>>();
            if !events.is_empty() {
                writeln!(text, "    {from:?} --> {to:?}: {}", events.join(", ")).unwrap();
            }
        }
    }
    text.push_str("```\n\n");
}

fn transitions(text: &mut String) {
    text.push_str("| Event |");
    for state in SlotState::ALL {
        write!(text, " {state:?} |").unwrap();
    }
    text.push_str("\n|---|");
    text.push_str(&"---|".repeat(SlotState::ALL.len()));
    text.push('\n');
    for event in SlotEvent::ALL {
        write!(text, "| {event:?} |").unwrap();
        for state in SlotState::ALL {
            match next(state, event) {
                same if same == state => text.push_str(" · |"),
                other => write!(text, " {other:?} |").unwrap(),
            }
        }
        text.push('\n');
    }
    text.push_str("\n`·`: it stays.\n\n");
}

/// What the names mean is said in the code, once.
fn meanings(text: &mut String, of: &str) {
    let source = include_str!("../table.rs");
    let (_, body) = source
        .split_once(&format!("pub(crate) enum {of} {{"))
        .unwrap();
    let (body, _) = body.split_once("\n}").unwrap();
    let mut meaning = String::new();
    for line in body.lines().map(str::trim) {
        if let Some(part) = line.strip_prefix("/// ") {
            write!(meaning, " {part}").unwrap();
        } else if let Some(name) = line.strip_suffix(',') {
            writeln!(text, "* {name}:{meaning}").unwrap();
            meaning.clear();
        }
    }
    text.push('\n');
}

/// A kind of control process.
fn processes() -> [(&'static str, Policy); 5] {
    let supervisor = Policy {
        noun: "Server",
        may_scale: false,
        restart: Delegation::Children,
        ..policy(1)
    };
    let detach = |exit| {
        let wait = millis(10_000);
        Some(Detachment { wait, exit })
    };
    [
        ("Server", policy(2)),
        ("Supervisor", supervisor.clone()),
        (
            "with `restart_server_process`",
            Policy {
                restart: Delegation::Here,
                ..supervisor.clone()
            },
        ),
        (
            "with `enable_detach`",
            Policy {
                detach: detach(false),
                ..supervisor.clone()
            },
        ),
        (
            "and `exit_on_detach`",
            Policy {
                detach: detach(true),
                ..supervisor
            },
        ),
    ]
}

/// Says what is done about a command: by sending it, and by loading a configuration that is asked for.
fn done_about(policy: Policy, command: Command) -> String {
    let noun = policy.noun.to_lowercase();
    let mut machine = Machine::ready(policy);
    let mut actions = machine.command(0, command);
    let asked = actions.iter().find_map(|action| match action {
        Action::LoadConfig(change) => Some(*change),
        _ => None,
    });
    if let Some(change) = asked {
        let result = Ok(None);
        actions.extend(machine.at(0, Event::ConfigLoaded { change, result }));
    }
    let mut words = Vec::new();
    for action in actions {
        let name = |slot| format!("{noun} {slot}");
        let said = match action {
            Action::Stop { slot, urgency, .. } => match urgency {
                Urgency::Graceful => format!("{} leaves", name(slot)),
                Urgency::Immediate => format!("{} leaves at once", name(slot)),
                Urgency::Kill => format!("{} is killed", name(slot)),
            },
            Action::Order { slot, order, .. } => match order {
                Order::Restart(mode) => format!("{} is told: {mode} restart", name(slot)),
                Order::Stop(mode) => format!("{} is told: {mode} stop", name(slot)),
                Order::Reload => format!("{} is told: reload", name(slot)),
                Order::Dump => format!("{} is told: dump", name(slot)),
                Order::Detach => format!("{} is told: detach", name(slot)),
                Order::Forward(_) => format!("{} is told: the signal", name(slot)),
            },
            Action::LoadConfig(_) => "loads".to_owned(),
            Action::ReopenLog => "reopens the log".to_owned(),
            Action::Dump => "dumps".to_owned(),
            Action::Exit(code) => format!("ends with {code}"),
            Action::Spawn { slot, .. } => format!("starts {}", name(slot)),
            Action::Release { slot, .. } => format!("releases {}", name(slot)),
            Action::Hook(_) | Action::Log(_) => continue,
        };
        words.push(said);
    }
    if machine.state.stopping.is_some() {
        words.push("ends with it".to_owned());
    }
    words.join("; ")
}

fn signals(text: &mut String) {
    let meanings = SignalMeanings::default();
    let mut rows: BTreeMap<usize, String> = BTreeMap::new();
    text.push_str("| Signal | Meaning |");
    for (name, policy) in processes() {
        write!(text, " {name} |").unwrap();
        for (place, signal) in Signal::ALL.into_iter().enumerate() {
            let command = meanings.command(signal).unwrap();
            let row = rows.entry(place).or_default();
            write!(row, " {} |", done_about(policy.clone(), command)).unwrap();
        }
    }
    text.push_str("\n|---|---|---|---|---|---|---|\n");
    for (place, signal) in Signal::ALL.into_iter().enumerate() {
        let meaning = meanings.meaning(signal);
        writeln!(
            text,
            "| {} | `{meaning:?}` |{}",
            upper(signal),
            rows[&place]
        )
        .unwrap();
    }
    text.push_str(WORKERS);
    for signal in Signal::ALL {
        let forward = SignalMeanings {
            term: Meaning::Forward,
            int: Meaning::Forward,
            quit: Meaning::Forward,
            usr1: Meaning::Forward,
            usr2: Meaning::Forward,
            hup: Meaning::Forward,
            cont: Meaning::Forward,
        };
        let to_worker = |meanings: SignalMeanings| match meanings.worker_meaning(signal) {
            WorkerMeaning::Stop => "sets `stopping`, calls `stop`",
            WorkerMeaning::EndNow => "ends at once with status 1, no hooks, no core file",
            WorkerMeaning::Reload => "reopens the log, calls `reload`",
            WorkerMeaning::Dump => "writes its dump, calls `dump`; nothing once it is stopping",
            WorkerMeaning::Hook(_) => "calls `signal`",
        };
        let (usual, forwarded) = (to_worker(meanings), to_worker(forward));
        writeln!(text, "| {} | {usual} | {forwarded} |", upper(signal)).unwrap();
    }
    text.push_str(
        "\nThe server itself tells a worker process to stop by TERM, at once by QUIT, and by KILL at the deadline; \
         threads get the same over their life-line; programs by these signals, or by command words.\n",
    );
}

fn upper(signal: Signal) -> String {
    format!("{signal:?}").to_uppercase()
}

#[test]
fn states_and_signals_are_described_as_the_code_has_them() {
    let mut text = HEAD.to_owned();
    meanings(&mut text, "SlotState");
    diagram(&mut text);
    transitions(&mut text);
    meanings(&mut text, "SlotEvent");
    text.push_str(SIGNALS);
    signals(&mut text);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("STATES.md");
    if std::env::var_os("SERVERENGINE_UPDATE").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == text,
        "STATES.md is not up to date: SERVERENGINE_UPDATE=1 cargo test -p serverengine --lib states"
    );
}
