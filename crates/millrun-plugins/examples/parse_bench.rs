//! Nanoseconds per event of parsers and filters, each beside a floor: the bare work it cannot do
//! without. The two run alternately and the best round of each counts, since other work on the
//! machine only ever adds time.
//!
//! ```text
//! cargo run --release -p millrun-plugins --example parse_bench [name]
//! ```
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a benchmark of fixed texts may be blunt"
)]

use std::hint::black_box;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use millrun_config::{Diagnostics, Environment, NoIncludes, parse_str};
use millrun_core::{Batch, ErrorEvents, Filter, Losses, Registry, Report, System, assemble};
use millrun_event::{EventBuffer, EventTime, count_entries, write};
use millrun_pattern::{Flags, Regex};
use millrun_plugins::parser::{
    Apache2Parser, CsvEngine, CsvParser, JsonParser, LineParser, LtsvDelimiter, LtsvParser,
    NoneParser, RegexpParser, Settings, SyslogFormat, SyslogOptions, SyslogParser, nginx_parser,
};

const ROUNDS: usize = 25;
const EVENTS: u32 = 20_000;
const NOW: EventTime = EventTime::new(1_795_264_496, 0);

const ACCESS: &str = r#"203.0.113.57 - frank [01/Feb/2024:03:04:05 +0900] "GET /assets/app.js?v=20240214 HTTP/1.1" 200 18273 "https://www.example.com/start" "Mozilla/5.0 (X11; Linux x86_64; rv:121.0) Gecko/20100101 Firefox/121.0 ab""#;
const JSON: &str = r#"{"remote":"203.0.113.57","user":null,"method":"GET","path":"/assets/app.js?v=20240214","code":200,"size":18273,"took":0.0123,"referer":"https://www.example.com/start","agent":"Mozilla/5.0 (X11; Linux x86_64) \"x\"","trace":{"id":"4bf92f3577b34da6","sampled":true}}"#;
const JSON_WITH_TIME: &str = r#"{"time":1700000000.25,"user":null,"method":"GET","path":"/assets/app.js?v=20240214","code":200,"size":18273,"took":0.0123,"referer":"https://www.example.com/start","agent":"Mozilla/5.0 (X11; Linux x86_64) \"x\"","trace":{"id":"4bf92f3577b34da6","sampled":true}}"#;
const LTSV: &str = "host:203.0.113.57\tuser:frank\tmethod:GET\turi:/assets/app.js?v=20240214\tstatus:200\tsize:18273\treferer:https://www.example.com/start\tua:Mozilla/5.0 (X11; Linux x86_64)\treqtime:0.0123\tvhost:www.example.com";
const CSV: &str = "203.0.113.57,frank,GET,/assets/app.js?v=20240214,200,18273,https://www.example.com/start,Mozilla/5.0 (X11; Linux x86_64),0.0123,www.example.com";
const RFC5424: &str = r#"<165>1 2024-02-01T03:04:05.678901+09:00 web1.example.com checkout 4711 ID47 [exampleSDID@32473 iut="3" eventSource="Application" eventID="1011"] order 8812 accepted for customer 19921, total 83.20 EUR, in 12 ms"#;
const RFC3164: &str = "Feb  1 03:04:05 web1 sshd[4711]: Accepted publickey for deploy from 203.0.113.57 port 52144 ssh2: RSA SHA256:abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGH";
/// Look-ahead is nothing for the splitter.
const NEEDS_PCRE: &str = r#"^(?<remote>[^ ]*) (?<host>[^ ]*) (?<user>[^ ]*) \[(?<time>[^\]]*)\] "(?<method>(?=[A-Z])\S+) +(?<path>[^"]*?) +\S*" (?<code>\d{3}) (?<size>\d+) "(?<referer>[^"]*)" "(?<agent>[^"]*)"$"#;

fn main() {
    let only = std::env::args().nth(1).unwrap_or_default();
    println!(
        "{:<30} {:>9} {:>9} {:>6}",
        "loop", "ns/event", "floor", "goal"
    );
    parsers(&only);
    filters(&only);
}

