//! What the running Fluentd answered, and what the parsers do to bytes.

mod notation;

use millrun_event::{Cursor, EventTime};
use millrun_pattern::{Flags, Regex, TimeType};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::{Apache2Parser, GrokNames, Grouping};
use super::{JsonParser, nginx_parser, parse_section};
use super::{LineParser, NoneParser, ParseError, Parsed, RegexpParser, Settings, TextKind};

use self::notation::events;

const NOW: EventTime = EventTime::new(1_795_264_496, 5);

fn regexp(expression: &str, settings: Settings) -> RegexpParser {
    RegexpParser::new(
        Regex::compile(expression, Flags::default()).unwrap(),
        settings,
    )
    .unwrap()
}

fn settings_error(settings: Settings) -> String {
    JsonParser::new(settings).unwrap_err().to_string()
}

#[test]
fn the_errors_of_settings_say_what_to_write() {
    let types = vec![("h".to_owned(), "size".to_owned())];
    assert_eq!(
        settings_error(Settings {
            types,
            ..Settings::default()
        }),
        "unknown value conversion for key:'h', type:'size'; known are string, integer, float, bool, time, array"
    );
    let settings = Settings {
        time_type: Some(TimeType::Text),
        timezone: Some("+09:00".to_owned()),
        ..Settings::default()
    };
    assert_eq!(
        settings_error(settings),
        "specifying timezone requires time format"
    );
    let settings = Settings {
        time_format: Some("%Y".to_owned()),
        timezone: Some("JST".to_owned()),
        ..Settings::default()
    };
    assert_eq!(
        settings_error(settings),
        "timezone: invalid timezone \"JST\": write an offset such as +09:00, +0900 or +09, or a place such as Asia/Tokyo"
    );
    let regex = Regex::compile("x", Flags::default()).unwrap();
    assert_eq!(
        RegexpParser::new(regex, Settings::default())
            .unwrap_err()
            .to_string(),
        "No named captures in 'expression' parameter. The regexp must have at least one named capture: (?<name>…)"
    );
}

#[test]
fn a_line_that_is_no_event_leaves_the_buffer_as_it_was() {
    let lines: [(&str, Box<dyn LineParser>); 4] = [
        (
            "nonsense",
            Box::new(nginx_parser(Settings::default()).unwrap()),
        ),
        (
            "{\"time\":[1],\"a\":2}",
            Box::new(JsonParser::new(Settings::default()).unwrap()),
        ),
        (
            "{\"a\":1",
            Box::new(JsonParser::new(Settings::default()).unwrap()),
        ),
        (
            "[1,{\"time\":true}]",
            Box::new(JsonParser::new(Settings::default()).unwrap()),
        ),
    ];
    for (line, mut parser) in lines {
        let mut out = b"before".to_vec();
        assert!(
            !matches!(
                parser.parse(line.as_bytes(), NOW, &mut out),
                Ok(Parsed::Event { .. })
            ),
            "{line}"
        );
        assert_eq!(out, b"before");
        while let Some(parsed) = parser.parse_next(NOW, &mut out) {
            assert!(parsed.is_err(), "{line}");
            assert_eq!(out, b"before");
        }
    }
}

#[test]
fn a_time_that_is_no_time_says_what_it_is() {
    let mut json = JsonParser::new(Settings::default()).unwrap();
    let error = json
        .parse(b"{\"time\":{}}", NOW, &mut Vec::new())
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "value must be a string or a number: the time key holds an object"
    );
    let mut nginx = nginx_parser(Settings::default()).unwrap();
    let line = b"a b c [yesterday] \"GET / HTTP/1.1\" 200 1";
    assert_eq!(
        nginx
            .parse(line, NOW, &mut Vec::new())
            .unwrap_err()
            .to_string(),
        "invalid time format: value = yesterday, expected %d/%b/%Y:%H:%M:%S %z"
    );
}

#[test]
fn a_hostile_line_ends_in_an_error() {
    let mut parser = regexp("^(?<a>(x|xx)+)$", Settings::default());
    let line = [&[b'x'; 64][..], b"!"].concat();
    assert!(matches!(
        parser.parse(&line, NOW, &mut Vec::new()),
        Err(ParseError::Match(_))
    ));
}

