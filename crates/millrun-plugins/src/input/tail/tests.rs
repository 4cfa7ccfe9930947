//! The whole plugin on real files: the recorded scenarios, and what is timed or cannot be modelled.

use std::collections::HashMap;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use millrun_config::{Diagnostics, Element, Environment, NoIncludes, parameters, parse_str};
use millrun_core::{
    Assembly, DeliveryError, DirectOutput, Node, OwnListeners, Pipeline, PluginId, Registry,
    StartError, Stop, System, assemble,
};
use millrun_event::{Entries, Events};
use serde_json::{Value as Json, json};

/// Longest wait for something that must come.
const PATIENCE: Duration = Duration::from_secs(20);

type Captured = HashMap<String, Vec<Json>>;

fn captured() -> &'static Mutex<Captured> {
    static CAPTURED: OnceLock<Mutex<Captured>> = OnceLock::new();
    CAPTURED.get_or_init(Mutex::default)
}

parameters! {
    /// Keeps events for a test.
    pub struct CaptureParameters in "match", type "capture" {
        /// Under which name.
        name: String = required;
        /// How many batches are refused first.
        refusals: u32 = "0";
    }
}

struct Capture {
    name: String,
    refusals: AtomicU32,
}

impl DirectOutput for Capture {
    fn emit(&self, tag: &str, events: Events<'_>) -> Result<(), DeliveryError> {
        let refuse = |left: u32| left.checked_sub(1);
        if self
            .refusals
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, refuse)
            .is_ok()
        {
            return Err(DeliveryError::Retriable("not now".into()));
        }
        let mut captured = captured().lock().unwrap();
        let kept = captured.entry(self.name.clone()).or_default();
        for entry in Entries::new(events.bytes) {
            let mut event = json!({"_tag": tag});
            for pair in entry.unwrap().record().fields().unwrap() {
                let (key, value) = pair.unwrap();
                let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                event[text(key.text().unwrap())] = text(value.text().unwrap()).into();
            }
            kept.push(event);
        }
        Ok(())
    }
}

fn build_capture(element: &Element, id: &PluginId, assembly: &mut Assembly<'_>) -> Option<Node> {
    let parameters = CaptureParameters::read(element, assembly.diagnostics)?;
    Some(Node::Direct {
        id: id.clone(),
        output: Arc::new(Capture {
            name: parameters.name,
            refusals: AtomicU32::new(parameters.refusals),
        }),
    })
}

/// One source in one directory, started and stopped at will.
struct Scene {
    name: String,
    directory: tempfile::TempDir,
    config: String,
    pipeline: Option<Pipeline>,
}

