//! The texts an editor has open, over the files on disk, and what a check makes of them.
//!
//! A file that another configuration includes makes sense only as a part of it: it is checked with
//! the configuration that includes it, if one is open or lies beside or above it under one of the
//! usual names.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use millrun_config::{
    Diagnostic, Diagnostics, Disk, Element, Environment, Includes, LoadOptions, Sources, Strictness,
};
use millrun_core::{Registry, check};

use super::place::file_id;
use crate::environment;
use crate::ruby::load_from;

/// Names of files that are configurations of their own, in the order in which they are tried.
const MAIN_NAMES: [&str; 5] = [
    "fluent.conf",
    "fluentd.conf",
    "td-agent.conf",
    "millrun.conf",
    "fluent.yaml",
];

/// How many directories above a file are looked at for the configuration it belongs to.
const PARENTS_MAX: usize = 3;

/// Most texts open at once; one more is not looked at.
const OPEN_MAX: usize = 1000;

/// What is open.
pub(super) struct Workspace {
    pub(super) registry: Registry,
    environment: Environment,
    texts: Texts,
}

/// Open texts by their paths, and the files on disk behind them.
#[derive(Default)]
struct Texts(BTreeMap<PathBuf, String>);

/// A configuration, read and checked.
pub(super) struct Analysis {
    /// As it is written, old forms included.
    pub(super) root: Element,
    pub(super) sources: Sources,
    pub(super) diagnostics: Diagnostics,
}

impl Workspace {
    pub(super) fn new() -> Self {
        Self {
            registry: millrun_plugins::registry(),
            environment: environment::of_configuration(None),
            texts: Texts::default(),
        }
    }

    /// Takes the text of a file that was opened or changed.
    pub(super) fn put(&mut self, path: PathBuf, text: String) {
        if self.texts.0.len() < OPEN_MAX || self.texts.0.contains_key(&path) {
            self.texts.0.insert(path, text);
        }
    }

    /// Forgets the text of a file that was closed; what is on disk counts again.
    pub(super) fn remove(&mut self, path: &Path) {
        self.texts.0.remove(path);
    }

    /// The text of a file that is open.
    pub(super) fn text(&self, path: &Path) -> Option<&str> {
        self.texts.0.get(path).map(String::as_str)
    }

    /// The open files.
    pub(super) fn open(&self) -> impl Iterator<Item = &Path> {
        self.texts.0.keys().map(PathBuf::as_path)
    }

    /// The configuration a file is part of, checked, and the path of its main file.
    pub(super) fn analysis_of(&mut self, path: &Path) -> (PathBuf, Analysis) {
        for main in self.candidates(path) {
            let analysis = self.analysis(&main);
            if file_id(&analysis.sources, path).is_some() {
                return (main, analysis);
            }
        }
        (path.to_owned(), self.analysis(path))
    }

    /// Configurations that may include a file: those that are open, then those beside and above it.
    fn candidates(&mut self, path: &Path) -> Vec<PathBuf> {
        let is_main = |name: &Path| {
            let name = name.file_name().and_then(|name| name.to_str());
            name.is_some_and(|name| MAIN_NAMES.contains(&name))
        };
        if is_main(path) {
            return Vec::new();
        }
        let mut found: Vec<PathBuf> = self
            .open()
            .filter(|open| is_main(open))
            .map(Path::to_owned)
            .collect();
        for directory in path.ancestors().skip(1).take(PARENTS_MAX) {
            let beside = MAIN_NAMES.iter().map(|name| directory.join(name));
            found.extend(beside.filter(|main| main.is_file()));
        }
        found.dedup();
        found
    }

    fn analysis(&mut self, path: &Path) -> Analysis {
        let options = LoadOptions::new(path, &self.environment);
        let loaded = match load_from(&options, &self.environment, &mut self.texts) {
            Ok(loaded) => loaded,
            Err(error) => {
                let mut sources = Sources::default();
                let file = sources.add(path, "");
                let start = millrun_config::Span::new(file, 0, 0);
                let mut diagnostics = Diagnostics::default();
                diagnostics.push(Diagnostic::error(error.to_string()).at(start, ""));
                let root = Element::new("ROOT", "", start);
                return Analysis {
                    root,
                    sources,
                    diagnostics,
                };
            }
        };
        let root = loaded.parsed.root.clone();
        // Nothing is kept, so nothing is made there.
        let state = Path::new("/var/lib/millrun");
        let checked = check(loaded.parsed, &self.registry, state, Strictness::Lax);
        Analysis {
            root,
            sources: checked.sources,
            diagnostics: checked.diagnostics,
        }
    }
}

impl Includes for Texts {
    fn expand(&mut self, pattern: &Path) -> io::Result<Vec<PathBuf>> {
        let mut paths = Disk.expand(pattern)?;
        // What is open and not saved yet.
        paths.extend(self.0.expand(pattern)?);
        paths.sort();
        paths.dedup();
        Ok(paths)
    }

    fn files_below(&mut self, directory: &Path) -> io::Result<Vec<PathBuf>> {
        Disk.files_below(directory)
    }

    fn read(&mut self, path: &Path) -> io::Result<Vec<u8>> {
        match self.0.get(path) {
            Some(text) => Ok(text.clone().into_bytes()),
            None => Disk.read(path),
        }
    }
}
