//! Both ends against each other, without a wire.

use std::io::IoSlice;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

use crate::{
    Acceptor, Certificate, CipherList, ClientSettings, Connector, Identity, KeyPair, Plain,
    ServerSettings, Session, Trust, Version, Versions,
};

const PASSPHRASE: &str = "open";

fn testdata(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("testdata")
        .join(name)
}

/// The certificate that names its host in the subject only, and its encrypted key.
fn subject_only() -> KeyPair {
    KeyPair {
        certificate: testdata("subject_only.pem"),
        key: testdata("key.pkcs8.pem"),
        passphrase: Some(PASSPHRASE.to_owned()),
        passphrase_parameter: "private_key_passphrase",
    }
}

/// An authority in files of `directory`.
fn authority(directory: &TempDir, name: &str) -> KeyPair {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut parameters = rcgen::CertificateParams::new(Vec::new()).unwrap();
    parameters
        .distinguished_name
        .push(rcgen::DnType::CommonName, name);
    parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let certificate = parameters.self_signed(&key).unwrap();
    let pair = KeyPair {
        certificate: directory.path().join(format!("{name}.pem")),
        key: directory.path().join(format!("{name}.key.pem")),
        passphrase: None,
        passphrase_parameter: "ca_private_key_passphrase",
    };
    std::fs::write(&pair.certificate, certificate.pem()).unwrap();
    std::fs::write(&pair.key, key.serialize_pem()).unwrap();
    pair
}

fn trusting(files: &[&Path]) -> ClientSettings {
    ClientSettings::new(Trust::Authorities {
        files: files.iter().map(|file| file.to_path_buf()).collect(),
        system: false,
        checks_name: true,
    })
}

/// Carries bytes between both in pieces of `piece` until nothing moves; the texts of what failed.
fn carry(client: &mut Session, server: &mut Session, piece: usize) -> Vec<String> {
    let mut faults = Vec::new();
    loop {
        let mut moved = false;
        let (mut up, mut down) = (Vec::new(), Vec::new());
        client.write_wire(&mut up).unwrap();
        server.write_wire(&mut down).unwrap();
        for (bytes, end) in [(up, &mut *server), (down, &mut *client)] {
            for part in bytes.chunks(piece) {
                moved = true;
                if let Err(error) = end.take(part) {
                    faults.push(error.to_string());
                    break;
                }
            }
        }
        if !moved || faults.len() > 4 {
            faults.dedup();
            return faults;
        }
    }
}

/// Shakes hands; what failed at either end.
fn meet(client: &ClientSettings, server: &ServerSettings, name: &str) -> Vec<String> {
    let connector = Connector::new(client).unwrap();
    let acceptor = Acceptor::new(server).unwrap();
    let (mut here, mut there) = (connector.connect(name).unwrap(), acceptor.accept().unwrap());
    carry(&mut here, &mut there, usize::MAX)
}

#[test]
fn bytes_come_through_in_any_pieces() {
    for version in [Version::Tls12, Version::Tls13] {
        let mut server = ServerSettings::new(Identity::Files(subject_only()));
        server.versions = Versions::only(version);
        let mut client = trusting(&[&testdata("subject_only.pem")]);
        client.versions = server.versions;
        let acceptor = Acceptor::new(&server).unwrap();
        let connector = Connector::new(&client).unwrap();
        for piece in [1, 7, 4096] {
            let mut here = connector.connect("srv.test").unwrap();
            let mut there = acceptor.accept().unwrap();
            assert!(carry(&mut here, &mut there, piece).is_empty());
            assert!(!here.is_shaking_hands() && !there.is_shaking_hands());

            let text = vec![b'x'; 5_000];
            let halves = [IoSlice::new(&text), IoSlice::new(b"end")];
            assert_eq!(here.write(&halves).unwrap(), 5_003);
            here.close();
            assert!(carry(&mut here, &mut there, piece).is_empty());
            let (mut got, mut room) = (0, [0; 512]);
            let end = loop {
                match there.read(&mut room).unwrap() {
                    Plain::Bytes(len) => got += len,
                    end => break end,
                }
            };
            assert_eq!((got, end), (5_003, Plain::Closed));
        }
    }
}

