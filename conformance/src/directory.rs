use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, ensure};

use crate::case::Case;

/// A folder of recorded cases: one file for each kind, one case to a line.
///
/// ```text
/// DIR/<kind>.jsonl      the cases of a kind
/// DIR/network.conf      what the program was configured with when `network` was recorded
/// ```
///
/// Other files are no concern of it.
pub(crate) struct Directory {
    /// Its path.
    pub(crate) path: PathBuf,
    /// The kinds in the order of their names, each with its cases.
    pub(crate) kinds: Vec<(String, Vec<Case>)>,
}

impl Directory {
    /// Reads all cases, before any of them is played.
    ///
    /// # Errors
    /// A folder that cannot be read or has no cases, and the first malformed line, by file and line.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let unreadable = || format!("cannot read {}", path.display());
        let mut files = Vec::new();
        for entry in fs::read_dir(path).with_context(unreadable)? {
            let file = entry.with_context(unreadable)?.path();
            if file
                .extension()
                .is_some_and(|extension| extension == "jsonl")
            {
                files.push(file);
            }
        }
        files.sort_unstable();
        ensure!(
            !files.is_empty(),
            "{} holds no cases: expected files such as match.jsonl",
            path.display()
        );
        let mut kinds = Vec::new();
        for file in files {
            let kind = file.file_stem().unwrap_or_default().to_string_lossy();
            kinds.push((kind.into_owned(), cases(&file)?));
        }
        Ok(Self {
            path: path.to_owned(),
            kinds,
        })
    }
}

fn cases(file: &Path) -> Result<Vec<Case>> {
    let text =
        fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let lines = text.lines().enumerate();
    let lines = lines.filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(index, line)| {
            let number = index + 1;
            Case::parse(number, line)
                .map_err(|error| anyhow!("{}:{number}: no case: {error}", file.display()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_malformed_line_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("match.jsonl");
        fs::write(&file, "{\"pattern\":\"a\"}\n\n{]\n").unwrap();
        let error = Directory::read(directory.path()).err().unwrap();
        assert_eq!(
            error.to_string(),
            format!(
                "{}:3: no case: key must be a string at line 1 column 2",
                file.display()
            )
        );
    }

    #[test]
    fn a_folder_without_cases_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let error = Directory::read(directory.path()).err().unwrap();
        assert_eq!(
            error.to_string(),
            format!(
                "{} holds no cases: expected files such as match.jsonl",
                directory.path().display()
            )
        );
    }
}
