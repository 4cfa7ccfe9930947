//! A connection of a client, for tasks.

use std::io::{self, ErrorKind, IoSlice, Read, Write};

use millrun_tls::{Plain, Session};
use tokio::net::TcpStream;

/// TCP as it is, or under TLS.
#[derive(Debug)]
pub(crate) struct Stream {
    tcp: TcpStream,
    session: Option<Box<Session>>,
    /// The session may hold bytes that were not read yet.
    holds_more: bool,
}

impl Stream {
    pub(crate) fn new(tcp: TcpStream, session: Option<Session>) -> Self {
        Self {
            tcp,
            session: session.map(Box::new),
            holds_more: false,
        }
    }

    /// Brings TLS about, where there is any. It takes as long as the client takes.
    pub(crate) async fn shake_hands(&mut self) -> io::Result<()> {
        let Self { tcp, session, .. } = self;
        let Some(session) = session else {
            return Ok(());
        };
        while session.is_shaking_hands() {
            flush(tcp, session).await?;
            if !session.is_shaking_hands() {
                break;
            }
            tcp.readable().await?;
            match read_wire(tcp, session) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(_) => {}
                Err(error) if is_passing(&error) => {}
                Err(error) => return Err(error),
            }
        }
        // What the client has sent with its last word is in the session already.
        self.holds_more = true;
        flush(tcp, session).await
    }

    /// Waits until there is something to read.
    pub(crate) async fn readable(&self) -> io::Result<()> {
        match self.holds_more {
            true => Ok(()),
            false => self.tcp.readable().await,
        }
    }

    /// Reads what is there; 0 means that nothing more comes.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::WouldBlock`] where nothing is there yet.
    pub(crate) fn try_read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let Some(session) = &mut self.session else {
            return self.tcp.try_read(room);
        };
        let held = std::mem::take(&mut self.holds_more);
        let mut plain = read(session, room)?;
        if plain == Plain::Wanting && !held {
            // The end of the wire is found by the read behind it.
            read_wire(&self.tcp, session)?;
            plain = read(session, room)?;
        }
        match plain {
            Plain::Bytes(len) => {
                self.holds_more = len == room.len();
                Ok(len)
            }
            Plain::Wanting => Err(ErrorKind::WouldBlock.into()),
            Plain::Closed => Ok(0),
        }
    }

    /// Writes all of `bytes`, waiting for the client to take them.
    pub(crate) async fn write_all(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        let Some(session) = &mut self.session else {
            while !bytes.is_empty() {
                self.tcp.writable().await?;
                match self.tcp.try_write(bytes) {
                    Ok(len) => bytes = bytes.get(len..).unwrap_or_default(),
                    Err(error) if is_passing(&error) => {}
                    Err(error) => return Err(error),
                }
            }
            return Ok(());
        };
        while !bytes.is_empty() {
            let len = session.write(&[IoSlice::new(bytes)])?;
            bytes = bytes.get(len..).unwrap_or_default();
            flush(&self.tcp, session).await?;
        }
        Ok(())
    }

    /// Tells the client that nothing more comes. One that does not listen is not waited for.
    pub(crate) fn close(&mut self) {
        if let Some(session) = &mut self.session {
            session.close();
            let _ = session.write_wire(&mut Socket(&self.tcp));
        }
    }
}

fn read(session: &mut Session, room: &mut [u8]) -> io::Result<Plain> {
    match session.read(room) {
        // Many clients end without a word. Messages have their length in them: nothing is missed.
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(Plain::Closed),
        other => other,
    }
}

/// Reads once from the socket. What the session has to answer goes out as far as it does at once.
fn read_wire(tcp: &TcpStream, session: &mut Session) -> io::Result<usize> {
    let read = session.read_wire(&mut Socket(tcp));
    // What does not go now goes with the next answer; where the session is over, it says why.
    let _ = session.write_wire(&mut Socket(tcp));
    read
}

async fn flush(tcp: &TcpStream, session: &mut Session) -> io::Result<()> {
    while session.wants_write() {
        tcp.writable().await?;
        match session.write_wire(&mut Socket(tcp)) {
            Ok(()) => {}
            Err(error) if is_passing(&error) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Whether an error says only that it is to be tried again.
fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

/// The socket as a session sees it: it never waits.
struct Socket<'a>(&'a TcpStream);

impl Read for Socket<'_> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(room)
    }
}

impl Write for Socket<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(slices)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
