//! Steps that write, move, damage and read files below `$D`.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use anyhow::Result;
use serde_json::{Map, Value, json};

use super::mangle;
use super::scene::Scene;
use super::step::Words;
use super::{content, tree as trees};

/// What each of these gives.
type Answer = Result<Option<Value>>;

/// Writes or appends bytes; directories on the way are made.
pub(crate) fn put(path: &Path, bytes: &[u8], append: bool) -> Result<()> {
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

pub(crate) fn write(scene: &mut Scene<'_>, words: &Words<'_>) -> Answer {
    put(&scene.path(words.text(0)?), &words.bytes(1)?, false)?;
    Ok(None)
}

pub(crate) fn append(scene: &mut Scene<'_>, words: &Words<'_>) -> Answer {
    put(&scene.path(words.text(0)?), &words.bytes(1)?, true)?;
    Ok(None)
}

pub(crate) fn truncate(scene: &mut Scene<'_>, words: &Words<'_>) -> Answer {
    put(&scene.path(words.text(0)?), b"", false)?;
    Ok(None)
}

pub(crate) fn truncate_and_write(scene: &mut Scene<'_>, words: &Words<'_>) -> Answer {
    write(scene, words)
}

pub(crate) fn copy_and_truncate(scene: &mut Scene<'_>, words: &Words<'_>) -> Answer {
    fs::copy(scene.path(words.text(0)?), scene.path(words.text(1)?))?;
    truncate(scene, words)
}

/// Makes or replaces a link in one go.
pub(crate) fn link(scene: &mut Scene<'_>, words: &Words<'_>) -> Answer {
    let (target, link) = (scene.path(words.text(0)?), scene.path(words.text(1)?));
    let new = scene.aside.path().join("link");
    symlink(target, &new)?;
    fs::rename(new, link)?;
    Ok(None)
}

pub(crate) fn make_directory(scene: &mut Scene<'_>, words: &Words<'_>) -> Answer {
    fs::create_dir_all(scene.path(words.text(0)?))?;
    set_mode(scene, words, Some(0o755))
}

pub(crate) fn change_mode(scene: &mut Scene<'_>, words: &Words<'_>) -> Answer {
    set_mode(scene, words, None)
}

/// A mode is a number, or octal text.
fn set_mode(scene: &Scene<'_>, words: &Words<'_>, usual: Option<u32>) -> Answer {
    let mode = match words.get(1) {
        Value::String(text) => u32::from_str_radix(text, 8).ok(),
        number => number.as_u64().and_then(|mode| u32::try_from(mode).ok()),
    };
    if let Some(mode) = mode.or(usual) {
        let path = scene.path(words.text(0)?);
        fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
    }
    Ok(None)
}

pub(crate) fn remove(scene: &mut Scene<'_>, words: &Words<'_>) -> Answer {
    for path in scene.matching(words.text(0)?)? {
        let path = scene.path(&path);
        if path.is_dir() && !path.is_symlink() {
            fs::remove_dir_all(path)?;
        } else {
            fs::remove_file(path)?;
        }
    }
    Ok(None)
}

pub(crate) fn rename(scene: &mut Scene<'_>, words: &Words<'_>) -> Answer {
    for path in scene.matching(words.text(0)?)? {
        fs::rename(scene.path(&path), scene.path(words.text(1)?))?;
    }
    Ok(None)
}

pub(crate) fn mangle(scene: &mut Scene<'_>, words: &Words<'_>) -> Answer {
    let paths = scene.matching(words.text(0)?)?;
    let files = paths.into_iter().map(|path| scene.path(&path));
    let files: Vec<_> = files.filter(|path| path.is_file()).collect();
    for file in &files {
        mangle::mangle(file, words.get(1))?;
    }
    Ok(Some(json!({ "files": files.len() })))
}

pub(crate) fn tree(scene: &mut Scene<'_>, words: &Words<'_>) -> Answer {
    Ok(Some(Value::Array(scene.tree(words.text_or_nothing(0))?)))
}

pub(crate) fn read(scene: &mut Scene<'_>, words: &Words<'_>) -> Answer {
    let mut entries = Vec::new();
    for path in trees::without_ledgers(scene.matching(words.text(0)?)?) {
        let mut entry = Map::new();
        entry.insert("path".to_owned(), json!(path));
        entry.extend(content::describe(&path, &fs::read(scene.path(&path))?));
        entries.push(Value::Object(entry));
    }
    Ok(Some(Value::Array(entries)))
}
