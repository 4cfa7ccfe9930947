use serde_json::{Map, Value, json};

use super::pattern::fits;
use super::promises::Promise;
use super::scene::Observation;
use super::{fakes, http, said};
use crate::case::{Case, member};
use crate::difference::Difference;

/// Differences told of one case; whoever has more is not near to agreeing.
const DIFFERENCES_MAX: usize = 50;
/// How far seconds of a run may be from the recorded ones.
const SECONDS_TOLERANCE: f64 = 0.4;
/// What the usual umask takes from files. The recordings were made under the umask 0 that Fluentd gives its daemon, a
/// fault of its own (fluentd.md, list of faults, row 21): what commands write is writable for all there.
const UMASK: u32 = 0o022;
/// How connections that are over were seen: which word, depends on bytes not read yet.
const OVER: [&str; 5] = [
    "closed",
    "reset",
    "error:BrokenPipeError",
    "ConnectionResetError",
    "peer closed",
];

/// Every place where a run is not as recorded.
pub(crate) fn differences(case: &Case, run: &Observation) -> Vec<Difference> {
    let mut comparison = Comparison::of(case);
    for (position, (step, recorded)) in case.results().enumerate() {
        let ours = run.results.get(step).unwrap_or(&Value::Null);
        let pointer = format!("/results/{position}/1");
        let name = case.at(&format!("/steps/{step}/0")).as_str();
        match name.unwrap_or_default() {
            "cmd" => said::command(&mut comparison, &pointer, recorded, ours),
            "log_lines" | "log_lines_all" | "log_file_lines" => {
                said::log(&mut comparison, &pointer, recorded, ours);
            }
            "http" => http::response(&mut comparison, &pointer, recorded, ours),
            "fake_get" => fakes::report(&mut comparison, case, &pointer, recorded, ours),
            "handshake" => comparison.value(
                &pointer,
                &fakes::without_failed_sends(recorded),
                &fakes::without_failed_sends(ours),
            ),
            _ => comparison.value(&pointer, recorded, ours),
        }
    }
    if let Some(recorded) = case.list("files") {
        comparison.entries("/files", recorded, &run.files);
    }
    if let Some(recorded) = case.list("log") {
        comparison.log(recorded, &run.log);
    }
    if let Some(recorded) = case.list("log_set") {
        comparison.log_set(recorded, &run.log);
    }
    comparison.found
}

/// A comparison under way.
pub(crate) struct Comparison<'a> {
    case: &'a Case,
    /// Which log lines are compared.
    pub(crate) promise: Promise,
    pub(crate) found: Vec<Difference>,
}

impl<'a> Comparison<'a> {
    pub(crate) fn of(case: &'a Case) -> Self {
        let promise = match case.text("kind") {
            Some("process") => Promise::MessagesAndLife,
            _ => Promise::Messages,
        };
        Self {
            case,
            promise,
            found: Vec::new(),
        }
    }

    /// Compares what stands at a place in the case with what a run has there.
    pub(crate) fn value(&mut self, pointer: &str, recorded: &Value, ours: &Value) {
        let before = self.found.len();
        self.fixed(pointer, recorded, ours);
        if self.found.len() == before || !self.case.varies(pointer) {
            return;
        }
        let first = self.found.split_off(before);
        // Where the other recording's value was not kept, nothing is known but that it varies.
        if let Some(second) = self.case.second(pointer) {
            self.fixed(pointer, second, ours);
            if self.found.len() > before {
                self.found.truncate(before);
                self.found.extend(first);
            }
        }
    }

    fn fixed(&mut self, pointer: &str, recorded: &Value, ours: &Value) {
        if self.found.len() >= DIFFERENCES_MAX {
            return;
        }
        match (recorded, ours) {
            (Value::Array(recorded), Value::Array(ours)) => {
                if is_entries(recorded) || is_entries(ours) {
                    return self.entries(pointer, recorded, ours);
                }
                if recorded.len() != ours.len() {
                    return self.tell(pointer, recorded.clone(), ours.clone());
                }
                for (index, (recorded, ours)) in recorded.iter().zip(ours).enumerate() {
                    self.value(&format!("{pointer}/{index}"), recorded, ours);
                }
            }
            (Value::Object(recorded), Value::Object(ours)) => {
                self.members(pointer, recorded, ours);
            }
            _ if agrees(pointer, recorded, ours) => {}
            _ => self.tell(pointer, recorded.clone(), ours.clone()),
        }
    }

