//! What stack traces look like, line by line.
//!
//! ```text
//! outside ──a line that begins a trace──▶ a state ──a line that fits there──▶ a state … ──the last line──▶ outside
//!                                            └──a line that fits nowhere──▶ outside, and seen again from there
//! ```
//! Runtimes print their traces in forms of their own; each form is a few states and the lines that lead from one to the
//! next. The states of all languages are in one table, so a trace may go on in another language's form where both print
//! the same.

use millrun_pattern::{Flags, Matcher, RegexError};

/// The languages whose traces are known.
pub(crate) const LANGUAGES: [&str; 10] = [
    "all",
    "java",
    "javascript",
    "js",
    "csharp",
    "python",
    "php",
    "go",
    "ruby",
    "dart",
];

/// Where in a trace a line was. The numbers are written into checkpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum State {
    Outside = 0,
    /// Behind the line that names a Java-like exception.
    Thrown = 1,
    /// Among its frames.
    Frames = 2,
    PythonFrame = 3,
    PythonCode = 4,
    PhpThrown = 5,
    PhpFrames = 6,
    GoPanic = 7,
    GoGap = 8,
    GoCall = 9,
    GoPlace = 10,
    RubyThrown = 11,
    RubyFrames = 12,
    DartThrown = 13,
    DartFrames = 14,
}

