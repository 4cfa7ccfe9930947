//! `REFERENCE.md` says of every configuration key and every signal what the code says.
//!
//! `SERVERENGINE_UPDATE=1 cargo test --test reference` writes it anew.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // Tests.

use std::fmt::Write;
use std::path::Path;

use serverengine::{Signal, SignalMeanings};

/// What of these a reload can change.
const RELOADABLE: [(&str, &str); 2] = [
    ("workers", "by `Server::workers`"),
    ("logger", "its level, by `DaemonLogger::set_level`"),
];

/// A field of `Config`.
#[derive(Default)]
struct Key {
    name: String,
    kind: String,
    meaning: String,
}

fn keys(source: &str) -> Vec<Key> {
    let (_, fields) = source.split_once("pub struct Config {").unwrap();
    let (fields, _) = fields.split_once("\n}").unwrap();
    let mut keys = Vec::new();
    let mut meaning = String::new();
    for line in fields.lines().map(str::trim) {
        if let Some(text) = line.strip_prefix("/// ") {
            meaning.push_str(text);
            meaning.push(' ');
        } else if let Some(field) = line.strip_prefix("pub ") {
            let (name, kind) = field.trim_end_matches(',').split_once(": ").unwrap();
            keys.push(Key {
                name: name.to_owned(),
                kind: kind.to_owned(),
                meaning: std::mem::take(&mut meaning),
            });
        }
    }
    keys
}

fn default_of<'a>(source: &'a str, name: &str) -> &'a str {
    let (_, defaults) = source.split_once("impl Default for Config").unwrap();
    let start = format!("            {name}: ");
    let line = defaults.lines().find_map(|line| line.strip_prefix(&start));
    line.expect(name).trim_end_matches(',')
}

/// Says what a person would.
fn in_words(expression: &str) -> String {
    let inner = |open: &str| expression.split_once(open).map(|(_, rest)| rest);
    if let Some(seconds) = inner("from_secs(") {
        return format!("{} s", seconds.trim_end_matches(')'));
    }
    match expression {
        "Duration::ZERO" => "0 s".to_owned(),
        "None" => "none".to_owned(),
        "Vec::new()" => "empty".to_owned(),
        "Arc::new(StderrLog)" => "`StderrLog`".to_owned(),
        other if other.ends_with("::default()") => "see there".to_owned(),
        other => format!("`{other}`"),
    }
}

fn reference() -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let source = std::fs::read_to_string(folder.join("src/config.rs")).unwrap();
    let mut text = "# Reference\n\nMade from the code by `tests/reference.rs`.\n\n## Configuration\n\n\
        Times are durations. What is not marked is fixed when the server is started.\n\n| Key | Type | Default | Reloadable | Meaning |\n|---|---|---|---|---|\n"
        .to_owned();
    for Key {
        name,
        kind,
        meaning,
    } in keys(&source)
    {
        let default = in_words(default_of(&source, &name));
        let reloadable = RELOADABLE
            .iter()
            .find(|(key, _)| *key == name)
            .map_or("–", |(_, how)| how);
        let meaning = meaning.trim().replace('|', "\\|");
        let meaning = meaning.split("](").enumerate().map(|(place, part)| {
            // Links lead into the crate's documentation, which is not here.
            let rest = part.split_once(')').map_or(part, |(_, rest)| rest);
            if place == 0 { part } else { rest }
        });
        let meaning = meaning.collect::<Vec<_>>().join("").replace(['[', ']'], "");
        writeln!(
            text,
            "| `{name}` | `{kind}` | {default} | {reloadable} | {meaning} |"
        )
        .unwrap();
    }
    text.push_str(
        "\n## Signals\n\nThe default meaning of each to supervisor and server; `Config::signals` changes it.\n\n\
         | Signal | Meaning |\n|---|---|\n",
    );
    let meanings = SignalMeanings::default();
    for signal in [
        Signal::Term,
        Signal::Int,
        Signal::Quit,
        Signal::Usr1,
        Signal::Hup,
        Signal::Usr2,
        Signal::Cont,
    ] {
        let name = format!("{signal:?}").to_uppercase();
        writeln!(text, "| {name} | `{:?}` |", meanings.meaning(signal)).unwrap();
    }
    text.push_str(
        "\nA worker process that gets one directly: TERM, INT and USR1 call its `stop`, QUIT and HUP end it at \
         once, USR2 calls `reload`, CONT dumps.\n",
    );
    text
}

#[test]
fn the_reference_says_what_the_code_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("REFERENCE.md");
    let reference = reference();
    if std::env::var_os("SERVERENGINE_UPDATE").is_some() {
        std::fs::write(&path, &reference).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == reference,
        "REFERENCE.md is not up to date: SERVERENGINE_UPDATE=1 cargo test --test reference"
    );
}