#[test]
fn versions_must_meet() {
    let mut server = ServerSettings::new(Identity::Files(subject_only()));
    server.versions = Versions::only(Version::Tls13);
    let client = ClientSettings::new(Trust::Anyone);
    let faults = meet(&client, &server, "srv.test");
    assert_eq!(
        faults[0],
        "nothing in common with the other end: no version of TLS is allowed at both ends"
    );
    assert_eq!(
        faults[1],
        "the other end refuses: it speaks another version of TLS (alert ProtocolVersion)"
    );
    server.versions = Versions {
        oldest: Version::Tls12,
        newest: Version::Tls13,
    };
    assert!(meet(&client, &server, "srv.test").is_empty());
}

#[test]
fn a_server_is_believed_for_its_authority_or_itself_and_for_its_name() {
    let directory = TempDir::new().unwrap();
    let (ours, theirs) = (
        authority(&directory, "ours"),
        authority(&directory, "theirs"),
    );
    let issued = Identity::Issued(ours.clone(), Certificate::of("srv.test"));
    let server = ServerSettings::new(issued);
    assert!(meet(&trusting(&[&ours.certificate]), &server, "srv.test").is_empty());
    assert!(
        meet(
            &trusting(&[&theirs.certificate, &ours.certificate]),
            &server,
            "srv.test"
        )
        .is_empty()
    );

    let unknown = meet(&trusting(&[&theirs.certificate]), &server, "srv.test");
    assert_eq!(
        unknown,
        [
            "the certificate of the other end is not accepted: nobody trusted here has signed it; name its \
             authority's certificate, or its own where it is self-signed, among the trusted ones",
            "the other end refuses: it does not trust who signed our certificate (alert UnknownCA)"
        ]
    );
    let other = meet(&trusting(&[&ours.certificate]), &server, "other.test");
    assert!(other[0].contains("it is for another host"), "{other:?}");
    let mut nameless = trusting(&[&ours.certificate]);
    nameless.trust = Trust::Authorities {
        files: vec![ours.certificate],
        system: false,
        checks_name: false,
    };
    assert!(meet(&nameless, &server, "other.test").is_empty());

    // By the subject only.
    let server = ServerSettings::new(Identity::Files(subject_only()));
    let client = trusting(&[&testdata("subject_only.pem")]);
    assert!(meet(&client, &server, "srv.test").is_empty());
    let other = meet(&client, &server, "other.test");
    assert!(other[0].contains("it is for another host"), "{other:?}");
    let address = meet(&client, &server, "127.0.0.1");
    assert!(address[0].contains("it is for another host"), "{address:?}");
}

#[test]
fn what_has_expired_is_not_believed_though_it_is_named() {
    let directory = TempDir::new().unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let mut parameters = rcgen::CertificateParams::new(vec!["srv.test".to_owned()]).unwrap();
    parameters.not_before = rcgen::date_time_ymd(2001, 1, 1);
    parameters.not_after = rcgen::date_time_ymd(2002, 1, 1);
    let certificate = parameters.self_signed(&key).unwrap();
    let pair = KeyPair {
        certificate: directory.path().join("c.pem"),
        key: directory.path().join("k.pem"),
        passphrase: None,
        passphrase_parameter: "",
    };
    std::fs::write(&pair.certificate, certificate.pem()).unwrap();
    std::fs::write(&pair.key, key.serialize_pem()).unwrap();
    let client = trusting(&[&pair.certificate]);
    let faults = meet(
        &client,
        &ServerSettings::new(Identity::Files(pair)),
        "srv.test",
    );
    assert!(faults[0].contains("it has expired"), "{faults:?}");
    assert!(
        faults[1].contains("our certificate has expired"),
        "{faults:?}"
    );
}

