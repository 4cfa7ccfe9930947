//! Opens a listening socket.

use std::fs::Permissions;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;

use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use super::{ListenAddress, ListenOptions, SocketKey};

/// Opens, binds and, where there are connections, listens. Close-on-exec and blocking.
pub(super) fn open(key: &SocketKey) -> io::Result<OwnedFd> {
    let options = key.options;
    let socket = match &key.address {
        ListenAddress::Tcp(address) => {
            let domain = Domain::for_address(*address);
            let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
            // So that a restart does not wait for connections of the past to be forgotten.
            socket.set_reuse_address(true)?;
            prepare(&socket, domain, options)?;
            socket.bind(&SockAddr::from(*address))?;
            socket.listen(backlog(options))?;
            socket
        }
        ListenAddress::Udp(address) => {
            let domain = Domain::for_address(*address);
            let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
            prepare(&socket, domain, options)?;
            socket.bind(&SockAddr::from(*address))?;
            socket
        }
        ListenAddress::Unix(path) => {
            let socket = bind_path(path, Type::STREAM, options)?;
            socket.listen(backlog(options))?;
            socket
        }
        ListenAddress::UnixDatagram(path) => bind_path(path, Type::DGRAM, options)?,
    };
    Ok(socket.into())
}

fn bind_path(path: &Path, kind: Type, options: ListenOptions) -> io::Result<Socket> {
    let address = SockAddr::unix(path)?;
    remove_stale(path, &address, kind)?;
    let socket = Socket::new(Domain::UNIX, kind, None)?;
    socket.bind(&address)?;
    if let Some(mode) = options.mode {
        std::fs::set_permissions(path, Permissions::from_mode(mode))?;
    }
    Ok(socket)
}

fn prepare(socket: &Socket, domain: Domain, options: ListenOptions) -> io::Result<()> {
    if options.reuse_port {
        socket.set_reuse_port(true)?;
    }
    if domain == Domain::IPV6 {
        socket.set_only_v6(options.ipv6_only)?;
    }
    Ok(())
}

fn backlog(options: ListenOptions) -> i32 {
    i32::try_from(options.backlog).unwrap_or(i32::MAX)
}

/// Removes a socket file that nobody listens on: a server that was killed leaves one behind. Anything
/// else at that path is left alone, and the bind says what is wrong.
pub(super) fn remove_stale(path: &Path, address: &SockAddr, kind: Type) -> io::Result<()> {
    let is_socket = std::fs::symlink_metadata(path).is_ok_and(|it| it.file_type().is_socket());
    if !is_socket {
        return Ok(());
    }
    let probe = Socket::new(Domain::UNIX, kind, None)?;
    probe.set_nonblocking(true)?;
    match probe.connect(address) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            std::fs::remove_file(path)
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};

    use std::os::unix::net::UnixDatagram;

    use super::*;

    fn key(address: ListenAddress) -> SocketKey {
        SocketKey {
            address,
            options: ListenOptions::default(),
        }
    }

    #[test]
    fn tcp_listens_and_udp_receives() {
        for address in [
            SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            SocketAddr::from((Ipv6Addr::LOCALHOST, 0)),
        ] {
            let listener = match open(&key(ListenAddress::Tcp(address))) {
                Err(error) if address.is_ipv6() => {
                    eprintln!("skipped: no IPv6 here: {error}");
                    continue;
                }
                opened => TcpListener::from(opened.unwrap()),
            };
            TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let socket = UdpSocket::from(open(&key(ListenAddress::Udp(address))).unwrap());
            socket.send_to(b"x", socket.local_addr().unwrap()).unwrap();
            assert_eq!(socket.recv(&mut [0; 2]).unwrap(), 1);
        }
    }

    #[test]
    fn a_unix_datagram_socket_receives() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("datagrams");
        let address = ListenAddress::UnixDatagram(path.clone());
        let socket = UnixDatagram::from(open(&key(address.clone())).unwrap());
        UnixDatagram::unbound()
            .unwrap()
            .send_to(b"x", &path)
            .unwrap();
        assert_eq!(socket.recv(&mut [0; 2]).unwrap(), 1);
        assert!(open(&key(address.clone())).is_err(), "somebody serves it");
        drop(socket);
        open(&key(address)).unwrap();
    }

    #[test]
    fn ipv4_and_ipv6_are_both_bound_on_the_same_port() {
        let six = SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0));
        let Ok(six) = open(&key(ListenAddress::Tcp(six))) else {
            eprintln!("skipped: no IPv6 here");
            return;
        };
        let port = TcpListener::from(six.try_clone().unwrap())
            .local_addr()
            .unwrap()
            .port();
        let four = SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
        open(&key(ListenAddress::Tcp(four))).unwrap();
    }

    #[test]
    fn a_file_that_is_no_socket_is_left_alone() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = open(&key(ListenAddress::Unix(file.path().to_owned()))).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        assert!(file.path().exists());
    }
}
