//! Reads a whole configuration: the main file, the text given with it, the include directory.
//!
//! ```text
//! 1  the main file          with the inline text behind it, unless it is YAML
//! 2  <system>               names the include directory; an empty name switches it off
//! 3  the include directory  every .conf, .yaml and .yml below it that was not read yet, in the
//!                           order of their names; what the main file sets stays, sections follow
//! ```

use std::{
    io,
    path::{Path, PathBuf},
};

use crate::{
    Diagnostic, Diagnostics, Element, Environment, Evaluate, Includes, Parsed, Sources, Span,
    include::{Including, check_text},
    parser::Parser,
};

/// Where further files are looked for when neither `<system>` nor the environment says.
pub const DEFAULT_INCLUDE_DIRECTORY: &str = "/etc/fluent/conf.d";

/// Why there is no text to read. What is wrong *in* a text is in [`Parsed::diagnostics`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The file cannot be read.
    #[error("cannot read the configuration '{}': {error}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// The file is too long or no UTF-8.
    #[error("cannot read the configuration '{}': {reason}", path.display())]
    Text {
        /// The file.
        path: PathBuf,
        /// What is wrong, with the place.
        reason: String,
    },
    /// The file is in a language that is not read.
    #[error(
        "cannot read the configuration '{}': Ruby files are not supported; write it as text or YAML",
        path.display()
    )]
    Ruby {
        /// The file.
        path: PathBuf,
    },
}

/// Which language a file is in (`--config-file-type`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FileKind {
    /// YAML for names that end in `.yaml` or `.yml`, else text.
    #[default]
    Guess,
    /// The text language.
    Text,
    /// YAML.
    Yaml,
}

impl FileKind {
    /// The kind of a word of the command line.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        match word {
            "guess" => Some(Self::Guess),
            "v1" => Some(Self::Text),
            "yaml" | "yml" => Some(Self::Yaml),
            _ => None,
        }
    }

    fn is_yaml(self, path: &Path) -> bool {
        match self {
            Self::Guess => has_extension(path, &["yaml", "yml"]),
            Self::Text => false,
            Self::Yaml => true,
        }
    }
}

/// What is read as one configuration.
#[derive(Debug, Clone, Default)]
pub struct LoadOptions {
    /// The main file.
    pub path: PathBuf,
    /// Which language it is in. Files of the include directory go by their names.
    pub kind: FileKind,
    /// Text that stands behind the main file's, on lines of its own; see [`inline_text`]. YAML
    /// takes none.
    pub inline: Option<String>,
    /// The include directory, if `<system>` names none.
    pub include_directory: Option<PathBuf>,
}

impl LoadOptions {
    /// A file as Fluentd reads it in this environment.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>, environment: &Environment) -> Self {
        let directory = environment.variables.get("FLUENT_CONF_INCLUDE_DIR");
        let directory = directory.map_or(DEFAULT_INCLUDE_DIRECTORY, String::as_str);
        Self {
            path: path.into(),
            include_directory: Some(directory.into()),
            ..Self::default()
        }
    }
}

/// A configuration that was read.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The tree, with what was found on the way.
    pub parsed: Parsed,
    /// What an operator may want to know and nobody needs to change.
    pub notes: Vec<String>,
}

/// The text an inline argument stands for: a backslash and an `n` in it become a new line.
#[must_use]
pub fn inline_text(argument: &str) -> String {
    argument.replace("\\n", "\n")
}

/// Reads a configuration with an evaluator and a world of the caller's; [`Disk`](crate::Disk) is the
/// real one.
///
/// # Errors
/// If the main file cannot be read. Any other file that cannot is in [`Parsed::diagnostics`].
pub fn load(
    options: &LoadOptions,
    evaluate: &mut dyn Evaluate,
    includes: &mut dyn Includes,
) -> Result<Loaded, LoadError> {
    let path = &options.path;
    let is_yaml = options.kind.is_yaml(path);
    if !is_yaml && has_extension(path, &["rb"]) {
        return Err(LoadError::Ruby { path: path.clone() });
    }
    let mut text = read(path, includes)?;
    let mut notes = Vec::new();
    match &options.inline {
        Some(_) if is_yaml => notes.push("inline config is not applied to YAML".to_owned()),
        Some(inline) => {
            text.push('\n');
            text.push_str(inline);
        }
        None => {}
    }
    let mut parser = Parser {
        sources: Sources::default(),
        diagnostics: Diagnostics::default(),
        evaluate,
        includes,
        including: Including::new(path),
    };
    let mut root = parse(&mut parser, path, &text, is_yaml);
    include_directory(&mut parser, &mut root, options, &mut notes);
    let Parser {
        sources,
        mut diagnostics,
        ..
    } = parser;
    diagnostics.sort_by_place();
    let parsed = Parsed {
        root,
        sources,
        diagnostics,
    };
    Ok(Loaded { parsed, notes })
}

