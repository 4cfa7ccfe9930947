//! `SocketManager`: the table of listening sockets, for processes that have no life-line to it.
//!
//! ```text
//!   a program of any kind ──LISTEN key──► topmost control process     one answer per request,
//!                         ◄─LISTENER+fd──   table[key]                on a SOCK_SEQPACKET socket
//!
//!   a new server ──TAKE OVER──► old server's topmost process          until there are none left,
//!                ◄─SOCKET key+fd──                                    then the manager's own socket:
//!                ◄─MANAGER+fd─────                                    from here on the new one answers
//!                ◄─SOCKET key+fd──   opened by the old one meanwhile
//! ```
//!
//! The frames are those of the life-line. Who asks is known by the kernel's word (`SO_PEERCRED`): root, the
//! server's own user, the user of its workers; only the first two may take everything over. No secret has
//! to be passed around, and nothing that is received is ever code.
//!
//! The name is a path, or an abstract one, written with an `@` in front: that is in no file system, so
//! nothing is left of it, however the server ends.

use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant, SystemTime};

use socket2::{Domain, SockAddr, Socket, Type};

use crate::lifeline::frame::Frame;
use crate::lifeline::{Lifeline, Message};
use crate::sys;

use super::open::remove_stale;
use super::{ListenAddress, ListenError, ListenOptions, SocketKey};

/// How long an answer may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// How many connections may wait for the manager.
const BACKLOG: i32 = 128;

/// Most sockets that are taken over: more than any table holds.
const TAKEN_MAX: usize = 4096;

/// Names of this process that were made up.
static GENERATED: AtomicU32 = AtomicU32::new(0);

/// Folder for made-up names, as ServerEngine has it.
const FOLDER_VARIABLE: &str = "SERVERENGINE_SOCKETMANAGER_SOCK_DIR";

/// The serving side: a name under which the topmost process of a server hands out listening sockets.
///
/// It is opened first and given to the server in
/// [`Config::socket_manager`](crate::Config::socket_manager); workers and other programs use a [`Client`].
///
/// ```no_run
/// use std::sync::Arc;
///
/// use serverengine::{Config, socket_manager};
///
/// # fn main() -> std::io::Result<()> {
/// let manager = socket_manager::Server::open(None)?;
/// let client = manager.new_client();
/// let config = Config { socket_manager: Some(Arc::new(manager)), ..Config::default() };
/// // In a worker: client.listen_tcp("0.0.0.0", 8080)
/// # let _ = (client, config);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Server {
    name: String,
    pub(crate) listener: OwnedFd,
    pub(crate) taken: Taken,
}

/// What was taken over from another server.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    pub(crate) sockets: Vec<(SocketKey, OwnedFd)>,
    /// Open for as long as that server lives.
    pub(crate) predecessor: Option<Lifeline>,
}

impl Server {
    /// Makes a name up: an abstract one, or a path in `$SERVERENGINE_SOCKETMANAGER_SOCK_DIR` if that is set.
    #[must_use]
    pub fn generate_path() -> String {
        let number = GENERATED.fetch_add(1, Ordering::Relaxed);
        let moment = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .map_or(0, |since| since.as_micros());
        let name = format!(
            "SERVERENGINE_SOCKETMANAGER_{moment}_{}_{number}",
            std::process::id()
        );
        match std::env::var(FOLDER_VARIABLE) {
            Ok(folder) if !folder.is_empty() => format!("{folder}/{name}"),
            _ => format!("@{name}"),
        }
    }

