use std::time::Duration;

use serde_json::{Map, Value};

use crate::case::member;

/// How long a start may take where the case does not say.
const START_TIMEOUT: Duration = Duration::from_secs(20);
/// How long a wait may take where the case does not say.
const WAIT_TIMEOUT: Duration = Duration::from_secs(10);

/// What a case does next, with the masks expanded.
///
/// ```text
/// ["start", {args, env, workers, timeout, cwd, logfile}]   ["stop"]   ["kill9"]   ["signal", NAME]
/// ["sleep", seconds]   ["wait", {path|gone|log, n, timeout}]
/// ["emit", port, [[tag, time, record] …]]   ["packed", port, tag, [[time, record] …], option]
/// ["write"|"append", path, text]   ["mkdir"|"chmod", path, mode]   ["rm", glob]   ["rename", glob, to]
/// ["exec", shell text]   ["tree", sub]   ["read", glob]
/// ```
///
/// The steps of scripted servers and clients (`fake`, `handshake`, `tcp`, `http` …) are recorded
/// for kinds that are not played yet: they are [`Unsupported`], and a case with one does not run.
#[derive(Debug)]
pub(crate) enum Step {
    Start(Start),
    Stop,
    Kill9,
    Signal(String),
    Sleep(Duration),
    Wait(Condition, Duration),
    Emit(u16, Vec<Value>),
    Packed(u16, String, Vec<Value>, Map<String, Value>),
    Write(String, Vec<u8>),
    Append(String, Vec<u8>),
    MakeDirectory(String, u32),
    ChangeMode(String, u32),
    Remove(String),
    Rename(String, String),
    Execute(String),
    Tree(String),
    Read(String),
}

/// How to start the program.
#[derive(Debug)]
pub(crate) struct Start {
    /// `None`: the configuration of the case, without a supervisor.
    pub(crate) arguments: Option<Vec<String>>,
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) directory: Option<String>,
    /// Where the program logs, if not to its standard output.
    pub(crate) log_file: Option<String>,
    /// How many workers must say that they run.
    pub(crate) workers: usize,
    pub(crate) timeout: Duration,
}

/// What a case waits for.
#[derive(Debug)]
pub(crate) enum Condition {
    /// So many paths match.
    Paths(String, usize),
    /// No path matches any more.
    Gone(String),
    /// A text stands in the log so often.
    Log(String, usize),
}

/// A step that this runner does not know, by its name.
#[derive(Debug)]
pub(crate) struct Unsupported(pub(crate) String);

impl Step {
    /// Reads a step; masks are expanded already.
    pub(crate) fn parse(step: &Value) -> Result<Self, Unsupported> {
        let words = step.as_array().map(Vec::as_slice).unwrap_or_default();
        let name = words.first().and_then(Value::as_str).unwrap_or_default();
        Self::known(name, words.get(1..).unwrap_or_default())
            .ok_or_else(|| Unsupported(name.to_owned()))
    }

    fn known(name: &str, words: &[Value]) -> Option<Self> {
        let text = |index: usize| words.get(index).and_then(Value::as_str).map(str::to_owned);
        let seconds = |value: &Value| value.as_f64().map(Duration::from_secs_f64);
        let empty = Map::new();
        let options = |index: usize| {
            words
                .get(index)
                .and_then(Value::as_object)
                .unwrap_or(&empty)
        };
        let list = |index: usize| words.get(index).and_then(Value::as_array).cloned();
        let bytes = |index: usize| {
            words
                .get(index)?
                .as_str()
                .map(|text| text.as_bytes().to_vec())
        };
        Some(match name {
            "start" => Self::Start(Start::read(options(0))),
            "stop" => Self::Stop,
            "kill9" => Self::Kill9,
            "signal" => Self::Signal(format!("SIG{}", text(0)?)),
            "sleep" => Self::Sleep(seconds(words.first()?)?),
            "wait" => {
                let options = options(0);
                let timeout = seconds(member(options, "timeout")).unwrap_or(WAIT_TIMEOUT);
                Self::Wait(Condition::read(options)?, timeout)
            }
            "emit" => Self::Emit(port(words.first()?)?, list(1)?),
            "packed" => Self::Packed(
                port(words.first()?)?,
                text(1)?,
                list(2)?,
                options(3).clone(),
            ),
            "write" => Self::Write(text(0)?, bytes(1)?),
            "append" => Self::Append(text(0)?, bytes(1)?),
            "mkdir" => Self::MakeDirectory(text(0)?, mode(words.get(1)).unwrap_or(0o755)),
            "chmod" => Self::ChangeMode(text(0)?, mode(words.get(1))?),
            "rm" => Self::Remove(text(0)?),
            "rename" => Self::Rename(text(0)?, text(1)?),
            "exec" => Self::Execute(text(0)?),
            "tree" => Self::Tree(text(0).unwrap_or_default()),
            "read" => Self::Read(text(0)?),
            _ => return None,
        })
    }
}

impl Start {
    fn read(options: &Map<String, Value>) -> Self {
        let text = |key: &str| member(options, key).as_str().map(str::to_owned);
        let arguments = member(options, "args").as_array();
        let environment = member(options, "env").as_object();
        Self {
            arguments: arguments.map(|words| words.iter().filter_map(text_of).collect()),
            environment: environment
                .into_iter()
                .flatten()
                .filter_map(|(key, value)| Some((key.clone(), text_of(value)?)))
                .collect(),
            directory: text("cwd"),
            log_file: text("logfile"),
            workers: count(member(options, "workers")).unwrap_or(1),
            timeout: member(options, "timeout")
                .as_f64()
                .map_or(START_TIMEOUT, Duration::from_secs_f64),
        }
    }
}

impl Condition {
    fn read(options: &Map<String, Value>) -> Option<Self> {
        let text = |key: &str| member(options, key).as_str().map(str::to_owned);
        let n = count(member(options, "n")).unwrap_or(1);
        if let Some(glob) = text("path") {
            return Some(Self::Paths(glob, n));
        }
        if let Some(glob) = text("gone") {
            return Some(Self::Gone(glob));
        }
        // The recorded expressions are plain texts so far; one with operators is not guessed at.
        let log = text("log")?;
        let plain = !log.contains(['\\', '.', '*', '+', '?', '(', '[', '|', '^', '$']);
        plain.then_some(Self::Log(log, n))
    }
}

fn text_of(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

fn count(value: &Value) -> Option<usize> {
    usize::try_from(value.as_u64()?).ok()
}

fn port(value: &Value) -> Option<u16> {
    match value {
        Value::String(text) => text.parse().ok(),
        _ => u16::try_from(value.as_u64()?).ok(),
    }
}

/// A mode as a number, or as octal text.
fn mode(value: Option<&Value>) -> Option<u32> {
    match value? {
        Value::String(text) => u32::from_str_radix(text, 8).ok(),
        number => u32::try_from(number.as_u64()?).ok(),
    }
}
