//! The life-line: the one socket between a control process and each of its children.
//!
//! Both ends are a `SOCK_SEQPACKET` pair made just before the fork. The parent keeps one end, the child
//! the other, and each closes the other's end: when one of them is gone, however it went, the other
//! reads the end of the socket. What travels on it are the frames of [`frame`]. Neither side ever
//! blocks on it: a side whose peer does not read loses frames and says so.

pub(crate) mod frame;

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use crate::sys::{self, Received};

use frame::{FRAME_LEN_MAX, Frame};

/// One end of a life-line.
#[derive(Debug)]
pub(crate) struct Lifeline(OwnedFd);

/// What was read from a life-line.
#[derive(Debug)]
pub(crate) enum Message {
    Frame(Frame, Option<OwnedFd>),
    /// The peer sent what this version does not know. Ignored, so that versions may differ.
    Unknown,
    Nothing,
    Closed,
}

impl Lifeline {
    /// Makes both ends of a new life-line.
    pub(crate) fn pair() -> io::Result<(Self, Self)> {
        let (left, right) = sys::seqpacket_pair()?;
        Ok((Self(left), Self(right)))
    }

    /// Sends a frame, with a duplicate of `passed` if given. Fails when the peer is gone or does not read.
    pub(crate) fn send(&self, frame: &Frame, passed: Option<BorrowedFd<'_>>) -> io::Result<()> {
        sys::send(self.0.as_fd(), &frame.encode(), passed)
    }

    pub(crate) fn receive(&self) -> io::Result<Message> {
        let mut buffer = [0; FRAME_LEN_MAX];
        Ok(match sys::receive(self.0.as_fd(), &mut buffer)? {
            Received::Nothing => Message::Nothing,
            Received::Closed => Message::Closed,
            Received::Frame(length, passed) => {
                let decoded = buffer.get(..length).and_then(Frame::decode);
                decoded.map_or(Message::Unknown, |frame| Message::Frame(frame, passed))
            }
        })
    }
}

/// A connection that was made otherwise: to the socket manager.
impl From<OwnedFd> for Lifeline {
    fn from(socket: OwnedFd) -> Self {
        Self(socket)
    }
}

impl AsFd for Lifeline {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
