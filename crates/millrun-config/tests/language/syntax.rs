//! What is accepted, and what it means.

use crate::ruby::ruby;
use millrun_config::{
    Content, Evaluate, EvaluateError, Evaluated, MAX_ELEMENT_DEPTH, NoIncludes, NoRuby, parse_str,
};

/// The only value of a configuration without a word to say about it.
#[track_caller]
fn value(text: &str) -> Content {
    let mut ruby = ruby(&[("PAIR", "a\", \"b")]);
    let parsed = parse_str("t.conf", text, &mut ruby, &mut NoIncludes);
    assert!(parsed.diagnostics.is_empty(), "{:?}", parsed.diagnostics);
    assert_eq!(parsed.root.parameters().len(), 1, "{:?}", parsed.root);
    parsed.root.parameters()[0].value.content.clone()
}

#[track_caller]
fn assert_text(text: &str, expected: &str) {
    assert_eq!(value(text), Content::Text(expected.to_owned()), "{text}");
}

#[test]
fn line_ends_of_all_kinds() {
    for end in ["\n", "\r\n", "\r"] {
        let text = format!("# c{end}{end}<a x># c{end}k v # c{end}l{end}</a>{end}m w");
        let parsed = parse_str("t.conf", &text, &mut NoRuby, &mut NoIncludes);
        assert!(parsed.diagnostics.is_empty(), "{:?}", parsed.diagnostics);
        let section = &parsed.root.elements()[0];
        assert_eq!(section.argument(), "x");
        assert_eq!(
            (section.text("k"), section.text("l")),
            (Some("v"), Some("")),
            "{end:?}"
        );
        assert_eq!(parsed.root.text("m"), Some("w"));
    }
}

#[test]
fn double_quoted_text() {
    assert_text("k \"a\\\r\n  b\"", "a  b");
    assert_text("k \"a\\\n b\"# c", "a b");
    assert_text("k \"a\r\nb\"", "a\r\nb");
    assert_text(r#"k "\"\'\\\n\r\t\f\b\0\-\é""#, "\"'\\\n\r\t\u{c}\u{8}\0-é");
    assert_text(r##"k "#a # b \#{c}""##, "#a # b #{c}");
    assert_text(r##"k "a#{}b#{nil}""##, "ab");
}

#[test]
fn single_quoted_text() {
    assert_text(r"k 'it\'s \\ \n \x #{1}'", r"it's \ \n \x #{1}");
    assert_text("'k k' v", "v");
}

#[test]
fn bare_text() {
    assert_text("k a 'b' \"c\" \\n #{1}", "a 'b' \"c\" \\n");
    assert_text("k a\t# b", "a");
    assert_text("k \ta#b \t", "a#b");
    assert_text("k /a\\/b/i", "/a\\/b/i");
}

#[test]
fn literals() {
    assert_text("k { # one\n  \"a\": [1, # two\n 2]\n}\n", r#"{"a":[1,2]}"#);
    assert_text("k [\"]\", \"\\\"]\", /* ] */ 1] # c", r#"["]","\"]",1]"#);
    assert_text("k [\"//\", \"/*\"]", r#"["//","/*"]"#);
    // The result of an expression is JSON text, not a JSON string.
    assert_text("k [\"#{ENV['PAIR']}\"]", r#"["a","b"]"#);
    assert_text(r##"k ["\#{ENV['PAIR']}"]"##, r##"["#{ENV['PAIR']}"]"##);
}

#[test]
fn markers_take_the_whole_value() {
    assert_eq!(value("k \"a#{use_nil}b\""), Content::Nil);
    assert_eq!(value("k [\"#{use_default}\"]"), Content::Default);
    assert_eq!(
        value("k \"#{ENV['NOPE'] || use_default}\""),
        Content::Default
    );
}

#[test]
fn sections_have_a_deepest_level() {
    let nested = |depth: usize| "<a>\n".repeat(depth) + &"</a>\n".repeat(depth);
    let errors = |depth| {
        let text = nested(depth);
        let parsed = parse_str("t.conf", &text, &mut NoRuby, &mut NoIncludes);
        let errors = parsed.diagnostics.errors();
        errors
            .map(|error| error.message.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(errors(MAX_ELEMENT_DEPTH), [""; 0]);
    let message = "sections are nested deeper than 100";
    assert_eq!(errors(MAX_ELEMENT_DEPTH + 1), [message]);
    assert_eq!(errors(100_000), [message]);
}

/// Another evaluator sees exactly the expressions, in the order of the file.
struct Recorder(Vec<String>);

impl Evaluate for Recorder {
    fn evaluate(&mut self, code: &str) -> Result<Evaluated, EvaluateError> {
        self.0.push(code.to_owned());
        Ok(Evaluated::Text(self.0.len().to_string()))
    }
}

#[test]
fn embedded_ruby_is_left_to_the_evaluator() {
    let mut recorder = Recorder(Vec::new());
    let text = r##"<match "#{ a }.x">
        k "#{"}"}-#{ {b: 1} }"
        l ["#{`c "}"`}"]
        m '#{no}' # #{no}
    </match>"##;
    let parsed = parse_str("t.conf", text, &mut recorder, &mut NoIncludes);
    assert!(parsed.diagnostics.is_empty(), "{:?}", parsed.diagnostics);
    assert_eq!(recorder.0, [" a ", "\"}\"", " {b: 1} ", "`c \"}\"`"]);
    let section = &parsed.root.elements()[0];
    assert_eq!(section.argument(), "1.x");
    assert_eq!(
        (section.text("k"), section.text("l")),
        (Some("2-3"), Some("[\"4\"]"))
    );
}
