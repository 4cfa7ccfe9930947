//! Configurations in YAML.

use std::{collections::BTreeMap, path::PathBuf};

use crate::ruby::ruby;
use crate::support::{shape, unindent};
use millrun_config::{
    Content, Diagnostics, LoadOptions, Mode, NoRuby, Notation, Parsed, RenderStyle, load,
    parameters,
};

fn read(files: &[(&str, &str)]) -> Parsed {
    let mut world: BTreeMap<PathBuf, String> = files
        .iter()
        .map(|(path, text)| (PathBuf::from(path), unindent(text)))
        .collect();
    let options = LoadOptions {
        path: files[0].0.into(),
        ..LoadOptions::default()
    };
    let mut evaluate = ruby(&[("NAME", "mill")]);
    load(&options, &mut evaluate, &mut world).unwrap().parsed
}

fn said(parsed: &Parsed) -> String {
    let said = parsed
        .diagnostics
        .render(&parsed.sources, RenderStyle::Plain);
    let lines: Vec<_> = said.lines().map(str::trim_end).collect();
    lines.join("\n")
}

#[track_caller]
fn becomes(text: &str, expected: &str) {
    let parsed = read(&[("f.yaml", text)]);
    assert_eq!(said(&parsed), "");
    assert_eq!(shape(&parsed.root), expected);
}

#[track_caller]
fn says(files: &[(&str, &str)], expected: &str) {
    assert_eq!(said(&read(files)), unindent(expected).trim_end());
}

#[test]
fn sections_parameters_and_arguments() {
    becomes(
        "
        system: {workers: 2}
        config:
          - source:
              path: /a
              $type: tail
              $label: '@L'
              parse: {$type: none}
          - label:
              $name: '@L'
              config:
                - match:
                    $tag: [a.*, b]
                    $type: copy
                    store:
                      - $type: 'null'
                      - {$type: file, buffer: {$arg: [tag, time], timekey: 1d}}
          - worker: {$arg: 0-1, config: [{source: {$type: x}}]}
        ",
        "system(){workers=2} source(){@type=tail @label=@L path=/a parse(){@type=none}} \
         label(@L){match(a.* b){@type=copy store(){@type=null} \
         store(){@type=file buffer(tag,time){timekey=1d}}}} worker(0-1){source(){@type=x}}",
    );
}

#[test]
fn several_directives_in_one_mapping_have_a_fixed_order() {
    becomes(
        "
        config:
          - match: {$tag: a}
            filter: {$tag: f}
            source: {}
            label: {$name: '@A', config: []}
        ",
        "label(@A){} source(){} filter(f){} match(a){}",
    );
}

#[test]
fn embedded_ruby_only_where_it_is_asked_for() {
    becomes(
        r##"
        config:
          - source:
              a: "#{ENV['NAME']}"
              b: !fluent/s "x-#{ENV['NAME']}"
              c: !fluent/s "#{use_nil}"
              d: !fluent/s "#{use_default}"
              e: !fluent/json {k: [1, ~, "#{x}"]}
              f: [!fluent/s "#{ENV['NAME']}", 2]
        "##,
        r##"source(){a=#{ENV['NAME']} b=x-mill c= d=:default e={"k":[1,null,"#{x}"]} f=["mill",2]}"##,
    );
}

#[test]
fn anchors_and_merges() {
    becomes(
        "
        x-common: &common
          host: a
          port: 1
        config:
          - source:
              port: 0
              <<: *common
              host: b
          - source: *common
          - source: {<<: [{a: 1, b: 1}, {b: 2, c: 2}]}
        ",
        "source(){port=1 host=b} source(){host=a port=1} source(){b=1 c=2 a=1}",
    );
}

#[test]
fn native_values_convert_like_their_text() {
    parameters! {
        struct Typed in "source" {
            count: u32 = required;
            flag: bool = "false";
            ratio: f64 = required;
            names: Vec<String> = required;
            one: Vec<String> = required;
            nothing: Option<String>;
            size: millrun_config::Size = required;
            mode: Mode = required;
        }
    }
    let parsed = read(&[(
        "f.yaml",
        "
        config:
          - source:
              count: 1_000
              flag: yes
              ratio: 1.5
              names: [a, 2]
              one: 3
              nothing: ~
              size: 8m
              mode: '0644'
        ",
    )]);
    assert_eq!(said(&parsed), "");
    let section = &parsed.root.elements()[0];
    let mut diagnostics = Diagnostics::default();
    let typed = Typed::read(section, &mut diagnostics).unwrap();
    assert!(diagnostics.is_empty(), "{diagnostics:?}");
    assert_eq!((typed.count, typed.flag, typed.ratio), (1000, true, 1.5));
    assert_eq!(typed.names, ["a", "2"]);
    assert_eq!(typed.one, ["3"]);
    assert_eq!(
        (typed.nothing, typed.size.0, typed.mode.0),
        (None, 8 << 20, 0o644)
    );
    let value = section.value("count").unwrap();
    assert_eq!(
        (value.notation, value.as_text()),
        (Notation::Native, Some("1000"))
    );
    assert_eq!(section.value("nothing").unwrap().content, Content::Nil);
}

#[test]
fn places_are_kept() {
    let parsed = read(&[(
        "f.yaml",
        "
        config:
          - source:
              # héllo
              päth: \"é\" # note
              tag: t
        ",
    )]);
    let section = &parsed.root.elements()[0];
    let place = |span| parsed.sources.place(span);
    assert_eq!(place(section.span()), "f.yaml:2:5");
    assert_eq!(place(section.span_of("tag")), "f.yaml:5:12");
    assert_eq!(parsed.sources.text(section.span_of("päth")), "\"é\"");
    assert_eq!(
        parsed.sources.text(section.entry("tag").unwrap().name_span),
        "tag"
    );
}