#[test]
fn an_array_is_an_event_for_each_object() {
    let mut json = JsonParser::new(Settings {
        keep_time_key: true,
        ..Settings::default()
    })
    .unwrap();
    let now = json!({"$et": [NOW.seconds, NOW.nanoseconds]});
    assert_eq!(
        events(&mut json, b"[{\"a\":1},2,{\"time\":3}]"),
        Some(json!([[now, {"a": 1}], [null, null], [{"$et": [3, 0]}, {"time": 3}]]))
    );
    assert_eq!(events(&mut json, b"[]"), Some(json!([[null, null]])));
}

#[test]
fn text_of_lines_may_be_written_as_bytes() {
    let settings = || Settings {
        text: TextKind::Bin,
        ..Settings::default()
    };
    let mut out = Vec::new();
    NoneParser::new("message", &settings())
        .parse(b"\xff", NOW, &mut out)
        .unwrap();
    assert_eq!(out, b"\x81\xa7message\xc4\x01\xff");
    out.clear();
    regexp("(?<a>.*)", settings())
        .parse(b"x", NOW, &mut out)
        .unwrap();
    assert_eq!(out, b"\x81\xa1a\xc4\x01x");
}

#[test]
fn values_of_documents_change_type_too() {
    let types = [
        ("i", "integer"),
        ("s", "string"),
        ("f", "float"),
        ("b", "bool"),
        ("t", "time:+09:00:%Y-%m-%d"),
        ("a", "array"),
    ];
    let types = types
        .map(|(key, definition)| (key.to_owned(), definition.to_owned()))
        .to_vec();
    let mut json = JsonParser::new(Settings {
        types,
        estimate_current_event: false,
        ..Settings::default()
    })
    .unwrap();
    assert_eq!(
        events(
            &mut json,
            br#"{"i":12.7,"s":-1.5,"f":3,"b":1,"t":"2024-01-01","a":"x,,y,,"}"#
        ),
        Some(
            json!([[null, {"i": 12, "s": "-1.5", "f": 3.0, "b": true, "t": {"$et": [1_704_034_800, 0]}, "a": ["x", "", "y"]}]])
        )
    );
    assert_eq!(
        events(
            &mut json,
            br#"{"i":true,"s":false,"f":"x","b":"on","t":"x","a":{"n":[1]}}"#
        ),
        Some(
            json!([[null, {"i": 0, "s": "false", "f": 0.0, "b": false, "t": null, "a": {"n": [1]}}]])
        )
    );
}

/// A parser from the text of its section.
fn section(text: &str) -> Box<dyn LineParser> {
    let parsed = millrun_config::parse_str(
        "case.conf",
        &format!("<source>\n<parse>\n{text}\n</parse>\n</source>"),
        &mut millrun_config::NoRuby,
        &mut millrun_config::NoIncludes,
    );
    let mut diagnostics = parsed.diagnostics;
    let parser = parse_section(&parsed.root.elements()[0], TextKind::Str, &mut diagnostics);
    parser.unwrap_or_else(|| panic!("{:?}", diagnostics.errors().next().unwrap().message))
}

