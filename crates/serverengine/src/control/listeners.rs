//! Requests for listening sockets: answered here, or relayed to the level above.

use std::os::fd::{AsFd, OwnedFd};

use crate::core::Generation;
use crate::lifeline::frame::Frame;
use crate::listen::SocketKey;

use super::{Control, Role};

impl<R: Role> Control<R> {
    pub(super) fn answer_listen(&mut self, generation: Generation, request: u32, key: SocketKey) {
        if let Some(upstream) = &mut self.upstream
            && !self.listeners.knows(&key)
        {
            if let Err(error) = upstream.relay(generation, request, key) {
                let errno = error.raw_os_error().unwrap_or(libc::EPIPE);
                let text = "the supervisor does not answer".to_owned();
                self.reply(
                    generation,
                    &Frame::Refused {
                        request,
                        errno,
                        text,
                    },
                    None,
                );
            }
            return;
        }
        match self.listeners.socket(&key) {
            Ok(socket) => {
                self.reply(
                    generation,
                    &Frame::Listener { request },
                    Some(socket.as_fd()),
                );
            }
            Err(refusal) => {
                let (errno, text) = (refusal.errno, refusal.detail);
                self.reply(
                    generation,
                    &Frame::Refused {
                        request,
                        errno,
                        text,
                    },
                    None,
                );
            }
        }
    }

    /// The level above has answered a relayed request.
    pub(super) fn listener_arrived(&mut self, request: u32, socket: OwnedFd) {
        let Some(upstream) = &mut self.upstream else {
            return;
        };
        let Some(relayed) = upstream.take_relayed(request) else {
            return;
        };
        let frame = Frame::Listener {
            request: relayed.request,
        };
        self.reply(relayed.generation, &frame, Some(socket.as_fd()));
        self.listeners.insert(relayed.key, socket);
    }

    pub(super) fn listener_refused(&mut self, request: u32, errno: i32, text: String) {
        let Some(upstream) = &mut self.upstream else {
            return;
        };
        let Some(relayed) = upstream.take_relayed(request) else {
            return;
        };
        let frame = Frame::Refused {
            request: relayed.request,
            errno,
            text,
        };
        self.reply(relayed.generation, &frame, None);
    }
}
