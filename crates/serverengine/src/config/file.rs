//! Configuration files: which format, which keys are the application's, and everything that is wrong in
//! one error.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde::de::DeserializeOwned;

use super::application::Application;
use super::bridge::{self, NoKeys};
use super::json::Unreadable;
use super::node::{Node, Place};
use super::problem::Problems;
use super::{Config, ConfigError, ConfigSource, read};

/// Longest configuration file, in bytes.
const FILE_LEN_MAX: u64 = 4 * 1024 * 1024;

/// Format of a configuration file. There is one for each of the features `yaml`, `toml` and `json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// YAML. Ruby's symbols are texts: `:workers: 4` means `workers: 4`.
    #[cfg(feature = "yaml")]
    Yaml,
    /// TOML.
    #[cfg(feature = "toml")]
    Toml,
    /// JSON.
    #[cfg(feature = "json")]
    Json,
}

impl Format {
    /// Returns the format that the name of a file stands for: by `.yaml` or `.yml`, `.toml`, `.json`.
    #[must_use]
    pub fn of(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()? {
            #[cfg(feature = "yaml")]
            "yaml" | "yml" => Some(Self::Yaml),
            #[cfg(feature = "toml")]
            "toml" => Some(Self::Toml),
            #[cfg(feature = "json")]
            "json" => Some(Self::Json),
            _ => None,
        }
    }

    fn parse(self, text: &str) -> Result<Node, Unreadable> {
        match self {
            #[cfg(feature = "yaml")]
            Self::Yaml => super::yaml::parse(text),
            #[cfg(feature = "toml")]
            Self::Toml => super::toml::parse(text),
            #[cfg(feature = "json")]
            Self::Json => super::json::parse(text),
        }
    }
}

/// With one of the features `yaml`, `toml`, `json`.
impl Config {
    /// Reads a file of engine keys only.
    ///
    /// # Errors
    ///
    /// The file cannot be read, has a key that is not known, or a value that is impossible: all of it, with
    /// its places.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, ConfigError> {
        Self::from_file_with::<NoKeys>(path)
    }

    /// Reads a file of engine keys and keys of the application, which are the fields of `A`. They are
    /// in [`Config::application`]; a key that is in neither is an error.
    ///
    /// ```
    /// use serde::Deserialize;
    /// use serverengine::{Config, Format};
    ///
    /// #[derive(Deserialize)]
    /// struct Greeter {
    ///     greeting: String,
    /// }
    ///
    /// # fn main() -> Result<(), serverengine::ConfigError> {
    /// let text = "workers: 4\ngreeting: hello\n";
    /// let config = Config::from_text_with::<Greeter>("app.yml".as_ref(), Format::Yaml, text)?;
    /// assert_eq!(config.workers, 4);
    /// assert_eq!(config.application.read::<Greeter>()?.greeting, "hello");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`Config::from_file`], and a field of `A` that is missing or has another type.
    pub fn from_file_with<A: DeserializeOwned>(
        path: impl AsRef<Path>,
    ) -> Result<Self, ConfigError> {
        let path = path.as_ref();
        let fail = |message: String| {
            Err(Problems::in_file(path)
                .and(Place::default(), message)
                .into_error())
        };
        let Some(format) = Format::of(path) else {
            return fail(
                "the name says no format: it must end with .yaml, .yml, .toml or .json, and the feature \
                 of that name must be enabled"
                    .to_owned(),
            );
        };
        let mut text = String::new();
        let read =
            File::open(path).and_then(|file| file.take(FILE_LEN_MAX + 1).read_to_string(&mut text));
        match read {
            Err(error) => fail(format!("cannot be read: {error}")),
            Ok(length) if length as u64 > FILE_LEN_MAX => {
                fail(format!("is larger than {FILE_LEN_MAX} bytes"))
            }
            Ok(_) => Self::from_text_with::<A>(path, format, &text),
        }
    }

    /// Reads a text as [`Config::from_file_with`] reads a file. `name` is what messages call it.
    ///
    /// # Errors
    ///
    /// As for [`Config::from_file_with`].
    pub fn from_text_with<A: DeserializeOwned>(
        name: &Path,
        format: Format,
        text: &str,
    ) -> Result<Self, ConfigError> {
        let mut problems = Problems::in_file(name);
        let root = match format.parse(text) {
            Ok(root) => root,
            Err(error) => return Err(problems.and(error.place, error.message).into_error()),
        };
        let read = read::read(root, problems)?;
        let config = read.0;
        problems = read.1;
        let _ = bridge::read::<A>(config.application.root(), true, &mut problems);
        problems.into_result()?;
        Ok(config)
    }
}

impl Application {
    /// Makes a value of yours of it.
    ///
    /// # Errors
    ///
    /// A field is missing or has another type, or a key is in no field. A type that is to take any keys is
    /// a map.
    pub fn read<A: DeserializeOwned>(&self) -> Result<A, ConfigError> {
        let mut problems = Problems::default();
        let value = bridge::read::<A>(self.root(), false, &mut problems);
        match value {
            Some(value) if problems.is_empty() => Ok(value),
            _ => Err(problems.into_error()),
        }
    }
}