#[test]
fn multiline_makes_blocks_and_events_of_them() {
    let mut parser = section(
        "@type multiline\nestimate_current_event false\nformat_firstline /^[A-Z]/\nunmatched_lines rest\n\
         format1 /^(?<level>[A-Z]+)/\nformat2 / (?<message>[^\\n]*)/",
    );
    let Grouping::FirstLine(first) = parser.grouping() else {
        panic!("there is a first line");
    };
    assert!(first.begins(b"ERR a") && !first.begins(b" at b"));
    assert_eq!(
        events(&mut *parser, b"x\nERR a\nWARN b\nrest"),
        Some(json!([
            [null, {"rest": "x\n"}],
            [null, {"level": "ERR", "message": "a"}],
            [null, {"level": "WARN", "message": "b"}],
            [null, null]
        ]))
    );
    let endless = section("@type multiline\nformat1 /(?<a>x*)/");
    assert!(matches!(endless.grouping(), Grouping::UntilParsed));
    let mut endless = endless;
    assert_eq!(
        events(&mut *endless, b"yyy")
            .unwrap()
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[test]
fn multi_format_takes_the_first_that_takes_the_line() {
    let mut parser = section(
        "@type multi_format\n<pattern>\nformat json\nestimate_current_event false\n</pattern>\n\
         <pattern>\nformat regexp\nexpression /^(?<a>x+)$/\nestimate_current_event false\n</pattern>",
    );
    assert_eq!(
        events(&mut *parser, b"{\"b\":1}"),
        Some(json!([[null, {"b": 1}]]))
    );
    assert_eq!(
        events(&mut *parser, b"[{\"b\":1},{\"b\":2}]"),
        Some(json!([[null, {"b": 1}], [null, {"b": 2}]]))
    );
    assert_eq!(
        events(&mut *parser, b"xx"),
        Some(json!([[null, {"a": "xx"}]]))
    );
    // A time that is none is a fault of one format only.
    assert_eq!(
        events(&mut *parser, b"{\"time\":{}}"),
        Some(json!([[null, null]]))
    );
}

#[test]
fn lines_of_container_runtimes() {
    let line = b"2020-10-10T00:10:00.5Z stdout F Hello  there";
    let time = json!({"$et": [1_602_288_600, 500_000_000]});
    assert_eq!(
        events(&mut *section("@type cri"), line),
        Some(json!([[time, {
            "stream": "stdout", "logtag": "F", "message": "Hello  there", "time": "2020-10-10T00:10:00.5Z"
        }]]))
    );
    let nested = "@type cri\n<parse>\n@type json\n</parse>";
    let line = b"2020-10-10T00:10:00.5Z stdout F {\"a\":1}";
    assert_eq!(
        events(&mut *section(nested), line),
        Some(json!([[time, {"a": 1, "stream": "stdout", "logtag": "F"}]]))
    );
    let line = b"2020-10-10T00:10:00.5Z stdout F {\"a\":1,\"time\":7}";
    assert_eq!(
        events(
            &mut *section(&format!("{nested}\nmerge_cri_fields false")),
            line
        ),
        Some(json!([[{"$et": [7, 0]}, {"a": 1}]]))
    );
    for line in [
        &b"2020-10-10T00:10:00.5Z stdout F"[..],
        b"",
        b"2020-10-10T00:10:00.5Z stdout F x",
    ] {
        assert_eq!(
            events(&mut *section(nested), line),
            Some(json!([[null, null]]))
        );
    }
}

#[test]
fn every_name_of_grok_stands_for_an_expression() {
    for name in super::grok::built_in_names() {
        let expression = GrokNames::default()
            .expand(&format!("%{{{name}:all}}"))
            .unwrap();
        let compiled = Regex::compile(&expression.source, Flags::default());
        assert!(compiled.is_ok(), "{name}: {compiled:?}");
    }
}

#[test]
fn grok_names_expressions() {
    let mut grok = section(
        "@type grok\nestimate_current_event false\ngrok_name_key by\ngrok_failure_key why\n\
         <grok>\nname access\npattern %{HTTPD_COMBINEDLOG}\ntime_key timestamp\ntime_format %d/%b/%Y:%H:%M:%S %z\n</grok>\n\
         <grok>\npattern %{IP:ip} took %{NUMBER:took:float}\n</grok>",
    );
    let line = br#"10.1.2.3 - bob [01/Feb/2024:03:04:05 +0900] "GET /a HTTP/1.1" 200 777 "-" "UA""#;
    let fields = json!({
        "clientip": "10.1.2.3", "ident": "-", "auth": "bob", "verb": "GET", "request": "/a", "httpversion": "1.1",
        "response": "200", "bytes": "777", "referrer": "\"-\"", "agent": "\"UA\"", "by": "access"
    });
    assert_eq!(
        events(&mut *grok, line),
        Some(json!([[{"$et": [1_706_724_245, 0]}, fields]]))
    );
    assert_eq!(
        events(&mut *grok, b"from ::1 took 1.5 s"),
        Some(json!([[null, {"ip": "::1", "took": 1.5, "by": "1"}]]))
    );
    let now = json!({"$et": [NOW.seconds, NOW.nanoseconds]});
    assert_eq!(
        events(&mut *grok, b"else"),
        Some(json!([[now, {"why": "No grok pattern matched", "message": "else"}]]))
    );
}

#[test]
fn grok_knows_the_usual_lines_by_name() {
    for (name, line, expected) in [
        (
            "SYSLOGLINE",
            "Feb  1 03:04:05 web1 sshd[4711]: Accepted publickey",
            json!({"timestamp": "Feb  1 03:04:05", "logsource": "web1", "program": "sshd", "pid": "4711",
                   "message": "Accepted publickey"}),
        ),
        (
            "SYSLOGLINE",
            "2024-02-01T03:04:05Z web1 kernel: up",
            json!({"timestamp8601": "2024-02-01T03:04:05Z", "logsource": "web1", "program": "kernel", "message": "up"}),
        ),
        (
            "SYSLOG5424LINE",
            r#"<165>1 2024-02-01T03:04:05Z web1 shop - ID47 [a b="\]"][c] order taken"#,
            json!({"syslog5424_pri": "165", "syslog5424_ver": "1", "syslog5424_ts": "2024-02-01T03:04:05Z",
                   "syslog5424_host": "web1", "syslog5424_app": "shop", "syslog5424_msgid": "ID47",
                   "syslog5424_sd": "[a b=\"\\]\"][c]", "syslog5424_msg": "order taken"}),
        ),
        (
            "HTTPD20_ERRORLOG",
            "[Thu Feb 01 03:04:05 2024] [error] [client 192.0.2.1] denied",
            json!({"timestamp": "Thu Feb 01 03:04:05 2024", "loglevel": "error", "clientip": "192.0.2.1",
                   "errormsg": "denied"}),
        ),
        (
            "RUBY_LOGGER",
            "W, [2024-02-01T03:04:05.123456 #4711]  WARN -- shop: order: late",
            json!({"timestamp": "2024-02-01T03:04:05.123456", "pid": "4711", "loglevel": "WARN", "progname": "shop",
                   "message": "order: late"}),
        ),
        (
            "DATESTAMP_RFC822:t",
            "Thu Feb 1 2024 03:04:05 GMT",
            json!({"t": "Thu Feb 1 2024 03:04:05 GMT"}),
        ),
        (
            "DATESTAMP_RFC2822:t",
            "Thu, 1 Feb 2024 03:04:05 +0900",
            json!({"t": "Thu, 1 Feb 2024 03:04:05 +0900"}),
        ),
        (
            "DATESTAMP_OTHER:t",
            "Thu Feb 1 03:04:05 GMT 2024",
            json!({"t": "Thu Feb 1 03:04:05 GMT 2024"}),
        ),
        (
            "DATESTAMP_EVENTLOG:t",
            "20240201030405",
            json!({"t": "20240201030405"}),
        ),
        ("TTY:t", "on /dev/pts/3 now", json!({"t": "/dev/pts/3"})),
    ] {
        let text = format!("@type grok\ntime_key none\ngrok_pattern %{{{name}}}");
        let mut grok = section(&text);
        let found = events(&mut *grok, line.as_bytes()).unwrap();
        assert_eq!(found[0][1], expected, "{name}");
    }
}

#[test]
fn grok_says_what_a_name_lacks() {
    let mut names = GrokNames::default();
    names.add("# own\nLOOP a%{LOOP}\n\nORDER  o-%{INT}\n");
    assert_eq!(
        names.expand("%{ORDER:o}%{2}").unwrap().source,
        "(?<o>o-(?:[+-]?[0-9]+))%{2}"
    );
    assert_eq!(
        names.expand("%{NOPE}").unwrap_err().to_string(),
        "grok pattern not found: %{NOPE}; add it to a file of custom_pattern_path"
    );
    assert_eq!(
        names.expand("%{LOOP}").unwrap_err().to_string(),
        "%{LOOP} lies more than 32 names deep; does it lead to itself?"
    );
    let blocks = section(
        "@type multiline_grok\ngrok_pattern %{WORD:w}\\n%{GREEDYDATA:rest}\nmultiline_start_regexp /^\\w/",
    );
    assert!(
        matches!(blocks.grouping(), Grouping::FirstLine(first) if first.begins(b"a") && !first.begins(b" a"))
    );
}

#[test]
fn ltsv_labels_are_unique() {
    let mut ltsv = section("@type ltsv\nestimate_current_event false");
    assert_eq!(
        events(
            &mut *ltsv,
            b"a:1\tb:2\tjunk\ta:3:4\t:e\ttime:1970-01-01 00:00:07 +0000"
        ),
        Some(json!([[{"$et": [7, 0]}, {"a": "3:4", "b": "2", "": "e"}]]))
    );
    let mut spaced =
        section("@type ltsv\ndelimiter \", \"\nlabel_delimiter =>\nestimate_current_event false");
    assert_eq!(
        events(&mut *spaced, b"a=>1, b=>x,y"),
        Some(json!([[null, {"a": "1", "b": "x,y"}]]))
    );
}

#[test]
fn a_time_is_taken_out_where_it_stands() {
    for pairs in [2, 15, 16, 17, 300] {
        let fields: Vec<String> = (2..pairs).map(|n| format!("\"k{n}\":{n}")).collect();
        let fields = [
            vec!["\"a\":[1]".to_owned(), "\"time\":5".to_owned()],
            fields,
        ]
        .concat();
        let mut json = JsonParser::new(Settings::default()).unwrap();
        let text = format!("{{{}}}", fields.join(","));
        let mut expected: Value = serde_json::from_str(&text).unwrap();
        expected.as_object_mut().unwrap().remove("time");
        assert_eq!(
            events(&mut json, text.as_bytes()),
            Some(json!([[{"$et": [5, 0]}, expected]]))
        );
    }
}

proptest! {
    #[test]
    fn without_a_backslash_apache2_says_what_the_expression_with_escapes_says(
        line in r#"[a-] [a-] [b-] \[01/Feb/2024:03:04:05 \+0900\] "(GET|\\)?( +(/p?q|"|\\"| )){0,3}( HTTP)?"? [0-9]{0,2} [0-9-]{0,2}( "[a" -]{0,3}" "([a"-]|\\"){0,3}")?[\n]{0,2}"#,
    ) {
        let mut parser = Apache2Parser::new(Settings::default()).unwrap();
        let mut slow = Apache2Parser::new(Settings::default()).unwrap();
        slow.use_escaped_only();
        prop_assert_eq!(events(&mut parser, line.as_bytes()), events(&mut slow, line.as_bytes()));
    }

    #[test]
    fn csv_engines_agree_on_sound_lines(cells in proptest::collection::vec("[ab]{0,2}|\"([ab,]|\"\"){0,3}\"", 1..6)) {
        let line = cells.join(",");
        let keys = "keys a,b,c,d,e,f\nestimate_current_event false\ntime_key none";
        let mut normal = section(&format!("@type csv\n{keys}"));
        prop_assume!(!line.is_empty());
        let expected: Map<String, Value> = "abcdef".chars().enumerate().map(|(index, key)| {
            let value = match cells.get(index).map(String::as_str) {
                None | Some("") => Value::Null,
                Some(cell) => match cell.strip_prefix('"').and_then(|cell| cell.strip_suffix('"')) {
                    Some(inside) => json!(inside.replace("\"\"", "\"")),
                    None => json!(cell),
                },
            };
            (key.to_string(), value)
        }).collect();
        prop_assert_eq!(events(&mut *normal, line.as_bytes()), Some(json!([[null, expected]])));
    }

    #[test]
    fn no_text_panics_a_parser_of_values(line in "[\"a,;:\t\r\n]{0,12}") {
        let keys = "keys a,b,c\n";
        for text in [
            format!("@type csv\n{keys}"),
            format!("@type csv\n{keys}parser_engine fast"),
            format!("@type csv\n{keys}delimiter ;a\nparser_engine fast"),
            format!("@type csv\n{keys}delimiter ;a"),
            format!("@type tsv\n{keys}"),
            "@type ltsv".to_owned(),
            "@type ltsv\ndelimiter_pattern /a*/".to_owned(),
            "@type cri".to_owned(),
            "@type msgpack".to_owned(),
        ] {
            let mut parser = section(&text);
            let mut out = Vec::new();
            match parser.parse(line.as_bytes(), NOW, &mut out) {
                Ok(Parsed::Event { .. }) => prop_assert_eq!(Cursor::new(&out).value(), Ok(&out[..])),
                _ => prop_assert!(out.is_empty()),
            }
        }
    }

    #[test]
    fn what_is_written_is_one_sound_map(line in r#"[ -~]{0,20}|\{("(a|time|b)":(1|"x"|null|\[1,2\]|\{\}),?){0,3}\}|[a-] [a-] - \[[0-9]{2}/Feb/2024:03:04:05 \+0900\] "GET( /)?" [0-9]{3} [0-9]"#) {
        let types = vec![("a".to_owned(), "array: ".to_owned()), ("b".to_owned(), "float".to_owned())];
        let settings = || Settings { types: types.clone(), null_empty_string: true, ..Settings::default() };
        let parsers: [Box<dyn LineParser>; 4] = [
            Box::new(NoneParser::new("message", &settings())),
            Box::new(JsonParser::new(settings()).unwrap()),
            Box::new(nginx_parser(settings()).unwrap()),
            Box::new(regexp("(?<a>[^x]*)x?(?<b>.)?", settings())),
        ];
        for mut parser in parsers {
            let mut out = Vec::new();
            if let Ok(Parsed::Event { .. }) = parser.parse(line.as_bytes(), NOW, &mut out) {
                prop_assert_eq!(Cursor::new(&out).value(), Ok(&out[..]));
            } else {
                prop_assert!(out.is_empty());
            }
        }
    }
}
