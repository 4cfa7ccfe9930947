use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};
use conformance::Options;

pub(crate) const USAGE: &str = "\
Judges millrun by what was recorded of Fluentd.

Usage: conformance [OPTIONS] [DIR]

DIR holds the cases, a file KIND.jsonl for each kind; without it the project's own are played.
For each kind one line tells how many cases agree, deviate on purpose, and disagree; then the
first that disagree are shown. The exit status is 0 if none does, 1 if any does, and 2 if it
cannot be told: a usage that is wrong, a line that is malformed, a program that does not build.

      --kind KIND       Only this kind; may be repeated
      --name TEXT       Only cases whose name or text contains TEXT
      --program PATH    The millrun to play live kinds against (without: its release build, which
                        needs cargo)
      --jobs N          Live cases played at once (default 16; most of their time is waiting)
      --sample N        Of the live kinds that mostly wait, only each N-th case
      --show N          Disagreements shown of each kind (default 5)
      --verbose         Show all disagreements, with their cases, and all deviations with their
                        reasons and differences
  -h, --help            Print this
";

/// Live cases played at once.
const JOBS: usize = 16;
/// Disagreements shown of each kind.
const SHOWN: usize = 5;

/// What was asked for.
pub(crate) struct CommandLine {
    pub(crate) directory: PathBuf,
    pub(crate) options: Options,
    pub(crate) program: Option<PathBuf>,
    pub(crate) shown: usize,
    pub(crate) verbose: bool,
}

/// Reads the arguments; `None` asks for the usage.
pub(crate) fn read(mut words: impl Iterator<Item = String>) -> Result<Option<CommandLine>> {
    let mut asked = CommandLine {
        directory: PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("cases"),
        options: Options {
            jobs: JOBS,
            ..Options::default()
        },
        program: None,
        shown: SHOWN,
        verbose: false,
    };
    let mut directories = 0;
    while let Some(word) = words.next() {
        let mut value = || {
            words
                .next()
                .with_context(|| format!("{word} needs a value"))
        };
        match word.as_str() {
            "--kind" => asked.options.kinds.push(value()?),
            "--name" => asked.options.name = Some(value()?),
            "--program" => asked.program = Some(PathBuf::from(value()?)),
            "--jobs" => asked.options.jobs = value()?.parse().context("--jobs needs a number")?,
            "--sample" => {
                asked.options.sample = value()?.parse().context("--sample needs a number")?;
            }
            "--show" => asked.shown = value()?.parse().context("--show needs a number")?,
            "--verbose" => asked.verbose = true,
            "-h" | "--help" => return Ok(None),
            _ if word.starts_with('-') => {
                bail!("unknown argument {word:?}; --help lists the known ones")
            }
            _ => {
                directories += 1;
                ensure!(
                    directories == 1,
                    "one directory at a time; {word:?} is a second one"
                );
                asked.directory = PathBuf::from(word);
            }
        }
    }
    Ok(Some(asked))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Option<CommandLine>> {
        read(text.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn the_words_are_read() {
        let asked = parsed("--kind match --name x d --jobs 2").unwrap().unwrap();
        assert_eq!(asked.directory, PathBuf::from("d"));
        assert_eq!(
            (asked.options.kinds, asked.options.jobs),
            (vec!["match".to_owned()], 2)
        );
        assert!(parsed("--help").unwrap().is_none());
    }

    #[test]
    fn a_wrong_usage_is_told() {
        let told = |text| parsed(text).err().unwrap().to_string();
        assert_eq!(told("--kind"), "--kind needs a value");
        assert_eq!(told("--jobs x"), "--jobs needs a number");
        assert_eq!(
            told("a b"),
            "one directory at a time; \"b\" is a second one"
        );
        assert_eq!(
            told("--x"),
            "unknown argument \"--x\"; --help lists the known ones"
        );
    }
}
