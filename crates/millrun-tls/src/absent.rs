//! What stands in the place of the engine in a build without it: nothing can be made, so there is
//! no session to speak with, and the programs over this crate are the same in both builds.

use std::convert::Infallible;
use std::io::{self, IoSlice, Read, Write};

use crate::error::{SessionError, SetupError};
use crate::plain::Plain;
use crate::settings::{ClientSettings, ServerSettings};

/// Makes sessions to servers. There is none in this build.
#[derive(Clone, Debug)]
pub struct Connector(Infallible);

impl Connector {
    /// Makes none.
    ///
    /// # Errors
    ///
    /// [`SetupError::NotBuilt`].
    pub fn new(_: &ClientSettings) -> Result<Self, SetupError> {
        Err(SetupError::NotBuilt)
    }

    /// The same, for one server. There is no connector.
    #[must_use]
    pub fn for_one_server(&self) -> Self {
        match self.0 {}
    }

    /// A session to the server called `name`.
    ///
    /// # Errors
    ///
    /// None: there is no connector.
    pub fn connect(&self, _: &str) -> Result<Session, SessionError> {
        match self.0 {}
    }
}

/// Makes sessions of clients. There is none in this build.
#[derive(Clone, Debug)]
pub struct Acceptor(Infallible);

impl Acceptor {
    /// Makes none.
    ///
    /// # Errors
    ///
    /// [`SetupError::NotBuilt`].
    pub fn new(_: &ServerSettings) -> Result<Self, SetupError> {
        Err(SetupError::NotBuilt)
    }

    /// The session of a client.
    ///
    /// # Errors
    ///
    /// None: there is no acceptor.
    pub fn accept(&self) -> Result<Session, SessionError> {
        match self.0 {}
    }
}

/// One connection under TLS. There is none in this build.
#[derive(Debug)]
pub struct Session(Infallible);

// What a session of the engine has. Nobody can call any of it.
#[allow(missing_docs, clippy::missing_errors_doc)] // see the engine's
impl Session {
    pub fn is_shaking_hands(&self) -> bool {
        match self.0 {}
    }

    pub fn is_resumed(&self) -> bool {
        match self.0 {}
    }

    pub fn awaits_tickets(&self) -> bool {
        match self.0 {}
    }

    pub fn wants_write(&self) -> bool {
        match self.0 {}
    }

    pub fn read_wire(&mut self, _: &mut dyn Read) -> io::Result<usize> {
        match self.0 {}
    }

    pub fn take(&mut self, _: &[u8]) -> io::Result<()> {
        match self.0 {}
    }

    pub fn write_wire(&mut self, _: &mut dyn Write) -> io::Result<()> {
        match self.0 {}
    }

    pub fn read(&mut self, _: &mut [u8]) -> io::Result<Plain> {
        match self.0 {}
    }

    pub fn write(&mut self, _: &[IoSlice<'_>]) -> io::Result<usize> {
        match self.0 {}
    }

    pub fn close(&mut self) {
        match self.0 {}
    }
}
