//! TCP as it is, or under TLS, as hyper reads and writes it.

use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use millrun_tls::Session;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// A connection's bytes.
pub(crate) enum Stream {
    Plain(TcpStream),
    Secure(Box<Secure>),
}

/// A connection under TLS. What it holds is bounded by its session.
pub(crate) struct Secure {
    tcp: TcpStream,
    session: Session,
}

impl Stream {
    /// Brings TLS about. It takes as long as the server takes.
    pub(crate) async fn secured(tcp: TcpStream, session: Session) -> io::Result<Self> {
        let mut secure = Secure { tcp, session };
        std::future::poll_fn(|context| secure.poll_handshake(context)).await?;
        Ok(Self::Secure(Box::new(secure)))
    }
}

impl Secure {
    fn poll_handshake(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            match self.session.step_handshake(&mut Socket(&self.tcp)) {
                Err(error) if is_passing(&error) => {}
                other => return Poll::Ready(other),
            }
            match self.session.wants_write() {
                true => ready!(self.tcp.poll_write_ready(context))?,
                false => ready!(self.tcp.poll_read_ready(context))?,
            }
        }
    }

    /// Writes all that is to go out.
    fn poll_write_wire(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.session.wants_write() {
            match self.session.write_wire(&mut Socket(&self.tcp)) {
                Err(error) if is_passing(&error) => {
                    ready!(self.tcp.poll_write_ready(context))?;
                }
                other => return Poll::Ready(other),
            }
        }
        Poll::Ready(Ok(()))
    }

    fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        room: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            let (wire, free) = (&mut Socket(&self.tcp), room.initialize_unfilled());
            match self.session.step_read(wire, free) {
                Ok(length) => {
                    room.advance(length);
                    return Poll::Ready(Ok(()));
                }
                Err(error) if is_passing(&error) => ready!(self.tcp.poll_read_ready(context))?,
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    fn poll_write(
        &mut self,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        loop {
            let taken = self.session.write(slices)?;
            let flushed = self.poll_write_wire(context);
            if taken > 0 || slices.iter().all(|slice| slice.is_empty()) {
                // What does not go out at once goes with the next write or flush, which tells an error, too.
                return Poll::Ready(Ok(taken));
            }
            ready!(flushed)?;
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        room: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_read(context, room),
            Self::Secure(secure) => secure.poll_read(context, room),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(context, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_write_vectored(context, slices),
            Self::Secure(secure) => secure.poll_write(context, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_flush(context),
            Self::Secure(secure) => secure.poll_write_wire(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_shutdown(context),
            Self::Secure(secure) => {
                secure.session.close();
                ready!(secure.poll_write_wire(context))?;
                Pin::new(&mut secure.tcp).poll_shutdown(context)
            }
        }
    }
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
