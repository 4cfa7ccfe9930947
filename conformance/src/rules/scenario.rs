//! Rules of the live kinds.

use serde_json::Value;

use super::Rule;
use crate::case::Case;
use crate::difference::Difference;

/// The kinds that play a configuration and steps.
const SCENARIOS: &[&str] = &[
    "buffer",
    "handshake",
    "net_extra",
    "out_file",
    "out_forward",
    "process",
    "routing",
];

/// Where a running program deviates.
pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "positions without a pos_file",
        reason: "positions are in the ledger, so a restart goes on where it was; without a pos_file \
                 Fluentd reads everything again",
        kinds: &["tail"],
        explains: |case, difference| {
            case.at("/source/pos_file").is_null()
                && case.get("source").get("pos_file").is_some()
                && difference.pointer == "/events"
                && is_part(&difference.ours, &difference.recorded)
        },
    },
    Rule {
        name: "late line of a rotated file",
        reason: "what is written to a rotated file after rotate_wait is found and delivered; Fluentd \
                 loses it",
        kinds: &["tail"],
        explains: |case, difference| {
            let in_events =
                difference.pointer == "/events" && is_part(&difference.recorded, &difference.ours);
            has_step(case, "rename")
                && loses_a_line(case)
                && (difference.pointer == "/log" || in_events)
        },
    },
    Rule {
        name: "error inside @ERROR",
        reason: "an error inside the label @ERROR is logged and counted; Fluentd sends it there again \
                 until its stack overflows and the worker ends",
        kinds: &["routing"],
        explains: |case, _| configuration(case).contains("<label @ERROR>") && crashed(case),
    },
    Rule {
        name: "crash of a worker on a fault of the configuration",
        reason: "a fault that is found at the start ends with the status for such faults, 2; where \
                 Fluentd takes it for a bug of its own it ends with 1, and is started again for ever",
        kinds: SCENARIOS,
        explains: |case, difference| {
            let ends_with_one = difference.pointer.ends_with("/exit")
                && difference.recorded == 1
                && difference.ours == 2;
            ends_with_one
                || (crashed(case) && says_more(difference, &["[error]: config error file="]))
        },
    },
    Rule {
        name: "record that meets no map",
        reason: "a record in which a chunk key meets no map is kept without that key; Fluentd resets the \
                 connection without an answer, so that its sender repeats it for ever",
        kinds: &["out_file", "buffer"],
        explains: |case, _| {
            let conf = configuration(case);
            let has_nested_key = conf.contains("<buffer") && conf.contains("$.");
            has_nested_key && resets(case)
        },
    },
    Rule {
        name: "a day of local time is one slice",
        reason: "also when it has 23 or 25 hours; Fluentd cuts it in two where the offset changes",
        kinds: &["out_file"],
        explains: |case, difference| {
            let conf = configuration(case);
            conf.contains("timekey_zone") && conf.contains("/New_York") && in_files(difference)
        },
    },
    Rule {
        name: "times from 1970 to 2106",
        reason: "times are event times of 32 bits; others become the nearest of these, where Fluentd \
                 writes files for days before 1970",
        kinds: &["out_file", "net_extra", "network", "routing", "buffer"],
        explains: |case, difference| {
            let is_before = difference.pointer.ends_with("/_time")
                && difference.recorded_text().starts_with('-');
            is_before || (has_negative_time(case) && in_files(difference))
        },
    },
    Rule {
        name: "equal warnings are counted",
        reason: "warnings that share plugin, tag and error are logged once, with their count, and ever \
                 more rarely: a flood of bad records does not fill the disk. Each is told at least once",
        kinds: &[
            "network",
            "buffer",
            "net_extra",
            "out_file",
            "out_forward",
            "process",
            "routing",
        ],
        explains: |_, difference| {
            // Lines that count: of chunks that are given up or moved each one is to be told.
            let counts = |line: &str| {
                ["Hit limit", "evacuated", "bad chunk", "failed to flush"]
                    .iter()
                    .any(|words| line.contains(words))
            };
            difference.pointer == "/log"
                && same_but_repeats(&difference.recorded, &difference.ours)
                && times_of(&difference.recorded, counts) == times_of(&difference.ours, counts)
        },
    },
    Rule {
        name: "the words of another program",
        reason: "the version line names this program and its version",
        kinds: &["process"],
        explains: |_, difference| {
            difference.recorded_text().starts_with("fluentd 1.")
                && difference.our_text().starts_with("millrun ")
        },
    },
    Rule {
        name: "workers do not outlive their server",
        reason: "a worker whose control process is killed ends with it; Fluentd's goes on without \
                 anybody to stop or replace it",
        kinds: &["process"],
        explains: |case, difference| {
            let told = difference.pointer == "/log" || difference.pointer.contains("worker_alive");
            has_step(case, "kill_supervisor_only") && told
        },
    },
    Rule {
        name: "a broken configuration changes nothing",
        reason: "workers are replaced only once the new configuration is read and sound; Fluentd ends \
                 the old ones first and restarts the new ones for ever",
        kinds: &["process"],
        explains: |case, difference| {
            let log = case.get("log").to_string();
            has_step(case, "signal")
                && log.contains("Fluent::ConfigParseError")
                && (difference.pointer.contains("children") || difference.pointer == "/log")
        },
    },
    Rule {
        name: "acknowledgement of what is dropped for its size",
        reason: "a message that chunk_size_limit drops is answered: unanswered, the client would send \
                 it again for ever and never get to what comes behind",
        kinds: &["network"],
        explains: |case, difference| {
            let log = case.get("log").to_string();
            log.contains("'chunk_size_limit', dropped:") && difference.pointer == "/response_text"
        },
    },
    Rule {
        name: "nil in the place of a PING",
        reason: "it is refused with an answer like anything else that is no PING; in Fluentd it crashes \
                 the handler, which resets the connection",
        kinds: &["handshake"],
        explains: |case, difference| {
            let sends_nil = case.get("steps").to_string().contains(r#"{"send":null}"#);
            let crashes = case.get("log").to_string().contains("NoMethodError");
            sends_nil && crashes && !in_files(difference)
        },
    },
    Rule {
        name: "one chunk is given up, not all",
        reason: "when retrying ends, the chunk that failed is set aside and the others are tried on; Fluentd drops \
                 the whole queue",
        kinds: SCENARIOS,
        explains: |case, difference| {
            let log = case.get("log").to_string();
            let drops_others = log
                .split("dropping all chunks in the buffer queue.")
                .skip(1)
                .any(|rest| records_of(rest) > 1);
            drops_others && difference.pointer == "/log" && says_again(difference)
        },
    },
    Rule {
        name: "a command at work is waited for",
        reason: "at the end a command that has a chunk is waited for, so the chunk is delivered once; Fluentd kills it, \
                 keeps the chunk and delivers it again at the next start",
        kinds: &["buffer", "net_extra", "process"],
        explains: |case, difference| {
            let log = case.get("log").to_string();
            let is_cut_short = log.contains("status=nil signal=15")
                || log.contains("delayed commit for buffer chunks was cancelled in shutdown");
            let is_end =
                in_files(difference) || difference.pointer == "/log" || in_tree(case, difference);
            configuration(case).contains("@type exec") && is_cut_short && is_end
        },
    },
    Rule {
        name: "a damaged meta file costs nothing",
        reason: "the ledger says what a chunk is, so it is delivered; Fluentd puts it aside undelivered",
        kinds: &["buffer"],
        explains: |case, difference| {
            let log = case.get("log").to_string();
            let is_told = in_files(difference)
                || (difference.pointer == "/log" && says_less(difference, &BROKEN_CHUNK));
            let damages_meta = steps(case).any(|step| {
                let word = |index| step.get(index).and_then(Value::as_str);
                word(0) == Some("mangle") && word(1).is_some_and(|glob| glob.ends_with(".meta"))
            });
            damages_meta && log.contains("meta file is broken") && is_told
        },
    },
    Rule {
        name: "a damaged chunk is not sent half",
        reason: "the ledger knows which bytes were committed: a chunk that something else cut, lengthened or changed is put \
                 aside or cut back, with a message; Fluentd delivers what it makes of it, up to the middle of an event",
        kinds: &["buffer"],
        explains: |case, difference| {
            let damages_data = steps(case).any(|step| {
                let word = |index| step.get(index).and_then(Value::as_str);
                let how = step.get(2).map(Value::to_string).unwrap_or_default();
                let is_damage = ["\"cut\"", "\"append_b64\"", "\"set\""]
                    .iter()
                    .any(|key| how.contains(key));
                word(0) == Some("mangle")
                    && word(1).is_some_and(|glob| glob.ends_with(".log"))
                    && is_damage
            });
            damages_data
                && (in_files(difference)
                    || in_tree(case, difference)
                    || difference.pointer == "/log")
        },
    },
    Rule {
        name: "metadata that was left behind is found",
        reason: "a chunk whose meta file has the name of its former state gets it back; Fluentd delivers it without tag \
                 and time, and leaves the file for ever",
        kinds: &["buffer"],
        explains: |case, difference| {
            let path = difference.recorded.get("path").and_then(Value::as_str);
            case.get("steps").to_string().contains("\"rename_state\"")
                && difference.ours.is_null()
                && path.is_some_and(|path| path.ends_with(".meta"))
        },
    },
    Rule {
        name: "chunks are numbered",
        reason: "an option that other receivers ignore numbers each chunk that is to be acknowledged, so \
                 that a millrun stores it once however often it is sent; Fluentd doubles it",
        kinds: &["out_forward", "handshake"],
        explains: |case, difference| {
            let is_number = difference.pointer.ends_with("/option/millrun");
            let parts: Vec<&str> = difference.pointer.split('/').collect();
            let is_length = matches!(parts.as_slice(), [.., "conn_ends", _, "0" | "1"])
                && difference.ours.as_u64() > difference.recorded.as_u64();
            let is_answered = configuration(case).contains("require_ack_response true");
            is_answered && (is_number || is_length)
        },
    },
    Rule {
        name: "an acknowledged chunk is not sent again",
        reason: "once its answer has come a chunk is delivered; Fluentd, which still waits on the connection before, gives that \
                 up later, takes the chunk back and sends what was stored already once more",
        kinds: &["out_forward"],
        explains: |case, difference| {
            let report = difference.pointer.strip_suffix("/messages");
            let report = report.or_else(|| difference.pointer.strip_suffix("/conn_ends"));
            let report = report.or_else(|| difference.pointer.strip_suffix("/connections"));
            let report = report.or_else(|| difference.pointer.strip_suffix("/count"));
            report.is_some_and(|report| {
                repeats_an_acknowledged(case.at(&format!("{report}/messages")))
            })
        },
    },
    Rule {
        name: "a server that speaks no TLS is given up",
        reason: "the bytes of a TLS greeting are of no interest, and a handshake that does not go on is given up after \
                 hard_timeout; Fluentd waits for ever and does not stop any more",
        kinds: &["out_forward"],
        explains: |case, difference| {
            let hangs = case.get("results").to_string().contains("did not stop");
            let is_report = ["/count", "/messages", "/conn_ends", "/exit", "/connections"]
                .iter()
                .any(|part| difference.pointer.contains(part));
            hangs && configuration(case).contains("transport tls") && is_report
        },
    },
];

