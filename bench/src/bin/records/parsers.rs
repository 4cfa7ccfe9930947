//! Parsers: lines of 200 bytes, JSON of 260.

use std::hint::black_box;

use millrun_event::EventTime;
use millrun_pattern::{Flags, Level, Regex};
use millrun_plugins::parser::{
    Apache2Parser, CsvEngine, CsvParser, JsonParser, LineParser, LtsvDelimiter, LtsvParser,
    NoneParser, RegexpParser, Settings, SyslogFormat, SyslogOptions, SyslogParser, nginx_parser,
};

use crate::{Goal, Loop, Work};

const NOW: EventTime = EventTime::new(1_795_264_496, 0);

pub(crate) const ACCESS: &str = r#"203.0.113.57 - frank [01/Feb/2024:03:04:05 +0900] "GET /assets/app.js?v=20240214 HTTP/1.1" 200 18273 "https://www.example.com/start" "Mozilla/5.0 (X11; Linux x86_64; rv:121.0) Gecko/20100101 Firefox/121.0 ab""#;
pub(crate) const JSON: &str = r#"{"remote":"203.0.113.57","user":null,"method":"GET","path":"/assets/app.js?v=20240214","code":200,"size":18273,"took":0.0123,"referer":"https://www.example.com/start","agent":"Mozilla/5.0 (X11; Linux x86_64) \"x\"","trace":{"id":"4bf92f3577b34da6","sampled":true}}"#;
const JSON_WITH_TIME: &str = r#"{"time":1700000000.25,"user":null,"method":"GET","path":"/assets/app.js?v=20240214","code":200,"size":18273,"took":0.0123,"referer":"https://www.example.com/start","agent":"Mozilla/5.0 (X11; Linux x86_64) \"x\"","trace":{"id":"4bf92f3577b34da6","sampled":true}}"#;
const LTSV: &str = "host:203.0.113.57\tuser:frank\tmethod:GET\turi:/assets/app.js?v=20240214\tstatus:200\tsize:18273\treferer:https://www.example.com/start\tua:Mozilla/5.0 (X11; Linux x86_64)\treqtime:0.0123\tvhost:www.example.com";
const CSV: &str = "203.0.113.57,frank,GET,/assets/app.js?v=20240214,200,18273,https://www.example.com/start,Mozilla/5.0 (X11; Linux x86_64),0.0123,www.example.com";
const RFC5424: &str = r#"<165>1 2024-02-01T03:04:05.678901+09:00 web1.example.com checkout 4711 ID47 [exampleSDID@32473 iut="3" eventSource="Application" eventID="1011"] order 8812 accepted for customer 19921, total 83.20 EUR, in 12 ms"#;
const RFC3164: &str = "Feb  1 03:04:05 web1 sshd[4711]: Accepted publickey for deploy from 203.0.113.57 port 52144 ssh2: RSA SHA256:abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGH";
/// Look-ahead is nothing for the splitter.
const NEEDS_PCRE: &str = r#"^(?<remote>[^ ]*) (?<host>[^ ]*) (?<user>[^ ]*) \[(?<time>[^\]]*)\] "(?<method>(?=[A-Z])\S+) +(?<path>[^"]*?) +\S*" (?<code>\d{3}) (?<size>\d+) "(?<referer>[^"]*)" "(?<agent>[^"]*)"$"#;

fn settings() -> Settings {
    Settings::default()
}

pub(crate) fn loops() -> Vec<Loop> {
    vec![
        parser("parse none", Goal::Any, ACCESS, || {
            Box::new(NoneParser::new("message", &settings()))
        }),
        parser("parse nginx", Goal::Nanoseconds(300.0), ACCESS, || {
            Box::new(nginx_parser(settings()).unwrap())
        }),
        parser("parse apache2", Goal::Nanoseconds(300.0), ACCESS, || {
            Box::new(Apache2Parser::new(settings()).unwrap())
        }),
        parser(
            "parse regexp by PCRE2",
            Goal::Nanoseconds(450.0),
            ACCESS,
            || {
                let regex = Regex::compile(NEEDS_PCRE, Flags::default()).unwrap();
                assert!(regex.level() != Level::Splitter);
                Box::new(RegexpParser::new(regex, settings()).unwrap())
            },
        ),
        parser("parse json", Goal::OrTwiceTheFloor(650.0), JSON, || {
            Box::new(JsonParser::new(settings()).unwrap())
        }),
        parser(
            "parse json with time",
            Goal::OrTwiceTheFloor(650.0),
            JSON_WITH_TIME,
            || Box::new(JsonParser::new(settings()).unwrap()),
        ),
        parser("parse ltsv", Goal::Nanoseconds(350.0), LTSV, || {
            let tab = LtsvDelimiter::Text("\t".to_owned());
            Box::new(LtsvParser::new(tab, ":", settings()).unwrap())
        }),
        parser("parse csv", Goal::Any, CSV, || {
            let keys: Vec<String> = (0..10).map(|number| format!("key{number}")).collect();
            Box::new(CsvParser::new(&keys, ",", CsvEngine::Normal, settings()).unwrap())
        }),
        parser(
            "parse syslog rfc5424",
            Goal::Nanoseconds(300.0),
            RFC5424,
            || {
                let options = SyslogOptions {
                    format: SyslogFormat::Rfc5424,
                    with_priority: true,
                    ..SyslogOptions::default()
                };
                Box::new(SyslogParser::new(options, settings()).unwrap())
            },
        ),
        parser("parse syslog rfc3164", Goal::Any, RFC3164, || {
            Box::new(SyslogParser::new(SyslogOptions::default(), settings()).unwrap())
        }),
    ]
}

fn parser(
    name: &'static str,
    goal: Goal,
    line: &'static str,
    make: impl Fn() -> Box<dyn LineParser> + 'static,
) -> Loop {
    Loop {
        name,
        goal,
        make: Box::new(move |events| {
            let mut parser = make();
            let mut out = Vec::with_capacity(1024);
            let work: Work = Box::new(move || {
                let mut total = 0;
                for _ in 0..events {
                    out.clear();
                    let parsed = parser.parse(black_box(line.as_bytes()), NOW, &mut out);
                    total += out.len() + usize::from(parsed.is_ok());
                }
                total
            });
            (work, floor(name, line, events))
        }),
    }
}

fn floor(name: &str, line: &'static str, events: u32) -> Work {
    if name.contains("json") {
        return Box::new(move || validate(line, events));
    }
    let mut copy = Vec::with_capacity(1024);
    Box::new(move || {
        let mut total = 0;
        for _ in 0..events {
            copy.clear();
            copy.extend_from_slice(black_box(line.as_bytes()));
            total += copy.len();
        }
        total
    })
}

/// serde_json's bare validation.
pub(crate) fn validate(line: &str, events: u32) -> usize {
    (0..events)
        .map(|_| {
            let sound = serde_json::from_slice::<serde::de::IgnoredAny>(black_box(line.as_bytes()));
            usize::from(sound.is_ok())
        })
        .sum()
}
