//! The steps of a session over a wire that never waits: whoever drives one waits in its own way, in a thread or a task,
//! when a step says that it [would block](ErrorKind::WouldBlock).

use std::io::{self, ErrorKind, Read, Write};

use crate::{Plain, Session};

impl Session {
    /// Goes on with the handshake as far as `wire` lets it; done when it returns.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::WouldBlock`] where it goes on when `wire` can be written to, if the session
    /// [wants to write](Self::wants_write), else when it can be read; [`ErrorKind::UnexpectedEof`] where it
    /// has ended; what `wire` says, and [`ErrorKind::InvalidData`] where the session is over: then the other end
    /// was told why, if that went out at once.
    pub fn step_handshake(&mut self, wire: &mut (impl Read + Write)) -> io::Result<()> {
        loop {
            self.write_wire(wire)?;
            if !self.is_shaking_hands() {
                return Ok(());
            }
            match self.read_wire(wire) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    let _ = self.write_wire(wire);
                    return Err(error);
                }
            }
        }
    }

    /// Reads into `room` what the other end has said, taking what that needs from `wire`; 0 means that nothing more
    /// comes. Many end without a word, which is the same here: whoever needs to know how long a message is has that in
    /// the message.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::WouldBlock`] where nothing has come; what `wire` says, and
    /// [`ErrorKind::InvalidData`] where the session is over.
    pub fn step_read(
        &mut self,
        wire: &mut (impl Read + Write),
        room: &mut [u8],
    ) -> io::Result<usize> {
        loop {
            match self.read(room) {
                Ok(Plain::Bytes(len)) => return Ok(len),
                Ok(Plain::Closed) => return Ok(0),
                Ok(Plain::Wanting) => {}
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(0),
                Err(error) => return Err(error),
            }
            // The end of the wire is found by the read above.
            let read = self.read_wire(wire);
            // What the session has to answer goes out as far as it does at once, and else with the next words.
            let _ = self.write_wire(wire);
            match read {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                read => _ = read?,
            }
        }
    }
}