    fn members(&mut self, pointer: &str, recorded: &Map<String, Value>, ours: &Map<String, Value>) {
        // The content says more than its length, which masks change.
        let has_content = ["text", "events"]
            .iter()
            .any(|key| recorded.contains_key(*key));
        let further = ours.keys().filter(|key| !recorded.contains_key(*key));
        for key in recorded.keys().chain(further) {
            // The bytes of a message were kept only where nothing in them is random.
            let is_random = key == "raw_b64" && !recorded.contains_key(key);
            if (key == "size" && has_content) || is_random {
                continue;
            }
            let (recorded, ours) = (member(recorded, key), member(ours, key));
            if key == "text" && said::is_log(recorded) {
                said::log(self, &format!("{pointer}/{key}"), recorded, ours);
                continue;
            }
            self.value(&format!("{pointer}/{key}"), recorded, ours);
        }
    }

    /// Compares trees by path, so that one missing file is told as that.
    fn entries(&mut self, pointer: &str, recorded: &[Value], ours: &[Value]) {
        let mut left: Vec<&Value> = ours.iter().collect();
        for (index, entry) in recorded.iter().enumerate() {
            let pointer = format!("{pointer}/{index}");
            let found = left.iter().position(|ours| fits(path(entry), path(ours)));
            match found {
                Some(found) => self.value(&pointer, entry, left.remove(found)),
                None if self.case.varies(&pointer) => {}
                None => self.tell(&pointer, entry.clone(), Value::Null),
            }
        }
        // Where facts of log files were looked at, the recorded tree holds nothing else.
        let steps = self.case.get("steps").to_string();
        let is_filtered = steps.contains("[\"log_file");
        // Nor does it hold the keys and certificates that a step has openssl make: they are random.
        let makes_keys = steps.contains("openssl");
        let is_wanted = |further: &&Value| {
            let is_key = makes_keys && path(further).ends_with(".pem");
            // A tree without anything was not looked at for what a step had written.
            let written = format!("[\"write\",\"{}\"", path(further));
            let is_given = recorded.is_empty() && steps.contains(&written);
            !is_filtered && !is_key && !is_given && !self.is_left_out(path(further), recorded)
        };
        let further: Vec<&Value> = left.into_iter().filter(is_wanted).collect();
        for further in further {
            self.tell(pointer, Value::Null, further.clone());
        }
    }