fn read(path: &Path, includes: &mut dyn Includes) -> Result<String, LoadError> {
    let path = path.to_owned();
    match includes.read(&path).map(check_text) {
        Ok(Ok(text)) => Ok(text),
        Ok(Err(reason)) => Err(LoadError::Text { path, reason }),
        Err(error) => Err(LoadError::Read { path, error }),
    }
}

fn parse(parser: &mut Parser<'_>, path: &Path, text: &str, is_yaml: bool) -> Element {
    let file = parser.sources.add(path, text);
    parser.including.begin(path);
    let mut root = Element::new("ROOT", "", Span::new(file, 0, 0));
    if is_yaml {
        yaml(parser, file, &mut root);
    } else {
        parser.file(file, &mut root, 0);
    }
    root
}

#[cfg(feature = "yaml")]
use crate::yaml::file as yaml;

#[cfg(not(feature = "yaml"))]
fn yaml(parser: &mut Parser<'_>, file: crate::FileId, _: &mut Element) {
    let error = Diagnostic::error("this build does not read YAML");
    parser.diagnostics.push(
        error
            .at(Span::new(file, 0, 0), "")
            .hint("build with the feature 'yaml'"),
    );
}

/// Reads what is below the include directory and merges it into the root.
fn include_directory(
    parser: &mut Parser<'_>,
    root: &mut Element,
    options: &LoadOptions,
    notes: &mut Vec<String>,
) {
    let written = root
        .elements_named("system")
        .find_map(|system| system.value("config_include_dir"));
    let written_at = written.map(|value| value.span);
    let directory = match written.and_then(crate::Value::as_text) {
        Some(text) => PathBuf::from(text),
        None => match &options.include_directory {
            Some(directory) => directory.clone(),
            None => return,
        },
    };
    if directory.as_os_str().is_empty() {
        return notes.push("configuration include directory is disabled".to_owned());
    }
    let paths = match parser.includes.files_below(&directory) {
        Ok(paths) => paths,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let directory = directory.display();
            return notes.push(format!(
                "inaccessible include directory was specified: {directory}"
            ));
        }
        Err(error) => {
            let message = format!("cannot read the include directory: {error}");
            let mut finding = Diagnostic::error(message);
            if let Some(span) = written_at {
                finding = finding.at(span, "named here");
            }
            return parser.diagnostics.push(finding);
        }
    };
    for path in paths {
        let is_known = parser
            .sources
            .files()
            .any(|known| absolute(known.path()) == absolute(&path));
        if is_known || !has_extension(&path, &["conf", "yaml", "yml"]) {
            continue;
        }
        notes.push(format!(
            "loading additional configuration file: {}",
            path.display()
        ));
        match read(&path, parser.includes) {
            Ok(text) => {
                let more = parse(parser, &path, &text, FileKind::Guess.is_yaml(&path));
                merge(root, more);
            }
            Err(error) => parser
                .diagnostics
                .push(Diagnostic::error(error.to_string())),
        }
    }
}

/// What the root has stays; what it lacks, and all sections, come from the other.
fn merge(root: &mut Element, mut more: Element) {
    for entry in more.parameters() {
        if root.entry(&entry.name).is_none() {
            root.insert(entry.clone());
        }
    }
    root.elements_mut().append(more.elements_mut());
}

fn has_extension(path: &Path, extensions: &[&str]) -> bool {
    // Ruby's extname gives a hidden file none either.
    let extension = path.extension().and_then(|extension| extension.to_str());
    extension.is_some_and(|extension| extensions.contains(&extension))
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}
