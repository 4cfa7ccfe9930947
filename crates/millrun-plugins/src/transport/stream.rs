//! A connection of a client, for tasks.

use std::io::{self, ErrorKind, IoSlice, Read, Write};

use millrun_tls::Session;
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
        loop {
            match session.step_handshake(&mut Socket(tcp)) {
                Ok(()) => break,
                Err(error) if !is_passing(&error) => return Err(error),
                Err(_) if session.wants_write() => tcp.writable().await?,
                Err(_) => tcp.readable().await?,
            }
        }
        // What the client has sent with its last word is in the session already.
        self.holds_more = true;
        Ok(())
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
        self.holds_more = false;
        let len = session.step_read(&mut Socket(&self.tcp), room)?;
        self.holds_more = len == room.len();
        Ok(len)
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
