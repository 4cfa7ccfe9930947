use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::case::Case;
use crate::mask::{Masks, PORTS, chunk_ids};
use crate::program::{Launch, Program, poll, ready_count, text_count};
use crate::step::{Condition, Start, Step, Unsupported};
use crate::{client, content, glob, ports, tree};

/// What a run of a case answered, masked as the recordings are.
pub(crate) struct Observation {
    /// One for each step; null where a step gives none.
    pub(crate) results: Vec<Value>,
    pub(crate) files: Vec<Value>,
    pub(crate) log: Vec<String>,
}

/// The world of one run: a directory, ports, and the program when it has been started.
struct Scene<'a> {
    executable: &'a Path,
    /// `$D`.
    work: TempDir,
    /// Its output, and what it keeps of its own: not part of what is compared.
    aside: TempDir,
    program: Option<Program>,
}

/// Plays a case. An error is one of this machine, not of the program under test.
pub(crate) fn play(case: &Case, executable: &Path) -> Result<Result<Observation, Unsupported>> {
    let mut scene = Scene {
        executable,
        work: TempDir::with_prefix("conformance-")?,
        aside: TempDir::with_prefix("conformance-aside-")?,
        program: None,
    };
    fs::set_permissions(scene.work.path(), fs::Permissions::from_mode(0o755))?;
    let masks = Masks::new(scene.work.path(), &ports::free(PORTS)?);
    let parsed: Result<Vec<Step>, Unsupported> = case
        .steps()
        .iter()
        .map(|step| Step::parse(&masks.expand_in(step)))
        .collect();
    let steps = match parsed {
        Ok(steps) => steps,
        Err(unsupported) => return Ok(Err(unsupported)),
    };
    for (path, text) in case.configuration() {
        scene.write(path, masks.expand(text).as_bytes(), false)?;
    }
    let mut results = Vec::with_capacity(steps.len());
    for step in &steps {
        let answer = scene
            .perform(step)
            .with_context(|| format!("step {step:?}"))?;
        results.push(answer.unwrap_or_default());
    }
    // What still runs is killed, as it was in the recording.
    scene.program = None;
    let files = scene.tree("")?;
    let log = scene.log_lines();
    let all = json!([results, files, log]);
    let ids = chunk_ids(&all);
    Ok(Ok(Observation {
        results: results
            .iter()
            .map(|value| masks.cover_in(value, &ids))
            .collect(),
        files: files
            .iter()
            .map(|value| masks.cover_in(value, &ids))
            .collect(),
        log: log.iter().map(|line| masks.cover(line, &ids)).collect(),
    }))
}

