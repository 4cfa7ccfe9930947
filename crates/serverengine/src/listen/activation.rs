//! Sockets from a service manager: `LISTEN_FDS`, `LISTEN_PID`.
//!
//! They begin at descriptor 3. They are found by their address, whatever options a worker asks with: those
//! are the service manager's business. Their files are its, too.

use std::io;
use std::os::fd::OwnedFd;

use socket2::Type;

use crate::sys;

use super::{ListenAddress, ListenOptions, SocketKey};

/// First of the descriptors.
const FIRST: i32 = 3;

/// Most descriptors that are taken.
const SOCKETS_MAX: i32 = 1024;

/// Variables that are for this process only.
const VARIABLES: [&str; 4] = [
    "LISTEN_FDS",
    "LISTEN_PID",
    "LISTEN_FDNAMES",
    "LISTEN_PIDFDID",
];

/// Sockets, and what is wrong with descriptors that are none.
#[derive(Debug, Default)]
pub(crate) struct Activated {
    pub(crate) sockets: Vec<(SocketKey, OwnedFd)>,
    pub(crate) faults: Vec<String>,
}

/// Takes what was passed to this process. To be called once, before anything else is opened, in a process
/// that has no other thread; a process that is forked or executed later never sees the variables.
pub(crate) fn take() -> Activated {
    let variable = |name: &str| std::env::var(name).ok();
    let count = count(
        variable("LISTEN_PID").as_deref(),
        variable("LISTEN_FDS").as_deref(),
        std::process::id(),
    );
    let mut activated = Activated::default();
    if count == 0 {
        return activated;
    }
    for number in FIRST..FIRST.saturating_add(count) {
        let key = sys::adopt_descriptor(number).and_then(|socket| Ok((key(&socket)?, socket)));
        match key {
            Ok(socket) => activated.sockets.push(socket),
            Err(error) => {
                let text = format!("LISTEN_FDS: descriptor {number} cannot be used: {error}");
                activated.faults.push(text);
            }
        }
    }
    if let Err(error) = sys::remove_variables(&VARIABLES) {
        activated.faults.push(format!("LISTEN_FDS: {error}"));
    }
    activated
}

/// Returns how many descriptors are meant for this process.
fn count(pid: Option<&str>, descriptors: Option<&str>, own: u32) -> i32 {
    if pid.and_then(|pid| pid.parse().ok()) != Some(own) {
        return 0;
    }
    let count = descriptors.and_then(|count| count.parse::<i32>().ok());
    count.map_or(0, |count| count.clamp(0, SOCKETS_MAX))
}

/// Returns what a socket listens on.
fn key(socket: &OwnedFd) -> io::Result<SocketKey> {
    let socket = socket2::SockRef::from(socket);
    let (domain, kind) = (socket.domain()?, socket.r#type()?);
    let local = socket.local_addr()?;
    let address = match (local.as_socket(), local.as_pathname(), kind) {
        (Some(address), _, Type::STREAM) => ListenAddress::Tcp(address),
        (Some(address), _, Type::DGRAM) => ListenAddress::Udp(address),
        (_, Some(path), Type::STREAM) => ListenAddress::Unix(path.to_owned()),
        (_, Some(path), Type::DGRAM) => ListenAddress::UnixDatagram(path.to_owned()),
        _ => {
            let text = format!("it is of the kind {domain:?} {kind:?}");
            return Err(io::Error::new(io::ErrorKind::Unsupported, text));
        }
    };
    let options = ListenOptions::default();
    Ok(SocketKey { address, options })
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, UdpSocket};

    use super::*;

    #[test]
    fn only_what_is_meant_for_this_process_counts() {
        assert_eq!(count(Some("7"), Some("2"), 7), 2);
        assert_eq!(count(Some("8"), Some("2"), 7), 0);
        assert_eq!(count(None, Some("2"), 7), 0);
        assert_eq!(count(Some("7"), None, 7), 0);
        assert_eq!(count(Some("7"), Some("-1"), 7), 0);
        assert_eq!(count(Some("7"), Some("99999"), 7), SOCKETS_MAX);
        assert_eq!(count(Some("7"), Some("x"), 7), 0);
    }

    #[test]
    fn a_socket_says_what_it_listens_on() {
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = tcp.local_addr().unwrap();
        let found = key(&tcp.into()).unwrap().address;
        assert_eq!(found, ListenAddress::Tcp(address));
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = udp.local_addr().unwrap();
        let found = key(&udp.into()).unwrap().address;
        assert_eq!(found, ListenAddress::Udp(address));
        let file = tempfile::tempfile().unwrap();
        assert!(key(&file.into()).is_err());
    }
}
