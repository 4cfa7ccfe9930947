//! The `detect_exceptions` output: makes one event of the lines of a stack trace, and emits everything again.
//!
//! ```text
//! <match raw.app.**>
//!   @type detect_exceptions
//!   remove_tag_prefix raw              events go on as app.…
//!   languages java,python
//!   multiline_flush_interval 1
//! </match>
//! ```
//! The joined event is the first line's, with the whole trace in its message field. Where the message is shows in the
//! record: in `message`, else in `message`, `log` or `msg`… of which the first that is there counts. What a trace looks
//! like is told in the module `joining::traces`.

use std::sync::Arc;
use std::time::Duration;

use millrun_config::{Diagnostic, Element, parameters};
use millrun_core::{
    Assembly, Batch, Emissions, LossReason, Node, PluginId, Report, Rewrite, Rewriter, RouterId,
};

use crate::joining::{Join, Joining, Kind, LANGUAGES, Traces};

parameters! {
    /// Makes one event of the lines of a stack trace, and emits everything again.
    pub struct DetectExceptionsParameters in "match", type "detect_exceptions" {
        /// The field that holds the line; without it, `message` or `log`.
        message: Option<String>;
        /// Taken off the tag; what does not begin with it would come back for ever, and is lost.
        remove_tag_prefix: String = required;
        /// Whose traces to look for: java, js, csharp, python, php, go, ruby, dart or all.
        languages: Vec<String> = "all";
        /// Seconds after which a trace is whole though nothing followed; without it, the next line decides.
        multiline_flush_interval: Option<f64>;
        /// The most lines of a trace; 0 for no limit.
        max_lines: u32 = "1000";
        /// The most bytes of a trace; 0 for no limit.
        max_bytes: u64 = "0";
        /// The field whose values tell streams of one tag apart.
        stream: Option<String>;
        /// Lines that bring no line break get one.
        force_line_breaks: bool = "false";
    }
}

pub(super) fn build(element: &Element, id: &PluginId, assembly: &mut Assembly<'_>) -> Option<Node> {
    let parameters = DetectExceptionsParameters::read(element, assembly.diagnostics)?;
    for language in &parameters.languages {
        if !LANGUAGES.contains(&language.as_str()) {
            let fault = Diagnostic::error(format!("unknown language `{language}`"));
            let place = fault.at(element.span_of("languages"), "in this list");
            let hint = format!("the languages are {}", LANGUAGES.join(", "));
            assembly.diagnostics.push(place.hint(hint));
            return None;
        }
    }
    let traces = match Traces::of(&parameters.languages) {
        Ok(traces) => traces,
        Err(error) => {
            let fault = Diagnostic::error(error.to_string());
            assembly
                .diagnostics
                .push(fault.at(element.span(), "a form of this build does not compile"));
            return None;
        }
    };
    let router = match element.entry("@label") {
        Some(label) => assembly.label(label.value.as_text()?, label.value.span)?,
        None => RouterId::ROOT,
    };
    let keys = match parameters.message {
        Some(key) if !key.is_empty() => vec![key.into_bytes()],
        _ => vec![b"message".to_vec(), b"log".to_vec()],
    };
    let wait = parameters.multiline_flush_interval;
    let stage = Join::new(
        &id.text,
        Joining {
            kind: Kind::Traces(traces),
            keys,
            separator: match parameters.force_line_breaks {
                true => b"\n".to_vec(),
                false => Vec::new(),
            },
            has_own_breaks: true,
            identity_key: parameters.stream.filter(|key| !key.is_empty()),
            wait: wait.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()),
            timeout_label: None,
            use_first_timestamp: true,
            removed: Vec::new(),
            parts_max: match parameters.max_lines {
                0 => u32::MAX,
                lines => lines,
            },
            bytes_max: match parameters.max_bytes {
                0 => usize::MAX,
                bytes => usize::try_from(bytes).unwrap_or(usize::MAX),
            },
        },
    );
    Some(Node::Rewrite(Arc::new(Rewrite {
        id: id.clone(),
        stage: Some(Arc::new(stage)),
        tags: Arc::new(WithoutPrefix {
            id: id.text.clone(),
            prefix: parameters.remove_tag_prefix,
            comes_back: router == RouterId::ROOT,
        }),
        router,
    })))
}

struct WithoutPrefix {
    id: Arc<str>,
    prefix: String,
    /// An event that keeps its tag would come back to this output.
    comes_back: bool,
}

