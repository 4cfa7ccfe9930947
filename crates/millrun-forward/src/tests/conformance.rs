//! The recorded exchanges of Fluentd's in_forward, played to a receiver: kind `forward` of
//! conformance/cases/network.jsonl, and the live ones of net_extra.jsonl. And the messages of its
//! out_forward.

use std::collections::BTreeSet;
use std::time::Instant;

use millrun_event::{Entries, EntryTime, EventTime, json};
use serde_json::Value as Json;

use crate::{
    Chunk, Compression, Mode, Received, Receiver, ReceiverSettings, Sender, SenderSettings,
};

/// Where this differs from Fluentd on purpose, and why. A case listed here must differ.
const DEVIATIONS: &[(&str, &str)] = &[(
    "29225 large with ack",
    "a message dropped by chunk_size_limit offers its acknowledgement: unanswered, the client \
     would send it again for ever",
)];

/// The same for the live exchanges.
const LIVE_DEVIATIONS: &[(&str, &str)] = &[
    (
        "in_forward split: message mode with chunk, at every byte",
        "the recording missed the first two acknowledgements, though all events were stored",
    ),
    (
        "in_forward split: gzip packed forward, at every byte",
        "the recording missed the first two acknowledgements, though all events were stored",
    ),
];

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
    assert!(
        played >= 30,
        "the case file holds {played} cases of this kind"
    );
    assert_listed(&different, DEVIATIONS);
}

#[test]
fn recorded_live_exchanges_of_in_forward() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../conformance/cases/net_extra.jsonl"
    );
    let cases = std::fs::read_to_string(path).expect("the case file is part of the repository");
    let mut played = 0;
    let mut different = BTreeSet::new();
    for line in cases.lines() {
        let case: Json = serde_json::from_str(line).unwrap();
        let name = case["name"].as_str().unwrap();
        if !name.starts_with("in_forward") {
            continue;
        }
        played += 1;
        let (expected, actual) = play_live(&case);
        let is_deviation = LIVE_DEVIATIONS.iter().any(|(listed, _)| *listed == name);
        if actual != expected {
            different.insert(name.to_owned());
        }
        assert!(
            is_deviation || actual == expected,
            "{name}\n  Fluentd: {expected:?}\n  millrun: {actual:?}"
        );
    }
    assert!(
        played >= 13,
        "the case file holds {played} cases of in_forward"
    );
    assert_listed(&different, LIVE_DEVIATIONS);
}

/// Messages that Fluentd's out_forward sent: what they hold, sent by our sender, is the same bytes.
#[test]
fn recorded_messages_of_out_forward() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../conformance/cases/out_forward.jsonl"
    );
    let cases = std::fs::read_to_string(path).expect("the case file is part of the repository");
    let mut sent = 0;
    for line in cases.lines() {
        let case: Json = serde_json::from_str(line).unwrap();
        for result in case["results"].as_array().unwrap() {
            for message in result[1]["messages"].as_array().into_iter().flatten() {
                let Some(raw) = message["raw_b64"].as_str() else {
                    continue;
                };
                sent += 1;
                let raw = from_base64(raw);
                assert_eq!(send_again(&raw), raw, "{}", case["name"]);
            }
        }
    }
    assert!(sent >= 29, "the case file holds {sent} messages");
}

fn send_again(message: &[u8]) -> Vec<u8> {
    let mut receiver = Receiver::new(ReceiverSettings::default());
    receiver.handle_input(message);
    let Ok(Some(Received::Message(message))) = receiver.poll(NOW) else {
        panic!("{message:?}");
    };
    let chunk = Chunk {
        id: [0; 16],
        tag: message.tag,
        payload: message.events.bytes,
        compression: Compression::None,
        count: message.events.count,
        number: None,
    };
    let mut sender = Sender::new(SenderSettings::default());
    let outgoing = sender.send(&chunk, Instant::now()).unwrap();
    outgoing.slices().concat()
}

fn assert_listed(different: &BTreeSet<String>, deviations: &[(&str, &str)]) {
    let listed = deviations.iter().map(|(name, _)| (*name).to_owned());
    let listed: BTreeSet<String> = listed.collect();
    assert_eq!(*different, listed, "a listed deviation agrees by now");
}

/// What a live case left behind: answers of each connection, stored events.
type Live = (Vec<Vec<u8>>, Vec<Json>);

/// What was recorded, and what the receiver makes of the same bytes.
fn play_live(case: &Json) -> (Live, Live) {
    let (mut expected, mut actual) = (Live::default(), Live::default());
    for (index, step) in case["steps"].as_array().unwrap().iter().enumerate() {
        if step[0] != "tcp" {
            continue;
        }
        let mut receiver = Receiver::new(ReceiverSettings::default());
        let (mut answers, mut warnings) = (Vec::new(), BTreeSet::new());
        for operation in step[2].as_array().unwrap() {
            let bytes = match (&operation["send"], &operation["send_b64"]) {
                (Json::String(text), _) => text.as_bytes().to_vec(),
                (_, Json::String(text)) => from_base64(text),
                _ => continue,
            };
            receiver.handle_input(&bytes);
            drain(&mut receiver, &mut answers, &mut actual.1, &mut warnings);
        }
        actual.0.push(answers);

        let results = case["results"].as_array().unwrap();
        let result = results.iter().find(|result| result[0] == index).unwrap();
        expected.0.push(match &result[1][0]["recv"] {
            Json::String(text) => text.as_bytes().to_vec(),
            other => from_base64(other["$b64"].as_str().unwrap()),
        });
    }
    for file in case["files"].as_array().unwrap() {
        let text = file["text"].as_str().unwrap();
        let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
        expected.1.extend(lines);
    }
    (expected, actual)
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
        drain(&mut receiver, &mut response, &mut events, &mut warnings);
    }
    (to_base64(&response), Json::Array(events), warnings)
}

/// Takes every message; collects what it answers, holds and makes the receiver complain of.
fn drain(
    receiver: &mut Receiver,
    response: &mut Vec<u8>,
    events: &mut Vec<Json>,
    warnings: &mut BTreeSet<&'static str>,
) {
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
                    ack.write(response);
                }
            }
            Received::Oversized(oversized) => {
                warnings.insert("oversized");
                if let Some(ack) = oversized.ack {
                    ack.write(response);
                }
            }
            Received::Broken(_) => {
                warnings.insert("broken");
            }
        }
    }
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
