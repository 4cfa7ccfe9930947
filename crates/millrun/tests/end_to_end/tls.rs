//! forward over TLS: both ends, other ends, and those who speak no TLS at all.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

use crate::counterpart::{self, Counterpart, NodeReceiver};
use crate::mill::{DEADLINE, Mill};
use crate::wire::Wire;

/// Writes an authority `ca.pem` (and another one, `other.pem`), and what it has signed: `server.pem` for
/// srv.test, `local.pem` for localhost and `client.pem`, each with its key.
pub(crate) fn make_certificates(mill: &Mill) {
    let authority = |name: &str| {
        let key = KeyPair::generate().unwrap();
        let mut parameters = CertificateParams::new(Vec::new()).unwrap();
        parameters.distinguished_name.push(DnType::CommonName, name);
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = parameters.self_signed(&key).unwrap();
        mill.write(&format!("{name}.pem"), &certificate.pem());
        Issuer::new(parameters, key)
    };
    authority("other");
    let issuer = authority("ca");
    let names = [
        ("server", "srv.test"),
        ("local", "localhost"),
        ("client", "client.test"),
    ];
    for (file, name) in names {
        let key = KeyPair::generate().unwrap();
        let parameters = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let certificate = parameters.signed_by(&key, &issuer).unwrap();
        mill.write(&format!("{file}.pem"), &certificate.pem());
        mill.write(&format!("{file}.key"), &key.serialize_pem());
    }
}

/// A pair in one process: plain at `$P1`, from there over TLS to `$P2`, and into a file. `server` stands in
/// the server's `<transport tls>` and `client` in its output.
fn pair(server: &str, client: &str) -> Mill {
    let mill = Mill::idle(&format!(
        "\
<source>
  @type forward
  bind 127.0.0.1
  port $P1
</source>
<source>
  @type forward
  @label @RECEIVED
  bind 127.0.0.1
  port $P2
  <transport tls>
    cert_path $D/server.pem
    private_key_path $D/server.key
    {server}
  </transport>
  <security>
    self_hostname srv.test
    shared_key mill
    user_auth true
    <user>
      username u
      password p
    </user>
  </security>
</source>
<match c.**>
  @type forward
  require_ack_response true
  heartbeat_type none
  recover_wait 1
  transport tls
  {client}
  <security>
    self_hostname client.test
    shared_key mill
  </security>
  <server>
    host 127.0.0.1
    port $P2
    name srv.test
    username u
    password p
  </server>
  <buffer tag>
    @type file
    path $D/buffer
    flush_mode immediate
    flush_thread_interval 0.05
    retry_wait 0.2
    retry_max_interval 0.5
  </buffer>
</match>
<label @RECEIVED>
  <match **>
    @type file
    path $D/got
    append true
    <buffer []>
      @type file
      path $D/received
      flush_mode immediate
    </buffer>
  </match>
</label>
"
    ));
    make_certificates(&mill);
    mill
}

#[test]
fn a_pair_speaks_tls_of_both_versions_with_a_shared_key_and_a_user() {
    for (server, client) in [
        ("", "tls_cert_path $D/ca.pem"),
        (
            "min_version TLSv1_2\nmax_version TLSv1_3",
            "tls_cert_path $D/ca.pem\ntls_version TLSv1_3\nkeepalive true",
        ),
        ("", "tls_cert_path $D/server.pem\ntls_ciphers ECDHE+AES128"),
        ("", "tls_insecure_mode true"),
    ] {
        let mut mill = pair(server, client);
        mill.start();
        let mut sender = Wire::connect(mill.port(1));
        for n in ["1", "2", "3"] {
            sender.send_event("c.a", &[("n", n)]);
        }
        let lines = mill.wait_for_lines("got", 3);
        assert!(lines[2].ends_with("c.a\t{\"n\":\"3\"}"), "{lines:?}");
        assert_eq!(mill.stop().code(), Some(0));
        assert_eq!(mill.lines("got").len(), 3);
    }
}

