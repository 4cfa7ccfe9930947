//! One connection under TLS, without the connection.

use std::io::{self, ErrorKind, IoSlice, Read, Write};

use rustls::{Connection, HandshakeKind, ProtocolVersion};

use crate::error::SessionError;
use crate::plain::Plain;

/// The state of one end: bytes of the wire in and out at one side, the program's at the other.
///
/// What a peer can make it hold is bounded: a handshake message of 64 KiB, one record of 16 KiB
/// read, 64 KiB not yet written.
#[derive(Debug)]
pub struct Session {
    connection: Connection,
    failed: Option<SessionError>,
}

impl Session {
    pub(crate) fn new(connection: Connection) -> Self {
        Self {
            connection,
            failed: None,
        }
    }

    /// True until both ends know each other.
    pub fn is_shaking_hands(&self) -> bool {
        self.connection.is_handshaking()
    }

    /// True where both ends knew each other from an earlier session: nobody has proved anew who it is, and
    /// no signature was made.
    pub fn is_resumed(&self) -> bool {
        self.connection.handshake_kind() == Some(HandshakeKind::Resumed)
    }

    /// True for a client of TLS 1.3 that has nothing yet to resume this session by: the server sends
    /// tickets for that behind the handshake, to whoever goes on reading.
    pub fn awaits_tickets(&self) -> bool {
        let Connection::Client(client) = &self.connection else {
            return false;
        };
        client.protocol_version() == Some(ProtocolVersion::TLSv1_3)
            && !client.is_handshaking()
            && !self.is_resumed()
            && client.tls13_tickets_received() == 0
    }

    /// True where bytes wait for [`write_wire`](Self::write_wire).
    pub fn wants_write(&self) -> bool {
        self.connection.wants_write()
    }

    /// Reads what `wire` has and works on it; says how many bytes there were, 0 for the end of
    /// the wire. What could be read before must have been [`read`](Self::read).
    ///
    /// # Errors
    ///
    /// What `wire` says, and [`ErrorKind::InvalidData`] with a [`SessionError`] within where the
    /// session is over. What then [`wants_write`](Self::wants_write) tells the other end why.
    pub fn read_wire(&mut self, wire: &mut dyn Read) -> io::Result<usize> {
        if let Some(error) = &self.failed {
            return Err(invalid(error.clone()));
        }
        let len = self.connection.read_tls(wire)?;
        if let Err(error) = self.connection.process_new_packets() {
            let error = SessionError::from(error);
            self.failed = Some(error.clone());
            return Err(invalid(error));
        }
        Ok(len)
    }

    /// Takes `bytes` of the wire: [`read_wire`](Self::read_wire) for those who have them.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn take(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() && self.read_wire(&mut bytes)? > 0 {}
        Ok(())
    }

    /// Writes what is to go to the other end, as far as `wire` takes it at once.
    ///
    /// # Errors
    ///
    /// What `wire` says.
    pub fn write_wire(&mut self, wire: &mut dyn Write) -> io::Result<()> {
        while self.connection.wants_write() {
            if self.connection.write_tls(wire)? == 0 {
                return Err(ErrorKind::WriteZero.into());
            }
        }
        Ok(())
    }

    /// Reads what the other end has said.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::UnexpectedEof`] where the wire has ended without a word.
    pub fn read(&mut self, room: &mut [u8]) -> io::Result<Plain> {
        match self.connection.reader().read(room) {
            Ok(0) => Ok(Plain::Closed),
            Ok(len) => Ok(Plain::Bytes(len)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(Plain::Wanting),
            Err(error) => Err(error),
        }
    }

    /// Takes bytes for the other end, as many as there is room for; says how many.
    ///
    /// # Errors
    ///
    /// None is known.
    pub fn write(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.connection.writer().write_vectored(slices)
    }

    /// Says to the other end that nothing more comes; it is written with the rest.
    pub fn close(&mut self) {
        self.connection.send_close_notify();
    }
}

fn invalid(error: SessionError) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, error)
}
