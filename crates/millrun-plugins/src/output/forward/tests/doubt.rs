//! Numbers of chunks, and chunks of which nobody knows where they are.

use std::time::{Duration, Instant};

use millrun_core::{DeliveryError, Progress, Sender as _};
use millrun_forward::Delivery;

use super::{Behave, EVENTS, Server, begin, chunks, deliverer, message, settle};

#[test]
fn a_chunk_has_a_number_where_it_is_acknowledged_and_keeps_it() {
    let server = Server::new(Behave::CloseTwice);
    for compress in ["text", "gzip"] {
        let lines = format!("require_ack_response true\ncompress {compress}");
        let mut deliverer = deliverer(&[(server.address, "")], &lines);
        let chunk = &chunks(&["a"])[0];
        let mut outcomes = Vec::new();
        while outcomes.last() != Some(&true) {
            begin(&mut deliverer, chunk).unwrap();
            outcomes.push(settle(&mut deliverer, 1)[0].outcome.is_ok());
        }
        let seen = server.seen.lock().unwrap().clone();
        let sent = seen.deliveries.len() - outcomes.len()..;
        let dispatch = chunk.dispatch().unwrap();
        for delivery in &seen.deliveries[sent] {
            let Delivery { number, hash } = delivery.unwrap();
            assert_eq!(number.sender, dispatch.sender);
            assert_eq!((number.sequence, number.lowest), (dispatch.sequence, 0));
            assert_eq!(hash, crc32fast::hash(EVENTS));
        }
    }
    let server = Server::new(Behave::Acknowledge);
    let mut deliverer = deliverer(&[(server.address, "")], "");
    begin(&mut deliverer, &chunks(&["a"])[0]).unwrap();
    server.wait_for(1);
    assert_eq!(server.seen.lock().unwrap().deliveries, [None]);
}

#[test]
fn a_chunk_in_doubt_is_held_for_its_server_and_the_others_go_on() {
    let (silent, other) = (
        Server::new(Behave::StaySilent),
        Server::new(Behave::Acknowledge),
    );
    let lines = "require_ack_response true\nack_response_timeout 1\nin_doubt_timeout 60";
    let servers = [(silent.address, ""), (other.address, "standby true")];
    let mut deliverer = deliverer(&servers, lines);
    let chunks = chunks(&["a", "b"]);
    begin(&mut deliverer, &chunks[0]).unwrap();
    assert!(settle(&mut deliverer, 1)[0].outcome.is_err());

    let now = Instant::now();
    let held = deliverer.begin(&chunks[0], now).unwrap_err();
    let DeliveryError::Held { reason, until } = held else {
        panic!("{held:?}");
    };
    let address = silent.address;
    assert_eq!(
        reason,
        format!("{address}, where the chunk may be: the server does not answer")
    );
    // When the server is tried again (recover_wait), not when the doubt ends.
    assert!(until > now && until <= now + Duration::from_secs(10));
    begin(&mut deliverer, &chunks[1]).unwrap();
    assert!(settle(&mut deliverer, 1)[0].outcome.is_ok());
    assert_eq!(other.wait_for(1).messages, [message("b")]);
    // Back from its pause, the server has it again.
    let later = now + Duration::from_secs(11);
    assert_eq!(
        deliverer.begin(&chunks[0], later).unwrap(),
        Progress::UnderWay
    );
    silent.wait_for(2);
}

#[test]
fn a_chunk_whose_doubt_is_over_goes_elsewhere_and_is_counted() {
    let (silent, other) = (
        Server::new(Behave::StaySilent),
        Server::new(Behave::Acknowledge),
    );
    let lines = "require_ack_response true\nack_response_timeout 1\nin_doubt_timeout 0";
    let servers = [(silent.address, ""), (other.address, "standby true")];
    let mut deliverer = deliverer(&servers, lines);
    let chunk = &chunks(&["a"])[0];
    begin(&mut deliverer, chunk).unwrap();
    assert!(settle(&mut deliverer, 1)[0].outcome.is_err());
    let before = chunk.dispatch().unwrap();
    begin(&mut deliverer, chunk).unwrap();
    assert!(settle(&mut deliverer, 1)[0].outcome.is_ok());
    assert_ne!(chunk.dispatch().unwrap().sender, before.sender);
    let losses = chunk.ledger().losses();
    let counted: Vec<_> = losses
        .iter()
        .map(|(key, count)| (&*key.reason, *count))
        .collect();
    assert_eq!(counted, [("possible_double", 2)]);
}

#[test]
fn a_chunk_whose_server_is_not_configured_any_more_waits_too() {
    let (silent, other) = (
        Server::new(Behave::StaySilent),
        Server::new(Behave::Acknowledge),
    );
    let lines = "require_ack_response true\nack_response_timeout 1";
    let chunk = &chunks(&["a"])[0];
    let mut before = deliverer(&[(silent.address, "")], lines);
    begin(&mut before, chunk).unwrap();
    assert!(settle(&mut before, 1)[0].outcome.is_err());
    let mut after = deliverer(&[(other.address, "")], lines);
    let error = begin(&mut after, chunk).unwrap_err();
    assert!(matches!(error, DeliveryError::Held { .. }));
    let expected = format!(
        "the chunk was sent to {}, which did not answer and is not configured any more; it goes \
         elsewhere in",
        silent.address
    );
    assert!(error.to_string().starts_with(&expected), "{error}");
}
