//! Nothing is allocated per line, nor per event: counted by the allocator itself.
//!
//! Each thread has a count of its own, so tests beside each other do not disturb.
#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "helpers of tests may be blunt, as tests may"
)]

#[path = "../../../millrun-event/tests/counting/mod.rs"]
mod counting;
mod filters;

use millrun_event::EventTime;
use millrun_plugins::parser::{
    Apache2Parser, CsvEngine, CsvParser, JsonParser, LineParser, LtsvDelimiter, LtsvParser,
    NoneParser, Parsed, Settings, SyslogFormat, SyslogOptions, SyslogParser, TsvParser,
    nginx_parser,
};

use counting::allocations_so_far;

const LINES: u32 = 500;
const NOW: EventTime = EventTime::new(1_795_264_496, 0);

/// Allocations of `LINES` lines once the buffers have grown; the second of the times changes.
fn allocations(parser: &mut dyn LineParser, line: &str) -> usize {
    let mut out = Vec::new();
    let mut before = 0;
    for number in 0..LINES * 2 {
        if number == LINES {
            before = allocations_so_far();
        }
        let second = [b'0' + (number / 10 % 6) as u8, b'0' + (number % 10) as u8];
        let mut text = [0; 512];
        let text = &mut text[..line.len()];
        text.copy_from_slice(line.as_bytes());
        if let Some(at) = line.find("SS") {
            text[at..at + 2].copy_from_slice(&second);
        }
        out.clear();
        let parsed = parser.parse(text, NOW, &mut out);
        assert!(
            matches!(parsed, Ok(Parsed::Event { .. })),
            "{line}: {parsed:?}"
        );
    }
    allocations_so_far() - before
}

#[test]
fn a_steady_flow_of_lines_allocates_nothing() {
    let settings = Settings::default;
    let keys = ["a", "b", "c"].map(str::to_owned);
    let types = vec![
        ("a".to_owned(), "integer".to_owned()),
        ("b".to_owned(), "float".to_owned()),
    ];
    let typed = || Settings {
        types: types.clone(),
        ..settings()
    };
    let access =
        r#"10.1.2.3 - bob [01/Feb/2024:03:04:SS +0900] "GET /a HTTP/1.1" 200 777 "-" "Agent/1.0""#;
    let tab = || LtsvDelimiter::Text("\t".to_owned());
    let rfc5424 = SyslogOptions {
        format: SyslogFormat::Rfc5424,
        with_priority: true,
        ..SyslogOptions::default()
    };
    let csv = |engine| CsvParser::new(&keys, ",", engine, typed()).unwrap();
    let mut parsers: Vec<(Box<dyn LineParser>, &str)> = vec![
        (Box::new(NoneParser::new("message", &settings())), "a line"),
        (Box::new(nginx_parser(settings()).unwrap()), access),
        (Box::new(Apache2Parser::new(settings()).unwrap()), access),
        (
            Box::new(JsonParser::new(settings()).unwrap()),
            r#"{"a":1,"time":17000000SS,"b":{"c":[true,"x"]}}"#,
        ),
        (
            Box::new(JsonParser::new(typed()).unwrap()),
            r#"{"a":"1","b":"2.5","time":17000000SS,"c":null}"#,
        ),
        (
            Box::new(LtsvParser::new(tab(), ":", typed()).unwrap()),
            "a:1\tb:2.5\tc:x\ta:3",
        ),
        (
            Box::new(csv(CsvEngine::Normal)),
            "1,\"2.5\",\"a \"\"b\"\"\"",
        ),
        (Box::new(csv(CsvEngine::Fast)), "1,2.5,\"a \"\"b\"\"\""),
        (
            Box::new(TsvParser::new(&keys, "\t", typed()).unwrap()),
            "1\t2.5\tx",
        ),
        (
            Box::new(SyslogParser::new(SyslogOptions::default(), settings()).unwrap()),
            "Feb  1 03:04:SS h p[1]: m",
        ),
        (
            Box::new(SyslogParser::new(rfc5424, settings()).unwrap()),
            "<16>1 2024-02-01T03:04:SS.678Z h app - - [a b=\"1\"] m",
        ),
    ];
    for (parser, line) in &mut parsers {
        assert_eq!(allocations(&mut **parser, line), 0, "{line}");
    }
}
