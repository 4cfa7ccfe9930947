//! `millrun reference`: the pages of every plugin of this build, made of their declarations.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use millrun_config::{ReferencePage, Schema, summary};
use millrun_core::{Keeping, Registry, SystemParameters, promise_of};

/// What stands first on each page: only pages with it are written over or removed.
const MARK: &str = "<!-- Made by `millrun reference` from the plugins' declarations. -->\n";

/// What `millrun reference` was asked.
#[derive(Args, Clone, Debug)]
pub(crate) struct ReferenceArguments {
    /// The page to print, for example output_forward; without it, their names.
    page: Option<String>,

    /// Write all pages into this directory instead, and remove those of plugins that are gone.
    #[arg(long, value_name = "DIR", conflicts_with = "page")]
    into: Option<PathBuf>,
}

/// A page: its name, what it is about, its text.
struct Page {
    name: String,
    summary: &'static str,
    text: String,
}

impl ReferenceArguments {
    /// Prints or writes the pages. The exit status is 1 where there is no such page or it cannot
    /// be written.
    pub(crate) fn run(&self) -> ExitCode {
        let result = match (&self.into, &self.page) {
            (Some(directory), _) => write(directory).map_err(|error| {
                format!("cannot write the pages to {}: {error}", directory.display())
            }),
            (None, Some(name)) => print_page(name),
            (None, None) => {
                print(&index(&pages()));
                Ok(())
            }
        };
        match result {
            Ok(()) => ExitCode::SUCCESS,
            Err(message) => {
                // Nobody is left to tell when the terminal is gone.
                let _ = writeln!(io::stderr(), "error: {message}");
                ExitCode::FAILURE
            }
        }
    }
}

fn print_page(name: &str) -> Result<(), String> {
    let pages = pages();
    let page = pages.iter().find(|page| page.name == name);
    let page = page.ok_or_else(|| {
        let names: Vec<_> = pages.iter().map(|page| page.name.as_str()).collect();
        format!(
            "there is no page '{name}'; the pages are {}",
            names.join(", ")
        )
    })?;
    print(&page.text);
    Ok(())
}

fn print(text: &str) {
    // Nobody is left to tell when the reader of the output is gone.
    let _ = io::stdout().lock().write_all(text.as_bytes());
}

/// The names of all pages, in the order of the index.
pub(crate) fn page_names() -> Vec<String> {
    pages().into_iter().map(|page| page.name).collect()
}

/// All pages, in the order of the index.
fn pages() -> Vec<Page> {
    let registry = millrun_plugins::registry();
    let mut pages = vec![
        section(&registry, SystemParameters::SCHEMA),
        promises(&registry),
    ];
    let sections = registry.sections().values();
    pages.extend(sections.map(|schema| section(&registry, schema)));
    for (what, directive) in KINDS {
        for name in registry.plugin_names(directive) {
            if let Some(schema) = registry.plugin(directive, name) {
                pages.push(page(
                    &registry,
                    &format!("{what}_{name}"),
                    &format!("{what} `{name}`"),
                    Some(name),
                    schema,
                ));
            }
        }
    }
    pages
}

/// The kinds of plugins and the sections that name them.
const KINDS: [(&str, &str); 5] = [
    ("input", "source"),
    ("filter", "filter"),
    ("output", "match"),
    ("parser", "parse"),
    ("formatter", "format"),
];

/// Outputs that pass events on or throw them away, and what only `<secondary>` takes: they are no end of a way.
const NO_ENDS: [&str; 7] = [
    "buffer",
    "copy",
    "detect_exceptions",
    "null",
    "relabel",
    "rewrite_tag_filter",
    "secondary_file",
];

/// The page of what is promised between any two plugins: the answers of `check`, for all of them.
fn promises(registry: &Registry) -> Page {
    let mut text = format!(
        "{MARK}# Promises\n\nWhat holds for a line from one plugin to another when any process is killed at any instant (`kill -9`), and \
         with `durability power` under a loss of power too. A configuration gets the weakest promise of its ways; `millrun check` \
         says which they are. Everything dropped on purpose (an overflow, a retry limit, what cannot be parsed …) is counted by plugin and reason.\n\n\
         | From | Buffer | To | Promise | Why not more |\n|---|---|---|---|---|\n"
    );
    for source in registry.plugin_names("source") {
        for output in registry.plugin_names("match") {
            if NO_ENDS.contains(&output) {
                continue;
            }
            for keeping in [Keeping::Nothing, Keeping::Memory, Keeping::Files] {
                let buffer = match keeping {
                    Keeping::Nothing if output == "stdout" => "none",
                    Keeping::Nothing => continue,
                    Keeping::Memory => "memory",
                    Keeping::Files => "file",
                };
                let (promise, reason) = promise_of(source, keeping, output);
                let promise = promise.as_words();
                text.push_str(&format!(
                    "| {source} | {buffer} | {output} | {promise} | {reason} |\n"
                ));
            }
        }
    }
    text.push_str(
        "\n* **exactly once**: it arrives, and once.\n\
         * **at least once**: it arrives; after a crash perhaps again.\n\
         * **kept once committed**: what the process had taken arrives; what was under way to it may be lost.\n\
         * **lost with the process**: what lies in memory dies with it.\n\n\
         A filter or an output that sends events on (`copy`, `relabel`, `rewrite_tag_filter`, `concat` …) weakens no promise: what it \
         holds back is part of the commit. A sender that asks `forward` for no acknowledgement is answered for nothing: of its lines, what was committed is kept. \
         Between two millruns with file buffers and `require_ack_response`, `forward` is exactly once, while a chunk stays with the receiver it was first sent to.\n",
    );
    Page {
        name: "promises".to_owned(),
        summary: "What holds for a line, from each input to each output.",
        text,
    }
}

