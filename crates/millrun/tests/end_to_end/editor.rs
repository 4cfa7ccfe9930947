//! `millrun language-server`, asked by a client library of others (pygls).

use std::process::Command;

use serde_json::{Value, json};

use crate::counterpart::Counterpart;
use crate::mill::Mill;

const MAIN: &str = "\
<source>
  @type tail
  path /var/log/é𝄞.log
  tag app
  pos_fil $D/a.pos
  @label @MAIN
  <parse>
    @type none
  </parse>
</source>
@include conf.d/*.conf
";

const PART: &str = "\
<label @MAIN>
  <match **>
    @type file
    path $D/out
    compress gzi
    <buffer time>
    </buffer>
  </match>
</label>
";

/// The same in YAML.
const MAIN_YAML: &str = "\
config:
  - source:
      $type: tail
      path: /var/log/é𝄞.log
      tag: app
      pos_fil: /var/lib/a.pos
      $label: '@MAIN'
      parse:
        $type: none
      refr
  - !include conf.d/*.yaml
";

const PART_YAML: &str = "\
- label:
    $name: '@MAIN'
    config:
      - match:
          $tag: '**'
          $type: file
          path: /srv/out
          compress: gzi
          buffer: {$arg: time, timekey: 1h, flush_mode: la}
          \n";

/// The server's exit status and its answers, or nothing where the client is not there.
fn ask(questions: &Value) -> Option<Vec<Value>> {
    ask_about(
        &[("fluent.conf", MAIN), ("conf.d/part.conf", PART)],
        questions,
    )
}

fn ask_about(files: &[(&str, &str)], questions: &Value) -> Option<Vec<Value>> {
    let mut client: Command = Counterpart::Editor.script("editor.py")?;
    let mill = Mill::idle(MAIN);
    for (name, text) in files {
        mill.write(name, text);
    }
    let directory = mill.path("");
    client
        .arg(env!("CARGO_BIN_EXE_millrun"))
        .arg(&directory)
        .arg(questions.to_string())
        .env("FLUENT_CONF_INCLUDE_DIR", "");
    let output = client.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "the client said:\n{said}");
    let answers: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answers[0], 0, "the server's exit status");
    answers[1].as_array().cloned()
}

#[test]
fn an_editor_sees_findings_of_every_file_and_they_go_when_they_are_mended() {
    let mended = MAIN.replace("pos_fil", "pos_file");
    let broken = format!("{mended}<match");
    let questions = json!([
        ["open", "fluent.conf"],
        ["change", "fluent.conf", mended],
        ["change", "fluent.conf", broken],
    ]);
    let Some(answers) = ask(&questions) else {
        return;
    };
    let enumeration = json!([
        "Error",
        4,
        13,
        16,
        "compress: valid options are text,gz,gzip,zstd but got gzi\nhelp: did you mean 'gz'?"
    ]);
    let main = answers[0]["fluent.conf"].as_array().unwrap();
    let unknown = json!([
        "Warning",
        4,
        2,
        9,
        "parameter 'pos_fil' in <source> is not used.\nhelp: did you mean 'pos_file'?"
    ]);
    assert!(main.contains(&unknown), "{main:#?}");
    assert_eq!(answers[0]["part.conf"][0], enumeration);
    assert_eq!(answers[1]["fluent.conf"], json!([]));
    let findings = answers[2]["fluent.conf"].as_array().unwrap();
    assert!(findings.iter().any(|finding| finding[4] == "expected '>'"));
}

#[test]
fn an_editor_completes_names_and_shows_their_documentation() {
    let questions = json!([
        ["open", "fluent.conf"],
        ["open", "conf.d/part.conf"],
        ["completion", "fluent.conf", 1, 9],
        ["completion", "fluent.conf", 4, 5],
        ["completion", "fluent.conf", 6, 3],
        ["completion", "fluent.conf", 7, 10],
        ["completion", "fluent.conf", 5, 10],
        ["completion", "conf.d/part.conf", 4, 15],
        ["completion", "conf.d/part.conf", 6, 4],
        ["hover", "fluent.conf", 1, 9],
        ["hover", "fluent.conf", 3, 3],
        ["hover", "conf.d/part.conf", 5, 6],
        ["hover", "fluent.conf", 10, 3],
    ]);
    let Some(answers) = ask(&questions) else {
        return;
    };
    let [
        _,
        _,
        types,
        names,
        sections,
        parsers,
        labels,
        words,
        buffer,
        hovers @ ..,
    ] = answers.as_slice()
    else {
        panic!("{answers:#?}")
    };
    let follows = json!(["Follows log files.", "**tail**\n\nFollows log files.", 8]);
    assert_eq!(types["tail"], follows);
    assert!(types["forward"].is_array() && types["file"].is_null());
    let pos_file = &names["pos_file"];
    assert_eq!(pos_file[0], "path");
    assert!(
        pos_file[1]
            .as_str()
            .unwrap()
            .starts_with("**pos_file**: path\n\n")
    );
    assert!(names["@id"].is_array() && names["path"].is_null() && names["@type"].is_null());
    assert!(sections["<parse>"].is_array() && sections["<match>"].is_null());
    assert!(parsers["nginx"].is_array() && parsers["tail"].is_null());
    assert_eq!(labels["@MAIN"][2], 9);
    // Whether a map of serde_json keeps its order depends on what else is built.
    let mut words: Vec<_> = words.as_object().unwrap().keys().collect();
    words.sort();
    assert_eq!(words, ["gz", "gzip", "text", "zstd"]);
    assert!(buffer["flush_interval"].is_array() && buffer["@id"].is_null());
    assert_eq!(hovers[0], "**tail**\n\nFollows log files.");
    assert!(
        hovers[1]
            .as_str()
            .unwrap()
            .starts_with("**tag**: string, required\n\n")
    );
    assert_eq!(hovers[2], "**\\<buffer\\>**\n\nWhere events wait.");
    assert_eq!(hovers[3], Value::Null);
}

#[test]
fn an_editor_goes_to_labels_and_included_files() {
    let questions = json!([
        ["open", "fluent.conf"],
        ["definition", "fluent.conf", 5, 11],
        ["definition", "fluent.conf", 10, 12],
        ["definition", "fluent.conf", 2, 9],
    ]);
    let Some(answers) = ask(&questions) else {
        return;
    };
    assert_eq!(answers[1], json!([["part.conf", 0]]));
    assert_eq!(answers[2], json!([["part.conf", 0]]));
    assert_eq!(answers[3], json!([]));
}

#[test]
fn an_editor_of_yaml_sees_and_asks_the_same() {
    // While a line is half written the file is no YAML; what is sound around it is known all the same.
    let sound = MAIN_YAML.replace("      refr\n", "");
    let questions = json!([
        ["open", "fluent.yaml"],
        ["completion", "fluent.yaml", 9, 10],
        ["completion", "fluent.yaml", 2, 14],
        ["completion", "fluent.yaml", 8, 16],
        ["hover", "fluent.yaml", 2, 14],
        ["hover", "fluent.yaml", 4, 7],
        ["hover", "fluent.yaml", 7, 8],
        ["change", "fluent.yaml", sound],
        ["completion", "fluent.yaml", 6, 17],
        ["definition", "fluent.yaml", 6, 17],
        ["definition", "fluent.yaml", 9, 18],
        ["completion", "fluent.yaml", 1, 4],
        ["open", "conf.d/part.yaml"],
        ["completion", "conf.d/part.yaml", 7, 23],
        ["completion", "conf.d/part.yaml", 8, 58],
        ["completion", "conf.d/part.yaml", 9, 10],
        ["hover", "conf.d/part.yaml", 3, 10],
    ]);
    let files = [("fluent.yaml", MAIN_YAML), ("conf.d/part.yaml", PART_YAML)];
    let Some(answers) = ask_about(&files, &questions) else {
        return;
    };
    let [
        _,
        names,
        types,
        parsers,
        on_type,
        on_tag,
        on_section,
        findings,
        labels,
        label,
        include,
        directives,
        _,
        words,
        modes,
        inner,
        on_directive,
    ] = answers.as_slice()
    else {
        panic!("{answers:#?}")
    };
    let keys = |items: &Value| {
        let mut keys: Vec<_> = items.as_object().unwrap().keys().cloned().collect();
        keys.sort();
        keys
    };
    assert_eq!(names["refresh_interval"][2], 6);
    assert!(
        names["$id"].is_array() && names["group"].is_array(),
        "{names:#?}"
    );
    assert!(names["$type"].is_null() && names["tag"].is_null() && names["@id"].is_null());
    assert_eq!(types["tail"][2], 13);
    assert!(types["forward"].is_array() && types["file"].is_null());
    assert!(parsers["nginx"].is_array() && parsers["tail"].is_null());
    assert_eq!(keys(words), ["gz", "gzip", "text", "zstd"]);
    assert_eq!(keys(modes), ["default", "immediate", "interval", "lazy"]);
    assert!(inner["format"].is_array() && inner["append"].is_array() && inner["path"].is_null());
    assert_eq!(*on_type, "**tail**\n\nFollows log files.");
    assert!(
        on_tag
            .as_str()
            .unwrap()
            .starts_with("**tag**: string, required\n\n")
    );
    assert!(on_section.as_str().unwrap().starts_with("**\\<parse\\>**"));
    assert!(
        on_directive
            .as_str()
            .unwrap()
            .starts_with("**\\<match\\>**")
    );
    let main = findings["fluent.yaml"].as_array().unwrap();
    let unknown = json!([
        "Warning",
        5,
        6,
        13,
        "parameter 'pos_fil' in <source> is not used.\nhelp: did you mean 'pos_file'?"
    ]);
    assert!(main.contains(&unknown), "{main:#?}");
    assert_eq!(labels["@MAIN"][2], 14);
    assert_eq!(*label, json!([["part.yaml", 0]]));
    assert_eq!(*include, json!([["part.yaml", 0]]));
    assert_eq!(
        keys(directives),
        ["filter", "label", "match", "source", "worker"]
    );
}
