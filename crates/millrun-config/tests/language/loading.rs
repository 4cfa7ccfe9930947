//! A whole configuration: the inline text, the include directory, the kinds of files.

use std::{collections::BTreeMap, fs, path::PathBuf};

use crate::support::{shape, unindent};
use millrun_config::{
    Disk, Environment, FileKind, LoadOptions, Loaded, NoRuby, RenderStyle, inline_text, load,
};

fn files(files: &[(&str, &str)]) -> BTreeMap<PathBuf, String> {
    let files = files.iter();
    files
        .map(|(path, text)| (PathBuf::from(path), unindent(text)))
        .collect()
}

fn options(path: &str) -> LoadOptions {
    LoadOptions {
        path: path.into(),
        include_directory: Some("/conf.d".into()),
        ..LoadOptions::default()
    }
}

fn read(options: &LoadOptions, mut world: BTreeMap<PathBuf, String>) -> Loaded {
    load(options, &mut NoRuby, &mut world).unwrap()
}

#[test]
fn inline_text_stands_behind_the_file() {
    let options = LoadOptions {
        inline: Some(inline_text("<match **>\\n  @type null\\n</match>")),
        ..options("/f.conf")
    };
    let loaded = read(&options, files(&[("/f.conf", "a 1 # no newline here")]));
    assert_eq!(shape(&loaded.parsed.root), "a=1 match(**){@type=null}");
    assert_eq!(
        loaded
            .parsed
            .diagnostics
            .render(&loaded.parsed.sources, RenderStyle::Plain),
        ""
    );
}

#[test]
fn an_error_in_the_inline_text_shows_its_line() {
    let options = LoadOptions {
        inline: Some("<match **>\n</matsch>".into()),
        ..options("/f.conf")
    };
    let Loaded { parsed, .. } = read(&options, files(&[("/f.conf", "a 1\n")]));
    let error = parsed.diagnostics.errors().next().unwrap();
    assert_eq!(
        error.one_line(&parsed.sources),
        "/f.conf:4:1: error: unmatched end tag"
    );
}

#[test]
fn the_include_directory_adds_what_was_not_read_yet() {
    let world = files(&[
        (
            "/f.conf",
            "a 1\n@include conf.d/b.conf\n<source>\n@type one\n</source>",
        ),
        ("/conf.d/b.conf", "b 1"),
        ("/conf.d/c.conf", "a 2\nc 2\n<source>\n@type two\n</source>"),
        ("/conf.d/d/e.conf", "<source>\n@type three\n</source>"),
        ("/conf.d/README", "not <a configuration"),
    ]);
    let Loaded { parsed, notes } = read(&options("/f.conf"), world);
    assert_eq!(
        shape(&parsed.root),
        "a=1 b=1 c=2 source(){@type=one} source(){@type=two} source(){@type=three}"
    );
    assert_eq!(
        notes,
        [
            "loading additional configuration file: /conf.d/c.conf",
            "loading additional configuration file: /conf.d/d/e.conf",
        ]
    );
}

#[test]
fn system_names_the_include_directory_or_switches_it_off() {
    let world = |directory: &str| {
        let system = format!("<system>\n  config_include_dir {directory}\n</system>");
        files(&[
            ("/f.conf", &system),
            ("/conf.d/a.conf", "a 1"),
            ("/x/b.conf", "b 1"),
        ])
    };
    let loaded = read(&options("/f.conf"), world("/x"));
    assert_eq!(loaded.parsed.root.text("b"), Some("1"));
    assert_eq!(loaded.parsed.root.text("a"), None);
    let loaded = read(&options("/f.conf"), world("\"\""));
    assert_eq!(loaded.parsed.root.parameters(), []);
    assert_eq!(
        loaded.notes,
        ["configuration include directory is disabled"]
    );
    let loaded = read(&options("/f.conf"), world("/nowhere"));
    assert_eq!(
        loaded.notes,
        ["inaccessible include directory was specified: /nowhere"]
    );
}

#[test]
fn the_directory_on_disk_is_walked_in_the_order_of_names() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    fs::create_dir_all(path("conf.d/b")).unwrap();
    fs::write(path("fluent.conf"), "").unwrap();
    for name in ["conf.d/c.conf", "conf.d/b/x.conf", "conf.d/a.conf"] {
        fs::write(path(name), format!("<source>\n  from {name}\n</source>")).unwrap();
    }
    let options = LoadOptions {
        path: path("fluent.conf"),
        include_directory: Some(path("conf.d")),
        ..LoadOptions::default()
    };
    let loaded = load(&options, &mut NoRuby, &mut Disk).unwrap();
    assert_eq!(
        shape(&loaded.parsed.root),
        "source(){from=conf.d/a.conf} source(){from=conf.d/b/x.conf} source(){from=conf.d/c.conf}"
    );
}

#[test]
fn the_environment_names_the_include_directory() {
    let mut environment = Environment::default();
    let directory = |environment: &Environment| {
        let directory = LoadOptions::new("f.conf", environment).include_directory;
        directory.unwrap()
    };
    assert_eq!(directory(&environment), PathBuf::from("/etc/fluent/conf.d"));
    environment
        .variables
        .insert("FLUENT_CONF_INCLUDE_DIR".into(), "/srv/conf.d".into());
    assert_eq!(directory(&environment), PathBuf::from("/srv/conf.d"));
}

#[test]
fn kinds_of_files() {
    assert_eq!(FileKind::from_word("guess"), Some(FileKind::Guess));
    assert_eq!(FileKind::from_word("yml"), Some(FileKind::Yaml));
    assert_eq!(FileKind::from_word("toml"), None);
    let mut world = files(&[("/f.rb", "source { }")]);
    let error = load(&options("/f.rb"), &mut NoRuby, &mut world);
    assert_eq!(
        error.unwrap_err().to_string(),
        "cannot read the configuration '/f.rb': Ruby files are not supported; write it as text or \
         YAML"
    );
}