/// The texts of all files of the configuration.
fn configuration(case: &Case) -> String {
    let files = case.configuration().into_iter();
    files.map(|(_, text)| text).collect()
}

fn steps(case: &Case) -> impl Iterator<Item = &Value> {
    case.list("steps").unwrap_or_default().iter()
}

fn has_step(case: &Case, name: &str) -> bool {
    steps(case).any(|step| step.get(0).and_then(Value::as_str) == Some(name))
}

/// Whether a line that was written once the program had started is in none of the recorded events.
fn loses_a_line(case: &Case) -> bool {
    let recorded = case.get("events").to_string();
    let is_start = |step: &&Value| step.get(0).and_then(Value::as_str) == Some("start");
    let running = steps(case).skip_while(|step| !is_start(step));
    let written = running.filter_map(|step| match step.get(0)?.as_str()? {
        "append" | "write" => step.get(2)?.as_str(),
        _ => None,
    });
    written
        .flat_map(str::lines)
        .any(|line| !recorded.contains(&Value::from(line).to_string()))
}

/// Whether the recorded program reset a connection.
fn resets(case: &Case) -> bool {
    case.get("results").to_string().contains("\"reset\"")
}

/// Whether the recorded program ended by a fault of its own.
fn crashed(case: &Case) -> bool {
    case.get("results").to_string().contains("{\"exit\":1}")
}

