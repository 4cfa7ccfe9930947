use std::io::{BufRead, BufReader, IoSlice, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread::JoinHandle;

use millrun_tls::{Acceptor, Certificate, ClientSettings, Identity, Plain, ServerSettings, Trust};

use super::*;

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";

/// A server that takes so many connections and answers requests on each until it ends; it tells the texts of all requests.
fn server(connections: usize, answer: &'static str) -> (u16, JoinHandle<Vec<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let serve = move || {
        let streams = listener.incoming().take(connections).map(Result::unwrap);
        streams.map(|stream| converse(&stream, answer)).collect()
    };
    (port, std::thread::spawn(serve))
}

fn converse(stream: &TcpStream, answer: &str) -> Vec<String> {
    let mut reader = BufReader::new(stream);
    let mut requests = Vec::new();
    loop {
        let mut text = String::new();
        while !text.ends_with("\r\n\r\n") {
            if reader.read_line(&mut text).unwrap_or(0) == 0 {
                return requests;
            }
        }
        let length = text
            .lines()
            .find_map(|line| line.strip_prefix("Content-Length: "));
        let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
        reader.read_exact(&mut body).unwrap();
        text.push_str(&String::from_utf8(body).unwrap());
        requests.push(text);
        if answer.is_empty() {
            return requests;
        }
        (&*stream).write_all(answer.as_bytes()).unwrap();
    }
}

fn settings() -> Settings {
    Settings {
        open_timeout: Duration::from_secs(20),
        read_timeout: Duration::from_secs(20),
        tls_timeout: Duration::from_secs(20),
        keeps_connection: false,
        tls: None,
        proxy: None,
    }
}

fn endpoint(port: u16, rest: &str) -> Endpoint {
    Endpoint::parse(&format!("http://127.0.0.1:{port}{rest}")).unwrap()
}

fn post<'a>(endpoint: &'a Endpoint, headers: &'a [(String, String)]) -> Request<'a> {
    Request {
        method: Method::Post,
        endpoint,
        headers,
        body: b"{}\n",
    }
}

#[test]
fn a_request_is_written_as_it_was_asked_for_and_its_answer_read() {
    let (port, server) = server(1, OK);
    let endpoint = endpoint(port, "/p?x=1");
    let headers = [("Accept", "*/*"), ("x-b", "1"), ("Content-Type", "a/b")];
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let mut client = Client::new(settings());
    let answer = client.send(&post(&endpoint, &headers)).unwrap();
    drop(client);
    assert_eq!(
        (answer.status, &*answer.reason, &*answer.text),
        (200, "OK", "hi")
    );
    let expected = format!(
        "POST /p?x=1 HTTP/1.1\r\nAccept: */*\r\nX-B: 1\r\nContent-Type: a/b\r\nHost: 127.0.0.1:{port}\r\n\
         Content-Length: 3\r\n\r\n{{}}\n"
    );
    assert_eq!(server.join().unwrap(), [[expected]]);
}

#[test]
fn a_connection_is_used_again_only_where_that_is_wanted() {
    for (keeps_connection, connections) in [(true, 1), (false, 2)] {
        let (port, server) = server(connections, OK);
        let endpoint = endpoint(port, "/");
        let mut client = Client::new(Settings {
            keeps_connection,
            ..settings()
        });
        for _ in 0..2 {
            assert!(client.send(&post(&endpoint, &[])).unwrap().is_success());
        }
        drop(client);
        let requests = server.join().unwrap().iter().map(Vec::len).sum::<usize>();
        assert_eq!(requests, 2, "{keeps_connection}");
    }
}

#[test]
fn what_was_found_to_be_reachable_takes_the_next_request_over_the_same_connection() {
    let (port, server) = server(1, OK);
    let endpoint = endpoint(port, "/");
    let mut client = Client::new(settings());
    assert!(client.is_reachable(&endpoint, Duration::from_secs(20)));
    client.send(&post(&endpoint, &[])).unwrap();
    drop(client);
    assert_eq!(server.join().unwrap().len(), 1);
}

#[test]
fn a_proxy_is_given_the_whole_url_and_its_credentials() {
    let (port, server) = server(1, OK);
    let credentials = crate::basic_credentials("u", "p");
    let mut client = Client::new(Settings {
        proxy: Some((endpoint(port, "/"), Some(credentials))),
        ..settings()
    });
    let far = Endpoint::parse("http://far.example/p").unwrap();
    client.send(&post(&far, &[])).unwrap();
    drop(client);
    let requests = server.join().unwrap();
    let text = &requests[0][0];
    assert!(
        text.starts_with("POST http://far.example/p HTTP/1.1\r\n"),
        "{text}"
    );
    assert!(
        text.contains("\r\nProxy-Authorization: Basic dTpw\r\nHost: far.example\r\n"),
        "{text}"
    );
}

#[test]
fn every_way_to_get_no_answer_has_its_error() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = listener.local_addr().unwrap().port();
    let mut client = Client::new(Settings {
        read_timeout: Duration::from_millis(50),
        ..settings()
    });
    let error = client.send(&post(&endpoint(silent, "/"), &[])).unwrap_err();
    let expected = format!("no answer of 127.0.0.1:{silent} within 0.05 s (read_timeout)");
    assert_eq!(error.to_string(), expected);

    let (closing, server) = server(1, "");
    let mut client = Client::new(settings());
    let error = client
        .send(&post(&endpoint(closing, "/"), &[]))
        .unwrap_err();
    let expected =
        format!("no answer of 127.0.0.1:{closing}: the connection ended before the answer");
    assert_eq!(error.to_string(), expected);
    server.join().unwrap();

    drop(listener);
    let error = client.send(&post(&endpoint(silent, "/"), &[])).unwrap_err();
    assert!(matches!(error, ClientError::Connect { .. }), "{error}");
    assert!(!client.is_reachable(&endpoint(silent, "/"), Duration::from_secs(20)));

    let headers = [("A b".to_owned(), String::new())];
    let error = client
        .send(&post(&endpoint(silent, "/"), &headers))
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "the request cannot be written: \"A b\" is no name of a header"
    );
    let headers = [("A".to_owned(), "a\r\nB: c".to_owned())];
    let error = client
        .send(&post(&endpoint(silent, "/"), &headers))
        .unwrap_err();
    let expected =
        "the request cannot be written: the header A holds a line end or another control character";
    assert_eq!(error.to_string(), expected);
}