#[test]
fn includes_are_sequences_and_relative_to_their_own_file() {
    let files = [
        (
            "/d/f.yaml",
            "config:\n  - source: {$type: a}\n  - !include more/*.yaml\n",
        ),
        ("/d/more/1.yaml", "- source: {$type: b}\n- !include x.yml\n"),
        ("/d/more/2.yaml", "- source: {$type: d}\n"),
        ("/d/more/x.yml", "- source: {$type: c}\n"),
    ];
    let parsed = read(&files);
    assert_eq!(said(&parsed), "");
    assert_eq!(
        shape(&parsed.root),
        "source(){@type=a} source(){@type=b} source(){@type=c} source(){@type=d}"
    );
    assert_eq!(
        parsed.sources.place(parsed.root.elements()[2].span()),
        "/d/more/x.yml:1:3"
    );
    says(
        &[
            ("/f.yaml", "config: !include g.yaml\n"),
            ("/g.yaml", "config: []\n"),
        ],
        "
        error: an included file must hold a sequence
         --> /g.yaml:1:1
          |
        1 | config: []
          | ^^^^^^^^^^ expected items that begin with '- '
          |
         ::: /f.yaml:1:9
          |
        1 | config: !include g.yaml
          |         --------------- included here
        ",
    );
    says(
        &[("/f.yaml", "config:\n  - !include f.yaml\n")],
        "
        error: '/f.yaml' includes itself
         --> /f.yaml:2:5
          |
        2 |   - !include f.yaml
          |     ^^^^^^^^^^^^^^^ this include is left out
          |
          = help: read so far: /f.yaml
        ",
    );
}

#[test]
fn faults_have_their_places() {
    says(
        &[(
            "f.yaml",
            "config:\n  - sorce: {a: 1}\n  - match: 5\nsytem: {}\n",
        )],
        "
        error: 'sorce' is no directive
         --> f.yaml:2:5
          |
        2 |   - sorce: {a: 1}
          |     ^^^^^ expected label, source, filter, match, worker
          |
          = help: did you mean 'source'?

        error: a single value does not fit here
         --> f.yaml:3:12
          |
        3 |   - match: 5
          |            ^ expected a mapping of parameters

        warning: 'sytem' is not used
         --> f.yaml:4:1
          |
        4 | sytem: {}
          | ^^^^^ expected system or config
          |
          = help: did you mean 'system'?
        ",
    );
    says(
        &[("f.yaml", "config: [\n")],
        "
        error: this is no YAML: while parsing a node, did not find expected node content
         --> f.yaml:1:11
          |
        1 | config: [
          |          ^
        ",
    );
    says(
        &[("f.yaml", "")],
        "
        error: the file is empty
         --> f.yaml:1:1
          |
        1 |
          | ^
          |
          = help: write a mapping with the keys 'system' and 'config'
        ",
    );
    says(
        &[(
            "f.yaml",
            "config:\n  - source:\n      mode: 0644\n      $typ: x\n      b: !fluent/s \"#{1 +}\"\n      c: !x y\n",
        )],
        r##"
        warning: 0644 without quotes is the number 420 in YAML
         --> f.yaml:3:13
          |
        3 |       mode: 0644
          |             ^^^^
          |
          = help: write "0644" if the text is meant

        warning: '$typ' means nothing here
         --> f.yaml:4:7
          |
        4 |       $typ: x
          |       ^^^^
          |
          = help: did you mean '$type'?

        error: unexpected end of the expression
         --> f.yaml:5:26
          |
        5 |       b: !fluent/s "#{1 +}"
          |                          ^ expected a value

        warning: the tag '!x' means nothing here
         --> f.yaml:6:13
          |
        6 |       c: !x y
          |             ^ expected !fluent/s, !fluent/json or !include
        "##,
    );
}

#[test]
fn aliases_do_not_fill_the_memory() {
    let mut text = "a0: &a0 [x]\n".to_owned();
    for level in 1..12 {
        let before = format!("*a{}, ", level - 1).repeat(10);
        text.push_str(&format!("a{level}: &a{level} [{before}]\n"));
    }
    text.push_str("config:\n  - source: {list: *a11}\n  - *a11\n");
    let parsed = read(&[("f.yaml", &text)]);
    let errors: Vec<_> = parsed.diagnostics.errors().collect();
    assert_eq!(
        errors[0].message,
        "the aliases stand for more than 200000 values"
    );
    says(
        &[("f.yaml", "config: &a\n  - *a\n")],
        "
        error: an alias stands inside what it names
         --> f.yaml:2:5
          |
        2 |   - *a
          |     ^^ this would have no end
        ",
    );
}

proptest::proptest! {
    #[test]
    fn any_text_is_read_without_a_panic(
        text in "([\\[\\]{}:,&*!?|>'\"#% \n\t~é-]|a|1|0|config|<<|- |: |!fluent/s |\\{|\\$tag){0,60}"
    ) {
        let mut world = BTreeMap::from([(PathBuf::from("f.yaml"), text)]);
        let options = LoadOptions { path: "f.yaml".into(), ..LoadOptions::default() };
        let loaded = load(&options, &mut NoRuby, &mut world).unwrap();
        let _ = loaded.parsed.diagnostics.render(&loaded.parsed.sources, RenderStyle::Plain);
    }
}