#[test]
fn clients_must_show_a_certificate_where_they_are_asked_for_it() {
    let server = "client_cert_auth true\nca_path $D/ca.pem";
    let shown = "tls_client_cert_path $D/client.pem\ntls_client_private_key_path $D/client.key";
    let mut mill = pair(server, &format!("tls_cert_path $D/ca.pem\n{shown}"));
    mill.start();
    Wire::connect(mill.port(1)).send_event("c.a", &[("n", "1")]);
    mill.wait_for_lines("got", 1);

    let mut mill = pair(server, "tls_cert_path $D/ca.pem");
    mill.start();
    Wire::connect(mill.port(1)).send_event("c.a", &[("n", "1")]);
    mill.wait_for_log("shows no certificate, which it must (client_cert_auth)", 1);
    mill.wait_for_log("the other end refuses: ", 1);
    assert!(mill.lines("got").is_empty());
}

/// Files are read again when the configuration is: what was mended is used, and nothing is lost.
#[test]
fn a_server_that_is_not_trusted_gets_nothing_until_it_is() {
    let mut mill = pair("", "tls_cert_path $D/trusted.pem");
    let certificate = |name: &str| std::fs::read_to_string(mill.path(name)).unwrap();
    let (wrong, right) = (certificate("other.pem"), certificate("ca.pem"));
    mill.write("trusted.pem", &wrong);
    mill.start();
    Wire::connect(mill.port(1)).send_event("c.a", &[("n", "1")]);
    mill.wait_for_log("nobody trusted here has signed it", 1);
    mill.wait_for_log(
        "it does not trust who signed our certificate (alert UnknownCA)",
        1,
    );
    assert!(mill.lines("got").is_empty());

    mill.write("trusted.pem", &right);
    mill.signal(nix::sys::signal::Signal::SIGHUP);
    mill.wait_for_lines("got", 1);
    assert_eq!(mill.stop().code(), Some(0));
    assert_eq!(mill.lines("got").len(), 1);
}

#[test]
fn a_missing_certificate_ends_the_start_with_its_name() {
    let mill = pair("", "tls_insecure_mode true");
    std::fs::remove_file(mill.path("server.pem")).unwrap();
    let outcome = mill.run(&["--no-supervisor"]);
    assert_eq!(outcome.code, Some(1), "{}", outcome.text);
    let told = "cannot offer TLS: cannot read $D/server.pem: No such file or directory (os error 2); name a file \
                that this process may read";
    assert!(outcome.text.contains(told), "{}", outcome.text);
}

#[test]
fn who_is_silent_or_speaks_no_tls_holds_nobody_up() {
    let mut mill = pair("", "tls_cert_path $D/ca.pem");
    mill.start();
    let connect = || {
        let stream = TcpStream::connect(("127.0.0.1", mill.port(2))).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream
    };
    let silent: Vec<TcpStream> = (0..50).map(|_| connect()).collect();
    // The beginning of a record that never ends.
    let mut halves: Vec<TcpStream> = (0..50).map(|_| connect()).collect();
    for half in &mut halves {
        half.write_all(b"\x16\x03\x01\x02\x00\x01").unwrap();
    }
    for garbage in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        b"\x93\xa3c.a\x01\x80",
        &[0xff; 4096],
    ] {
        let mut stream = connect();
        stream.write_all(garbage).unwrap();
        let mut rest = Vec::new();
        // It is told why in an alert, and closed.
        let _ = stream.read_to_end(&mut rest);
        assert!(rest.is_empty() || rest[0] == 0x15, "{rest:?}");
    }
    let begun = Instant::now();
    Wire::connect(mill.port(1)).send_event("c.a", &[("n", "1")]);
    mill.wait_for_lines("got", 1);
    assert!(begun.elapsed() < Duration::from_secs(10));
    mill.wait_for_log("unexpected error before accepting TLS connection", 1);
    drop((silent, halves));
    assert_eq!(mill.stop().code(), Some(0));
}

#[test]
fn node_client_speaks_tls_knows_the_key_and_is_a_user() {
    let Some(client) = Counterpart::Node.script("send.js") else {
        return;
    };
    let mut mill = pair("", "tls_cert_path $D/ca.pem");
    mill.start();
    let port = mill.port(2).to_string();
    let authority = mill.path("ca.pem").display().to_string();
    let arguments = |password| {
        let what = [&*port, "c.node", "50", "PackedForward", "eventtime", "ack"];
        [&what[..], &[&authority, "mill", "u", password]].concat()
    };
    counterpart::run(client, &arguments("p"));
    assert_eq!(mill.wait_for_lines("got", 50).len(), 50);

    let Some(other) = Counterpart::Node.script("send.js") else {
        return;
    };
    let said = counterpart::try_run(other, &arguments("wrong")).unwrap_err();
    let refused = "Authentication failed: username/password mismatch";
    assert!(said.contains(refused), "{said}");
    assert_eq!(mill.lines("got").len(), 50);
}