    /// Whether a path lies in the directory of a file buffer, which every program makes at its start, and a recorded tree
    /// does not hold that directory: then the recording looked at other files only.
    fn is_left_out(&self, path: &str, recorded: &[Value]) -> bool {
        let is_or_is_below = |path: &str, directory: &str| {
            let rest = path.strip_prefix(directory);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let files = self.case.configuration();
        let sections = files
            .iter()
            .flat_map(|(_, text)| text.split("<buffer").skip(1))
            .filter_map(|section| section.split("</buffer>").next());
        let mut directories = sections
            .flat_map(str::lines)
            .filter_map(|line| line.trim().strip_prefix("path $D/"));
        directories.any(|directory| {
            let is_recorded = recorded.iter().any(|entry| self::path(entry) == directory);
            !is_recorded && is_or_is_below(path, directory)
        })
    }

    /// Compares the promised lines of a log, in their order, and where times were kept, their times.
    pub(crate) fn log(&mut self, recorded: &[Value], ours: &[(Option<f64>, String)]) {
        let recorded: Vec<(Option<f64>, &str)> = recorded
            .iter()
            .filter_map(|line| match line {
                Value::Array(pair) => Some((pair.first()?.as_f64(), pair.get(1)?.as_str()?)),
                line => Some((None, line.as_str()?)),
            })
            .collect();
        let is_timed = recorded.iter().any(|(time, _)| time.is_some());
        let has_failed = |line: &str| GREETING_FAILED.iter().any(|words| line.contains(words));
        let failed = recorded.iter().filter(|(_, line)| has_failed(line));
        let failures: Vec<f64> = failed.filter_map(|(time, _)| *time).collect();
        let ours = ours.iter().map(|(time, line)| (*time, line.as_str()));
        let recorded = self.promise.of(recorded.into_iter());
        let ours = self.promise.of(ours);
        let texts = |lines: &[(Option<f64>, String)]| -> Vec<String> {
            lines.iter().map(|(_, line)| line.clone()).collect()
        };
        let (recorded_texts, our_texts) = (texts(&recorded), texts(&ours));
        if recorded_texts != our_texts {
            return self.value("/log", &json!(recorded_texts), &json!(our_texts));
        }
        if is_timed && !same_times(&recorded, &ours, &failures) {
            let times = |lines: &[(Option<f64>, String)]| -> Value {
                lines.iter().map(|(time, _)| json!(time)).collect()
            };
            self.tell("/log", times(&recorded), times(&ours));
        }
    }

    /// Compares which promised lines there are, whatever their number and order.
    fn log_set(&mut self, recorded: &[Value], ours: &[(Option<f64>, String)]) {
        let set = |lines: Vec<(Option<f64>, String)>| -> Vec<String> {
            let mut set: Vec<String> = lines.into_iter().map(|(_, line)| line).collect();
            set.sort_unstable();
            set.dedup();
            set
        };
        let recorded = recorded.iter().filter_map(Value::as_str);
        let recorded = set(self.promise.of(recorded.map(|line| (None, line))));
        let ours = ours.iter().map(|(_, line)| (None, line.as_str()));
        let ours = set(self.promise.of(ours));
        if recorded != ours {
            self.value("/log_set", &json!(recorded), &json!(ours));
        }
    }

    pub(crate) fn tell(
        &mut self,
        pointer: &str,
        recorded: impl Into<Value>,
        ours: impl Into<Value>,
    ) {
        self.found.push(Difference::new(pointer, recorded, ours));
    }
}

/// Whether two values that hold no others are the same to a reader of the recordings.
fn agrees(pointer: &str, recorded: &Value, ours: &Value) -> bool {
    match (recorded, ours) {
        (Value::String(recorded), Value::String(ours)) if pointer.ends_with("/mode") => {
            recorded == ours || is_under_umask(recorded, ours)
        }
        (Value::String(recorded), Value::String(ours)) => {
            fits(recorded, ours) || (is_over(recorded) && is_over(ours))
        }
        (Value::String(recorded), Value::Number(ours)) => fits(recorded, &ours.to_string()),
        (Value::Number(recorded), Value::Number(ours)) if pointer.ends_with("/t") => {
            let (recorded, ours) = (recorded.as_f64(), ours.as_f64());
            recorded
                .zip(ours)
                .is_some_and(|(recorded, ours)| near(recorded, ours))
        }
        // How it was seen that a connection is over.
        (Value::String(word), Value::Bool(true)) | (Value::Bool(true), Value::String(word)) => {
            pointer.ends_with("/closed") && is_over(word)
        }
        _ => recorded == ours,
    }
}

/// Whether a mode in octal is the recorded one less what the usual umask takes.
fn is_under_umask(recorded: &str, ours: &str) -> bool {
    let mode = |text| u32::from_str_radix(text, 8).ok();
    mode(recorded)
        .zip(mode(ours))
        .is_some_and(|(recorded, ours)| recorded & !UMASK == ours)
}

fn is_over(word: &str) -> bool {
    OVER.contains(&word)
}

fn near(recorded: f64, ours: f64) -> bool {
    // The recording is rounded to a tenth.
    (recorded - ours).abs() <= SECONDS_TOLERANCE + 0.05
}

/// Times count from the first promised line that has one. `failures` are those of recorded handshakes that failed.
fn same_times(
    recorded: &[(Option<f64>, String)],
    ours: &[(Option<f64>, String)],
    failures: &[f64],
) -> bool {
    let start = |lines: &[(Option<f64>, String)]| lines.iter().find_map(|(time, _)| *time);
    let (Some(recorded_start), Some(our_start)) = (start(recorded), start(ours)) else {
        return true;
    };
    recorded.iter().zip(ours).all(|pair| match pair {
        ((Some(recorded), _), (Some(ours), _)) => {
            let failed = failures.iter().filter(|time| *time <= recorded).count();
            let by_chance = GREETING_SECONDS * failed as f64;
            let (recorded, ours) = (recorded - recorded_start, ours - our_start);
            // Ours never waits for an answer that is there already.
            near(ours.clamp(recorded - by_chance, recorded), ours)
        }
        _ => true,
    })
}

/// How the lines of a handshake that failed begin, behind the plugin's id.
const GREETING_FAILED: [&str; 2] = ["connection refused to", "disconnected host="];
/// What a handshake takes longer in the recordings by chance: an answer that is not there at once is looked for again
/// after so long (`read_interval_msec`), so that the same scenario takes half a second more or less for six servers.
const GREETING_SECONDS: f64 = 0.1;

fn is_entries(values: &[Value]) -> bool {
    values
        .first()
        .is_some_and(|value| value.get("path").is_some())
}

fn path(entry: &Value) -> &str {
    entry
        .get("path")
        .and_then(Value::as_str)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(recording: &Value, results: Vec<Value>, files: Vec<Value>) -> Vec<String> {
        let case = Case::parse(1, &recording.to_string()).unwrap();
        let run = Observation {
            results,
            files,
            log: Vec::new(),
            inodes: Vec::new(),
        };
        let differences = differences(&case, &run);
        differences.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_mode_may_lack_what_the_usual_umask_takes() {
        let agrees = |recorded: &str, ours: &str| {
            let (recorded, ours) = (Value::from(recorded), Value::from(ours));
            super::agrees("/files/0/mode", &recorded, &ours)
        };
        assert!(agrees("0666", "0644") && agrees("0777", "0755") && agrees("0644", "0644"));
        assert!(!agrees("0644", "0666") && !agrees("0666", "0600") && !agrees("0644", "0640"));
        let (recorded, ours) = (Value::from("0666"), Value::from("0644"));
        assert!(!super::agrees("/files/0/text", &recorded, &ours));
    }

    #[test]
    fn what_agrees_has_no_difference() {
        let recording = json!({"results": [[1, {"acks": ["ack", "reset"], "t": 1.0, "closed": "reset"}]],
            "files": [{"path": "a$PID", "size": 9, "text": "at $now"}, {"path": "b", "m": "$now"}]});
        let results = vec![
            json!(null),
            json!({"acks": ["ack", "closed"], "t": 1.4, "closed": true}),
        ];
        let files = vec![
            json!({"path": "a7", "size": 3, "text": "at 1700000000"}),
            json!({"path": "b", "m": 1_700_000_000}),
        ];
        assert_eq!(told(&recording, results, files), [""; 0]);
    }

    #[test]
    fn every_difference_is_told_with_its_place() {
        let recording = json!({"files": [{"path": "a", "text": "x"}]});
        assert_eq!(
            told(
                &recording,
                Vec::new(),
                vec![json!({"path": "a", "text": "y"})]
            ),
            [r#"/files/0/text: recorded "x", ours "y""#]
        );
        assert_eq!(
            told(&recording, Vec::new(), vec![json!({"path": "b"})]),
            [
                r#"/files/0: recorded "{\"path\":\"a\",\"text\":\"x\"}", ours "null""#,
                r#"/files: recorded "null", ours "{\"path\":\"b\"}""#
            ]
        );
    }

    #[test]
    fn what_varied_may_be_either() {
        let recording = json!({"results": [[0, {"a": 1, "b": 1}]],
            "varies": ["/results/0/1/a", "/results/0/1/b"], "second": {"/results/0/1/a": 2}});
        let told = |a| told(&recording, vec![json!({"a": a, "b": 9})], Vec::new());
        assert_eq!(told(2), [""; 0]);
        assert_eq!(told(3), [r#"/results/0/1/a: recorded "1", ours "3""#]);
    }

    #[test]
    fn times_of_a_log_count_from_its_first_promised_line() {
        let recording = json!({"log": [[0.0, "[info]: x"], [1.0, "[warn]: retry succeeded. a"],
            [2.0, "[warn]: retry succeeded. b"]]});
        let case = Case::parse(1, &recording.to_string()).unwrap();
        let run = |second: f64| Observation {
            results: Vec::new(),
            files: Vec::new(),
            log: [
                (7.0, "[warn]: retry succeeded. c"),
                (second, "[warn]: retry succeeded. d"),
            ]
            .map(|(time, line)| (Some(time), line.to_owned()))
            .to_vec(),
            inodes: Vec::new(),
        };
        assert_eq!(differences(&case, &run(8.3)), []);
        assert_eq!(differences(&case, &run(9.0)).len(), 1);
    }

    #[test]
    fn handshakes_that_failed_may_have_taken_less() {
        let lines = |times: &[f64]| -> Vec<(Option<f64>, String)> {
            times
                .iter()
                .map(|time| (Some(*time), "x".to_owned()))
                .collect()
        };
        let recorded = lines(&[0.0, 1.1, 2.3]);
        let failures: Vec<f64> = (0..18).map(|place| f64::from(place) * 0.13).collect();
        let same = |ours: &[f64], failures: &[f64]| same_times(&recorded, &lines(ours), failures);
        assert!(same(&[7.0, 7.6, 8.8], &failures));
        assert!(!same(&[7.0, 7.6, 8.8], &[]));
        assert!(!same(&[7.0, 8.6, 9.8], &failures) && !same(&[7.0, 7.0, 7.0], &failures));
    }
}
