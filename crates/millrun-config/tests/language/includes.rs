//! `@include`, in memory and on disk.

use std::{fs, path::Path};

use crate::support::Test;
use millrun_config::{
    Disk, Element, LoadError, LoadOptions, MAX_INCLUDE_DEPTH, NoRuby, Parsed, load,
};

/// A file on disk and what it includes.
fn read_file(path: &Path) -> Result<Parsed, LoadError> {
    let options = LoadOptions {
        path: path.to_owned(),
        ..LoadOptions::default()
    };
    load(&options, &mut NoRuby, &mut Disk).map(|loaded| loaded.parsed)
}

fn parameters(element: &Element) -> Vec<(&str, &str)> {
    let entries = element.parameters().iter();
    entries
        .map(|entry| (entry.name.as_str(), entry.value.as_text().unwrap()))
        .collect()
}

#[test]
fn items_stand_in_the_place_of_the_directive() {
    let text = "
        <match a>
          a 1
          @include b.conf
          c 3
        </match>
    ";
    let Parsed {
        root,
        sources,
        diagnostics,
    } = Test::new(text)
        .file("b.conf", "\u{feff}b 2\n<buffer>\n</buffer>\n")
        .parse();
    assert!(diagnostics.is_empty(), "{diagnostics:?}");
    let section = &root.elements()[0];
    assert_eq!(parameters(section), [("a", "1"), ("b", "2"), ("c", "3")]);
    assert_eq!(
        sources.place(section.entry("b").unwrap().name_span),
        "b.conf:1:1"
    );
    assert_eq!(sources.place(section.elements()[0].span()), "b.conf:2:1");
}

#[test]
fn patterns_are_sorted_and_relative_to_their_own_file() {
    let Parsed {
        root, diagnostics, ..
    } = Test::new("@include d/*.conf\n@include \"none-*.conf\"")
        .file("d/2.conf", "b 2")
        .file("d/1.conf", "a 1\n@include e/x.conf")
        .file("d/e/x.conf", "x 0")
        .file("e/x.conf", "wrong 1")
        .parse();
    assert!(diagnostics.is_empty(), "{diagnostics:?}");
    assert_eq!(parameters(&root), [("a", "1"), ("x", "0"), ("b", "2")]);
}

#[test]
fn a_chain_of_files_has_an_end() {
    let mut test = Test::new("@include 0.conf");
    for number in 0..2 * MAX_INCLUDE_DEPTH {
        test = test.file(
            &format!("{number}.conf"),
            &format!("@include {}.conf", number + 1),
        );
    }
    let messages: Vec<_> = test
        .parse()
        .diagnostics
        .iter()
        .map(|e| e.message.clone())
        .collect();
    assert_eq!(messages, ["files include each other deeper than 32"]);
}

#[test]
fn files_that_include_each_other_twice_do_not_double_forever() {
    let mut test = Test::new("@include 0.conf");
    for number in 0..30 {
        let twice = format!("@include {0}.conf\n@include {0}.conf", number + 1);
        test = test.file(&format!("{number}.conf"), &twice);
    }
    let diagnostics = test.parse().diagnostics;
    assert!(
        diagnostics
            .iter()
            .any(|e| e.message == "more than 10000 files are included")
    );
}

#[test]
fn a_file_on_disk() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    fs::create_dir(path("conf.d")).unwrap();
    fs::write(
        path("fluent.conf"),
        "@include conf.d/*.conf\n@include nothing.conf",
    )
    .unwrap();
    fs::write(path("conf.d/b.conf"), "b 2").unwrap();
    fs::write(path("conf.d/a.conf"), b"a 1\nc \xff").unwrap();
    let parsed = read_file(&path("fluent.conf")).unwrap();
    assert_eq!(parameters(&parsed.root), [("b", "2")]);
    let messages: Vec<_> = parsed
        .diagnostics
        .iter()
        .map(|e| e.message.clone())
        .collect();
    let included = path("conf.d/a.conf").display().to_string();
    assert_eq!(
        messages,
        [format!(
            "include error {included}: the file is not UTF-8: byte 6 in line 2"
        )]
    );
}

#[test]
fn a_file_that_is_not_there() {
    let error = read_file(Path::new("/nonexistent/x.conf")).unwrap_err();
    assert!(matches!(error, LoadError::Read { .. }));
    assert_eq!(
        error.to_string(),
        "cannot read the configuration '/nonexistent/x.conf': No such file or directory (os error 2)"
    );
}