/// Towards the server of the library, too: over TLS, with the key and a user, and not with another password.
#[test]
fn node_server_believes_the_key_and_the_user_over_tls() {
    let certificates = Mill::idle("");
    make_certificates(&certificates);
    let file = |name: &str| certificates.path(name).display().to_string();
    let (certificate, key) = (file("server.pem"), file("server.key"));
    let Some(receiver) = NodeReceiver::start_with(&["mill", "u", "p", &certificate, &key]) else {
        return;
    };
    let agent = |password: &str| {
        Mill::with_conf(&format!(
            "\
<source>
  @type forward
  bind 127.0.0.1
  port $P1
</source>
<match c.**>
  @type forward
  require_ack_response true
  heartbeat_type none
  transport tls
  tls_cert_path {}
  <security>
    self_hostname client.test
    shared_key mill
  </security>
  <server>
    host 127.0.0.1
    port {}
    name srv.test
    username u
    password {password}
  </server>
  <buffer tag>
    flush_mode immediate
    flush_thread_interval 0.05
  </buffer>
</match>
",
            file("ca.pem"),
            receiver.port
        ))
    };
    let wrong = agent("q");
    Wire::connect(wrong.port(1)).send_event("c.a", &[("n", "0")]);
    // The library says why and closes at once, so that the reason may not come.
    wrong.wait_for_log("cannot set up the connection", 1);
    drop(wrong);
    assert_eq!(receiver.count(), 0);
    let mut right = agent("p");
    for n in ["1", "2", "3"] {
        Wire::connect(right.port(1)).send_event("c.a", &[("n", n)]);
    }
    right.wait_until("three events", || receiver.count() >= 3);
    assert_eq!(right.stop().code(), Some(0));
    assert_eq!(receiver.count(), 3);
}

#[test]
fn openssl_believes_the_certificate_that_an_authority_signed_at_the_start() {
    let mut mill = Mill::idle(
        "\
<source>
  @type forward
  bind 127.0.0.1
  port $P1
  <transport tls>
    ca_cert_path $D/ca.pem
    ca_private_key_path $D/ca.key
    generate_cert_common_name srv.test
    min_version TLSv1_2
    max_version TLSv1_3
  </transport>
</source>
<match c.**>
  @type file
  path $D/got
  append true
  <buffer []>
    @type file
    path $D/received
    flush_mode immediate
  </buffer>
</match>
",
    );
    let key = KeyPair::generate().unwrap();
    let mut parameters = CertificateParams::new(Vec::new()).unwrap();
    parameters.distinguished_name.push(DnType::CommonName, "ca");
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    mill.write("ca.pem", &parameters.self_signed(&key).unwrap().pem());
    mill.write("ca.key", &key.serialize_pem());
    if Command::new("openssl")
        .arg("version")
        .stdout(Stdio::null())
        .status()
        .is_err()
    {
        eprintln!("skipped: openssl is not installed");
        return;
    }
    mill.start();
    for version in ["-tls1_2", "-tls1_3"] {
        let mut client = Command::new("openssl")
            .args([
                "s_client",
                "-quiet",
                "-no_ign_eof",
                "-verify_return_error",
                version,
            ])
            .args(["-verify_hostname", "srv.test", "-CAfile"])
            .arg(mill.path("ca.pem"))
            .args(["-connect", &format!("127.0.0.1:{}", mill.port(1))])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut input = client.stdin.take().unwrap();
        input
            .write_all(b"\x94\xa3c.a\x01\x81\xa1n\x01\x81\xa5chunk\xa2id")
            .unwrap();
        let mut answer = [0; 8];
        client
            .stdout
            .take()
            .unwrap()
            .read_exact(&mut answer)
            .unwrap();
        assert_eq!(&answer, b"\x81\xa3ack\xa2id");
        drop(input);
        client.wait().unwrap();
    }
    assert_eq!(mill.wait_for_lines("got", 2).len(), 2);
}
