//! Steps that start, stop and await the program.

use std::path::Path;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use regex::Regex;
use serde_json::{Map, Value, json};

use super::fake;
use super::program::{Launch, Program, log_text, poll, ready_count};
use super::scene::Scene;
use super::step::{Words, count, seconds};
use crate::case::member;

/// How long a start may take where the case does not say.
const START_TIMEOUT: Duration = Duration::from_secs(20);
/// How long a wait may take where the case does not say.
const WAIT_TIMEOUT: Duration = Duration::from_secs(10);

pub(crate) fn start(scene: &mut Scene<'_>, words: &Words<'_>) -> Result<Option<Value>> {
    let options = words.options(0);
    let text = |key: &str| member(options, key).as_str();
    let configuration = scene.path("f.conf").display().to_string();
    let usual = ["-c".to_owned(), configuration, "--no-supervisor".to_owned()];
    let arguments = member(options, "args").as_array();
    let arguments = arguments.map(|words| texts(words));
    let output = scene.output();
    let log = text("logfile").map_or_else(|| output.clone(), |path| scene.path(path));
    let ready_before = ready_count(&log);
    let program = scene.program.insert(Program::start(&Launch {
        program: scene.executable,
        arguments: arguments.as_deref().unwrap_or(&usual),
        environment: &pairs(member(options, "env")),
        directory: text("cwd").map_or(scene.work.path(), Path::new),
        output: &output,
        state: scene.aside.path(),
    })?);
    let workers = count(member(options, "workers")).unwrap_or(1);
    let timeout = seconds(member(options, "timeout")).unwrap_or(START_TIMEOUT);
    Ok(Some(program.wait_until_ready(
        &log,
        ready_before,
        workers,
        timeout,
    )))
}

pub(crate) fn stop(scene: &mut Scene<'_>, _: &Words<'_>) -> Result<Option<Value>> {
    Ok(Some(match &mut scene.program {
        Some(program) => program.stop(),
        None => json!({ "exit": null }),
    }))
}

pub(crate) fn kill(scene: &mut Scene<'_>, _: &Words<'_>) -> Result<Option<Value>> {
    if let Some(program) = &mut scene.program {
        program.kill();
    }
    Ok(Some(json!({})))
}

pub(crate) fn signal(scene: &mut Scene<'_>, words: &Words<'_>) -> Result<Option<Value>> {
    let name = format!("SIG{}", words.text(0)?);
    let signal = name
        .parse()
        .with_context(|| format!("{name} is no signal"))?;
    if let Some(program) = &mut scene.program {
        program.signal(signal);
    }
    Ok(None)
}

pub(crate) fn sleep(_: &mut Scene<'_>, words: &Words<'_>) -> Result<Option<Value>> {
    thread::sleep(words.seconds(0)?);
    Ok(None)
}

pub(crate) fn wait(scene: &mut Scene<'_>, words: &Words<'_>) -> Result<Option<Value>> {
    let options = words.options(0);
    let condition = Condition::read(options)?;
    let timeout = seconds(member(options, "timeout")).unwrap_or(WAIT_TIMEOUT);
    let met = poll(timeout, || condition.is_met(scene).then_some(()));
    Ok(Some(json!({ "ok": met.is_some() })))
}

/// What a case waits for.
enum Condition {
    /// So many paths match.
    Paths(String, usize),
    /// No path matches any more.
    Gone(String),
    /// A text stands in the log so often.
    Log(Regex, usize),
    /// A scripted server has seen so many messages.
    Messages(String, usize),
}

impl Condition {
    fn read(options: &Map<String, Value>) -> Result<Self> {
        let text = |key: &str| member(options, key).as_str().map(str::to_owned);
        let n = count(member(options, "n")).unwrap_or(1);
        if let Some(glob) = text("path") {
            return Ok(Self::Paths(glob, n));
        }
        if let Some(glob) = text("gone") {
            return Ok(Self::Gone(glob));
        }
        if let Some(id) = text("fake") {
            return Ok(Self::Messages(id, n));
        }
        match text("log") {
            Some(expression) => Ok(Self::Log(Regex::new(&expression)?, n)),
            None => bail!("nothing known to wait for"),
        }
    }

    fn is_met(&self, scene: &Scene<'_>) -> bool {
        let count = |glob: &str| scene.matching(glob).map_or(0, |paths| paths.len());
        match self {
            Self::Paths(glob, n) => count(glob) >= *n,
            Self::Gone(glob) => count(glob) == 0,
            Self::Messages(id, n) => fake::count(scene, id) >= *n,
            Self::Log(expression, n) => {
                expression.find_iter(&log_text(&scene.output())).count() >= *n
            }
        }
    }
}

/// The texts of a list; numbers are written out.
pub(crate) fn texts(values: &[Value]) -> Vec<String> {
    values.iter().map(text).collect()
}

/// The texts of an object's members.
pub(crate) fn pairs(value: &Value) -> Vec<(String, String)> {
    let members = value.as_object().into_iter().flatten();
    members
        .map(|(key, value)| (key.clone(), text(value)))
        .collect()
}

fn text(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}