impl Scene<'_> {
    fn perform(&mut self, step: &Step) -> Result<Option<Value>> {
        let answer = match step {
            Step::Start(start) => self.start(start)?,
            Step::Stop => match &mut self.program {
                Some(program) => program.stop(),
                None => json!({ "exit": null }),
            },
            Step::Emit(port, events) => client::emit(*port, events),
            Step::Packed(port, tag, entries, option) => client::packed(*port, tag, entries, option),
            Step::Wait(condition, timeout) => {
                let met = poll(*timeout, || self.is_met(condition).then_some(()));
                json!({ "ok": met.is_some() })
            }
            Step::Execute(command) => self.execute(command)?,
            Step::Tree(sub) => Value::Array(self.tree(sub)?),
            Step::Read(glob) => self.read(glob)?,
            silent => {
                self.perform_silently(silent)?;
                return Ok(None);
            }
        };
        Ok(Some(answer))
    }

    /// The steps that give no value.
    fn perform_silently(&mut self, step: &Step) -> Result<()> {
        match step {
            Step::Kill9 => {
                if let Some(program) = &mut self.program {
                    program.kill();
                }
            }
            Step::Signal(name) => {
                if let Some(program) = &mut self.program {
                    program.signal(name.parse()?);
                }
            }
            Step::Sleep(duration) => thread::sleep(*duration),
            Step::Write(path, bytes) => self.write(path, bytes, false)?,
            Step::Append(path, bytes) => self.write(path, bytes, true)?,
            Step::MakeDirectory(path, mode) => {
                fs::create_dir_all(self.path(path))?;
                self.change_mode(path, *mode)?;
            }
            Step::ChangeMode(path, mode) => self.change_mode(path, *mode)?,
            Step::Remove(glob) => {
                for path in self.matching(glob)? {
                    let path = self.path(&path);
                    if path.is_dir() {
                        fs::remove_dir_all(path)?;
                    } else {
                        fs::remove_file(path)?;
                    }
                }
            }
            Step::Rename(glob, to) => {
                for path in self.matching(glob)? {
                    fs::rename(self.path(&path), self.path(to))?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn start(&mut self, start: &Start) -> Result<Value> {
        let configuration = self.path("f.conf").display().to_string();
        let default = ["-c".to_owned(), configuration, "--no-supervisor".to_owned()];
        let output = self.output();
        let log = match &start.log_file {
            Some(path) => self.path(path),
            None => output.clone(),
        };
        let ready_before = ready_count(&log);
        let program = self.program.insert(Program::start(&Launch {
            program: self.executable,
            arguments: start.arguments.as_deref().unwrap_or(&default),
            environment: &start.environment,
            directory: start.directory.as_ref().map_or(self.work.path(), Path::new),
            output: &output,
            state: self.aside.path(),
        })?);
        Ok(program.wait_until_ready(&log, ready_before, start.workers, start.timeout))
    }

    fn is_met(&self, condition: &Condition) -> bool {
        let count = |glob: &str| self.matching(glob).map_or(0, |paths| paths.len());
        match condition {
            Condition::Paths(glob, n) => count(glob) >= *n,
            Condition::Gone(glob) => count(glob) == 0,
            Condition::Log(text, n) => text_count(&self.output(), text) >= *n,
        }
    }

    fn execute(&self, command: &str) -> Result<Value> {
        let mut shell = Command::new("sh");
        let output = shell
            .args(["-c", command])
            .current_dir(self.work.path())
            .output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        Ok(json!({"rc": output.status.code(), "out": text}))
    }

    /// The entries at and below `sub`, without the case's configuration and our own ledgers.
    fn tree(&self, sub: &str) -> Result<Vec<Value>> {
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

    fn read(&self, glob: &str) -> Result<Value> {
        let mut entries = Vec::new();
        for path in self.matching(glob)? {
            let mut entry = serde_json::Map::new();
            entry.insert("path".to_owned(), json!(path));
            entry.extend(content::describe(&path, &fs::read(self.path(&path))?));
            entries.push(Value::Object(entry));
        }
        Ok(Value::Array(entries))
    }

    /// The paths that match, relative to `$D`.
    fn matching(&self, glob: &str) -> Result<Vec<String>> {
        let root = self.work.path().display().to_string();
        let glob = glob.strip_prefix(&root).unwrap_or(glob);
        let mut paths = tree::paths(self.work.path())?;
        paths.retain(|path| glob::fits(glob, path));
        Ok(paths)
    }

    fn write(&self, path: &str, bytes: &[u8], append: bool) -> Result<()> {
        let path = self.path(path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        let mut options = OpenOptions::new();
        options
            .create(true)
            .write(true)
            .append(append)
            .truncate(!append);
        options.open(path)?.write_all(bytes)?;
        Ok(())
    }

    fn change_mode(&self, path: &str, mode: u32) -> Result<()> {
        Ok(fs::set_permissions(
            self.path(path),
            fs::Permissions::from_mode(mode),
        )?)
    }

    /// What the program wrote to its outputs, from the level on where lines have a time.
    fn log_lines(&self) -> Vec<String> {
        let bytes = fs::read(self.output()).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        let without_time = |line: &str| match line.find(" [") {
            Some(at) if line.starts_with("20") => line.get(at + 1..).unwrap_or(line).to_owned(),
            _ => line.to_owned(),
        };
        text.lines().map(without_time).collect()
    }

    fn output(&self) -> PathBuf {
        self.aside.path().join("output")
    }

    fn path(&self, relative: &str) -> PathBuf {
        self.work.path().join(relative)
    }
}
