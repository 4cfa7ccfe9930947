//! Life-line sockets: pairs of SOCK_SEQPACKET, frames with at most one descriptor.

use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout};
use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, getsockopt,
    recvmsg, sendmsg, socketpair, sockopt::PeerCredentials,
};

/// Makes both ends of a life-line: non-blocking, close-on-exec.
pub(crate) fn seqpacket_pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    Ok(socketpair(
        AddressFamily::Unix,
        SockType::SeqPacket,
        None,
        flags,
    )?)
}

/// Sends one frame, with a duplicate of `passed` if given. Never blocks.
pub(crate) fn send(
    socket: BorrowedFd<'_>,
    frame: &[u8],
    passed: Option<BorrowedFd<'_>>,
) -> io::Result<()> {
    let descriptors: Vec<RawFd> = passed.iter().map(AsRawFd::as_raw_fd).collect();
    let rights = [ControlMessage::ScmRights(&descriptors)];
    let control: &[ControlMessage<'_>] = if descriptors.is_empty() { &[] } else { &rights };
    loop {
        let frame = [IoSlice::new(frame)];
        // A gone peer is an error to handle, not a signal to die of.
        match sendmsg::<()>(
            socket.as_raw_fd(),
            &frame,
            control,
            MsgFlags::MSG_NOSIGNAL,
            None,
        ) {
            Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
            Ok(_) => return Ok(()),
        }
    }
}

/// Who is at the other end of a connection, by the kernel's word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Peer {
    pub(crate) process: i32,
    pub(crate) user: u32,
}

/// Accepts a connection that waits, non-blocking and close-on-exec.
pub(crate) fn accept(listener: BorrowedFd<'_>) -> io::Result<Option<(OwnedFd, Peer)>> {
    let (socket, _) = match socket2::SockRef::from(&listener).accept() {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
        accepted => accepted?,
    };
    socket.set_nonblocking(true)?;
    let credentials = getsockopt(&socket, PeerCredentials)?;
    let peer = Peer {
        process: credentials.pid(),
        user: credentials.uid(),
    };
    Ok(Some((socket.into(), peer)))
}

/// What one look at a life-line found.
#[derive(Debug)]
pub(crate) enum Received {
    /// A frame of this many bytes, with the descriptor that came along.
    Frame(usize, Option<OwnedFd>),
    /// Nothing now.
    Nothing,
    /// The other side is gone.
    Closed,
}

/// Receives one frame into `buffer`. Never blocks. A frame that is longer than the buffer is cut.
pub(crate) fn receive(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<Received> {
    let mut space = nix::cmsg_space!(RawFd);
    loop {
        let mut slices = [IoSliceMut::new(buffer)];
        let flags = MsgFlags::MSG_CMSG_CLOEXEC | MsgFlags::MSG_DONTWAIT;
        let message = match recvmsg::<()>(socket.as_raw_fd(), &mut slices, Some(&mut space), flags)
        {
            Err(Errno::EINTR) => continue,
            Err(Errno::EAGAIN) => return Ok(Received::Nothing),
            Err(Errno::ECONNRESET) => return Ok(Received::Closed),
            Err(error) => return Err(error.into()),
            Ok(message) => message,
        };
        let mut passed = None;
        for control in message.cmsgs()? {
            if let ControlMessageOwned::ScmRights(descriptors) = control {
                for raw in descriptors {
                    // SAFETY: The kernel has just made this descriptor for us; nobody else owns it. One
                    // that is replaced here is closed by its drop.
                    passed = Some(unsafe { OwnedFd::from_raw_fd(raw) });
                }
            }
        }
        // The engine sends no empty frame, so an empty one is the end.
        return Ok(match message.bytes {
            0 => Received::Closed,
            length => Received::Frame(length, passed),
        });
    }
}

/// Waits until one of the descriptors is readable, closed or broken, at most `timeout` (`None`: for
/// ever). Returns which ones are.
pub(crate) fn poll_readable<const N: usize>(
    descriptors: [BorrowedFd<'_>; N],
    timeout: Option<Duration>,
) -> io::Result<[bool; N]> {
    let mut polled = descriptors.map(|descriptor| PollFd::new(descriptor, PollFlags::POLLIN));
    let timeout = timeout.map_or(PollTimeout::NONE, round_up_to_millis);
    match nix::poll::poll(&mut polled, timeout) {
        Ok(_) | Err(Errno::EINTR) => {}
        Err(error) => return Err(error.into()),
    }
    if polled.iter().any(|one| {
        one.revents()
            .is_some_and(|e| e.contains(PollFlags::POLLNVAL))
    }) {
        return Err(Errno::EBADF.into());
    }
    Ok(polled.map(|one| one.any().unwrap_or(false)))
}

/// Waits until one of the descriptors is readable, closed or broken. Returns which ones are, in order.
pub(crate) fn poll_many(
    descriptors: &[BorrowedFd<'_>],
    timeout: Option<Duration>,
) -> io::Result<Vec<bool>> {
    let mut polled: Vec<_> = descriptors
        .iter()
        .map(|descriptor| PollFd::new(*descriptor, PollFlags::POLLIN))
        .collect();
    let timeout = timeout.map_or(PollTimeout::NONE, round_up_to_millis);
    match nix::poll::poll(&mut polled, timeout) {
        Ok(_) | Err(Errno::EINTR) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(polled
        .iter()
        .map(|one| one.any().unwrap_or(false))
        .collect())
}

/// A wait must not end before its time, or the caller would spin for the rest of it.
fn round_up_to_millis(timeout: Duration) -> PollTimeout {
    let millis = timeout.as_nanos().div_ceil(1_000_000);
    i32::try_from(millis)
        .ok()
        .and_then(|m| PollTimeout::try_from(m).ok())
        .unwrap_or(PollTimeout::MAX)
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn a_frame_carries_a_descriptor() {
        let (left, right) = seqpacket_pair().unwrap();
        let (reader, mut writer) = std::io::pipe().unwrap();
        send(left.as_fd(), b"frame", Some(reader.as_fd())).unwrap();
        drop(reader);

        let mut buffer = [0; 16];
        let Received::Frame(length, Some(passed)) = receive(right.as_fd(), &mut buffer).unwrap()
        else {
            panic!("no frame with a descriptor");
        };
        assert_eq!(&buffer[..length], b"frame");
        writer.write_all(b"through").unwrap();
        drop(writer);
        let text = std::io::read_to_string(std::io::PipeReader::from(passed)).unwrap();
        assert_eq!(text, "through");
    }

    #[test]
    fn the_end_and_nothing_are_told_apart() {
        let (left, right) = seqpacket_pair().unwrap();
        let mut buffer = [0; 16];
        assert!(matches!(
            receive(right.as_fd(), &mut buffer).unwrap(),
            Received::Nothing
        ));
        assert_eq!(
            poll_readable([right.as_fd()], Some(Duration::ZERO)).unwrap(),
            [false]
        );
        drop(left);
        assert_eq!(poll_readable([right.as_fd()], None).unwrap(), [true]);
        assert!(matches!(
            receive(right.as_fd(), &mut buffer).unwrap(),
            Received::Closed
        ));
        assert!(send(right.as_fd(), b"x", None).is_err());
    }
}
