//! The whole plugin on real files: the scene, a capturing output, and the log.

mod configured;
mod generations;
mod groups;
mod limits;
mod logged;
mod real_files;
mod visits;

use std::collections::HashMap;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use millrun_config::{Diagnostics, Element, NoIncludes, NoRuby, parameters, parse_str};
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
        crate::output::register(&mut registry);
        registry.add_output("capture", CaptureParameters::SCHEMA, build_capture);
        let parsed = parse_str("t.conf", &self.config, &mut NoRuby, &mut NoIncludes);
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
