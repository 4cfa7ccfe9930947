//! What the recorded cases of kind `formatter` leave open.

use millrun_event::json::transcode;
use millrun_event::{EventBuffer, EventTime, Events, write};
use millrun_pattern::{Accessor, Zone};

use super::*;

/// Local time, which shows an offset and no `Z`.
fn local() -> Zone {
    Zone::parse("+00:00").unwrap()
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
            r##"{"a"=>"\u00E9\u{1F600}\u0001\e\u007F\#{x} #", "##,
            r#""b"=>[true, nil, -1.5e-07], "c"=>{}}"#,
            "\n"
        )
    );
}

#[test]
fn ruby_shows_byte_strings_byte_by_byte() {
    let mut events = EventBuffer::default();
    events.push(EventTime::default(), |out| {
        write::map(out, 3);
        write::str(out, b"a");
        write::bin(out, "é\u{7f}\n\"#{x".as_bytes());
        write::str(out, b"b");
        write::str(out, b"\x7f\xff");
        // Floats as `to_s` has them: without an exponent up to fifteen digits.
        write::str(out, b"c");
        write::float(out, 1e15);
    });
    assert_eq!(
        format(&Hash::default(), events.as_events()),
        concat!(
            r##"{"a"=>"\xC3\xA9\x7F\n\"\#{x", "b"=>"\u007F\xFF", "c"=>1.0e+15}"##,
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