#[test]
fn clients_show_who_they_are_where_they_are_asked() {
    let directory = TempDir::new().unwrap();
    let (ours, theirs) = (
        authority(&directory, "ours"),
        authority(&directory, "theirs"),
    );
    for version in [Version::Tls12, Version::Tls13] {
        let mut server = ServerSettings::new(Identity::SelfSigned(Certificate::of("srv.test")));
        server.versions = Versions::only(version);
        server.clients = Some(testdata("subject_only.pem"));
        let mut client = ClientSettings::new(Trust::Anyone);
        client.versions = server.versions;
        let none = meet(&client, &server, "srv.test");
        assert!(
            none[0].contains("shows no certificate, which it must"),
            "{none:?}"
        );
        client.identity = Some(subject_only());
        assert!(meet(&client, &server, "srv.test").is_empty());
        server.clients = Some(ours.certificate.clone());
        let stranger = meet(&client, &server, "srv.test");
        assert!(
            stranger[0].contains("nobody trusted here has signed it"),
            "{stranger:?}"
        );
        client.identity = Some(ours.clone());
        assert!(meet(&client, &server, "srv.test").is_empty());
        client.identity = Some(theirs.clone());
        assert!(!meet(&client, &server, "srv.test").is_empty());
    }
}

#[test]
fn garbage_is_answered_with_an_alert_and_ends_the_session() {
    let acceptor = Acceptor::new(&ServerSettings::new(Identity::Files(subject_only()))).unwrap();
    for garbage in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        &[0x93; 64],
        &[0x16, 3, 1, 0xff, 0xff, 0, 0, 0],
    ] {
        let mut session = acceptor.accept().unwrap();
        let error = session.take(garbage).unwrap_err().to_string();
        assert!(
            error.starts_with("the other end does not speak TLS properly: "),
            "{error}"
        );
        assert!(session.wants_write());
        assert!(session.take(b"more").is_err());
    }
}

#[test]
fn certificates_are_made_as_they_are_asked_for() {
    let mut certificate = Certificate::of("made.test");
    certificate.lifetime = Duration::MAX;
    certificate.digest = crate::Digest::Sha512;
    let server = ServerSettings::new(Identity::SelfSigned(certificate.clone()));
    assert!(meet(&ClientSettings::new(Trust::Anyone), &server, "any").is_empty());
    certificate.key_length = 1024;
    let server = ServerSettings::new(Identity::SelfSigned(certificate));
    assert_eq!(
        Acceptor::new(&server).unwrap_err().to_string(),
        "cannot make a certificate: a key of 1024 bits; there are 2048, 3072 and 4096"
    );
}

#[test]
fn faults_of_files_are_told_with_what_to_do() {
    let directory = TempDir::new().unwrap();
    let fault = |change: &dyn Fn(&mut KeyPair)| {
        let mut pair = subject_only();
        change(&mut pair);
        let error = Acceptor::new(&ServerSettings::new(Identity::Files(pair))).unwrap_err();
        let error = error
            .to_string()
            .replace(&format!("{}/", directory.path().display()), "");
        error
            .replace(&format!("{}/", testdata("").display()), "")
            .replace(&testdata("").display().to_string(), "")
    };
    let file = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    assert_eq!(
        fault(&|pair| pair.certificate = directory.path().join("nothere.pem")),
        "cannot read nothere.pem: No such file or directory (os error 2); name a file that this process may read"
    );
    assert_eq!(
        fault(&|pair| pair.certificate = file("empty.pem", "")),
        "empty.pem holds no certificate; expected a block -----BEGIN CERTIFICATE-----"
    );
    assert_eq!(
        fault(&|pair| pair.key = testdata("subject_only.pem")),
        "subject_only.pem holds no private key; expected a block -----BEGIN PRIVATE KEY-----"
    );
    assert_eq!(
        fault(&|pair| pair.passphrase = None),
        "the private key in key.pkcs8.pem is encrypted; write its passphrase into private_key_passphrase"
    );
    assert!(
        fault(&|pair| pair.passphrase = Some("shut".to_owned()))
            .starts_with("the private key in key.pkcs8.pem cannot be decrypted: ")
    );
    assert_eq!(
        fault(&|pair| pair.key = testdata("key.traditional.pem")),
        "the private key in key.traditional.pem is encrypted in an old way that is not sound; make it a new one \
         with: openssl pkcs8 -topk8 -v2 aes-256-cbc -in OLD -out NEW"
    );
    let other = authority(&directory, "other");
    assert!(fault(&|pair| pair.key.clone_from(&other.key)).starts_with(
        "the private key in other.key.pem cannot be used with the certificate in subject_only.pem: "
    ));
    let damaged = std::fs::read_to_string(testdata("subject_only.pem"))
        .unwrap()
        .replace("MII", "M*I");
    assert!(
        fault(&|pair| pair.certificate = file("damaged.pem", &damaged))
            .starts_with("damaged.pem is damaged: ")
    );
}

