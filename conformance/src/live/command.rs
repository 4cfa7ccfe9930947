//! Steps that run programs to their end.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use super::launch::{pairs, texts};
use super::program::{exit_code, poll};
use super::scene::Scene;
use super::step::Words;

/// What a command may take; then it is asked to stop.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(12);
/// What it may take to do so.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

pub(crate) fn execute(scene: &mut Scene<'_>, words: &Words<'_>) -> Result<Option<Value>> {
    let output = Command::new("sh")
        .args(["-c", words.text(0)?])
        .current_dir(scene.work.path())
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(Some(json!({"rc": output.status.code(), "out": text})))
}

/// Runs one of Fluentd's commands: the program itself for `fluentd`, and for the others what a
/// build puts beside it under the same name. One that is not there ends with status 127.
pub(crate) fn cmd(scene: &mut Scene<'_>, words: &Words<'_>) -> Result<Option<Value>> {
    let name = words.text(0)?;
    let program = match name {
        "fluentd" => scene.executable.to_owned(),
        other => scene.executable.with_file_name(other),
    };
    if !program.is_file() {
        let told = format!("{name}: no such command");
        return Ok(Some(
            json!({"rc": 127, "stdout": [""], "stderr": [told, ""]}),
        ));
    }
    let pid = scene
        .program
        .as_ref()
        .map(|program| program.id().to_string());
    let arguments = texts(words.list(1)?);
    let arguments = arguments
        .iter()
        .map(|word| word.replace("$PID", pid.as_deref().unwrap_or("0")));
    let (out, err) = (
        scene.aside.path().join("stdout"),
        scene.aside.path().join("stderr"),
    );
    let mut child = Command::new(&program)
        .args(arguments)
        .current_dir(scene.work.path())
        .env("TZ", "UTC")
        .env("STATE_DIRECTORY", scene.aside.path())
        .envs(pairs(words.get(3)))
        .stdin(Stdio::piped())
        .stdout(std::fs::File::create(&out)?)
        .stderr(std::fs::File::create(&err)?)
        .spawn()
        .with_context(|| format!("cannot start {}", program.display()))?;
    if let (Some(mut stdin), Ok(input)) = (child.stdin.take(), words.bytes(2)) {
        // One that ends without reading is no fault of this step.
        let _ = stdin.write_all(&input);
    }
    let mut ended = || child.try_wait().ok().flatten();
    let mut status = poll(COMMAND_TIMEOUT, &mut ended);
    if status.is_none() {
        let pid = Pid::from_raw(child.id().cast_signed());
        let _ = kill(pid, Signal::SIGTERM);
        status = poll(STOP_TIMEOUT, || child.try_wait().ok().flatten());
        let _ = child.kill();
    }
    let lines = |path| -> Result<Vec<String>> {
        let text = std::fs::read(path)?;
        let text = String::from_utf8_lossy(&text).into_owned();
        Ok(text.split('\n').map(str::to_owned).collect())
    };
    Ok(Some(json!({
        "rc": status.and_then(exit_code), "stdout": lines(&out)?, "stderr": lines(&err)?
    })))
}
