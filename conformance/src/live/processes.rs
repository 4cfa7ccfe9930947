//! Steps that look at the processes of the program, and signal them.

use std::fs;

use anyhow::{Context, Result};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use super::program::Program;
use super::scene::Scene;
use super::step::Words;

/// `{supervisor_alive, children, children_kept}`: how many, and how many of the last look.
pub(crate) fn pids(scene: &mut Scene<'_>, _: &Words<'_>) -> Result<Option<Value>> {
    let alive = scene.program.as_mut().is_some_and(Program::is_running);
    let children = children(scene);
    let mut told = json!({"supervisor_alive": alive, "children": children.len()});
    if !scene.children.is_empty() {
        let kept = children
            .iter()
            .filter(|child| scene.children.contains(child))
            .count();
        if let Some(told) = told.as_object_mut() {
            told.insert("children_kept".to_owned(), json!(kept));
        }
    }
    scene.children = children;
    Ok(Some(told))
}

pub(crate) fn signal_children(scene: &mut Scene<'_>, words: &Words<'_>) -> Result<Option<Value>> {
    let name = format!("SIG{}", words.text(0)?);
    let signal: Signal = name
        .parse()
        .with_context(|| format!("{name} is no signal"))?;
    for child in children(scene) {
        send(child, signal);
    }
    Ok(None)
}

pub(crate) fn kill_first_child(scene: &mut Scene<'_>, _: &Words<'_>) -> Result<Option<Value>> {
    if let Some(child) = children(scene).first() {
        send(*child, Signal::SIGKILL);
    }
    Ok(None)
}

/// Kills the control process alone; its workers are remembered.
pub(crate) fn kill_supervisor_only(scene: &mut Scene<'_>, _: &Words<'_>) -> Result<Option<Value>> {
    scene.children = children(scene);
    if let Some(program) = &mut scene.program {
        program.signal(Signal::SIGKILL);
    }
    Ok(None)
}

/// Whether a worker that was remembered still runs.
pub(crate) fn worker_alive(scene: &mut Scene<'_>, _: &Words<'_>) -> Result<Option<Value>> {
    let alive = scene
        .children
        .iter()
        .any(|child| state(*child).is_some_and(|state| state != 'Z'));
    Ok(Some(json!({ "worker_alive": alive })))
}

/// The direct children of the control process, the oldest first; zombies are none.
fn children(scene: &Scene<'_>) -> Vec<u32> {
    let Some(program) = &scene.program else {
        return Vec::new();
    };
    let id = program.id();
    let path = format!("/proc/{id}/task/{id}/children");
    let text = fs::read_to_string(path).unwrap_or_default();
    let children = text.split_whitespace().filter_map(|word| word.parse().ok());
    children
        .filter(|child| state(*child) != Some('Z'))
        .collect()
}

/// The letter of a process's state.
fn state(pid: u32) -> Option<char> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    text.rsplit_once(") ")?.1.chars().next()
}

fn send(pid: u32, signal: Signal) {
    // It may be gone by now.
    let _ = kill(Pid::from_raw(pid.cast_signed()), signal);
}
