//! HELO, PING and PONG at both ends: foreign bytes let nobody in, and two ends of one key agree whatever their names are.
#![no_main]

use std::net::{IpAddr, Ipv4Addr};

use libfuzzer_sys::fuzz_target;
use millrun_event::Cursor;
use millrun_forward::{
    CHALLENGE_BYTES, ClientHandshake, ClientSecurity, HandshakeError, Receiver, ReceiverSettings,
    ServerHandshake, ServerSecurity, User,
};

const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fuzz_target!(|bytes: &[u8]| {
    foreign(bytes);
    if let Ok(text) = std::str::from_utf8(bytes) {
        friends(text);
    }
});

/// Nobody guesses a digest: what comes from outside is refused, with an answer that can be read.
fn foreign(bytes: &[u8]) {
    let security = server("server", "key", None);
    let handshake = ServerHandshake::new([1; CHALLENGE_BYTES], [2; CHALLENGE_BYTES]);
    let verdict = handshake.answer(bytes, ADDRESS, &security);
    assert!(verdict.refusal.is_some(), "no key, no entry");
    one_value(&verdict.pong);

    let security = client("client", "key");
    let mut handshake = ClientHandshake::new(&security, b"salt");
    if let Ok(ping) = handshake.ping(bytes) {
        one_value(&ping);
    }
    assert!(handshake.check(bytes).is_err(), "no key, no chunk");

    let mut receiver = Receiver::new(ReceiverSettings::default());
    receiver.handle_input(bytes);
    if let Ok(Some(value)) = receiver.poll_greeting() {
        one_value(value);
    }
}

/// Names, a user and a password out of the text.
fn friends(text: &str) {
    let mut parts = text.splitn(4, '\n');
    let mut part = || parts.next().unwrap_or_default();
    let (own, other, name, password) = (part(), part(), part(), part());
    let user = User {
        name: name.to_owned(),
        password: password.to_owned(),
    };
    for (key, is_friend) in [("key", true), ("other", false)] {
        let server = server(own, "key", Some(vec![user.clone()]));
        let mut client = client(other, key);
        client.username = name.to_owned();
        client.password = password.to_owned();
        let theirs = ServerHandshake::new([3; CHALLENGE_BYTES], [4; CHALLENGE_BYTES]);
        let mut ours = ClientHandshake::new(&client, b"salt");
        let ping = ours.ping(&theirs.hello(true)).expect("a HELO is answered");
        let verdict = theirs.answer(&ping, ADDRESS, &server);
        let checked = ours.check(&verdict.pong);
        match (is_friend, own == other) {
            (true, false) => {
                assert_eq!(verdict.refusal, None);
                assert_eq!(checked, Ok(()));
            }
            // A server may tell a client of its own name before the client does.
            (true, true) => assert!(
                verdict.refusal.is_some() || checked == Err(HandshakeError::SameHostname)
            ),
            (false, _) => {
                assert!(verdict.refusal.is_some());
                assert!(checked.is_err());
            }
        }
    }
}

fn server(hostname: &str, key: &str, users: Option<Vec<User>>) -> ServerSecurity {
    ServerSecurity {
        self_hostname: hostname.to_owned(),
        shared_key: key.to_owned(),
        users,
        clients: Vec::new(),
        allows_anonymous: true,
    }
}

fn client(hostname: &str, key: &str) -> ClientSecurity {
    ClientSecurity {
        self_hostname: hostname.to_owned(),
        shared_key: key.to_owned(),
        ..ClientSecurity::default()
    }
}

fn one_value(bytes: &[u8]) {
    let mut cursor = Cursor::new(bytes);
    cursor.skip().expect("what is written can be read");
    assert!(cursor.is_at_end(), "and is one value");
}