fn in_files(difference: &Difference) -> bool {
    difference.pointer.starts_with("/files")
}

fn has_negative_time(case: &Case) -> bool {
    let events = steps(case).filter(|step| step.get(0).and_then(Value::as_str) == Some("emit"));
    let events = events.filter_map(|step| step.get(2)?.as_array()).flatten();
    let mut times = events.filter_map(|event| event.get(1)?.as_i64());
    times.any(|time| time < 0)
}

/// Whether a list is another one in which something is missing.
fn is_part(part: &Value, whole: &Value) -> bool {
    let (Some(part), Some(whole)) = (part.as_array(), whole.as_array()) else {
        return false;
    };
    let mut whole = whole.iter();
    part.iter().all(|item| whole.any(|other| other == item))
}

/// Whether ours are the recorded lines and such of these.
fn says_more(difference: &Difference, more: &[&str]) -> bool {
    let (Some(recorded), Some(ours)) = (difference.recorded.as_array(), difference.ours.as_array())
    else {
        return false;
    };
    let mut left = recorded.iter().peekable();
    let is_told = ours.iter().all(|line| {
        let is_recorded = left.next_if(|expected| *expected == line).is_some();
        is_recorded || line.as_str().is_some_and(|line| more.contains(&line))
    });
    is_told && left.next().is_none() && recorded.len() < ours.len()
}

