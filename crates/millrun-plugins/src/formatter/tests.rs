//! Recorded cases of kind `formatter` (`conformance/cases/formatter.jsonl`), and what they leave
//! open.

use millrun_event::json::{FloatText, transcode, write_value};
use millrun_event::{Cursor, Entry, EventBuffer, EventTime, Events, Record, Token, Value, write};
use millrun_pattern::{Accessor, Zone};

use super::*;

const CASES: &str = include_str!("../../../../conformance/cases/formatter.jsonl");

/// Where we differ on purpose: type, `json_parser`, record as JSON, and why. A line that starts to
/// agree fails the test.
const DEVIATIONS: [(&str, &str, &str, &str); 2] = [
    (
        "json",
        "yajl",
        r#"{"bin":{"$b64":"//4="}}"#,
        "a byte that is not UTF-8 is printed as it is, as with oj: no reason to refuse a chunk",
    ),
    (
        "json",
        "json",
        r#"{"bin":{"$b64":"//4="}}"#,
        "a byte that is not UTF-8 is printed as it is, as with oj: no reason to refuse a chunk",
    ),
];

/// The cases were recorded with `TZ=UTC`, where local times show an offset and no `Z`.
fn local() -> Zone {
    Zone::parse("+00:00").unwrap()
}

#[test]
fn agrees_with_the_recorded_cases() {
    let mut disagreements = Vec::new();
    let mut agreements_unexpected = Vec::new();
    let mut compared = 0;
    for line in CASES.lines() {
        let case = Case::read(line);
        let expected = case.expected();
        let actual = case.actual();
        compared += 1;
        let agrees = actual == expected;
        let deviation = DEVIATIONS.iter().any(|(kind, parser, record, _)| {
            case.text("type") == *kind
                && case.parameter("json_parser").as_deref() == Some(parser)
                && case.json("record") == *record
        });
        if agrees && deviation {
            agreements_unexpected.push(line);
        } else if !agrees && !deviation {
            let shown = |out: &Option<Vec<u8>>| {
                out.as_ref()
                    .map(|out| String::from_utf8_lossy(out).into_owned())
            };
            disagreements.push(format!(
                "{line}\n  expected {:?}\n  got      {:?}",
                shown(&expected),
                shown(&actual)
            ));
        }
    }
    assert!(disagreements.is_empty(), "{}", disagreements.join("\n"));
    assert_eq!(agreements_unexpected, [""; 0], "no deviation any more");
    assert!(compared >= 60, "only {compared} cases");
}

/// A case, transcoded: our own reader keeps the order of keys, which is part of what is compared.
struct Case {
    bytes: Vec<u8>,
}

impl Case {
    fn read(line: &str) -> Self {
        let mut bytes = Vec::new();
        transcode(line.as_bytes(), &mut bytes).unwrap();
        Self { bytes }
    }