    /// Opens a manager under a path, an abstract name (`@name`), or a made-up one (`None`). A file that a
    /// killed server left there is replaced.
    ///
    /// # Errors
    ///
    /// The path cannot be used, or another server serves it ([`io::ErrorKind::AddrInUse`]): then its
    /// sockets can be taken over by [`Server::share_sockets_with_another_server`].
    pub fn open<'a>(path: impl Into<Option<&'a str>>) -> io::Result<Self> {
        let name = match path.into() {
            Some(name) => absolute(name)?,
            None => Self::generate_path(),
        };
        let address = address(&name)?;
        if !name.starts_with('@') {
            remove_stale(Path::new(&name), &address, Type::SEQPACKET)?;
        }
        let socket = Socket::new(Domain::UNIX, Type::SEQPACKET, None)?;
        socket
            .bind(&address)
            .map_err(|error| in_use(&name, error))?;
        if !name.starts_with('@') {
            std::fs::set_permissions(&name, std::fs::Permissions::from_mode(0o666))?;
        }
        socket.listen(BACKLOG)?;
        socket.set_nonblocking(true)?;
        Ok(Self {
            name,
            listener: socket.into(),
            taken: Taken::default(),
        })
    }

    /// Takes over all listening sockets of the server that serves a name, and the name itself. Both
    /// servers hold them from then on, so that the old one can finish what it has begun and leave: no
    /// connection is refused meanwhile. If this one ends first, the old one goes on as before.
    ///
    /// # Errors
    ///
    /// Nobody serves that name, it is not that server's user or root who asks, or it does not answer.
    pub fn share_sockets_with_another_server(path: &str) -> io::Result<Self> {
        let name = absolute(path)?;
        let line = connect(&name)?;
        let deadline = Instant::now() + ANSWER_TIMEOUT;
        let mut sockets = Vec::new();
        while sockets.len() < TAKEN_MAX {
            line.send(&Frame::TakeOver, None)?;
            match answer(&line, deadline)? {
                (Frame::Socket { key }, Some(socket)) => sockets.push((key, socket)),
                (Frame::Manager, Some(listener)) => {
                    let taken = Taken {
                        sockets,
                        predecessor: Some(line),
                    };
                    return Ok(Self {
                        name,
                        listener,
                        taken,
                    });
                }
                (Frame::Refused { errno, text, .. }, _) => {
                    let kind = io::Error::from_raw_os_error(errno).kind();
                    return Err(io::Error::new(kind, format!("{name}: {text}")));
                }
                (_, None) => return Err(io::Error::from_raw_os_error(libc::EMFILE)),
                _ => return Err(io::Error::other(format!("{name}: no server of this kind"))),
            }
        }
        Err(io::Error::other(format!(
            "{name}: more than {TAKEN_MAX} sockets"
        )))
    }

    /// Returns the name: a path, or an abstract one with its `@`.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.name
    }

    /// Returns a client of it.
    #[must_use]
    pub fn new_client(&self) -> Client {
        Client::new(&self.name)
    }

    /// Removes what is left of the name. Only for the process that serves it.
    pub(crate) fn remove(&self) {
        if !self.name.starts_with('@') {
            // Whoever removed it before us had the same wish.
            let _ = std::fs::remove_file(&self.name);
        }
    }
}

impl AsFd for Server {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }
}

/// The asking side. Each request is a connection of its own, so that one client can be used by any thread
/// and any forked process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    name: String,
}

/// Kind of a socket that is asked for by [`Client::listen`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Protocol {
    /// A listening TCP socket.
    Tcp,
    /// A bound UDP socket.
    Udp,
}

impl Client {
    /// Makes a client of the manager of this name.
    #[must_use]
    pub fn new(path: impl Into<String>) -> Self {
        Self { name: path.into() }
    }

    /// Returns a socket that listens on an address and port, as its descriptor.
    ///
    /// # Errors
    ///
    /// The address cannot be had, or the manager does not answer.
    pub fn listen(
        &self,
        protocol: Protocol,
        bind: &str,
        port: u16,
    ) -> Result<OwnedFd, ListenError> {
        let (address, key) = match resolve(bind, port) {
            Ok(address) => (address, None),
            Err(error) => (SocketAddr::from(([0, 0, 0, 0], port)), Some(error)),
        };
        let address = match protocol {
            Protocol::Tcp => ListenAddress::Tcp(address),
            Protocol::Udp => ListenAddress::Udp(address),
        };
        if let Some(error) = key {
            let source = io::Error::new(error.kind(), format!("{bind}: {error}"));
            return Err(ListenError::no_answer(&address, source));
        }
        self.ask(address, ListenOptions::default())
    }

    /// Returns a listening TCP socket. `bind` is an address, or a name of this host.
    ///
    /// # Errors
    ///
    /// As for [`Client::listen`].
    pub fn listen_tcp(&self, bind: &str, port: u16) -> Result<TcpListener, ListenError> {
        self.listen(Protocol::Tcp, bind, port).map(Into::into)
    }

    /// Returns a bound UDP socket.
    ///
    /// # Errors
    ///
    /// As for [`Client::listen`].
    pub fn listen_udp(&self, bind: &str, port: u16) -> Result<UdpSocket, ListenError> {
        self.listen(Protocol::Udp, bind, port).map(Into::into)
    }

    /// Returns a listening TCP socket with options.
    ///
    /// # Errors
    ///
    /// As for [`Client::listen`].
    pub fn listen_tcp_with(
        &self,
        address: SocketAddr,
        options: ListenOptions,
    ) -> Result<TcpListener, ListenError> {
        self.ask(ListenAddress::Tcp(address), options)
            .map(Into::into)
    }

    /// Returns a listening Unix socket.
    ///
    /// # Errors
    ///
    /// As for [`Client::listen`].
    pub fn listen_unix(
        &self,
        path: impl AsRef<Path>,
        options: ListenOptions,
    ) -> Result<UnixListener, ListenError> {
        let path = super::absolute(path.as_ref());
        self.ask(ListenAddress::Unix(path), options).map(Into::into)
    }

