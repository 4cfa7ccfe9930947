//! What a second connection over TLS to the same server costs.

use std::io::Read as _;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};

use millrun_core::Stop;
use millrun_tls::{Acceptor, Certificate, Identity, Plain, ServerSettings, Version, Versions};

use super::super::Forward;
use super::{Arc, Fleet, PATIENCE, id, plan};

/// A server that says of each connection, when that has ended, whether it resumed an earlier session.
fn server(version: Version) -> (SocketAddr, Receiver<bool>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let mut settings = ServerSettings::new(Identity::SelfSigned(Certificate::of("srv.test")));
    settings.versions = Versions::only(version);
    let acceptor = Acceptor::new(&settings).unwrap();
    let (tell, told) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let resumed = carry(stream.unwrap(), &acceptor);
            if tell.send(resumed).is_err() {
                return;
            }
        }
    });
    (address, told)
}

fn carry(mut stream: TcpStream, acceptor: &Acceptor) -> bool {
    let mut session = acceptor.accept().unwrap();
    let mut room = [0; 256];
    loop {
        if matches!(session.read(&mut room), Ok(Plain::Closed) | Err(_)) {
            return session.is_resumed();
        }
        let mut bytes = [0; 4096];
        let len = stream.read(&mut bytes).unwrap_or(0);
        if len == 0 {
            return session.is_resumed();
        }
        session.take(&bytes[..len]).unwrap();
        session.write_wire(&mut stream).unwrap();
    }
}

/// Every second a certificate shown, looked at and signed with costs a watched server a millisecond, and
/// this end another one.
#[test]
fn heartbeats_over_tls_resume_the_session_of_the_first() {
    for (version, word) in [(Version::Tls12, "TLSv1_2"), (Version::Tls13, "TLSv1_3")] {
        // Both are called the same, so by name they could not be told apart.
        let (servers, told): (Vec<_>, Vec<_>) = (0..2).map(|_| server(version)).unzip();
        let sections: String = servers
            .iter()
            .map(|address| {
                format!(
                    "<server>\nname srv.test\nhost 127.0.0.1\nport {}\n</server>\n",
                    address.port()
                )
            })
            .collect();
        let lines = format!(
            "transport tls\ntls_insecure_mode true\ntls_version {word}\nheartbeat_interval 0.05\n{sections}"
        );
        let plan = Arc::new(plan(&lines).unwrap());
        let beats = plan.beats.unwrap();
        let fleet = Arc::new(Fleet::new(plan.servers.clone(), Some(plan.watch)));
        let (id, stop) = (id(), Stop::default());
        let heart = Forward { plan, fleet, id }.heart(beats);
        let beats: Vec<Vec<bool>> = std::thread::scope(|scope| {
            scope.spawn(|| heart.run(&stop));
            let beats = |told: &Receiver<bool>| {
                let beats = (0..BEATS).map_while(|_| told.recv_timeout(PATIENCE).ok());
                beats.collect()
            };
            let beats = told.iter().map(beats).collect();
            stop.set();
            beats
        });
        beats
            .iter()
            .for_each(|beats| assert_mostly_resumed(beats, word));
    }
}

/// How many connections are looked at.
const BEATS: usize = 8;

/// The first cannot be. A loaded machine may be late with the tickets of TLS 1.3 once.
fn assert_mostly_resumed(resumed: &[bool], word: &str) {
    let whole = resumed.iter().filter(|resumed| !**resumed).count();
    assert!(!resumed[0] && whole <= 2, "{word}: {resumed:?}");
}

/// Without keepalive each chunk has a connection of its own.
#[test]
fn connections_for_chunks_resume_the_session_of_the_first() {
    for (version, word) in [(Version::Tls12, "TLSv1_2"), (Version::Tls13, "TLSv1_3")] {
        let (address, told) = server(version);
        let lines = format!(
            "transport tls\ntls_insecure_mode true\ntls_version {word}\nheartbeat_type none"
        );
        let mut deliverer = super::deliverer(&[(address, "name srv.test")], &lines);
        let mut resumed = Vec::new();
        for chunk in super::chunks(&["a", "b", "c", "d"]) {
            super::begin(&mut deliverer, &chunk).unwrap();
            resumed.push(told.recv_timeout(PATIENCE).unwrap());
        }
        assert_mostly_resumed(&resumed, word);
    }
}