/// With one of the features `yaml`, `toml`, `json`.
impl ConfigSource {
    /// Makes a source of a file, which is read again with each reload if it has changed:
    /// [`Config::from_file`].
    pub fn file_only(path: impl AsRef<Path>) -> Self {
        Self::file_with::<NoKeys>(path)
    }

    /// Makes a source of a file with keys of the application: [`Config::from_file_with`].
    pub fn file_with<A: DeserializeOwned + 'static>(path: impl AsRef<Path>) -> Self {
        let path = path.as_ref().to_owned();
        let file = path.clone();
        Self::from(move || Config::from_file_with::<A>(&path)).watching(file)
    }
}

#[cfg(test)]
#[cfg(all(feature = "yaml", feature = "toml", feature = "json"))]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    struct Greeter {
        greeting: String,
        #[serde(default)]
        times: Vec<u8>,
        limits: Option<Limits>,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    struct Limits {
        bytes: u64,
    }

    const ALIKE: [(Format, &str); 3] = [
        (
            Format::Yaml,
            "workers: 3\nworker_type: thread\ngreeting: hello\ntimes: [1, 2]\nlimits:\n  bytes: 7\n",
        ),
        (
            Format::Toml,
            "workers = 3\nworker_type = 'thread'\ngreeting = 'hello'\ntimes = [1, 2]\n[limits]\nbytes = 7\n",
        ),
        (
            Format::Json,
            r#"{"workers": 3, "worker_type": "thread", "greeting": "hello", "times": [1, 2], "limits": {"bytes": 7}}"#,
        ),
    ];

    fn message<A: DeserializeOwned>(format: Format, text: &str) -> String {
        let read = Config::from_text_with::<A>(Path::new("app"), format, text);
        read.unwrap_err().to_string()
    }

    #[test]
    fn all_formats_say_the_same() {
        for (format, text) in ALIKE {
            let config = Config::from_text_with::<Greeter>(Path::new("app"), format, text).unwrap();
            assert_eq!(config.workers, 3, "{format:?}");
            assert_eq!(
                config.application.read::<Greeter>().unwrap(),
                Greeter {
                    greeting: "hello".to_owned(),
                    times: vec![1, 2],
                    limits: Some(Limits { bytes: 7 }),
                }
            );
        }
    }

    #[test]
    fn unknown_keys_are_said_with_place_and_suggestion() {
        for (format, text) in [
            (
                Format::Yaml,
                "greeting: x\nworker: 4\nlimits:\n  bytes: 1\n  byte: 2\n",
            ),
            (
                Format::Toml,
                "greeting = 'x'\nworker = 4\n[limits]\nbytes = 1\nbyte = 2\n",
            ),
        ] {
            let column = if format == Format::Yaml { 3 } else { 1 };
            assert_eq!(
                message::<Greeter>(format, text),
                format!(
                    "app:2:1: unknown key \"worker\"; did you mean \"workers\"?\n\
                     app:5:{column}: unknown key \"byte\"; did you mean \"bytes\"?"
                )
            );
        }
        assert_eq!(
            message::<NoKeys>(Format::Json, "{\n  \"wrokers\": 4}"),
            "app:2:3: unknown key \"wrokers\"; did you mean \"workers\"?"
        );
    }

    #[test]
    fn impossible_values_are_said_with_place_and_reason() {
        assert_eq!(
            message::<NoKeys>(
                Format::Yaml,
                "supervisor: true\nworkers: many\nchumask: '99'\n"
            ),
            "app:2:1: workers: expected a whole number, found text \"many\"\n\
             app:3:1: chumask: expected a mask from 0o000 to 0o777, found text \"99\""
        );
        assert_eq!(
            message::<NoKeys>(Format::Toml, "exit_on_detach = true\n"),
            "app:1:1: exit_on_detach needs enable_detach"
        );
        assert_eq!(
            message::<Greeter>(Format::Yaml, "greeting: hello\nlimits:\n  bytes: -1\n"),
            "app:3:3: bytes: invalid value: integer `-1`, expected u64"
        );
        assert_eq!(
            message::<Greeter>(Format::Toml, "workers = 1\n"),
            "app:1:1: missing field `greeting`"
        );
        assert_eq!(
            message::<NoKeys>(Format::Yaml, "a: [\n"),
            "app:2:1: this is no YAML: while parsing a node, did not find expected node content"
        );
        assert_eq!(
            message::<NoKeys>(Format::Toml, "a = \n"),
            "app:1:5: this is no TOML: string values must be quoted, expected literal string"
        );
    }

    #[test]
    fn a_file_says_its_format_by_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("app.toml");
        let error = Config::from_file(&path).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "{}: cannot be read: No such file or directory (os error 2)",
                path.display()
            )
        );
        std::fs::write(&path, "workers = 2\n").unwrap();
        assert_eq!(Config::from_file(&path).unwrap().workers, 2);
        let error = Config::from_file("app.ini").unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("app.ini: the name says no format: ")
        );
    }
}
