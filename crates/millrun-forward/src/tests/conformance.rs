//! The recorded exchanges of Fluentd's in_forward (conformance/cases/network.jsonl, kind
//! `forward`), played to a receiver.

use std::collections::BTreeSet;

use millrun_event::{Entries, EntryTime, EventTime, json};
use serde_json::Value as Json;

use crate::{Mode, Received, Receiver, ReceiverSettings};

/// Where this differs from Fluentd on purpose, and why. A case listed here must differ.
const DEVIATIONS: &[(&str, &str)] = &[(
    "29225 large with ack",
    "a message dropped by chunk_size_limit offers its acknowledgement: unanswered, the client \
     would send it again for ever",
)];

const NOW: EventTime = EventTime::new(1_800_000_000, 0);

#[test]
fn recorded_exchanges_of_in_forward() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../conformance/cases/network.jsonl"
    );
    let cases = std::fs::read_to_string(path).expect("the case file is part of the repository");
    let mut played = 0;
    let mut different = BTreeSet::new();
    for line in cases.lines() {
        let case: Json = serde_json::from_str(line).unwrap();
        if case["kind"] != "forward" {
            continue;
        }
        played += 1;
        let name = format!("{} {}", case["port"], case["note"].as_str().unwrap());
        let expected = (
            case["response_b64"].as_str().unwrap().to_owned(),
            case["events"].clone(),
            logged(&case),
        );
        let actual = play(&case);
        let is_deviation = DEVIATIONS.iter().any(|(listed, _)| *listed == name);
        if actual != expected {
            different.insert(name.clone());
        }
        assert!(
            is_deviation || actual == expected,
            "{name}\n  Fluentd: {expected:?}\n  millrun: {actual:?}"
        );
    }
    assert_eq!(played, case_count(&cases));
    let listed: BTreeSet<_> = DEVIATIONS
        .iter()
        .map(|(name, _)| (*name).to_owned())
        .collect();
    assert_eq!(different, listed, "a listed deviation agrees by now");
}

fn case_count(cases: &str) -> usize {
    let count = cases.matches(r#""kind": "forward""#).count();
    assert!(count > 20, "the case file holds {count} cases of this kind");
    count
}

/// The first words of each warning, once per kind, as the receiver does not log.
fn logged(case: &Json) -> BTreeSet<&'static str> {
    let log = case["log"].as_array().unwrap();
    log.iter()
        .map(|line| match line["message"].as_str().unwrap() {
            "skip invalid event:" => "skipped",
            "got invalid event and drop it:" => "dropped",
            "incoming chunk is broken:" => "broken",
            "Input chunk size is larger than 'chunk_size_limit', dropped:" => "oversized",
            other => panic!("unknown warning {other}"),
        })
        .collect()
}

fn play(case: &Json) -> (String, Json, BTreeSet<&'static str>) {
    let mut settings = ReceiverSettings::default();
    if case["port"] == 29225 {
        settings.add_tag_prefix = Some(b"pre".to_vec());
        settings.fields = vec![(b"addr".to_vec(), b"127.0.0.1".to_vec())];
        settings.chunk_size_limit = Some(300);
    }
    let mut receiver = Receiver::new(settings);
    let bytes = from_base64(case["send_b64"].as_str().unwrap());
    let splits = case["split"].as_array().cloned().unwrap_or_default();
    let mut cuts: Vec<usize> = splits
        .iter()
        .map(|cut| cut.as_u64().unwrap() as usize)
        .collect();
    cuts.push(bytes.len());

    let (mut response, mut events, mut warnings) = (Vec::new(), Vec::new(), BTreeSet::new());
    let mut start = 0;
    for cut in cuts {
        receiver.handle_input(&bytes[start..cut]);
        start = cut;
        while let Some(received) = receiver.poll(NOW).expect("no recorded case is fatal") {
            match received {
                Received::Message(message) => {
                    if message.invalid > 0 {
                        warnings.insert(match message.mode {
                            Mode::Message => "dropped",
                            _ => "skipped",
                        });
                    }
                    for entry in Entries::new(message.events.bytes) {
                        events.push(as_recorded(message.tag, &entry.unwrap()));
                    }
                    if let Some(ack) = message.ack {
                        ack.write(&mut response);
                    }
                }
                Received::Oversized(oversized) => {
                    warnings.insert("oversized");
                    if let Some(ack) = oversized.ack {
                        ack.write(&mut response);
                    }
                }
                Received::Broken(_) => {
                    warnings.insert("broken");
                }
            }
        }
    }
    (to_base64(&response), Json::Array(events), warnings)
}

/// An event as the recording's out_file printed it: the record, then tag and time.
fn as_recorded(tag: &[u8], entry: &millrun_event::Entry<'_>) -> Json {
    let time = match entry.time {
        EntryTime::Event(NOW) => "$now".to_owned(),
        EntryTime::Event(time) => format!("{}.{:09}", time.seconds, time.nanoseconds),
        EntryTime::Integer(seconds) => format!("{seconds}.000000000"),
        other => panic!("{other:?} in a normalised stream"),
    };
    let mut text = Vec::new();
    json::write_value(entry.record_bytes(), json::FloatText::Oj, &mut text).unwrap();
    text.pop();
    let comma: &[u8] = if text.len() > 1 { b"," } else { b"" };
    text.extend_from_slice(comma);
    text.extend_from_slice(b"\"_tag\":\"");
    text.extend_from_slice(tag);
    text.extend_from_slice(format!("\",\"_time\":\"{time}\"}}").as_bytes());
    match std::str::from_utf8(&text) {
        Ok(text) => serde_json::from_str(text).unwrap(),
        Err(_) => serde_json::json!({ "$b64": to_base64(&text) }),
    }
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn from_base64(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let (mut bits, mut len) = (0u32, 0);
    for letter in text.bytes().filter(|letter| *letter != b'=') {
        let index = ALPHABET.iter().position(|known| *known == letter).unwrap();
        bits = bits << 6 | index as u32;
        len += 6;
        if len >= 8 {
            len -= 8;
            bytes.push((bits >> len) as u8);
        }
    }
    bytes
}

fn to_base64(bytes: &[u8]) -> String {
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let bits = group
            .iter()
            .fold(0u32, |bits, byte| bits << 8 | u32::from(*byte))
            << (8 * (3 - group.len()));
        for place in 0..4 {
            text.push(match place <= group.len() {
                true => char::from(ALPHABET[(bits >> (18 - 6 * place) & 63) as usize]),
                false => '=',
            });
        }
    }
    text
}