    fn field(&self, key: &str) -> Option<Value<'_>> {
        Record::new(&self.bytes).field(key.as_bytes())
    }

    fn text(&self, key: &str) -> String {
        String::from_utf8(self.field(key).unwrap().text().unwrap().to_vec()).unwrap()
    }

    fn json(&self, key: &str) -> String {
        let mut out = Vec::new();
        let value = self.field(key).unwrap();
        write_value(value.bytes(), FloatText::Oj, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn parameter(&self, key: &str) -> Option<String> {
        let value = self.field("conf")?.record().field(key.as_bytes())?;
        Some(String::from_utf8(value.text()?.to_vec()).unwrap())
    }

    /// What Fluentd printed; `None` where it raised an error.
    fn expected(&self) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        neutral(self.field("out")?.bytes(), &mut out);
        Some(Value::new(&out).text().unwrap().to_vec())
    }

    fn actual(&self) -> Option<Vec<u8>> {
        let formatter = self.formatter(&self.text("type"))?;
        let mut time = Vec::new();
        neutral(self.field("time").unwrap().bytes(), &mut time);
        let time = Value::new(&time).token().unwrap().event_time().unwrap();
        let mut events = EventBuffer::default();
        events.push(time, |out| {
            neutral(self.field("record").unwrap().bytes(), out);
        });
        let mut out = Vec::new();
        let events = events.as_events();
        let entry = Entry::read(&mut Cursor::new(events.bytes)).unwrap();
        let tag = self.text("tag");
        formatter
            .format(&tag, &entry, &mut Scratch::default(), &mut out)
            .ok()?;
        Some(out)
    }

    /// The formatter the case configures; `None` where its configuration is an error.
    fn formatter(&self, kind: &str) -> Option<Box<dyn EventFormatter>> {
        let list = |key| -> Option<Vec<String>> {
            Some(self.parameter(key)?.split(',').map(str::to_owned).collect())
        };
        let floats = match self.parameter("json_parser").as_deref() {
            Some("json" | "yajl") => FloatText::Json,
            _ => FloatText::Oj,
        };
        let line_end = match self.parameter("add_newline").as_deref() {
            Some("false") => LineEnd::Nothing,
            _ => LineEnd::Lf,
        };
        let is_false = |key| self.parameter(key).as_deref() == Some("false");
        Some(match kind {
            "json" => Box::new(Json { floats, line_end }),
            "msgpack" => Box::new(Msgpack),
            "hash" => Box::new(Hash { line_end }),
            "single_value" => Box::new(SingleValue {
                line_end,
                ..SingleValue::default()
            }),
            "out_file" => {
                let zone = match self.parameter("timezone") {
                    Some(zone) => Zone::parse(&zone).unwrap(),
                    None if self.parameter("utc").is_some() => Zone::UTC,
                    None => local(),
                };
                let time = match self.parameter("time_type").as_deref() {
                    Some("unixtime") => TimeText::unixtime(),
                    _ => TimeText::iso8601(zone),
                };
                Box::new(OutFile {
                    time: Some(time),
                    writes_tag: !is_false("output_tag"),
                    delimiter: OutFile::delimiter_named(
                        &self.parameter("delimiter").unwrap_or_default(),
                    ),
                    floats,
                    line_end,
                })
            }
            "stdout" => {
                let inner = self.parameter("output_type");
                let inner = self.formatter(inner.as_deref().unwrap_or("json"))?;
                Box::new(Stdout::new(local(), inner).unwrap())
            }
            "csv" => {
                let fields = list("fields")?
                    .iter()
                    .map(|field| Accessor::parse(field).unwrap())
                    .collect();
                let delimiter = self.parameter("delimiter");
                Box::new(Csv {
                    delimiter: delimiter
                        .map_or(",", |name| Csv::delimiter_named(name.leak()))
                        .to_owned(),
                    line_end,
                    ..Csv::new(fields)
                })
            }
            "tsv" => Box::new(Tsv {
                delimiter: self.parameter("delimiter").unwrap_or("\t".to_owned()),
                line_end,
                ..Tsv::new(list("keys")?)
            }),
            "ltsv" => {
                let usual = Ltsv::default();
                Box::new(Ltsv {
                    delimiter: self.parameter("delimiter").unwrap_or(usual.delimiter),
                    label_delimiter: self
                        .parameter("label_delimiter")
                        .unwrap_or(usual.label_delimiter),
                    replacement: self.parameter("replacement").unwrap_or(usual.replacement),
                    line_end,
                })
            }
            other => panic!("a formatter we do not know: {other}"),
        })
    }
}

/// Copies a value with the neutral forms of the cases (`$et`, `$b64`) made real.
fn neutral(bytes: &[u8], out: &mut Vec<u8>) {
    let value = Value::new(bytes);
    match value.token().unwrap() {
        Token::Map(1) if value.record().field(b"$et").is_some() => {
            let parts = value.record().field(b"$et").unwrap();
            let part = |index| match parts.element(index).and_then(|part| part.token()) {
                Some(Token::Uint(number)) => u32::try_from(number).unwrap(),
                other => panic!("no part of a time: {other:?}"),
            };
            write::time(out, EventTime::new(part(0), part(1)));
        }
        Token::Map(1) if value.record().field(b"$b64").is_some() => {
            let text = value.record().field(b"$b64").unwrap().text().unwrap();
            write::bin(out, &base64(text));
        }
        Token::Map(len) => {
            write::map(out, len);
            for (key, value) in value.record().fields().unwrap().map(Result::unwrap) {
                out.extend_from_slice(key.bytes());
                neutral(value.bytes(), out);
            }
        }
        _ => out.extend_from_slice(bytes),
    }
}

fn base64(text: &[u8]) -> Vec<u8> {
    let digit = |byte: &u8| match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let mut out = Vec::new();
    for group in text.chunks(4) {
        let digits: Vec<u8> = group.iter().filter(|b| **b != b'=').map(digit).collect();
        let bits = digits
            .iter()
            .fold(0u32, |bits, digit| bits << 6 | u32::from(*digit))
            << (6 * (4 - digits.len()));
        out.extend_from_slice(&bits.to_be_bytes()[1..digits.len()]);
    }
    out
}

fn entry_bytes(time: EventTime, json: &str) -> EventBuffer {
    let mut events = EventBuffer::default();
    events.push(time, |out| transcode(json.as_bytes(), out).unwrap());
    events
}

fn format(formatter: &dyn EventFormatter, events: Events<'_>) -> String {
    let (mut out, mut ends) = (Vec::new(), Vec::new());
    let failed = format_events(
        formatter,
        "t.a",
        events,
        &mut Scratch::default(),
        &mut out,
        &mut ends,
    );
    assert_eq!(failed, 0);
    assert_eq!(ends.last().copied().unwrap_or(0), out.len());
    String::from_utf8(out).unwrap()
}