fn parsers(only: &str) {
    let utc = || Settings::default();
    let keys: Vec<String> = (0..10).map(|number| format!("key{number}")).collect();
    let regex = Regex::compile(NEEDS_PCRE, Flags::default()).unwrap();
    assert!(!regex.is_splitter());
    let rfc5424 = SyslogOptions {
        format: SyslogFormat::Rfc5424,
        with_priority: true,
        ..SyslogOptions::default()
    };
    let csv = CsvParser::new(&keys, ",", CsvEngine::Normal, utc()).unwrap();
    let tab = LtsvDelimiter::Text("\t".to_owned());
    let all: Vec<(&str, Box<dyn LineParser>, &str, f64)> = vec![
        (
            "none",
            Box::new(NoneParser::new("message", &utc())),
            ACCESS,
            f64::NAN,
        ),
        (
            "nginx",
            Box::new(nginx_parser(utc()).unwrap()),
            ACCESS,
            300.0,
        ),
        (
            "apache2",
            Box::new(Apache2Parser::new(utc()).unwrap()),
            ACCESS,
            300.0,
        ),
        (
            "regexp by PCRE2",
            Box::new(RegexpParser::new(regex, utc()).unwrap()),
            ACCESS,
            450.0,
        ),
        (
            "json",
            Box::new(JsonParser::new(utc()).unwrap()),
            JSON,
            650.0,
        ),
        (
            "json with time",
            Box::new(JsonParser::new(utc()).unwrap()),
            JSON_WITH_TIME,
            650.0,
        ),
        (
            "ltsv",
            Box::new(LtsvParser::new(tab, ":", utc()).unwrap()),
            LTSV,
            350.0,
        ),
        ("csv", Box::new(csv), CSV, f64::NAN),
        (
            "syslog rfc5424",
            Box::new(SyslogParser::new(rfc5424, utc()).unwrap()),
            RFC5424,
            300.0,
        ),
        (
            "syslog rfc3164",
            Box::new(SyslogParser::new(SyslogOptions::default(), utc()).unwrap()),
            RFC3164,
            f64::NAN,
        ),
    ];
    for (name, mut parser, line, goal) in all {
        if !name.contains(only) {
            continue;
        }
        let mut out = Vec::with_capacity(1024);
        let parse = || {
            let mut total = 0;
            for _ in 0..EVENTS {
                out.clear();
                let parsed = parser.parse(black_box(line.as_bytes()), NOW, &mut out);
                total += out.len() + usize::from(parsed.is_ok());
            }
            total
        };
        let mut copy = Vec::with_capacity(1024);
        let floor = || {
            let mut total = 0;
            for _ in 0..EVENTS {
                copy.clear();
                if name.starts_with("json") {
                    let sound =
                        serde_json::from_slice::<serde::de::IgnoredAny>(black_box(line.as_bytes()));
                    total += usize::from(sound.is_ok());
                } else {
                    copy.extend_from_slice(black_box(line.as_bytes()));
                    total += copy.len();
                }
            }
            total
        };
        report(name, goal, parse, floor);
    }
}

fn filters(only: &str) {
    let (message, _) = ACCESS.as_bytes().split_at(186);
    let mut events = EventBuffer::default();
    for number in 0..EVENTS {
        events.push(EventTime::new(1_700_000_000, number), |record| {
            write::map(record, 2);
            write::str(record, b"level");
            write::str(record, if number % 2 == 0 { b"warn" } else { b"info" });
            write::str(record, b"message");
            write::str(record, message);
        });
    }
    let all = [
        (
            "grep literal",
            "@type grep\n<regexp>\nkey level\npattern /warn/\n</regexp>",
            60.0,
        ),
        (
            "grep literal, long field",
            "@type grep\n<regexp>\nkey message\npattern /app\\.js/\n</regexp>",
            f64::NAN,
        ),
        (
            "record_transformer static",
            "@type record_transformer\n<record>\nservice checkout\n</record>",
            60.0,
        ),
        (
            "record_transformer record",
            "@type record_transformer\n<record>\nnew ${record[\"level\"]}-x\n</record>",
            400.0,
        ),
    ];
    for (name, text, goal) in all {
        if !name.contains(only) {
            continue;
        }
        let filter = filter(text);
        let mut out = EventBuffer::with_capacity(events.len() * 2);
        let (mut losses, mut errors) = (Losses::default(), ErrorEvents::default());
        let batch = Batch {
            tag: "app.web",
            events: events.as_events(),
            now: NOW,
        };
        let work = || {
            out.clear();
            let mut report = Report::new(&mut losses, &mut errors);
            filter.filter(black_box(batch), &mut out, &mut report);
            out.len()
        };
        let walk =
            || count_entries(black_box(batch.events.bytes)).map_or(0, |count| count as usize);
        report(name, goal, work, walk);
    }
}

static MADE: Mutex<Option<Arc<dyn Filter>>> = Mutex::new(None);

/// The filter of a section, by way of the assembly.
fn filter(text: &str) -> Arc<dyn Filter> {
    let source = format!("<filter **>\n{text}\n</filter>");
    let parsed = parse_str(
        "bench.conf",
        &source,
        &Environment::default(),
        &mut NoIncludes,
    );
    let mut registry = Registry::default();
    for (&name, known) in millrun_plugins::registry().filters() {
        registry.add_filter(name, known.schema, |element, id, assembly| {
            let real = millrun_plugins::registry();
            let factory = real.filters().get(element.plugin_type()?)?.factory;
            let filter = factory(element, id, assembly)?;
            *MADE.lock().unwrap() = Some(Arc::clone(&filter));
            Some(filter)
        });
    }
    let mut diagnostics = Diagnostics::default();
    let system = System::read(&parsed.root, &mut diagnostics).unwrap();
    assemble(
        &parsed.root,
        &registry,
        &system,
        Path::new("/tmp"),
        &mut diagnostics,
    );
    let made = MADE.lock().unwrap().take();
    made.unwrap_or_else(|| {
        panic!(
            "{:?}",
            diagnostics.errors().next().map(|fault| &fault.message)
        )
    })
}

fn report(
    name: &str,
    goal: f64,
    mut work: impl FnMut() -> usize,
    mut floor: impl FnMut() -> usize,
) {
    let (mut best_work, mut best_floor) = (f64::MAX, f64::MAX);
    for _ in 0..ROUNDS {
        best_work = best_work.min(seconds(&mut work));
        best_floor = best_floor.min(seconds(&mut floor));
    }
    let per_event = |seconds: f64| seconds * 1e9 / f64::from(EVENTS);
    println!(
        "{name:<30} {:>9.1} {:>9.1} {goal:>6}",
        per_event(best_work),
        per_event(best_floor),
    );
}

fn seconds(work: &mut impl FnMut() -> usize) -> f64 {
    let start = Instant::now();
    black_box(work());
    start.elapsed().as_secs_f64()
}
