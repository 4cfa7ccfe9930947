use std::net::IpAddr;

use proptest::prelude::*;

use super::*;

const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

fn server() -> ServerSecurity {
    ServerSecurity {
        self_hostname: "srv.host".to_owned(),
        shared_key: "sk".to_owned(),
        allows_anonymous: true,
        ..ServerSecurity::default()
    }
}

fn client() -> ClientSecurity {
    ClientSecurity {
        self_hostname: "cl.host".to_owned(),
        shared_key: "sk".to_owned(),
        ..ClientSecurity::default()
    }
}

/// Both ends against each other: what the server says, and what the client makes of it.
fn shake(
    server: &ServerSecurity,
    client: &ClientSecurity,
) -> (Option<Refusal>, Result<(), HandshakeError>) {
    let handshake = ServerHandshake::new([1; CHALLENGE_BYTES], [2; CHALLENGE_BYTES]);
    let mut other = ClientHandshake::new(client, b"0123456789abcdef");
    let ping = other.ping(&handshake.hello(true)).unwrap();
    let verdict = handshake.answer(&ping, HERE, server);
    (verdict.refusal, other.check(&verdict.pong))
}

#[test]
fn both_ends_agree_where_both_know_the_key() {
    assert_eq!(shake(&server(), &client()), (None, Ok(())));
}

#[test]
fn another_key_is_refused() {
    let client = ClientSecurity {
        shared_key: "no".to_owned(),
        ..client()
    };
    let (refusal, error) = shake(&server(), &client);
    let hostname = "cl.host".to_owned();
    assert_eq!(refusal, Some(Refusal::Key { hostname }));
    let reason = "authentication failed: shared_key mismatch";
    assert_eq!(error.unwrap_err().to_string(), reason);
}

#[test]
fn a_client_of_the_servers_name_sends_nothing() {
    let client = ClientSecurity {
        self_hostname: "srv.host".to_owned(),
        ..client()
    };
    let (refusal, error) = shake(&server(), &client);
    assert_eq!((refusal, error), (None, Err(HandshakeError::SameHostname)));
}

#[test]
fn users_are_asked_for_after_the_key() {
    let user = |name: &str| User {
        name: name.to_owned(),
        password: format!("p-{name}"),
    };
    let mut server = ServerSecurity {
        users: Some(vec![user("u1"), user("u2")]),
        ..server()
    };
    let as_user = |name: &str, password: &str| ClientSecurity {
        username: name.to_owned(),
        password: password.to_owned(),
        ..client()
    };
    assert_eq!(shake(&server, &as_user("u1", "p-u1")), (None, Ok(())));
    let (refusal, _) = shake(&server, &as_user("u1", "p-u2"));
    let told = refusal.map(|refusal| refusal.to_string());
    assert_eq!(told.as_deref(), Some("username/password mismatch"));
    server.clients = vec![AllowedClient {
        network: Network::of(HERE),
        shared_key: None,
        users: Some(vec!["u2".to_owned()]),
    }];
    assert!(shake(&server, &as_user("u1", "p-u1")).0.is_some());
    assert_eq!(shake(&server, &as_user("u2", "p-u2")), (None, Ok(())));
}

#[test]
fn the_address_is_asked_for_before_the_key() {
    let mut server = ServerSecurity {
        allows_anonymous: false,
        shared_key: "other".to_owned(),
        ..server()
    };
    let (refusal, _) = shake(&server, &client());
    let told = refusal.map(|refusal| refusal.to_string());
    assert_eq!(
        told.as_deref(),
        Some("anonymous source host '127.0.0.1' denied")
    );
    server.clients = vec![AllowedClient {
        network: Network::parse("127.0.0.0/8").unwrap(),
        shared_key: Some("sk".to_owned()),
        users: None,
    }];
    assert_eq!(shake(&server, &client()), (None, Ok(())));
}

#[test]
fn networks_hold_what_begins_alike() {
    let holds = |network: &str, address: &str| {
        let network = Network::parse(network).unwrap();
        network.contains(address.parse().unwrap())
    };
    assert!(holds("10.0.0.0/8", "10.255.0.1") && !holds("10.0.0.0/8", "11.0.0.1"));
    assert!(holds("0.0.0.0/0", "1.2.3.4") && !holds("0.0.0.0/0", "::1"));
    assert!(holds("2001:db8::/32", "2001:db8:1::") && !holds("2001:db8::/32", "2001:db9::"));
    assert!(holds("::/0", "::1") && holds("127.0.0.1", "127.0.0.1"));
    assert_eq!(Network::parse("10.0.0.0/33"), None);
    assert_eq!(Network::parse("x/8"), None);
}

#[test]
fn the_digest_has_the_published_value() {
    let digest = digest(&[b"a", b"bc"]);
    assert!(
        digest.starts_with("ddaf35a193617abacc417349ae204131"),
        "{digest}"
    );
    assert_eq!(digest.len(), 128);
}

proptest! {
    #[test]
    fn any_bytes_are_answered_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        let handshake = ServerHandshake::new([1; CHALLENGE_BYTES], [2; CHALLENGE_BYTES]);
        prop_assert!(handshake.answer(&bytes, HERE, &server()).refusal.is_some());
        let security = client();
        let mut other = ClientHandshake::new(&security, b"s");
        let _ = other.ping(&bytes);
        prop_assert!(other.check(&bytes).is_err());
    }
}
