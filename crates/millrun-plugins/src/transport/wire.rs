//! A connection to a server, for threads.

use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use millrun_tls::{Plain, Session};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use thiserror::Error;

/// TCP as it is, or under TLS: a blocking socket whose writes time out.
#[derive(Debug)]
pub(crate) struct Wire {
    tcp: TcpStream,
    session: Option<Box<Session>>,
}

/// Why nothing was written or read.
#[derive(Debug, Error)]
pub(crate) enum WireError {
    /// The other end takes or says nothing for so long.
    #[error("no progress within {} s", .0.as_secs_f64())]
    Stuck(Duration),
    /// The other end is gone.
    #[error("the server closed the connection")]
    Closed,
    /// Anything else.
    #[error("{0}")]
    Network(#[from] io::Error),
}

impl Wire {
    /// Brings TLS about, where there is a session, before `deadline`.
    pub(crate) fn open(
        tcp: TcpStream,
        session: Option<Session>,
        deadline: Instant,
    ) -> Result<Self, WireError> {
        let mut wire = Self {
            tcp,
            session: session.map(Box::new),
        };
        wire.shake_hands(deadline)?;
        Ok(wire)
    }

    fn shake_hands(&mut self, deadline: Instant) -> Result<(), WireError> {
        let Some(session) = &mut self.session else {
            return Ok(());
        };
        loop {
            flush(&mut self.tcp, session)?;
            if !session.is_shaking_hands() {
                return Ok(());
            }
            wait_readable(&self.tcp, deadline)?;
            let read = session.read_wire(&mut self.tcp);
            // Where the session is over, it says why.
            let flushed = flush(&mut self.tcp, session);
            match read {
                Ok(0) => return Err(WireError::Closed),
                Ok(_) => flushed?,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(WireError::Network(error)),
            }
        }
    }

    /// Writes all of `slices`.
    pub(crate) fn write_all(&mut self, mut slices: &mut [IoSlice<'_>]) -> Result<(), WireError> {
        while !slices.is_empty() {
            let written = match &mut self.session {
                None => self.tcp.write_vectored(slices),
                Some(session) => session.write(slices),
            };
            match written {
                // A session whose way out is full takes nothing.
                Ok(0) if self.session.is_none() => {
                    return Err(WireError::Network(ErrorKind::WriteZero.into()));
                }
                Ok(len) => IoSlice::advance_slices(&mut slices, len),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(self.judged(error)),
            }
            if let Some(session) = &mut self.session {
                flush(&mut self.tcp, session)?;
            }
        }
        Ok(())
    }

    /// Reads what has come, without waiting; 0 means that nothing more comes.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::WouldBlock`] where nothing has.
    pub(crate) fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let Some(session) = &mut self.session else {
            return match is_readable(self.tcp.as_fd()) {
                true => self.tcp.read(room),
                false => Err(ErrorKind::WouldBlock.into()),
            };
        };
        session.step_read(&mut Ready(&mut self.tcp), room)
    }

    /// Reads what comes before `deadline`; 0 means that nothing more comes.
    pub(crate) fn read_until(
        &mut self,
        room: &mut [u8],
        deadline: Instant,
    ) -> Result<usize, WireError> {
        loop {
            match self.read(room) {
                Ok(len) => return Ok(len),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    wait_readable(&self.tcp, deadline)?;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(WireError::Network(error)),
            }
        }
    }

    /// True while the server says nothing unasked and keeps the connection open. What TLS says for
    /// itself does not count.
    pub(crate) fn is_quiet(&mut self) -> bool {
        let quiet = |error: &io::Error| error.kind() == ErrorKind::WouldBlock;
        match self.session {
            None => !is_readable(self.tcp.as_fd()),
            Some(_) => self.read(&mut [0]).is_err_and(|error| quiet(&error)),
        }
    }

    fn judged(&self, error: io::Error) -> WireError {
        judged(&self.tcp, error)
    }
}

impl AsFd for Wire {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.tcp.as_fd()
    }
}

impl Drop for Wire {
    /// Says that nothing more comes, and takes what has come: closing over bytes that were not
    /// read makes the kernel reset the connection, and what was just written may be lost with it.
    /// A session that has proved all anew waits a moment for what resumes it the next time.
    fn drop(&mut self) {
        let Some(session) = &mut self.session else {
            return;
        };
        session.close();
        let _ = session.write_wire(&mut self.tcp);
        let mut rest = [0; 4096];
        let deadline = Instant::now() + TICKETS_WAIT;
        for _ in 0..REST_READS_MAX {
            let has_come = match session.awaits_tickets() {
                true => wait_readable(&self.tcp, deadline).is_ok(),
                false => is_readable(self.tcp.as_fd()),
            };
            if !has_come || session.read_wire(&mut self.tcp).unwrap_or(0) == 0 {
                break;
            }
            while matches!(session.read(&mut rest), Ok(Plain::Bytes(_))) {}
        }
    }
}

/// How often what has come is read when a connection is closed.
const REST_READS_MAX: usize = 16;

/// How long a connection that ends waits for tickets of TLS 1.3, which come one way of the network behind the
/// handshake. A server that gives none closes the connection before that.
const TICKETS_WAIT: Duration = Duration::from_secs(1);

fn flush(tcp: &mut TcpStream, session: &mut Session) -> Result<(), WireError> {
    loop {
        match session.write_wire(tcp) {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(judged(tcp, error)),
        }
    }
}

/// A blocking socket would block when its time limit has passed.
fn judged(tcp: &TcpStream, error: io::Error) -> WireError {
    match error.kind() {
        ErrorKind::WouldBlock => {
            let timeout = tcp.write_timeout().ok().flatten();
            WireError::Stuck(timeout.unwrap_or_default())
        }
        _ => WireError::Network(error),
    }
}

fn wait_readable(tcp: &TcpStream, deadline: Instant) -> Result<(), WireError> {
    let begun = Instant::now();
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(WireError::Stuck(deadline.saturating_duration_since(begun)));
        }
        // Rounded up, or the last millisecond would be spent in a busy loop.
        let left = left.saturating_add(Duration::from_micros(999));
        let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
        let mut descriptors = [PollFd::new(tcp.as_fd(), PollFlags::POLLIN)];
        // An interrupted wait is a short one.
        if matches!(poll(&mut descriptors, timeout), Ok(ready) if ready > 0) {
            return Ok(());
        }
    }
}

/// The socket as a session reads it: what has not come is not waited for. Writes wait, up to their time limit.
struct Ready<'a>(&'a mut TcpStream);

impl Read for Ready<'_> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        match is_readable(self.0.as_fd()) {
            true => self.0.read(room),
            false => Err(ErrorKind::WouldBlock.into()),
        }
    }
}

impl Write for Ready<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn is_readable(descriptor: BorrowedFd<'_>) -> bool {
    let mut descriptors = [PollFd::new(descriptor, PollFlags::POLLIN)];
    matches!(poll(&mut descriptors, PollTimeout::ZERO), Ok(ready) if ready > 0)
}