impl Scene {
    /// `source` and `parse` are lines of configuration; `$D` stands for the directory.
    fn new(name: &str, source: &str, parse: &str) -> Self {
        logged::install();
        // No leading dot, which a tag would squeeze.
        let directory = tempfile::Builder::new().prefix("tail").tempdir().unwrap();
        let config = format!(
            "<source>\n@type tail\n@id {name}\n{source}\n<parse>\n{parse}\n</parse>\n</source>\n\
             <match **>\n@type capture\nname {name}\n</match>\n"
        );
        let config = config.replace("$D", directory.path().to_str().unwrap());
        Self {
            name: name.to_owned(),
            directory,
            config,
            pipeline: None,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn start(&mut self) {
        self.try_start().unwrap();
    }

    fn try_start(&mut self) -> Result<(), StartError> {
        let mut registry = Registry::default();
        registry.add_input("tail", super::TailParameters::SCHEMA, super::build);
        registry.add_output("capture", CaptureParameters::SCHEMA, build_capture);
        let parsed = parse_str(
            "t.conf",
            &self.config,
            &Environment::default(),
            &mut NoIncludes,
        );
        let mut diagnostics: Diagnostics = parsed.diagnostics;
        let system = System::read(&parsed.root, &mut diagnostics).unwrap();
        let state = self.path("state");
        let parts = assemble(&parsed.root, &registry, &system, &state, &mut diagnostics);
        let errors: Vec<_> = diagnostics
            .errors()
            .map(|error| error.message.clone())
            .collect();
        assert_eq!(errors, [""; 0]);
        let wake = Stop::new();
        let pipeline = Pipeline::start(parts, &system, &state, &OwnListeners, &wake)?;
        self.pipeline = Some(pipeline);
        Ok(())
    }

    fn stop(&mut self) {
        if let Some(pipeline) = self.pipeline.take() {
            assert!(!pipeline.has_failed());
            pipeline.stop();
        }
    }

    fn append(&self, name: &str, text: &str) {
        let file = OpenOptions::new()
            .append(true)
            .create(true)
            .open(self.path(name));
        file.unwrap().write_all(text.as_bytes()).unwrap();
    }

    fn events(&self) -> Vec<Json> {
        captured()
            .lock()
            .unwrap()
            .get(&self.name)
            .cloned()
            .unwrap_or_default()
    }

    fn messages(&self) -> Vec<String> {
        let message = |event: &Json| event["message"].as_str().unwrap_or("?").to_owned();
        self.events().iter().map(message).collect()
    }

    /// Waits until `count` events have come, and fails where they do not.
    fn wait_for(&self, count: usize) {
        let deadline = Instant::now() + PATIENCE;
        while self.events().len() < count {
            assert!(
                Instant::now() < deadline,
                "{} of {count} events",
                self.events().len()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn positions(&self) -> Vec<[String; 3]> {
        let text = fs::read_to_string(self.path("pos")).unwrap_or_default();
        let entry = |line: &str| {
            let fields: Vec<_> = line.split('\t').map(str::to_owned).collect();
            <[String; 3]>::try_from(fields).unwrap()
        };
        text.lines().map(entry).collect()
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The log lines of all tests, by plugin.
mod logged {
    use super::*;
    use std::fmt::Debug;
    use tracing::field::{Field, Visit};

    static LINES: Mutex<Vec<(String, String)>> = Mutex::new(Vec::new());

    struct Recorder;

    #[derive(Default)]
    struct Line {
        plugin_id: String,
        message: String,
    }

    impl Visit for Line {
        fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
            if field.name() == "message" {
                self.message = format!("{value:?}");
            }
        }
        fn record_str(&mut self, field: &Field, value: &str) {
            match field.name() {
                "plugin_id" => self.plugin_id = value.to_owned(),
                "message" => self.message = value.to_owned(),
                _ => {}
            }
        }
    }

    impl tracing::Subscriber for Recorder {
        fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
            true
        }
        fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
            tracing::span::Id::from_u64(1)
        }
        fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
        fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
        fn event(&self, event: &tracing::Event<'_>) {
            let mut line = Line::default();
            event.record(&mut line);
            let level = event.metadata().level().as_str().to_lowercase();
            let text = format!("[{level}]: {}", line.message);
            LINES.lock().unwrap().push((line.plugin_id, text));
        }
        fn enter(&self, _: &tracing::span::Id) {}
        fn exit(&self, _: &tracing::span::Id) {}
    }

    pub(super) fn install() {
        // The first of the tests does it for all.
        let _ = tracing::subscriber::set_global_default(Recorder);
    }

    pub(super) fn lines(plugin_id: &str) -> Vec<String> {
        let lines = LINES.lock().unwrap();
        lines
            .iter()
            .filter(|(id, _)| id == plugin_id)
            .map(|(_, text)| text.clone())
            .collect()
    }
}

/// Recorded cases that end differently here: in what, and why.
const DEVIATIONS: &[(&str, &[&str], &str)] = &[
    (
        "no pos_file restart",
        &["events"],
        "positions are kept without a pos_file too",
    ),
    (
        "multiline basic",
        &["unsupported"],
        "multi-line parsers are not there yet",
    ),
    (
        "old file written after rotate_wait",
        &["events", "log"],
        "the late line is found with the next refresh, not lost",
    ),
    (
        "rename, late write to old, create",
        &["log"],
        "one log line for a file that is followed, not one for each watcher of it",
    ),
];

fn run_case(number: usize, case: &Json) -> Vec<&'static str> {
    let text = |value: &Json| value.as_str().unwrap().to_owned();
    let mut source = format!(
        "path $D/{}\nrotate_wait 1s\nrefresh_interval 1s\n",
        text(&case["path"])
    );
    let given = case["source"].as_object().unwrap();
    for (key, value) in [("tag", "t"), ("pos_file", "$D/pos")] {
        match given.get(key) {
            Some(Json::Null) => {}
            Some(value) => source += &format!("{key} {}\n", text(value)),
            None => source += &format!("{key} {value}\n"),
        }
    }
    for (key, value) in given
        .iter()
        .filter(|(key, _)| !["tag", "pos_file"].contains(&&***key))
    {
        source += &format!("{key} {}\n", text(value));
    }
    let parse = case["parse"].as_str().unwrap_or("@type none");
    let mut scene = Scene::new(&format!("case_{number}"), &source, parse);
    for step in case["steps"].as_array().unwrap() {
        let argument = |index: usize| text(&step[index]);
        match step[0].as_str().unwrap() {
            "start" => scene.start(),
            // Crashes at every point are the model's; here the state is what counts.
            "stop" | "kill9" => scene.stop(),
            "append" => scene.append(&argument(1), &argument(2)),
            "sleep" => std::thread::sleep(Duration::from_secs_f64(step[1].as_f64().unwrap())),
            "rename" => {
                fs::rename(scene.path(&argument(1)), scene.path(&argument(2))).unwrap();
            }
            "truncate" => fs::write(scene.path(&argument(1)), "").unwrap(),
            "truncate_write" => fs::write(scene.path(&argument(1)), argument(2)).unwrap(),
            "symlink" => {
                let (link, new) = (scene.path(&argument(2)), scene.path("new link"));
                std::os::unix::fs::symlink(scene.path(&argument(1)), &new).unwrap();
                fs::rename(new, link).unwrap();
            }
            other => panic!("unknown step {other}"),
        }
    }
    scene.stop();

    let directory = scene.directory.path().to_str().unwrap().to_owned();
    let dotted = directory.trim_start_matches('/').replace('/', ".");
    let mut different = Vec::new();
    let expected: Vec<Json> = case["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| {
            let mut event = event.clone();
            for (key, value) in event.as_object_mut().unwrap() {
                let with = if key == "_tag" { &dotted } else { &directory };
                *value = value.as_str().unwrap().replace("$D", with).into();
            }
            event
        })
        .collect();
    if scene.events() != expected {
        eprintln!("events {:?}, expected {expected:?}", scene.events());
        different.push("events");
    }
    let inode = |name: &str| {
        let name = name.strip_prefix("ino:").unwrap();
        format!("{:016x}", fs::metadata(scene.path(name)).unwrap().ino())
    };
    let expected: Vec<[String; 3]> = case["pos"].as_array().map_or(Vec::new(), |entries| {
        let entry = |entry: &Json| {
            let path = text(&entry[0]).replace("$D", &directory);
            [path, text(&entry[1]), inode(entry[2].as_str().unwrap())]
        };
        entries.iter().map(entry).collect()
    });
    if scene.positions() != expected {
        eprintln!("positions {:?}, expected {expected:?}", scene.positions());
        different.push("pos");
    }
    let expected = case["log"].as_array().unwrap().iter();
    let expected: Vec<_> = expected
        .map(|line| text(line).replace("$D", &directory))
        .collect();
    let lines = logged::lines(&scene.name);
    if lines != expected {
        eprintln!("log {lines:?}, expected {expected:?}");
        different.push("log");
    }
    different
}

#[test]
fn recorded_scenarios_end_as_recorded() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conformance/cases/tail.jsonl");
    let cases = fs::read_to_string(path).unwrap();
    let cases: Vec<Json> = cases
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(cases.len() >= 16);
    // They mostly sleep.
    let outcomes: Vec<_> = std::thread::scope(|scope| {
        let run = |(number, case): (usize, &Json)| {
            let name = case["name"].as_str().unwrap().to_owned();
            let deviation = DEVIATIONS.iter().find(|(deviant, ..)| *deviant == name);
            let expected = deviation.map_or(&[][..], |(_, expected, _)| expected);
            let different = match expected {
                ["unsupported"] => return None,
                _ => run_case(number, case),
            };
            (different != expected)
                .then(|| format!("{name}: {different:?} differ, expected {expected:?}"))
        };
        let threads: Vec<_> = cases
            .iter()
            .enumerate()
            .map(|case| {
                let case = (case.0, case.1);
                scope.spawn(move || run(case))
            })
            .collect();
        threads
            .into_iter()
            .filter_map(|thread| thread.join().unwrap())
            .collect()
    });
    assert_eq!(outcomes, [""; 0]);
}

const NONE: &str = "@type none";

#[test]
fn a_line_comes_at_once_and_not_with_the_timer() {
    let mut scene = Scene::new("prompt", "path $D/a.log\ntag t\nread_from_head true", NONE);
    scene.append("a.log", "first\n");
    scene.start();
    scene.wait_for(1);
    let mut fastest = Duration::MAX;
    for count in 2..6 {
        let start = Instant::now();
        scene.append("a.log", "next\n");
        scene.wait_for(count);
        fastest = fastest.min(start.elapsed());
    }
    assert!(fastest < Duration::from_millis(500), "{fastest:?}");
}

#[test]
fn without_notifications_the_timer_finds_it() {
    let source = "path $D/a.log\ntag t\nread_from_head true\nenable_stat_watcher false";
    let mut scene = Scene::new("timer", source, NONE);
    scene.start();
    scene.append("a.log", "x\n");
    scene.wait_for(1);
}

#[test]
fn what_was_rotated_while_nobody_watched_is_read_to_its_end() {
    let mut scene = Scene::new("down", "path $D/a.log\ntag t\nread_from_head true", NONE);
    scene.append("a.log", "1\n");
    scene.start();
    scene.wait_for(1);
    scene.stop();
    scene.append("a.log", "2\n3 without end");
    fs::rename(scene.path("a.log"), scene.path("a.log.1")).unwrap();
    scene.append("a.log", "4\n");
    scene.start();
    scene.wait_for(3);
    // The line without an end comes once nobody has written to the file for rotate_wait.
    scene.wait_for(4);
    scene.stop();
    assert_eq!(scene.messages(), ["1", "2", "4", "3 without end"]);
}

#[test]
fn truncated_and_rewritten_longer_between_two_looks_gives_no_torn_line() {
    let source = "path $D/a.log\ntag t\nread_from_head true\nenable_stat_watcher false";
    let mut scene = Scene::new("rewritten", source, NONE);
    scene.append("a.log", "aaaa\n");
    scene.start();
    scene.wait_for(1);
    fs::write(scene.path("a.log"), "bbbb\ncccc\ndddd\n").unwrap();
    scene.wait_for(4);
    scene.stop();
    assert_eq!(scene.messages(), ["aaaa", "bbbb", "cccc", "dddd"]);
}

#[test]
fn fluentds_position_file_is_taken_over_with_the_rest_of_a_rotated_file() {
    let source = "path $D/a.log,$D/b.log\ntag t\npos_file $D/pos";
    let mut scene = Scene::new("takeover", source, NONE);
    scene.append("a.log", "old\nnew\n");
    scene.append("b.log", "read\nunread\n");
    let inode = |name: &str| fs::metadata(scene.path(name)).unwrap().ino();
    let entry = |name: &str, position: u64| {
        format!(
            "{}\t{position:016x}\t{:016x}\n",
            scene.path(name).display(),
            inode(name)
        )
    };
    let positions = entry("a.log", 4) + &entry("b.log", 5);
    fs::write(scene.path("pos"), positions).unwrap();
    fs::rename(scene.path("b.log"), scene.path("b.log.1")).unwrap();
    scene.append("b.log", "next\n");
    scene.start();
    scene.wait_for(3);
    scene.stop();
    let mut messages = scene.messages();
    messages.sort();
    assert_eq!(messages, ["new", "next", "unread"]);
    // Our own start after that takes nothing twice.
    scene.start();
    scene.append("a.log", "later\n");
    scene.wait_for(4);
    scene.stop();
    assert_eq!(scene.messages().last().unwrap(), "later");
    assert_eq!(scene.events().len(), 4);
}

#[test]
fn a_file_that_is_renamed_and_not_replaced_leaves_a_tombstone() {
    let source = "path $D/a.log\ntag t\nread_from_head true\npos_file $D/pos\nrotate_wait 0s";
    let mut scene = Scene::new("tombstone", source, NONE);
    scene.append("a.log", "1\n");
    scene.start();
    scene.wait_for(1);
    fs::rename(scene.path("a.log"), scene.path("a.log.1")).unwrap();
    scene.append("a.log.1", "late\n");
    scene.wait_for(2);
    let inode = format!(
        "{:016x}",
        fs::metadata(scene.path("a.log.1")).unwrap().ino()
    );
    let path = scene.path("a.log").display().to_string();
    let tombstone = [[path, "ffffffffffffffff".to_owned(), inode]];
    let deadline = Instant::now() + PATIENCE;
    while scene.positions() != tombstone {
        assert!(Instant::now() < deadline, "{:?}", scene.positions());
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn crlf_nul_and_bytes_that_are_no_text_pass() {
    let mut scene = Scene::new("bytes", "path $D/a.log\ntag t\nread_from_head true", NONE);
    fs::write(scene.path("a.log"), b"crlf\r\n\n nul \0 \n\xff\xfe\n").unwrap();
    scene.start();
    scene.wait_for(4);
    scene.stop();
    assert_eq!(
        scene.messages(),
        ["crlf", "", " nul \0 ", "\u{fffd}\u{fffd}"]
    );
}

#[test]
fn lines_over_max_line_size_are_dropped_with_a_warning() {
    let source = "path $D/a.log\ntag t\nread_from_head true\nmax_line_size 20";
    let mut scene = Scene::new("oversized", source, NONE);
    scene.append("a.log", &format!("short\n{}\nend\n", "x".repeat(30)));
    scene.start();
    scene.wait_for(2);
    scene.stop();
    assert_eq!(scene.messages(), ["short", "end"]);
    let warning = "[warn]: received line length is longer than 20".to_owned();
    assert!(logged::lines("oversized").contains(&warning));
}

#[test]
fn a_line_longer_than_the_block_comes_whole() {
    let mut scene = Scene::new("long", "path $D/a.log\ntag t\nread_from_head true", NONE);
    let long = "x".repeat(3 * super::block::BLOCK_BYTES + 17);
    scene.append("a.log", "before\n");
    scene.append("a.log", &long);
    scene.start();
    scene.wait_for(1);
    scene.append("a.log", "\nafter\n");
    scene.wait_for(3);
    scene.stop();
    assert_eq!(scene.messages(), ["before", &*long, "after"]);
}

#[test]
fn a_refused_batch_is_read_again_and_comes_once() {
    let mut scene = Scene::new("refused", "path $D/a.log\ntag t\nread_from_head true", NONE);
    scene.config = scene
        .config
        .replace("name refused", "name refused\nrefusals 3");
    scene.append("a.log", "1\n2\n");
    scene.start();
    scene.wait_for(2);
    scene.append("a.log", "3\n");
    scene.wait_for(3);
    scene.stop();
    assert_eq!(scene.messages(), ["1", "2", "3"]);
    let warning = format!(
        "[warn]: cannot keep what was read of {}; it is read again later",
        scene.path("a.log").display()
    );
    assert!(
        logged::lines("refused").contains(&warning),
        "{:?}",
        logged::lines("refused")
    );
}

/// How often the thread of the source `name` went to sleep so far.
fn sleeps(name: &str) -> u64 {
    let comm = format!("input-{name}\n");
    let task = fs::read_dir("/proc/self/task")
        .unwrap()
        .map(|task| task.unwrap().path());
    let mut task =
        task.filter(|task| fs::read_to_string(task.join("comm")).is_ok_and(|c| c == comm));
    let status = fs::read_to_string(task.next().unwrap().join("status")).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("voluntary_ctxt_switches"))
        .unwrap();
    line.split_whitespace().last().unwrap().parse().unwrap()
}

#[test]
fn an_idle_tail_wakes_once_a_second() {
    let source = "path $D/a.log\ntag t\nread_from_head true\npos_file $D/pos";
    let mut scene = Scene::new("idle", source, NONE);
    scene.append("a.log", "1\n");
    scene.start();
    scene.wait_for(1);
    // The first position is written by then.
    std::thread::sleep(Duration::from_millis(1500));
    let before = sleeps("idle");
    std::thread::sleep(Duration::from_secs(3));
    let count = sleeps("idle") - before;
    assert!((1..=5).contains(&count), "{count} times in 3 seconds");
}

#[test]
fn two_sources_with_one_position_file_do_not_start() {
    let mut scene = Scene::new("shared", "path $D/a.log\ntag t\npos_file $D/pos", NONE);
    let second = scene.config.replace("@id shared", "@id second");
    scene.config += &second;
    let expected = format!(
        "cannot use pos_file {}: another source or process uses it; each needs one of its own \
         (set it to a file of this source alone that this user may write)",
        scene.path("pos").display()
    );
    assert_eq!(scene.try_start().unwrap_err().to_string(), expected);
}

#[test]
fn a_start_at_the_end_is_remembered_from_the_first_sight() {
    let mut scene = Scene::new("end", "path $D/a.log\ntag t", NONE);
    scene.append("a.log", "before\n");
    scene.start();
    std::thread::sleep(Duration::from_millis(300));
    scene.stop();
    scene.append("a.log", "while down\n");
    scene.start();
    scene.wait_for(1);
    scene.stop();
    assert_eq!(scene.messages(), ["while down"]);
}

#[test]
fn an_unreadable_path_is_told_and_does_no_harm() {
    let mut scene = Scene::new("unreadable", "path $D/a*\ntag t\nread_from_head true", NONE);
    // A link to itself cannot be looked at, also not by root.
    std::os::unix::fs::symlink(scene.path("a1"), scene.path("a1")).unwrap();
    fs::create_dir(scene.path("a2")).unwrap();
    scene.start();
    scene.append("a3", "x\n");
    scene.wait_for(1);
    scene.stop();
    let warning = format!(
        "[warn]: {} unreadable. It is excluded and would be examined next time.",
        scene.path("a1").display()
    );
    assert!(
        logged::lines("unreadable").contains(&warning),
        "{:?}",
        logged::lines("unreadable")
    );
}
