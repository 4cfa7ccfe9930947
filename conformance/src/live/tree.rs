//! What stands in a directory, as the recordings describe it.
//!
//! ```text
//! {path, mode, type: "dir"}                    {path, type: "link", to}
//! {path, mode, type: "file", size, text | events | text_b64}
//! {path, mode, type: "file", gzip_members, gunzip | events | gunzip_b64}
//! {path, mode, type: "file", meta, meta_keys, meta_len, trailing}
//! ```

use std::fs;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;

use anyhow::Result;
use serde_json::{Map, Value, json};

use super::content;

/// No tree of a case is deeper.
const DEPTH_MAX: usize = 32;

/// All paths below a directory, relative to it, in the order of their text.
pub(crate) fn paths(root: &Path) -> Result<Vec<String>> {
    let mut found = Vec::new();
    walk(root, "", 0, &mut found)?;
    found.sort_unstable();
    Ok(found)
}

fn walk(root: &Path, below: &str, depth: usize, found: &mut Vec<String>) -> Result<()> {
    if depth > DEPTH_MAX {
        return Ok(());
    }
    let entries = match fs::read_dir(root.join(below)) {
        Ok(entries) => entries,
        // The program under test may have removed it in this moment.
        Err(_) => return Ok(()),
    };
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let path = if below.is_empty() {
            name.into_owned()
        } else {
            format!("{below}/{name}")
        };
        if entry.file_type()?.is_dir() {
            walk(root, &path, depth + 1, found)?;
        }
        found.push(path);
    }
    Ok(())
}

/// Paths without our own ledgers: what Fluentd does not keep, the recordings cannot have.
///
/// ```text
/// <root>/worker<N>/lock   <root>/worker<N>/ledger/…
/// ```
///
/// Their directories are shown only if something else stands in them.
pub(crate) fn without_ledgers(paths: Vec<String>) -> Vec<String> {
    let is_ours = |path: &str| {
        let mut parts = path.split('/');
        let in_worker = parts.any(|part| {
            let number = part.strip_prefix("worker").unwrap_or_default();
            !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
        });
        in_worker && matches!(parts.next(), Some("lock" | "ledger"))
    };
    let (ours, mut kept): (Vec<_>, Vec<_>) = paths.into_iter().partition(|path| is_ours(path));
    for ours in ours {
        // The deepest first, so that one that becomes empty is seen to be.
        for directory in Path::new(&ours).ancestors().skip(1) {
            let inside = format!("{}/", directory.display());
            if !kept.iter().any(|path| path.starts_with(&inside)) {
                kept.retain(|path| Path::new(path) != directory);
            }
        }
    }
    kept
}

/// The entry of one path; `None` if it is gone.
pub(crate) fn entry(root: &Path, path: &str) -> Option<Value> {
    let whole = root.join(path);
    let metadata = fs::symlink_metadata(&whole).ok()?;
    let kind = metadata.file_type();
    if kind.is_symlink() {
        let to = fs::read_link(&whole).ok()?;
        return Some(json!({"path": path, "type": "link", "to": to.to_string_lossy()}));
    }
    let mode = format!("{:04o}", metadata.permissions().mode() & 0o7777);
    let kind = if kind.is_dir() {
        "dir"
    } else if kind.is_socket() {
        "socket"
    } else {
        "file"
    };
    let mut members = Map::new();
    members.insert("path".to_owned(), json!(path));
    members.insert("mode".to_owned(), json!(mode));
    members.insert("type".to_owned(), json!(kind));
    if kind == "file" {
        members.extend(content::describe(path, &fs::read(&whole).ok()?));
    }
    Some(Value::Object(members))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_ledgers_are_not_shown() {
        let paths = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let all = "r r/worker0 r/worker0/ledger r/worker0/ledger/0.ledger r/worker0/lock w";
        assert_eq!(without_ledgers(paths(all)), ["w"]);
        let all = "r r/worker0 r/worker0/lock r/worker0/out";
        assert_eq!(
            without_ledgers(paths(all)),
            ["r", "r/worker0", "r/worker0/out"]
        );
        assert_eq!(
            without_ledgers(paths("lock workers/lock")),
            ["lock", "workers/lock"]
        );
    }
}
