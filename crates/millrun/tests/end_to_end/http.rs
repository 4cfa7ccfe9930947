//! The `http` output and a server of others: Python's, as it is and under TLS, killed at its work.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};
use std::thread;
use std::time::Duration;

use crate::counterpart::Counterpart;
use crate::mill::Mill;
use crate::numbered::{Writer, assert_nothing_missing};
use crate::tls::make_certificates;

/// Lines of a file, through a file buffer, to a server at `$P1`. `more` stands in the output.
fn sender(scheme: &str, more: &str) -> Mill {
    Mill::idle(&format!(
        "\
<system>
  root_dir $D/state
</system>
$TAIL
<match t>
  @type http
  endpoint {scheme}://localhost:$P1/
  retryable_response_codes 503
  {more}
  <format>
    @type single_value
  </format>
  <buffer>
    @type file
    path $D/buffer
    flush_mode immediate
    retry_wait 0.1
    retry_max_interval 0.2
    chunk_limit_size 16k
  </buffer>
</match>
"
    ))
}

/// A running `http_receive.py`.
struct Receiver {
    child: Child,
}

impl Receiver {
    /// Starts it at `$P1` and waits until it listens; `None` where there is no Python. `files` are those of TLS.
    fn start(mill: &Mill, files: &[&str]) -> Option<Self> {
        let mut command = Counterpart::HttpServer.script("http_receive.py")?;
        let mut child = command
            .arg(mill.port(1).to_string())
            .arg(mill.path("got"))
            .args(files.iter().map(|file| mill.path(file)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let output = child.stdout.take().unwrap();
        BufReader::new(output).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        Some(Self { child })
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const TLS_FILES: [&str; 3] = ["local.pem", "local.key", "ca.pem"];

#[test]
fn a_server_is_believed_by_its_authority_and_shown_a_certificate() {
    for more in [
        "",
        "reuse_connections true\n  tls_version TLSv1_3\n  compress gzip",
    ] {
        let shown = "tls_client_cert_path $D/client.pem\n  tls_private_key_path $D/client.key";
        let mut mill = sender(
            "https",
            &format!("tls_ca_cert_path $D/ca.pem\n  {shown}\n  {more}"),
        );
        make_certificates(&mill);
        let Some(_receiver) = Receiver::start(&mill, &TLS_FILES) else {
            return;
        };
        mill.append("in.log", "one\n");
        mill.start();
        if more.contains("gzip") {
            mill.wait_until("a compressed request", || {
                std::fs::read(mill.path("got")).is_ok_and(|bytes| bytes.starts_with(b"\x1f\x8b"))
            });
        } else {
            mill.wait_for_lines("got", 1);
            mill.append("in.log", "two\n");
            assert_eq!(mill.wait_for_lines("got", 2), ["one", "two"]);
        }
        assert_eq!(mill.stop().code(), Some(0));
    }
}

#[test]
fn a_server_nobody_vouches_for_gets_nothing_until_somebody_does() {
    let shown = "tls_client_cert_path $D/client.pem\n  tls_private_key_path $D/client.key";
    let mut mill = sender(
        "https",
        &format!("tls_ca_cert_path $D/trusted.pem\n  {shown}"),
    );
    make_certificates(&mill);
    let certificate = |name: &str| std::fs::read_to_string(mill.path(name)).unwrap();
    let (wrong, right) = (certificate("other.pem"), certificate("ca.pem"));
    mill.write("trusted.pem", &wrong);
    let Some(_receiver) = Receiver::start(&mill, &TLS_FILES) else {
        return;
    };
    mill.append("in.log", "one\n");
    mill.start();
    mill.wait_for_log("no TLS with localhost:", 1);
    mill.wait_for_log("nobody trusted here has signed it", 1);
    assert!(mill.lines("got").is_empty());

    mill.write("trusted.pem", &right);
    mill.signal(nix::sys::signal::Signal::SIGHUP);
    assert_eq!(mill.wait_for_lines("got", 1), ["one"]);
    assert_eq!(mill.stop().code(), Some(0));
    assert_eq!(mill.lines("got"), ["one"]);
}

#[test]
fn a_key_behind_a_passphrase_opens_a_server_that_nobody_vouches_for() {
    let testdata = |name: &str| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../millrun-tls/testdata");
        std::fs::read_to_string(path.join(name)).unwrap()
    };
    let mut mill = sender(
        "https",
        "tls_verify_mode none\n  tls_client_cert_path $D/own.pem\n  tls_private_key_path $D/own.key\n  \
         tls_private_key_passphrase open",
    );
    make_certificates(&mill);
    mill.write("own.pem", &testdata("subject_only.pem"));
    mill.write("own.key", &testdata("key.pkcs8.pem"));
    // Of the client the server believes this certificate alone.
    let Some(_receiver) = Receiver::start(&mill, &["local.pem", "local.key", "own.pem"]) else {
        return;
    };
    mill.append("in.log", "one\n");
    mill.start();
    assert_eq!(mill.wait_for_lines("got", 1), ["one"]);
    mill.wait_for_log("tls_verify_mode is none: any server is believed", 1);
    assert!(
        !mill.log().contains("passphrase \"open\""),
        "{}",
        mill.log()
    );
    assert_eq!(mill.stop().code(), Some(0));
}

/// The promise of this output is at least once: what a dead server had stored and not answered comes again.
#[test]
fn whoever_is_killed_a_server_misses_nothing() {
    for (scheme, files) in [("http", &[][..]), ("https", &TLS_FILES[..])] {
        let shown = "tls_client_cert_path $D/client.pem\n  tls_private_key_path $D/client.key";
        let more = match scheme {
            "http" => "reuse_connections true".to_owned(),
            _ => format!("tls_ca_cert_path $D/ca.pem\n  {shown}"),
        };
        let mut mill = sender(scheme, &more);
        make_certificates(&mill);
        let Some(mut receiver) = Receiver::start(&mill, files) else {
            return;
        };
        mill.start();
        let writer = Writer::start(mill.path("in.log"));
        for number in 0..6 {
            thread::sleep(Duration::from_millis(30 + number * 37 % 90));
            if number % 3 == 2 {
                mill.kill9_worker();
            } else {
                drop(receiver);
                receiver = Receiver::start(&mill, files).unwrap();
            }
        }
        let count = writer.end();
        mill.wait_until("all lines at the server", || {
            mill.lines("got").len() >= count && mill.files("buffer").is_empty()
        });
        assert_nothing_missing(&mill.lines("got"), count);
        assert_eq!(mill.stop().code(), Some(0));
    }
}

#[test]
fn what_of_https_cannot_be_read_is_told_with_its_place() {
    let mill = sender("https", "tls_ca_cert_path $D/none.pem");
    let outcome = mill.run(&["--no-supervisor"]);
    assert_eq!(outcome.code, Some(2), "{}", outcome.text);
    let told = "cannot use TLS: cannot read $D/none.pem: No such file or directory (os error 2); name a file that this \
                process may read";
    assert!(outcome.text.contains(told), "{}", outcome.text);
    let mill = sender("https", "tls_client_cert_path $D/client.pem");
    let outcome = mill.run(&["--no-supervisor"]);
    let told = "tls_client_cert_path goes with tls_private_key_path, which is not written";
    assert!(outcome.text.contains(told), "{}", outcome.text);
}