fn section(registry: &Registry, schema: &'static Schema) -> Page {
    let name = schema.directive;
    page(
        registry,
        name,
        &format!("the `<{name}>` section"),
        None,
        schema,
    )
}

fn page(
    registry: &Registry,
    name: &str,
    title: &str,
    plugin_type: Option<&str>,
    schema: &'static Schema,
) -> Page {
    let elsewhere = |section: &str| elsewhere(registry, section);
    let page = ReferencePage {
        title,
        plugin_type,
        schema,
        elsewhere: &elsewhere,
    };
    Page {
        name: name.to_owned(),
        summary: summary(schema),
        text: format!("{MARK}{}", page.text()),
    }
}

/// Where the content of a section is described that a plugin only hands on.
fn elsewhere(registry: &Registry, section: &str) -> Option<String> {
    if registry.sections().contains_key(section) {
        return Some(format!("See [the `<{section}>` section]({section}.md)."));
    }
    let directive = match section {
        "store" | "secondary" => "match",
        other => other,
    };
    let (what, _) = KINDS.iter().find(|(_, known)| *known == directive)?;
    let names = registry.plugin_names(directive);
    let links: Vec<_> = names
        .iter()
        .map(|name| format!("[`{name}`]({what}_{name}.md)"))
        .collect();
    Some(format!("Its `@type` is one of {}.", links.join(", ")))
}

fn index(pages: &[Page]) -> String {
    let mut text = format!(
        "{MARK}# Reference\n\nEvery plugin also takes `@type`, `@id` (its name in log lines, unique), \
         `@log_level` (trace, debug, info, warn, error, fatal) and, where it emits events, `@label`.\n"
    );
    let mut group = "";
    for Page { name, summary, .. } in pages {
        let mut kinds = KINDS.iter().map(|(what, _)| *what);
        let what = kinds.find(|what| name.starts_with(&format!("{what}_")));
        let what = what.unwrap_or("section");
        if what != group {
            let (first, rest) = what.split_at(1);
            text.push_str(&format!("\n## {}{rest}s\n\n", first.to_uppercase()));
            group = what;
        }
        text.push_str(&format!("* [{name}]({name}.md): {summary}\n"));
    }
    text
}

/// The files of a directory of pages.
fn files() -> Vec<(String, String)> {
    let pages = pages();
    let mut files = vec![("README.md".to_owned(), index(&pages))];
    files.extend(
        pages
            .into_iter()
            .map(|page| (format!("{}.md", page.name), page.text)),
    );
    files
}

fn write(directory: &Path) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    let files = files();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let is_gone = !files.iter().any(|(name, _)| path.ends_with(name));
        if is_gone && fs::read_to_string(&path).is_ok_and(|text| text.starts_with(MARK)) {
            fs::remove_file(path)?;
        }
    }
    for (name, text) in files {
        fs::write(directory.join(name), text)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    /// The files of a directory by their names.
    fn read(directory: &Path) -> BTreeMap<String, String> {
        let entries = fs::read_dir(directory).unwrap();
        let file = |entry: io::Result<fs::DirEntry>| {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, fs::read_to_string(path).unwrap())
        };
        entries.map(file).collect()
    }

    #[test]
    fn the_pages_in_the_documentation_are_up_to_date() {
        let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference");
        let expected: BTreeMap<_, _> = files().into_iter().collect();
        let committed = read(&committed);
        let differs: Vec<_> = expected
            .keys()
            .chain(committed.keys())
            .filter(|name| expected.get(*name) != committed.get(*name))
            .collect();
        assert!(
            differs.is_empty(),
            "run `cargo run -p millrun -- reference --into docs/reference`: {differs:?}"
        );
    }

    #[test]
    fn pages_of_plugins_that_are_gone_are_removed_and_other_files_stay() {
        let directory = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| fs::write(directory.path().join(name), text).unwrap();
        put("output_gone.md", &format!("{MARK}# gone"));
        put("notes.md", "mine");
        write(directory.path()).unwrap();
        let written = read(directory.path());
        assert!(!written.contains_key("output_gone.md"));
        assert_eq!(written["notes.md"], "mine");
        assert!(
            written["README.md"].contains("* [input_tail](input_tail.md): Follows log files.\n")
        );
    }

    #[test]
    fn a_page_that_is_not_there_names_those_that_are() {
        let message = print_page("output_nul").unwrap_err();
        assert!(message.starts_with(
            "there is no page 'output_nul'; the pages are system, promises, buffer, "
        ));
    }
}
