use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::fake::Fake;
use super::mask::{Masks, PORTS, chunk_ids};
use super::program::Program;
use super::step::{self, Step, Words};
use super::{World, files, glob, ports, tree};
use crate::case::Unplayable;

/// What a run of a case answered, masked as the recordings are.
pub(crate) struct Observation {
    /// One for each step; null where a step gives none.
    pub(crate) results: Vec<Value>,
    pub(crate) files: Vec<Value>,
    /// Seconds of a line, where it begins with a time, and the line from its level on.
    pub(crate) log: Vec<(Option<f64>, String)>,
    /// The inode of each path at the end.
    pub(crate) inodes: Vec<(u64, String)>,
}

/// The world of one run: a directory, ports, and the program when it has been started.
pub(crate) struct Scene<'a> {
    pub(crate) executable: &'a Path,
    /// `$D`.
    pub(crate) work: TempDir,
    /// Its output, and what it keeps of its own: not part of what is compared.
    pub(crate) aside: TempDir,
    pub(crate) program: Option<Program>,
    /// The children that the last `pids` saw.
    pub(crate) children: Vec<u32>,
    /// The scripted servers.
    pub(crate) fakes: Vec<Fake>,
}

/// Plays steps after a configuration, a list of paths and texts. What this machine refuses makes a
/// case unplayable, as does a step nobody knows.
pub(crate) fn play(
    configuration: &[(String, String)],
    steps: &[Value],
    world: &World,
) -> Result<Observation, Unplayable> {
    run(configuration, steps, world).map_err(|error| match error.downcast() {
        Ok(unplayable) => unplayable,
        Err(error) => Unplayable(format!("{error:#}")),
    })
}

fn run(configuration: &[(String, String)], steps: &[Value], world: &World) -> Result<Observation> {
    let mut scene = Scene {
        executable: &world.program,
        work: TempDir::with_prefix("conformance-")?,
        aside: TempDir::with_prefix("conformance-aside-")?,
        program: None,
        children: Vec::new(),
        fakes: Vec::new(),
    };
    fs::set_permissions(scene.work.path(), fs::Permissions::from_mode(0o755))?;
    let masks = Masks::new(scene.work.path(), &ports::free(PORTS)?);
    // All of them, before the first is taken.
    let known: Vec<Step> = steps.iter().map(step::named).collect::<Result<_, _>>()?;
    for (path, text) in configuration {
        files::put(&scene.path(path), masks.expand(text).as_bytes(), false)?;
    }
    let mut results = Vec::with_capacity(steps.len());
    for (take, step) in known.iter().zip(steps) {
        let step = masks.expand_in(step);
        let words = step.as_array().and_then(|words| words.get(1..));
        let answer = take(&mut scene, &Words(words.unwrap_or_default()));
        let answer = answer.with_context(|| format!("step {step}"))?;
        results.push(answer.unwrap_or_default());
    }
    // What still runs is killed, as it was in the recording.
    scene.program = None;
    let files = scene.tree("")?;
    let log = scene.log_lines();
    let lines: Vec<&str> = log.iter().map(|(_, line)| line.as_str()).collect();
    let ids = chunk_ids(&json!([results, files, lines]));
    let covered = |values: &[Value]| {
        values
            .iter()
            .map(|value| masks.cover_in(value, &ids))
            .collect()
    };
    Ok(Observation {
        results: covered(&results),
        files: covered(&files),
        log: log
            .iter()
            .map(|(time, line)| (*time, masks.cover(line, &ids)))
            .collect(),
        inodes: scene.inodes()?,
    })
}

impl Scene<'_> {
    /// The entries at and below `sub`, without the case's configuration and our own ledgers.
    pub(crate) fn tree(&self, sub: &str) -> Result<Vec<Value>> {
        let paths = tree::without_ledgers(tree::paths(self.work.path())?);
        let prefix = if sub.is_empty() {
            String::new()
        } else {
            format!("{sub}/")
        };
        let shown = paths
            .iter()
            .filter(|path| path.starts_with(&prefix) && *path != "f.conf");
        Ok(shown
            .filter_map(|path| tree::entry(self.work.path(), path))
            .collect())
    }

    fn inodes(&self) -> Result<Vec<(u64, String)>> {
        let paths = tree::paths(self.work.path())?.into_iter();
        let inode = |path: String| Some((fs::symlink_metadata(self.path(&path)).ok()?.ino(), path));
        Ok(paths.filter_map(inode).collect())
    }

    /// The paths that match, relative to `$D`.
    pub(crate) fn matching(&self, glob: &str) -> Result<Vec<String>> {
        let root = self.work.path().display().to_string();
        let glob = glob.strip_prefix(&root).unwrap_or(glob);
        let mut paths = tree::paths(self.work.path())?;
        paths.retain(|path| glob::fits(glob, path));
        Ok(paths)
    }

    /// What the program wrote to its outputs, from the level on where lines have a time.
    fn log_lines(&self) -> Vec<(Option<f64>, String)> {
        let bytes = fs::read(self.output()).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        text.lines().map(log_line).collect()
    }

    /// Where the program's output is kept.
    pub(crate) fn output(&self) -> PathBuf {
        self.aside.path().join("output")
    }

    /// A path in `$D`, or an absolute one.
    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.work.path().join(relative)
    }
}

/// Splits a line into the seconds of its time of day, and the rest from the level on.
pub(crate) fn log_line(line: &str) -> (Option<f64>, String) {
    match line.find(" [") {
        Some(at) if line.starts_with("20") => {
            let (time, rest) = line.split_at(at);
            (seconds(time), rest.trim_start().to_owned())
        }
        _ => (None, line.to_owned()),
    }
}

/// The seconds of `2026-11-27 19:33:00.25 +0000` since midnight.
fn seconds(time: &str) -> Option<f64> {
    let mut parts = time.split(' ').nth(1)?.split(':');
    let mut number = || parts.next()?.parse::<f64>().ok();
    Some((number()? * 60.0 + number()?) * 60.0 + number()?)
}