#[test]
fn one_text_serves_a_second_and_fractions_stay_apart() {
    let mut events = EventBuffer::default();
    for (second, fraction) in [(0, 1), (0, 999_999_999), (1, 0), (0, 5), (1, u32::MAX)] {
        events.push(EventTime::new(second, fraction), |out| write::map(out, 0));
    }
    let stdout = Stdout::new(local(), Box::new(Json::default())).unwrap();
    assert_eq!(
        format(&stdout, events.as_events()),
        "1970-01-01 00:00:00.000000001 +0000 t.a: {}\n\
         1970-01-01 00:00:00.999999999 +0000 t.a: {}\n\
         1970-01-01 00:00:01.000000000 +0000 t.a: {}\n\
         1970-01-01 00:00:00.000000005 +0000 t.a: {}\n\
         1970-01-01 00:00:01.999999999 +0000 t.a: {}\n"
    );
    let with_time = |time| OutFile {
        time: Some(time),
        writes_tag: false,
        ..OutFile::default()
    };
    let millis = TimeText::strftime("%S.%L", local()).unwrap();
    assert_eq!(
        format(&with_time(millis), events.as_events()),
        "00.000\t{}\n00.999\t{}\n01.000\t{}\n00.000\t{}\n01.999\t{}\n"
    );
    assert_eq!(
        format(&with_time(TimeText::float()), events.as_events()),
        "0.000000001\t{}\n0.999999999\t{}\n1.000000000\t{}\n0.000000005\t{}\n1.999999999\t{}\n"
    );
}

#[test]
fn line_ends_are_as_configured() {
    let events = entry_bytes(EventTime::default(), r#"{"message":"m"}"#);
    for (line_end, text) in [
        (LineEnd::Lf, "m\n"),
        (LineEnd::CrLf, "m\r\n"),
        (LineEnd::Nothing, "m"),
    ] {
        let formatter = SingleValue {
            line_end,
            ..SingleValue::default()
        };
        assert_eq!(format(&formatter, events.as_events()), text);
    }
}

#[test]
fn csv_quotes_where_needed_when_not_forced() {
    let json = r#"{"a":"x","b":"","c":null,"d":"q\"q","e":"x|y","f":" x","g":{"h":["i","j"]}}"#;
    let events = entry_bytes(EventTime::default(), json);
    let fields = ["a", "b", "c", "d", "e", "f", "$.g.h[-1]", "none"];
    let formatter = Csv {
        delimiter: "|".to_owned(),
        force_quotes: false,
        ..Csv::new(fields.map(|field| Accessor::parse(field).unwrap()).into())
    };
    assert_eq!(
        format(&formatter, events.as_events()),
        "x|\"\"||\"q\"\"q\"|\"x|y\"|\" x\"|j|\n"
    );
}

#[test]
fn ruby_shows_text_in_ascii() {
    let json = r##"{"a":"é😀\u0001\u001b\u007f#{x} #","b":[true,null,-1.5e-7],"c":{}}"##;
    let events = entry_bytes(EventTime::default(), json);
    assert_eq!(
        format(&Hash::default(), events.as_events()),
        concat!(
            r##"{"a"=>"\u00E9\u{1F600}\u0001\e\x7F\#{x} #", "##,
            r#""b"=>[true, nil, -1.5e-07], "c"=>{}}"#,
            "\n"
        )
    );
}

#[test]
fn what_cannot_be_formatted_is_counted_and_leaves_nothing() {
    let mut bytes = b"\x92\xa3now\x80".to_vec();
    bytes.extend_from_slice(entry_bytes(EventTime::default(), "{}").as_events().bytes);
    bytes.extend_from_slice(b"\x92\x01\xc1");
    let (mut out, mut ends) = (b"kept".to_vec(), Vec::new());
    let events = Events {
        bytes: &bytes,
        count: 4,
    };
    let stdout = Stdout::new(local(), Box::new(Json::default())).unwrap();
    let mut scratch = Scratch::default();
    let failed = format_events(&stdout, "t", events, &mut scratch, &mut out, &mut ends);
    assert_eq!(failed, 3, "no time, no sound record, and the missing one");
    assert_eq!(ends, [out.len()]);
    assert_eq!(out, b"kept1970-01-01 00:00:00.000000000 +0000 t: {}\n");
    assert_eq!(
        FormatError::Time.to_string(),
        "the event has no time: expected an event time or a number of seconds"
    );
    let unsound = FormatError::from(millrun_event::Malformed::Reserved { at: 0 });
    assert_eq!(
        unsound.to_string(),
        "the record is unsound: byte 0 is 0xc1, which msgpack never uses"
    );
}
