use serde_json::{Value, json};

use super::compare::Comparison;
use super::scene::{self, Observation};
use super::{Case, Difference, Unplayable, World};

/// How the messages of in_tail begin that the recordings keep.
const MESSAGES: [&str; 3] = [
    "following tail of ",
    "detected rotation of ",
    "pattern not matched: ",
];

/// Files as they grow, move and vanish, and what in_tail makes of them.
///
/// ```text
/// {name, path, source: {parameter: text | null}, parse, steps}   → events, pos, log
/// ```
pub(crate) fn tail(case: &Case, world: &World) -> Result<Vec<Difference>, Unplayable> {
    let configuration = vec![("f.conf".to_owned(), configuration(case)?)];
    let run = scene::play(&configuration, case.need_list("steps")?, world)?;
    let mut comparison = Comparison::of(case);
    comparison.value("/events", case.get("events"), &events(&run));
    if case.has("pos") {
        let none = json!([]);
        let recorded = case.get("pos");
        let recorded = if recorded.is_null() { &none } else { recorded };
        comparison.value("/pos", recorded, &positions(&run));
    }
    let lines = run.log.iter().map(|(_, line)| line.as_str());
    comparison.value(
        "/log",
        case.get("log"),
        &lines.filter(|line| is_kept(line)).collect(),
    );
    Ok(comparison.found)
}

fn configuration(case: &Case) -> Result<String, Unplayable> {
    let mut source = format!(
        "  @type tail\n  path $D/{}\n  rotate_wait 1s\n  refresh_interval 1s\n",
        case.need_text("path")?
    );
    for (name, usual) in [("tag", "t"), ("pos_file", "$D/pos")] {
        let given = case.get("source").get(name);
        if given.is_none() {
            source += &format!("  {name} {usual}\n");
        }
    }
    for (name, value) in case.members("source") {
        // Null takes a usual parameter away.
        if let Some(text) = value.as_str() {
            source += &format!("  {name} {text}\n");
        }
    }
    let parse = case.text("parse").unwrap_or("    @type none\n");
    Ok(format!(
        "<system>\n  config_include_dir \"\"\n</system>\n\
         <source>\n{source}  <parse>\n{parse}\n  </parse>\n</source>\n\
         <match fluent.**>\n  @type null\n</match>\n\
         <match **>\n  @type file\n  path $D/out/got\n  append true\n\
         <inject>\n    tag_key _tag\n  </inject>\n  <format>\n    @type json\n  </format>\n\
         <buffer []>\n    @type memory\n    flush_mode immediate\n    flush_thread_interval 0.02\n\
         </buffer>\n</match>\n"
    ))
}

/// The delivered events, in their order. A tag of a path has its slashes as dots.
fn events(run: &Observation) -> Value {
    let lines = text_of(run, "out/got.log");
    let event = |line: &str| -> Value {
        let mut event = serde_json::from_str(line).unwrap_or_else(|_| json!(line));
        if let Some(Value::String(tag)) = event.get_mut("_tag") {
            *tag = tag.replace("$D_DOTS", "$D");
        }
        event
    };
    lines.lines().map(event).collect()
}

/// The entries of the position file.
fn positions(run: &Observation) -> Value {
    let entry = |line: &str| -> Value {
        let fields = line.split('\t').enumerate();
        fields
            .map(|(column, field)| match column {
                2 => inode(run, field),
                _ => field.to_owned(),
            })
            .collect()
    };
    text_of(run, "pos").lines().map(entry).collect()
}

/// `ino:<file>` for the inode that a file has at the end.
fn inode(run: &Observation, hex: &str) -> String {
    let number = u64::from_str_radix(hex, 16).ok();
    let found = run.inodes.iter().find(|(inode, _)| Some(*inode) == number);
    found.map_or_else(|| hex.to_owned(), |(_, path)| format!("ino:{path}"))
}

fn text_of<'r>(run: &'r Observation, path: &str) -> &'r str {
    let entry = run
        .files
        .iter()
        .find(|entry| entry.get("path").and_then(Value::as_str) == Some(path));
    let text = entry.and_then(|entry| entry.get("text")?.as_str());
    text.unwrap_or_default()
}

fn is_kept(line: &str) -> bool {
    let message = line.split_once(": ").map(|(_, message)| message);
    message.is_some_and(|message| MESSAGES.iter().any(|start| message.starts_with(start)))
}
