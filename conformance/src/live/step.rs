use std::time::Duration;

use anyhow::{Result, anyhow};
use serde_json::{Map, Value};

use super::scene::Scene;
use super::{command, exchange, fake, files, handshake, launch, logs, processes};
use crate::case::Unplayable;

/// Takes a step; the value it gives, where it gives one.
pub(crate) type Step = fn(&mut Scene<'_>, &Words<'_>) -> Result<Option<Value>>;

/// Every step, by its name.
///
/// ```text
/// ["start", {args, env, workers, timeout, cwd, logfile}]   ["stop"]   ["kill9"]   ["signal", NAME]
/// ["sleep", seconds]   ["wait", {path|gone|log|fake, n, timeout}]
/// ["emit", port, [[tag, time, record] …]]   ["packed", port, tag, [[time, record] …], option]
/// ["tcp"|"unix", port|path, operations]   ["udp", port, [datagram …], "reply"?]
/// ["http", port, method, path, headers, body]   ["can_connect", port]
/// ["write"|"append", path, text]   ["mkdir"|"chmod", path, mode]   ["rm", glob]   ["rename", glob, to]
/// ["truncate", path]   ["truncate_write", path, text]   ["copytruncate", path, to]
/// ["symlink", target, path]   ["exec", shell text]   ["tree", sub]   ["read", glob]
/// ["fake", id, port, options]   ["fake_get", id]   ["fake_stop", id]   ["handshake", port, scripts]
/// ["mangle", glob, how]   ["cmd", program, args, stdin, env]
/// ["pids"]   ["signal_children", NAME]   ["kill9_first_child"]   ["kill_supervisor_only"]
/// ["worker_alive"]   ["tags_per_worker", glob]
/// ["log_lines"]   ["log_lines_all"]   ["log_file_lines", path]   ["log_files", glob]
/// ```
const STEPS: &[(&str, Step)] = &[
    ("append", files::append),
    ("can_connect", exchange::can_connect),
    ("chmod", files::change_mode),
    ("cmd", command::cmd),
    ("copytruncate", files::copy_and_truncate),
    ("emit", exchange::emit),
    ("exec", command::execute),
    ("fake", fake::start),
    ("fake_get", fake::get),
    ("fake_stop", fake::stop),
    ("handshake", handshake::handshake),
    ("http", exchange::http),
    ("kill9", launch::kill),
    ("kill9_first_child", processes::kill_first_child),
    ("kill_supervisor_only", processes::kill_supervisor_only),
    ("log_file_lines", logs::file_lines),
    ("log_files", logs::files),
    ("log_lines", logs::lines),
    ("log_lines_all", logs::all_lines),
    ("mangle", files::mangle),
    ("mkdir", files::make_directory),
    ("packed", exchange::packed),
    ("pids", processes::pids),
    ("read", files::read),
    ("rename", files::rename),
    ("rm", files::remove),
    ("signal", launch::signal),
    ("signal_children", processes::signal_children),
    ("sleep", launch::sleep),
    ("start", launch::start),
    ("stop", launch::stop),
    ("symlink", files::link),
    ("tags_per_worker", logs::tags_per_worker),
    ("tcp", exchange::tcp),
    ("tree", files::tree),
    ("truncate", files::truncate),
    ("truncate_write", files::truncate_and_write),
    ("udp", exchange::udp),
    ("unix", exchange::unix),
    ("wait", launch::wait),
    ("worker_alive", processes::worker_alive),
    ("write", files::write),
];

/// The step of a name.
pub(crate) fn named(step: &Value) -> Result<Step, Unplayable> {
    let name = step.get(0).and_then(Value::as_str).unwrap_or_default();
    let found = STEPS.iter().find(|(known, _)| *known == name);
    found
        .map(|(_, step)| *step)
        .ok_or_else(|| Unplayable::new(format!("unknown step {step}")))
}

/// What stands behind the name of a step, masks expanded.
pub(crate) struct Words<'a>(pub(crate) &'a [Value]);

static NO_OPTIONS: std::sync::LazyLock<Map<String, Value>> = std::sync::LazyLock::new(Map::new);

impl Words<'_> {
    pub(crate) fn get(&self, index: usize) -> &Value {
        self.0.get(index).unwrap_or(&Value::Null)
    }

    pub(crate) fn text(&self, index: usize) -> Result<&str> {
        self.get(index)
            .as_str()
            .ok_or_else(|| self.lacks(index, "a text"))
    }

    /// A text, or none.
    pub(crate) fn text_or_nothing(&self, index: usize) -> &str {
        self.get(index).as_str().unwrap_or_default()
    }

    pub(crate) fn list(&self, index: usize) -> Result<&[Value]> {
        let list = self.get(index).as_array().map(Vec::as_slice);
        list.ok_or_else(|| self.lacks(index, "a list"))
    }

    /// An object, or an empty one.
    pub(crate) fn options(&self, index: usize) -> &Map<String, Value> {
        self.get(index).as_object().unwrap_or(&NO_OPTIONS)
    }

    pub(crate) fn seconds(&self, index: usize) -> Result<Duration> {
        seconds(self.get(index)).ok_or_else(|| self.lacks(index, "seconds"))
    }

    pub(crate) fn port(&self, index: usize) -> Result<u16> {
        let port = match self.get(index) {
            Value::String(text) => text.parse().ok(),
            number => number.as_u64().and_then(|port| u16::try_from(port).ok()),
        };
        port.ok_or_else(|| self.lacks(index, "a port"))
    }

    /// A text, or bytes in their mark.
    pub(crate) fn bytes(&self, index: usize) -> Result<Vec<u8>> {
        crate::notation::bytes(self.get(index)).ok_or_else(|| self.lacks(index, "a text"))
    }

    fn lacks(&self, index: usize, what: &str) -> anyhow::Error {
        anyhow!("expected {what} as word {} of {:?}", index + 1, self.0)
    }
}

/// A number of seconds.
pub(crate) fn seconds(value: &Value) -> Option<Duration> {
    Duration::try_from_secs_f64(value.as_f64()?).ok()
}

/// A number of things.
pub(crate) fn count(value: &Value) -> Option<usize> {
    usize::try_from(value.as_u64()?).ok()
}