/// A server under TLS that takes one request. As a proxy it first opens a tunnel, to itself. Tells all that it was told.
fn secure_server(is_proxy: bool) -> (u16, JoinHandle<String>) {
    let certificate = Certificate::of("far.example");
    let acceptor = Acceptor::new(&ServerSettings::new(Identity::SelfSigned(certificate))).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let serve = move || {
        let (mut tcp, _) = listener.accept().unwrap();
        let mut told = String::new();
        if is_proxy {
            let mut byte = [0];
            while !told.ends_with("\r\n\r\n") {
                tcp.read_exact(&mut byte).unwrap();
                told.push(char::from(byte[0]));
            }
            tcp.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")
                .unwrap();
        }
        let mut session = acceptor.accept().unwrap();
        let mut room = [0; 4096];
        loop {
            session.write_wire(&mut tcp).unwrap();
            match session.read(&mut room).unwrap() {
                Plain::Bytes(length) => {
                    told.push_str(std::str::from_utf8(&room[..length]).unwrap());
                }
                Plain::Closed => return told,
                Plain::Wanting => assert!(session.read_wire(&mut tcp).unwrap() > 0, "{told}"),
            }
            if told.ends_with("{}\n") {
                // And ends without a word, as many servers do.
                session.write(&[IoSlice::new(OK.as_bytes())]).unwrap();
                session.write_wire(&mut tcp).unwrap();
                return told;
            }
        }
    };
    (port, std::thread::spawn(serve))
}

fn secure_settings() -> Settings {
    let connector = Connector::new(&ClientSettings::new(Trust::Anyone)).unwrap();
    Settings {
        tls: Some(connector),
        ..settings()
    }
}

#[test]
fn https_is_http_under_tls() {
    let (port, server) = secure_server(false);
    let near = Endpoint::parse(&format!("https://127.0.0.1:{port}/p")).unwrap();
    let answer = Client::new(secure_settings())
        .send(&post(&near, &[]))
        .unwrap();
    assert_eq!((answer.status, &*answer.text), (200, "hi"));
    let told = server.join().unwrap();
    assert!(told.starts_with("POST /p HTTP/1.1\r\n"), "{told}");
}

#[test]
fn a_proxy_opens_a_tunnel_to_https_and_alone_gets_its_credentials() {
    let (port, server) = secure_server(true);
    let credentials = crate::basic_credentials("u", "p");
    let mut client = Client::new(Settings {
        proxy: Some((endpoint(port, "/"), Some(credentials))),
        ..secure_settings()
    });
    let far = Endpoint::parse("https://far.example/p").unwrap();
    let answer = client.send(&post(&far, &[])).unwrap();
    assert_eq!((answer.status, &*answer.text), (200, "hi"));
    let told = server.join().unwrap();
    let (tunnel, request) = told.split_once("\r\n\r\n").unwrap();
    assert!(
        tunnel.starts_with("CONNECT far.example:443 HTTP/1.1\r\n"),
        "{told}"
    );
    assert!(
        tunnel
            .to_lowercase()
            .contains("\r\nproxy-authorization: basic dtpw"),
        "{told}"
    );
    assert!(request.starts_with("POST /p HTTP/1.1\r\n"), "{told}");
    assert!(request.contains("\r\nHost: far.example\r\n"), "{told}");
    assert!(
        !request.to_lowercase().contains("proxy-authorization"),
        "{told}"
    );
}

#[test]
fn every_way_to_get_no_tls_has_its_error() {
    let refusal = "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n";
    let (port, server_thread) = server(1, refusal);
    let mut client = Client::new(Settings {
        proxy: Some((endpoint(port, "/"), None)),
        ..secure_settings()
    });
    let far = Endpoint::parse("https://far.example/p").unwrap();
    let error = client.send(&post(&far, &[])).unwrap_err().to_string();
    let expected = format!(
        "the proxy 127.0.0.1:{port} opens no way to far.example:443: it answers 403 Forbidden"
    );
    assert_eq!(error, expected);
    drop(client);
    server_thread.join().unwrap();

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let near = Endpoint::parse(&format!("https://127.0.0.1:{port}/")).unwrap();
    let mut client = Client::new(Settings {
        tls_timeout: Duration::from_millis(50),
        ..secure_settings()
    });
    let error = client.send(&post(&near, &[])).unwrap_err().to_string();
    let expected = format!(
        "no TLS with 127.0.0.1:{port}: no end of the handshake within 0.05 s (ssl_timeout)"
    );
    assert_eq!(error, expected);

    let closing = std::thread::spawn(move || {
        // The one that was given up waits still.
        let streams: Vec<_> = listener.incoming().take(2).collect();
        drop(streams);
    });
    let error = Client::new(secure_settings())
        .send(&post(&near, &[]))
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with(&format!("no TLS with 127.0.0.1:{port}: ")),
        "{error}"
    );
    closing.join().unwrap();

    let without = Client::new(settings()).send(&post(&near, &[]));
    assert!(without.is_err());
}