#[test]
fn a_cipher_both_know_is_found() {
    let mut server = ServerSettings::new(Identity::SelfSigned(Certificate::of("srv.test")));
    server.ciphers = CipherList::parse("AES256");
    let mut client = ClientSettings::new(Trust::Anyone);
    client.ciphers = CipherList::parse("ECDHE-RSA-AES256-GCM-SHA384");
    assert!(meet(&client, &server, "srv.test").is_empty());
    client.ciphers = CipherList::parse("CHACHA20");
    let faults = meet(&client, &server, "srv.test");
    assert!(
        faults[0].ends_with(": no cipher is allowed at both ends"),
        "{faults:?}"
    );
}

/// One connection from greeting to parting; whether each end resumed an earlier session.
fn visit(connector: &Connector, acceptor: &Acceptor) -> (bool, bool) {
    let mut here = connector.connect("srv.test").unwrap();
    let mut there = acceptor.accept().unwrap();
    assert_eq!(carry(&mut here, &mut there, usize::MAX), [""; 0]);
    (here.is_resumed(), there.is_resumed())
}

#[test]
fn a_second_session_with_the_same_server_resumes_the_first() {
    for version in [Version::Tls12, Version::Tls13] {
        let mut server = ServerSettings::new(Identity::Files(subject_only()));
        server.versions = Versions::only(version);
        // Also where the client has shown who it is.
        server.clients = Some(testdata("subject_only.pem"));
        let mut client = trusting(&[&testdata("subject_only.pem")]);
        client.versions = server.versions;
        client.identity = Some(subject_only());
        let connector = Connector::new(&client).unwrap();
        let (one, other) = (connector.for_one_server(), connector.for_one_server());
        let (first, second) = (
            Acceptor::new(&server).unwrap(),
            Acceptor::new(&server).unwrap(),
        );
        assert_eq!(visit(&one, &first), (false, false));
        assert_eq!(visit(&other, &second), (false, false));
        for _ in 0..20 {
            assert_eq!(visit(&one, &first), (true, true), "{version:?}");
            assert_eq!(visit(&other, &second), (true, true), "{version:?}");
        }
        // A server that has started anew knows nobody, and is proved anew.
        let restarted = Acceptor::new(&server).unwrap();
        assert_eq!(visit(&one, &restarted), (false, false));
        assert_eq!(visit(&one, &restarted), (true, true));
    }
}

#[test]
fn tickets_are_for_clients_that_ask_for_them() {
    let mut server = ServerSettings::new(Identity::Files(subject_only()));
    server.versions = Versions::only(Version::Tls13);
    let acceptor = Acceptor::new(&server).unwrap();
    let mut client = ClientSettings::new(Trust::Anyone);
    client.versions = server.versions;
    let connector = Connector::new(&client).unwrap();
    let mut here = connector.connect("srv.test").unwrap();
    let mut there = acceptor.accept().unwrap();
    while here.is_shaking_hands() {
        let mut wire = Vec::new();
        here.write_wire(&mut wire).unwrap();
        there.take(&wire).unwrap();
        wire.clear();
        there.write_wire(&mut wire).unwrap();
        here.take(&wire).unwrap();
    }
    assert!(here.awaits_tickets() && !there.awaits_tickets());
    assert!(carry(&mut here, &mut there, usize::MAX).is_empty());
    assert!(!here.awaits_tickets());
}