    /// Returns a bound Unix datagram socket.
    ///
    /// # Errors
    ///
    /// As for [`Client::listen`].
    pub fn listen_unix_datagram(
        &self,
        path: impl AsRef<Path>,
        options: ListenOptions,
    ) -> Result<UnixDatagram, ListenError> {
        let path = super::absolute(path.as_ref());
        self.ask(ListenAddress::UnixDatagram(path), options)
            .map(Into::into)
    }

    fn ask(&self, address: ListenAddress, options: ListenOptions) -> Result<OwnedFd, ListenError> {
        let key = SocketKey { address, options };
        let answered = absolute(&self.name)
            .and_then(|name| connect(&name))
            .and_then(|line| {
                let frame = Frame::Listen {
                    request: 0,
                    key: key.clone(),
                };
                line.send(&frame, None)?;
                answer(&line, Instant::now() + ANSWER_TIMEOUT)
            });
        match answered {
            Ok((Frame::Listener { .. }, Some(socket))) => Ok(socket),
            Ok((Frame::Refused { errno, text, .. }, _)) => {
                Err(ListenError::refused(&key.address, errno, text))
            }
            Ok((_, None)) => Err(ListenError::refused(
                &key.address,
                libc::EMFILE,
                String::new(),
            )),
            Ok(_) => {
                let source = io::Error::other("what it said was no answer");
                Err(ListenError::no_answer(&key.address, source))
            }
            Err(error) => Err(ListenError::no_answer(&key.address, error)),
        }
    }
}

fn resolve(bind: &str, port: u16) -> io::Result<SocketAddr> {
    let mut found = (bind, port).to_socket_addrs()?;
    found
        .next()
        .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "no address"))
}

/// The one who serves may have another current directory than the one who asks.
fn absolute(name: &str) -> io::Result<String> {
    if name.starts_with('@') {
        return Ok(name.to_owned());
    }
    let path = std::path::absolute(name)?;
    let wrong = || io::Error::new(io::ErrorKind::InvalidInput, "the path is no text");
    path.into_os_string().into_string().map_err(|_| wrong())
}

fn address(name: &str) -> io::Result<SockAddr> {
    match name.strip_prefix('@') {
        Some(name) => SockAddr::unix(format!("\0{name}")),
        None => SockAddr::unix(name),
    }
}

fn connect(name: &str) -> io::Result<Lifeline> {
    let socket = Socket::new(Domain::UNIX, Type::SEQPACKET, None)?;
    // A manager whose queue is full has this long to make room.
    socket.set_write_timeout(Some(ANSWER_TIMEOUT))?;
    socket
        .connect(&address(name)?)
        .map_err(|error| io::Error::new(error.kind(), format!("{name}: {error}")))?;
    socket.set_nonblocking(true)?;
    Ok(Lifeline::from(OwnedFd::from(socket)))
}

fn answer(line: &Lifeline, deadline: Instant) -> io::Result<(Frame, Option<OwnedFd>)> {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            let text = format!("no answer within {ANSWER_TIMEOUT:?}");
            return Err(io::Error::new(io::ErrorKind::TimedOut, text));
        }
        sys::poll_readable([line.as_fd()], Some(left))?;
        match line.receive()? {
            Message::Frame(frame, passed) => return Ok((frame, passed)),
            Message::Nothing | Message::Unknown => {}
            Message::Closed => {
                let text = "it closed the connection: this user may not ask there, or it ended";
                return Err(io::Error::new(io::ErrorKind::ConnectionReset, text));
            }
        }
    }
}

fn in_use(name: &str, error: io::Error) -> io::Error {
    let text = match error.kind() {
        io::ErrorKind::AddrInUse => format!(
            "{name}: another server serves it, or it is no socket; \
             share_sockets_with_another_server takes its sockets over"
        ),
        _ => format!("{name}: {error}"),
    };
    io::Error::new(error.kind(), text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b23_a_killed_managers_file_is_replaced_and_a_living_ones_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("manager");
        let name = path.to_str().unwrap();
        let first = Server::open(name).unwrap();
        let error = Server::open(name).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        assert!(error.to_string().starts_with(&format!(
            "{name}: another server serves it, or it is no socket; "
        )));
        drop(first); // as a kill would: the file stays
        assert!(path.exists());
        let second = Server::open(name).unwrap();
        second.remove();
        assert!(!path.exists());
        std::fs::write(&path, "no socket").unwrap();
        assert!(Server::open(name).is_err());
        assert!(path.exists());
    }

    #[test]
    fn b23_a_made_up_name_is_in_no_file_system() {
        let server = Server::open(None).unwrap();
        assert!(server.path().starts_with("@SERVERENGINE_SOCKETMANAGER_"));
        assert_ne!(Server::generate_path(), Server::generate_path());
        let client = Client::new("@serverengine-nobody-serves-this");
        let error = client.listen_tcp("127.0.0.1", 1).unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot listen on tcp 127.0.0.1:1: the server process did not answer: \
             @serverengine-nobody-serves-this: Connection refused (os error 111)"
        );
    }
}