/// Whether ours say the same lines, each once or more often than recorded, and no other.
fn says_again(difference: &Difference) -> bool {
    let times = |lines: &Value, wanted: &str| times_of(lines, |line| line == wanted);
    let all = [&difference.recorded, &difference.ours];
    let mut lines = all.into_iter().filter_map(Value::as_array).flatten();
    lines.all(|line| {
        let line = line.as_str().unwrap_or_default();
        let recorded = times(&difference.recorded, line);
        recorded > 0 && recorded <= times(&difference.ours, line)
    })
}

/// How many of these lines are such.
fn times_of(lines: &Value, is_such: impl Fn(&str) -> bool) -> usize {
    let lines = lines.as_array().into_iter().flatten();
    lines
        .filter_map(Value::as_str)
        .filter(|line| is_such(line))
        .count()
}

/// What the recorded program says of a chunk that it puts aside at its start.
const BROKEN_CHUNK: [&str; 2] = [
    "[error]: found broken chunk file during resume.",
    "[warn]: bad chunk is moved to",
];

/// Whether the recorded lines are ours and such of these.
fn says_less(difference: &Difference, less: &[&str]) -> bool {
    let swapped = Difference::new(
        &difference.pointer,
        difference.ours.clone(),
        difference.recorded.clone(),
    );
    says_more(&swapped, less)
}

/// How many records a message says that it is about: ` … records=3 …`.
fn records_of(message: &str) -> u64 {
    let number = message.split("records=").nth(1).unwrap_or_default();
    let end = number.find(|letter: char| !letter.is_ascii_digit());
    let digits = number.get(..end.unwrap_or(number.len()));
    digits.and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

/// Whether these messages to one server have a chunk that was sent after it had been acknowledged.
fn repeats_an_acknowledged(messages: &Value) -> bool {
    let mut acknowledged: Vec<&Value> = Vec::new();
    for message in messages.as_array().into_iter().flatten() {
        let Some(chunk) = message.pointer("/option/chunk") else {
            continue;
        };
        if acknowledged.contains(&chunk) {
            return true;
        }
        if message.get("action").and_then(Value::as_str) == Some("ack") {
            acknowledged.push(chunk);
        }
    }
    false
}

/// Whether a difference lies in the result of a step that looks at files.
fn in_tree(case: &Case, difference: &Difference) -> bool {
    let mut parts = difference.pointer.split('/').skip(1);
    if parts.next() != Some("results") {
        return false;
    }
    let position = parts.next().unwrap_or_default();
    let step = case.at(&format!("/results/{position}/0")).as_u64();
    let name = step.map(|step| case.at(&format!("/steps/{step}/0")));
    let name = name.and_then(Value::as_str);
    matches!(name, Some("tree" | "read"))
}

/// Whether two lists of lines are the same if each line counts once.
fn same_but_repeats(recorded: &Value, ours: &Value) -> bool {
    let once = |lines: &Value| {
        let mut once: Vec<&str> = Vec::new();
        for line in lines
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
        {
            if !once.contains(&line) {
                once.push(line);
            }
        }
        once.iter()
            .map(|line| (*line).to_owned())
            .collect::<Vec<_>>()
    };
    let count = |lines: &Value| lines.as_array().map_or(0, Vec::len);
    count(ours) < count(recorded) && once(recorded) == once(ours)
}
