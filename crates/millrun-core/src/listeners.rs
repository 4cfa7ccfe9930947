//! Where inputs get their sockets from.

use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};

use crate::plugin::StartError;

/// The holder of listening sockets. In a supervised worker it is the control process, which
/// keeps each socket open while workers come and go; alone, it is the worker itself.
pub trait Listeners {
    /// A listening TCP socket bound to exactly `address`, with a queue of `backlog`.
    fn tcp(&self, address: SocketAddr, backlog: Option<u32>) -> Result<TcpListener, StartError>;

    /// A bound UDP socket.
    fn udp(&self, address: SocketAddr) -> Result<UdpSocket, StartError>;
}

/// Sockets the process opens for itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct OwnListeners;

impl Listeners for OwnListeners {
    fn tcp(&self, address: SocketAddr, _backlog: Option<u32>) -> Result<TcpListener, StartError> {
        TcpListener::bind(address).map_err(|error| cannot_listen("tcp", address, &error))
    }

    fn udp(&self, address: SocketAddr) -> Result<UdpSocket, StartError> {
        UdpSocket::bind(address).map_err(|error| cannot_listen("udp", address, &error))
    }
}

/// The message for a socket that cannot be had.
pub fn cannot_listen(protocol: &str, address: SocketAddr, error: &io::Error) -> StartError {
    let advice = match error.kind() {
        io::ErrorKind::AddrInUse => "another process listens there: stop it, or set another port",
        io::ErrorKind::PermissionDenied => {
            "ports below 1024 need root or CAP_NET_BIND_SERVICE: set another port"
        }
        io::ErrorKind::AddrNotAvailable => "no interface of this host has the address: set bind",
        _ => "set bind and port to an address of this host",
    };
    StartError::new(format!(
        "cannot listen on {protocol} {address}: {error} ({advice})"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_in_use_is_named_with_advice() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        let error = OwnListeners.tcp(address, None).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "cannot listen on tcp {address}: Address already in use (os error 98) \
                 (another process listens there: stop it, or set another port)"
            )
        );
    }
}