impl Rewriter for WithoutPrefix {
    fn rewrite(&self, batch: Batch<'_>, out: &mut Emissions, report: &mut Report<'_>) {
        let rest = batch.tag.strip_prefix(self.prefix.as_str());
        let tag = match rest.map(|rest| rest.strip_prefix('.').unwrap_or(rest)) {
            Some(tag) if !tag.is_empty() => tag,
            _ if self.comes_back => {
                let lost = u64::from(batch.events.count);
                return report.lose(&self.id, LossReason::Circle, lost);
            }
            _ => batch.tag,
        };
        out.buffer(tag, None)
            .extend(batch.events.bytes, batch.events.count);
    }
}

#[cfg(test)]
mod tests {
    use millrun_core::{Batch, Emissions, ErrorEvents, Losses, Node, Report};
    use serde_json::{Value, json};

    use crate::filter::tests::{NOW, batch_of, records, stream};
    use crate::output::tests::{output, said};

    /// The records that come out of a trace joiner, and the tag they have.
    fn joined(options: &str, tag: &str, list: &[Value]) -> (Vec<String>, Vec<Value>, u64) {
        let text = format!("@type detect_exceptions\nremove_tag_prefix raw\n{options}");
        let Node::Rewrite(rewrite) = output(&text) else {
            panic!("no rewriting output");
        };
        let mut holder = rewrite.stage.as_ref().unwrap().stage().unwrap().holder();
        let mut passed = millrun_event::EventBuffer::default();
        let (mut losses, mut errors) = (Losses::default(), ErrorEvents::default());
        let mut report = Report::new(&mut losses, &mut errors);
        let given = stream(list);
        holder.filter(batch_of(tag, given.as_events()), &mut passed, &mut report);
        let mut out = Emissions::default();
        let events = passed.as_events();
        let batch = Batch {
            tag,
            events,
            now: NOW,
        };
        rewrite.tags.rewrite(batch, &mut out, &mut report);
        let tags = out.groups().iter().map(|group| group.tag.clone()).collect();
        let list = out
            .groups()
            .iter()
            .flat_map(|group| records(group.as_events()));
        let list = list.map(|event| event[1].clone()).collect();
        (
            tags,
            list,
            losses.entries().iter().map(|loss| loss.count).sum(),
        )
    }

    fn lines(key: &str, texts: &[&str]) -> Vec<Value> {
        texts
            .iter()
            .map(|text| json!({key: text, "k": 1}))
            .collect()
    }

    const TRACE: [&str; 4] = ["start\n", "x.Error: a\n", "\tat a.b(c)\n", "end\n"];

    #[test]
    fn a_trace_becomes_one_event_under_the_tag_without_its_prefix() {
        for key in ["message", "log"] {
            let (tags, list, _) = joined("", "raw.app", &lines(key, &TRACE));
            assert_eq!(tags, ["app"]);
            assert_eq!(
                list,
                lines(key, &["start\n", "x.Error: a\n\tat a.b(c)\n", "end\n"])
            );
        }
        let (_, list, _) = joined("message m", "raw.app", &lines("message", &TRACE));
        assert_eq!(list.len(), 4);
    }

    #[test]
    fn breaks_and_limits_are_as_configured() {
        let bare = ["x.Error: a", "\tat a.b(c)", "\tat a.c(c)", "end"];
        let (_, list, _) = joined("force_line_breaks true", "raw.a", &lines("m", &bare));
        assert_eq!(list.len(), 4, "m is no message field");
        let (_, list, _) = joined("force_line_breaks true", "raw.a", &lines("log", &bare));
        assert_eq!(
            list[0]["log"],
            json!("x.Error: a\n\tat a.b(c)\n\tat a.c(c)")
        );
        let (_, list, _) = joined("max_lines 2", "raw.a", &lines("log", &bare));
        assert_eq!(
            list,
            lines("log", &["x.Error: a\tat a.b(c)", "\tat a.c(c)", "end"])
        );
        let (_, list, _) = joined("max_bytes 12", "raw.a", &lines("log", &bare));
        assert_eq!(list.len(), 4);
    }

    #[test]
    fn what_would_keep_its_tag_is_counted_as_lost() {
        let (tags, _, lost) = joined("", "other.app", &lines("log", &TRACE));
        assert_eq!((tags.len(), lost), (0, 3));
    }

    #[test]
    fn an_unknown_language_is_refused() {
        assert_eq!(
            said("@type detect_exceptions\nremove_tag_prefix raw\nlanguages java,cobol"),
            "error: unknown language `cobol`\n --> f.conf:4:11\n  |\n4 | languages java,cobol\n  |           ^^^^^^^^^^ in this list\n  |\n  = help: the languages are all, java, javascript, js, csharp, python, php, go, ruby, dart"
        );
    }
}