/// From one of these states a line like this leads to that one, in these languages.
type Form = (&'static str, &'static [State], &'static str, State);

use State::{
    DartFrames, DartThrown, Frames, GoCall, GoGap, GoPanic, GoPlace, Outside, PhpFrames, PhpThrown,
    PythonCode, PythonFrame, RubyFrames, RubyThrown, Thrown,
};

/// Languages in the first column are separated by blanks.
const FORMS: &[Form] = &[
    // java.lang.IllegalStateException: why          System.Exception: why          TypeError: why
    (
        "java javascript js csharp",
        &[Outside],
        r"(?:Exception|Error|Throwable)(?::|$)",
        Thrown,
    ),
    (
        "java javascript js csharp",
        &[Thrown, Frames],
        r"^[\t ]+(?:eval )?at ",
        Frames,
    ),
    // A message may have an empty line behind it.
    ("java javascript js csharp", &[Thrown], r"^$", Thrown),
    (
        "java",
        &[Thrown, Frames],
        r"^[\t ]*(?:Caused by|Suppressed): ",
        Thrown,
    ),
    (
        "java",
        &[Thrown, Frames],
        r"^[\t ]*nested exception is:",
        Thrown,
    ),
    (
        "java",
        &[Frames],
        r"^[\t ]*\.\.\. \d+ (?:more|common frames omitted)$",
        Frames,
    ),
    ("csharp", &[Thrown, Frames], r"^[\t ]*---> ", Thrown),
    (
        "csharp",
        &[Thrown, Frames],
        r"^[\t ]*--- End of .*stack trace",
        Frames,
    ),
    (
        "python",
        &[Outside],
        r"^Traceback \(most recent call last\):$",
        PythonFrame,
    ),
    ("python", &[PythonFrame], r#"^[\t ]+File ""#, PythonCode),
    ("python", &[PythonCode], r#"^[\t ]+File ""#, PythonCode),
    (
        "python",
        &[PythonCode, PythonFrame],
        r"^[\t ]+[^\t ]",
        PythonFrame,
    ),
    (
        "python",
        &[PythonFrame, PythonCode],
        r"^[A-Za-z_][\w.]*(?::|$)",
        Outside,
    ),
    (
        "php",
        &[Outside],
        r"PHP (?:Notice|Warning|Parse error|Fatal error):|Uncaught exception '|exception '[^']+' with message '",
        PhpThrown,
    ),
    ("php", &[PhpThrown], r"^Stack trace:", PhpFrames),
    ("php", &[PhpFrames], r"^#\d+ ", PhpFrames),
    ("php", &[PhpFrames], r"^[\t ]+thrown in ", Outside),
    ("go", &[Outside], r"\bpanic: ", GoPanic),
    ("go", &[Outside], r"http: panic serving ", GoGap),
    ("go", &[GoPanic], r"^\[signal |^\tpanic: ", GoPanic),
    ("go", &[GoPanic, GoGap], r"^$", GoGap),
    (
        "go",
        &[GoPanic, GoGap],
        r"^goroutine \d+ \[[^\]]+\]:$",
        GoCall,
    ),
    ("go", &[GoCall], r"^created by \S|^[\w./*()\-]+\(", GoPlace),
    ("go", &[GoPlace], r"^[\t ]", GoCall),
    ("go", &[GoCall], r"^$", GoGap),
    ("ruby", &[Outside], r"Error \(.*\):$", RubyThrown),
    (
        "ruby",
        &[Outside],
        r"\.rb:\d+:in [`'].+': .+ \(\S+\)$",
        RubyFrames,
    ),
    ("ruby", &[RubyThrown], r"^[\t ]*$", RubyFrames),
    (
        "ruby",
        &[RubyThrown, RubyFrames],
        r"^[\t ]+.*\.rb:\d+:in [`']",
        RubyFrames,
    ),
    ("dart", &[Outside], r"^Unhandled exception:$", DartThrown),
    (
        "dart",
        &[DartThrown, DartFrames],
        r"^#\d+[\t ]+.+\(.+\)$|^<asynchronous suspension>$",
        DartFrames,
    ),
    // The message is whatever the program says.
    ("dart", &[DartThrown], r"[^\t ]", DartThrown),
];

/// Traces of some languages.
#[derive(Debug)]
pub(crate) struct Traces {
    /// By the state they lead from.
    forms: Vec<Vec<(Matcher, u8)>>,
}

/// What a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    Nothing,
    Start,
    Inside,
    End,
}

impl Traces {
    /// Traces of `languages`, all of [`LANGUAGES`]; none mean all.
    pub(crate) fn of(languages: &[String]) -> Result<Self, RegexError> {
        let is_wanted = |names: &str| {
            languages.is_empty()
                || languages
                    .iter()
                    .any(|wanted| wanted == "all" || names.split(' ').any(|name| name == wanted))
        };
        let mut forms: Vec<Vec<(Matcher, u8)>> = Vec::new();
        forms.resize_with(DartFrames as usize + 1, Vec::new);
        for (names, from, line, to) in FORMS {
            if !is_wanted(names) {
                continue;
            }
            for state in *from {
                let matcher = Matcher::compile(line, Flags::default())?;
                if let Some(list) = forms.get_mut(*state as usize) {
                    list.push((matcher, *to as u8));
                }
            }
        }
        Ok(Self { forms })
    }

    /// What `line` is behind the lines that led to `state`.
    pub(crate) fn see(&self, line: &[u8], state: &mut u8) -> Found {
        let line = line.trim_ascii_end_of_line();
        let was_inside = *state != Outside as u8;
        if was_inside {
            if let Some(next) = self.next(line, *state) {
                *state = next;
                return match next {
                    0 => Found::End,
                    _ => Found::Inside,
                };
            }
            *state = Outside as u8;
        }
        match self.next(line, Outside as u8) {
            Some(next) => {
                *state = next;
                Found::Start
            }
            None => Found::Nothing,
        }
    }

    fn next(&self, line: &[u8], state: u8) -> Option<u8> {
        let forms = self.forms.get(usize::from(state))?;
        let form = forms
            .iter()
            .find(|(line_form, _)| matches!(line_form.is_match(line), Ok(true)))?;
        Some(form.1)
    }
}

trait EndOfLine {
    fn trim_ascii_end_of_line(&self) -> &[u8];
}

impl EndOfLine for [u8] {
    /// The line without what ends it.
    fn trim_ascii_end_of_line(&self) -> &[u8] {
        let line = self.strip_suffix(b"\n").unwrap_or(self);
        line.strip_suffix(b"\r").unwrap_or(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACES: &[(&str, &str)] = &[
        (
            "java",
            "Exception in thread \"main\" java.lang.IllegalStateException: it broke\n\tat com.example.A.run(A.java:10)\n\
             \tat com.example.A.main(A.java:5)\n\tSuppressed: java.io.IOException: x\n\t\tat com.example.B.close(B.java:7)\n\
             Caused by: java.lang.NullPointerException\n\tat com.example.C.get(C.java:3)\n\t... 2 more",
        ),
        (
            "js",
            "TypeError: undefined is not a function\n    at run (/srv/app.js:10:5)\n    at Object.<anonymous> (/srv/app.js:20:1)",
        ),
        (
            "csharp",
            "Unhandled Exception: System.InvalidOperationException: outer ---> System.Exception: inner\n   at A.B() in /a.cs:line 3\n\
             \x20  --- End of inner exception stack trace ---\n   at A.Main() in /a.cs:line 9",
        ),
        (
            "python",
            "Traceback (most recent call last):\n  File \"/a.py\", line 3, in <module>\n    run()\n  File \"/a.py\", line 2, in run\n\
             \x20   raise ValueError(\"x\")\nValueError: x",
        ),
        (
            "php",
            "exception 'Exception' with message 'x' in /a.php:3\nStack trace:\n#0 /a.php(7): run()\n#1 {main}\n  thrown in /a.php on line 3",
        ),
        (
            "go",
            "panic: runtime error: index out of range\n\ngoroutine 1 [running]:\nmain.run(0x1, 0x2)\n\t/a.go:8 +0x1d\nmain.main()\n\
             \t/a.go:4 +0x20\n\ngoroutine 5 [chan receive]:\nmain.wait(0xc0)\n\t/a.go:20 +0x3\ncreated by main.main\n\t/a.go:3 +0x9",
        ),
        (
            "ruby",
            "NoMethodError (undefined method `x' for nil:NilClass):\n  \n  app/models/a.rb:3:in `x'\n  app/b.rb:9:in `y'",
        ),
        (
            "dart",
            "Unhandled exception:\nBad state: no element\n#0      A.run (package:a/a.dart:3:5)\n<asynchronous suspension>\n#1      main (package:a/main.dart:9:1)",
        ),
    ];

    fn seen(traces: &Traces, text: &str) -> Vec<Found> {
        let mut state = 0;
        text.split('\n')
            .map(|line| traces.see(line.as_bytes(), &mut state))
            .collect()
    }

    #[test]
    fn a_trace_of_each_language_is_one_whole() {
        for (language, trace) in TRACES {
            for wanted in [*language, "all"] {
                let traces = Traces::of(&[wanted.to_owned()]).unwrap();
                let text = format!("before\n{trace}\nafter");
                let found = seen(&traces, &text);
                let (first, rest) = found.split_first().unwrap();
                let (last, trace) = rest.split_last().unwrap();
                assert_eq!(
                    (*first, *last),
                    (Found::Nothing, Found::Nothing),
                    "{wanted}"
                );
                assert_eq!(trace[0], Found::Start, "{wanted}");
                for (number, found) in trace.iter().enumerate().skip(1) {
                    assert!(
                        matches!(found, Found::Inside | Found::End),
                        "{wanted}: line {number} is {found:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_trace_of_another_language_is_lines() {
        let traces = Traces::of(&["go".to_owned()]).unwrap();
        let python = TRACES.iter().find(|(name, _)| *name == "python").unwrap().1;
        assert!(
            seen(&traces, python)
                .iter()
                .all(|found| *found == Found::Nothing)
        );
    }

    #[test]
    fn a_second_trace_begins_where_the_first_does_not_go_on() {
        let traces = Traces::of(&[]).unwrap();
        assert_eq!(
            seen(
                &traces,
                "E: java.lang.Error: a\n\tat a.b(c)\nE: java.lang.Error: b\nx\r\n"
            ),
            [
                Found::Start,
                Found::Inside,
                Found::Start,
                Found::Nothing,
                Found::Nothing
            ]
        );
    }
}
