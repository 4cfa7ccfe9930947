//! `@include`: which files it means, and that they end.

use std::{
    io,
    path::{Component, Path, PathBuf},
};

use crate::{Diagnostic, Element, FileId, MAX_FILE_BYTES, Span, parser::Parser};

/// Deepest chain of files that include each other.
pub const MAX_INCLUDE_DEPTH: usize = 32;

/// Most files read for one configuration, counting repetitions.
pub const MAX_INCLUDES: usize = 10_000;

/// Marks in the name of a `.conf` file that somebody probably only kept aside.
const BACKUP_MARKS: [&str; 10] = [
    "bak", "old", "backup", "orig", "prev", "conf", "tmp", "temp", "debug", "wip",
];

/// The chain of files being read, the innermost last.
pub(crate) struct Including {
    chain: Vec<PathBuf>,
    count: usize,
}

impl Including {
    pub(crate) fn new(path: &Path) -> Self {
        Self {
            chain: vec![normal(path)],
            count: 0,
        }
    }

    /// Starts with another main file; what was counted stays counted.
    pub(crate) fn begin(&mut self, path: &Path) {
        self.chain = vec![normal(path)];
    }

    /// The directory relative paths in the file being read start from.
    fn directory(&self) -> &Path {
        self.chain
            .last()
            .and_then(|path| path.parent())
            .unwrap_or(Path::new(""))
    }
}

/// Reads the files an operand means into the element the directive stands in.
pub(crate) fn include(
    parser: &mut Parser<'_>,
    operand: &str,
    span: Span,
    element: &mut Element,
    depth: usize,
) {
    for path in expand(parser, operand, span) {
        if let Some(file) = enter(parser, &path, span) {
            parser.file(file, element, depth);
            leave(parser);
        }
    }
}

/// The files an operand means.
pub(crate) fn expand(parser: &mut Parser<'_>, operand: &str, span: Span) -> Vec<PathBuf> {
    let path = match local_path(operand) {
        Ok(path) => path,
        Err(scheme) => {
            let message = format!("{scheme} includes are not supported");
            let error = Diagnostic::error(message).at(span, "expected a path or a pattern");
            let hint = "fetch the file before the start and include the copy";
            parser.diagnostics.push(error.hint(hint));
            return Vec::new();
        }
    };
    let pattern = parser.including.directory().join(path);
    let paths = match parser.includes.expand(&pattern) {
        Ok(paths) => paths,
        Err(error) => {
            failed(parser, span, &pattern, &error);
            return Vec::new();
        }
    };
    for path in paths.iter().filter(|path| is_backup(path)) {
        if operand.ends_with("*.conf") {
            let message = format!("'{}' looks like a backup and is included", path.display());
            let warning = Diagnostic::warning(message).at(span, "");
            parser
                .diagnostics
                .push(warning.hint("move the file out of the directory"));
        }
    }
    paths
}

/// Begins to read an included file; [`leave`] ends it. `None` when a diagnostic says why not.
pub(crate) fn enter(parser: &mut Parser<'_>, path: &Path, span: Span) -> Option<FileId> {
    let path = normal(path);
    let Including { chain, count } = &mut parser.including;
    *count += 1;
    let refusal = if chain.contains(&path) {
        Some(format!("'{}' includes itself", path.display()))
    } else if chain.len() >= MAX_INCLUDE_DEPTH {
        Some(format!(
            "files include each other deeper than {MAX_INCLUDE_DEPTH}"
        ))
    } else if *count > MAX_INCLUDES {
        Some(format!("more than {MAX_INCLUDES} files are included"))
    } else {
        None
    };
    if let Some(message) = refusal {
        let chain: Vec<_> = chain
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        let error = Diagnostic::error(message).at(span, "this include is left out");
        parser
            .diagnostics
            .push(error.hint(format!("read so far: {}", chain.join(" → "))));
        return None;
    }
    let bytes = match parser.includes.read(&path) {
        Ok(bytes) => bytes,
        Err(error) => {
            failed(parser, span, &path, &error);
            return None;
        }
    };
    let text = match check_text(bytes) {
        Ok(text) => text,
        Err(reason) => {
            let error = io::Error::new(io::ErrorKind::InvalidData, reason);
            failed(parser, span, &path, &error);
            return None;
        }
    };
    let file = parser.sources.add_included(&path, &text, span);
    parser.including.chain.push(path);
    Some(file)
}

/// Ends what [`enter`] began.
pub(crate) fn leave(parser: &mut Parser<'_>) {
    parser.including.chain.pop();
}

/// The text of a file, unless it is too long or not UTF-8.
pub(crate) fn check_text(bytes: Vec<u8>) -> Result<String, String> {
    if bytes.len() > MAX_FILE_BYTES {
        return Err(format!("the file is longer than {MAX_FILE_BYTES} bytes"));
    }
    String::from_utf8(bytes).map_err(|error| {
        let offset = error.utf8_error().valid_up_to();
        let line = error
            .as_bytes()
            .iter()
            .take(offset)
            .filter(|byte| **byte == b'\n')
            .count()
            + 1;
        format!("the file is not UTF-8: byte {offset} in line {line}")
    })
}

fn failed(parser: &mut Parser<'_>, span: Span, path: &Path, error: &io::Error) {
    let message = format!("include error {}: {error}", path.display());
    parser
        .diagnostics
        .push(Diagnostic::error(message).at(span, "included here"));
}

/// The path of an operand; the error is the scheme of a URI that is not one of a file.
fn local_path(operand: &str) -> Result<&str, &str> {
    if let Some(path) = operand.strip_prefix("file:") {
        return Ok(path.strip_prefix("//").unwrap_or(path));
    }
    match operand.split_once("://") {
        Some((scheme, _)) if scheme.bytes().all(|byte| byte.is_ascii_alphanumeric()) => Err(scheme),
        _ => Ok(operand),
    }
}

/// Whether a file is named `….X.conf` or `…_X.conf` with one of the marks.
fn is_backup(path: &Path) -> bool {
    let stem = path
        .file_name()
        .and_then(|name| name.to_str()?.strip_suffix(".conf"));
    stem.is_some_and(|stem| {
        BACKUP_MARKS.iter().any(|mark| {
            stem.strip_suffix(mark)
                .is_some_and(|before| before.ends_with(['.', '_']))
        })
    })
}

/// The path without `.` and `x/..`, so that two ways to write it compare equal.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir
                if matches!(normal.components().next_back(), Some(Component::Normal(_))) =>
            {
                normal.pop();
            }
            other => normal.push(other),
        }
    }
    normal
}
