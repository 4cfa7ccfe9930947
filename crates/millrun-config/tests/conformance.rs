//! What the running Fluentd answered, case by case.
//!
//! Each kind lists its expected deviations with a reason; one that starts to agree fails as well,
//! so the lists cannot rot.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "the house's exception for tests does not reach their helpers"
)]

use std::{collections::BTreeMap, fs, path::PathBuf};

#[cfg(feature = "yaml")]
use millrun_config::{BuiltIn, LoadOptions, load_with};
use millrun_config::{
    Content, Conversion, Element, Environment, FromValue, Json, NoIncludes, Notation, Pairs,
    Parsed, Size, Strictness, TimeSpan, ValueError, parse_str,
};
use serde_json::{Value as Case, json};

/// The cases of a kind, each with its line as its name.
fn cases(kind: &str) -> Vec<(String, Case)> {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../conformance/cases");
    let text = fs::read_to_string(directory.join(format!("{kind}.jsonl"))).unwrap();
    text.lines()
        .map(|line| (line.to_owned(), serde_json::from_str(line).unwrap()))
        .collect()
}

/// Runs all cases of a kind and compares what differs with what is expected to. A deviation is
/// named by the field `key` of its cases.
fn check(
    kind: &str,
    key: &str,
    deviations: &[(&str, &str)],
    run: impl Fn(&Case) -> Result<Case, String>,
) {
    let mut unseen: BTreeMap<_, _> = deviations.iter().copied().collect();
    let mut failures = Vec::new();
    for (line, case) in cases(kind) {
        let ours = run(&case);
        let agrees = match (&ours, case.get("error")) {
            (Ok(ours), None) => *ours == case["out"],
            (Err(_), Some(_)) => true,
            _ => false,
        };
        let name = case[key].as_str().unwrap();
        let reason = deviations.iter().find(|(deviating, _)| *deviating == name);
        match (agrees, reason) {
            (true, None) => {}
            (false, Some(_)) => {
                unseen.remove(name);
            }
            (false, None) => failures.push(format!("{line}\n  ours: {ours:?}")),
            (true, Some((_, reason))) => {
                failures.push(format!("{line}\n  agrees although listed: {reason}"));
            }
        }
    }
    failures.extend(
        unseen
            .keys()
            .map(|name| format!("listed but not met: {name}")),
    );
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn parse(text: &str) -> Result<Parsed, String> {
    sound(parse_str(
        "t.conf",
        text,
        &Environment::default(),
        &mut NoIncludes,
    ))
}

/// The configuration, unless there are errors.
fn sound(parsed: Parsed) -> Result<Parsed, String> {
    let messages: Vec<_> = parsed
        .diagnostics
        .errors()
        .map(|error| error.message.clone())
        .collect();
    if messages.is_empty() {
        Ok(parsed)
    } else {
        Err(messages.join("; "))
    }
}

#[test]
fn value() {
    const EVALUATOR: &str = "Ruby beyond the built-in forms is left to another evaluator";
    let deviations = [
        ("\"#{'a'*3}-x\"", EVALUATOR),
        ("\"#{[1,2].join(\",\")}\"", EVALUATOR),
    ];
    check("value", "text", &deviations, |case| {
        let text = format!("<a>\n  k {}\n</a>\n", case["text"].as_str().unwrap());
        let parsed = parse(&text)?;
        Ok(content(
            &parsed.root.elements()[0].value("k").unwrap().content,
        ))
    });
}

fn content(content: &Content) -> Case {
    match content {
        Content::Text(text) => json!(text),
        Content::Nil => Case::Null,
        Content::Default => json!({"$sym": "default"}),
    }
}

#[test]
fn config() {
    check("config", "text", &[], |case| {
        Ok(tree(&parse(case["text"].as_str().unwrap())?.root))
    });
}

#[cfg(feature = "yaml")]
#[test]
fn yaml() {
    let deviations = [(
        "config:\n  - match:\n      $tag: [a, b.**]\n      $type: stdout\n",
        "a list of patterns is joined with blanks and not with commas: each is a pattern",
    )];
    check("yaml", "text", &deviations, |case| {
        let path = PathBuf::from("t.yaml");
        let text = case["text"].as_str().unwrap().to_owned();
        let options = LoadOptions {
            path: path.clone(),
            ..LoadOptions::default()
        };
        let environment = Environment::default();
        let mut evaluate = BuiltIn::new(&environment);
        let mut world = BTreeMap::from([(path, text)]);
        let loaded = load_with(&options, &mut evaluate, &mut world);
        Ok(tree(&sound(loaded.unwrap().parsed)?.root))
    });
}

fn tree(element: &Element) -> Case {
    let attrs = element.parameters().iter();
    let attrs: Vec<_> = attrs
        .map(
            |entry| match (&entry.value.notation, entry.value.as_text()) {
                (Notation::Native, Some(text)) => {
                    json!([entry.name, serde_json::from_str::<Case>(text).unwrap()])
                }
                _ => json!([entry.name, content(&entry.value.content)]),
            },
        )
        .collect();
    let elements: Vec<_> = element.elements().iter().map(tree).collect();
    json!({
        "name": element.name(), "arg": element.argument(), "attrs": attrs, "elements": elements
    })
}

#[test]
fn types() {
    let deviations = [(
        "/(/",
        "this crate takes a regexp apart; the pattern crate compiles it",
    )];
    check("types", "in", &deviations, |case| {
        let strictness = match case["strict"].as_bool() {
            Some(true) => Strictness::Strict,
            _ => Strictness::Lax,
        };
        let mut conversion = Conversion::new(strictness);
        convert(case, case["in"].as_str().unwrap(), &mut conversion).or_else(|error| match error {
            ValueError::Nil => Ok(Case::Null),
            error => Err(error.to_string()),
        })
    });
}

fn convert(case: &Case, text: &str, conversion: &mut Conversion) -> Result<Case, ValueError> {
    Ok(match case["fn"].as_str().unwrap() {
        "size" => json!(conversion.size(text)?),
        "time" => match conversion.time(text)? {
            TimeSpan::Whole(seconds) => json!(seconds),
            TimeSpan::Fraction(seconds) => json!(seconds),
        },
        "bool" => json!(conversion.bool(text)?),
        "integer" => json!(conversion.integer(text)?),
        "float" => json!(conversion.float(text)?),
        "string" => json!(String::from_text(text, conversion)?),
        "symbol" => json!({"$sym": conversion.symbol(text)?}),
        "regexp" => {
            let regexp = conversion.regexp(text)?;
            let options = u8::from(regexp.ignore_case) + 4 * u8::from(regexp.multi_line);
            json!({"$re": regexp.source, "opt": options})
        }
        "hash" => pairs(conversion.hash(text)?),
        "array" => match case["value_type"].as_str() {
            None => conversion.array(text)?.iter().map(plain).collect(),
            Some("bool") => json!(Vec::<Option<bool>>::from_text(text, conversion)?),
            Some("size") => Vec::<Size>::from_text(text, conversion)?
                .iter()
                .map(|size| size.0)
                .collect(),
            Some("float") => json!(Vec::<f64>::from_text(text, conversion)?),
            Some(other) => panic!("no such value type here: {other}"),
        },
        "enum" => {
            let words = case["list"]
                .as_array()
                .unwrap()
                .iter()
                .map(|word| word.as_str().unwrap());
            let words: Vec<&'static str> = words.map(|word| &*word.to_owned().leak()).collect();
            json!({"$sym": conversion.word(text, words.leak())?})
        }
        other => panic!("no such type here: {other}"),
    })
}

fn pairs(pairs: Pairs) -> Case {
    let pairs = pairs.into_iter();
    Case::Object(
        pairs
            .map(|(key, value)| (key, value.map_or(Case::Null, |v| plain(&v))))
            .collect(),
    )
}

fn plain(json: &Json) -> Case {
    serde_json::from_str(&json.to_string()).unwrap()
}
