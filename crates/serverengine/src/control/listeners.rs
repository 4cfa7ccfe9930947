//! Requests for listening sockets: answered here, or relayed to the level above.

use std::os::fd::{AsFd, OwnedFd};

use crate::core::{Generation, Monotonic, SlotId};
use crate::lifeline::frame::Frame;
use crate::listen::{Claim, SocketKey, remove_file};
use crate::log::Level;

use super::sharing::Sharing;
use super::{Control, Role};

impl<R: Role> Control<R> {
    pub(super) fn answer_listen(&mut self, claim: Claim, request: u32, key: SocketKey) {
        let answer = match (&mut self.upstream, self.listeners.known(&key, claim)) {
            (_, Some(known)) => known,
            (None, None) => self.listeners.socket(&key, claim),
            (Some(upstream), None) => {
                if let Err(error) = upstream.relay(claim, request, key) {
                    let errno = error.raw_os_error().unwrap_or(libc::EPIPE);
                    let text = "the supervisor does not answer".to_owned();
                    self.reply(
                        claim.generation,
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
        };
        match answer {
            Ok(socket) => {
                let frame = Frame::Listener { request };
                self.reply(claim.generation, &frame, Some(socket.as_fd()));
            }
            Err(refusal) => {
                let (errno, text) = (refusal.errno, refusal.detail);
                self.reply(
                    claim.generation,
                    &Frame::Refused {
                        request,
                        errno,
                        text,
                    },
                    None,
                );
            }
        }
        self.tell_successor();
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
        self.reply(relayed.claim.generation, &frame, Some(socket.as_fd()));
        self.listeners.insert(relayed.key, socket, relayed.claim);
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
        self.reply(relayed.claim.generation, &frame, None);
    }

    /// A child is ready: in a while it will have asked for all the sockets it wants.
    pub(super) fn expect_release(&mut self, now: Monotonic) {
        self.next_release = Some(now.saturating_add(self.release_after));
    }

    /// Closes sockets that nobody wants any more.
    pub(super) fn release_listeners(&mut self, now: Monotonic) {
        if self.next_release.is_none_or(|moment| now < moment) {
            return;
        }
        self.next_release = None;
        if self.listeners.is_empty() {
            return;
        }
        let settled = |slot: SlotId| -> Option<Generation> {
            let (generation, child) = self
                .children
                .iter()
                // The youngest: an older one may be finishing beside it.
                .rfind(|(_, child)| child.claims_for(slot))?;
            let since = child.ready_since()?;
            (since.saturating_add(self.release_after) <= now).then_some(*generation)
        };
        // Workers ask a supervisor through their server, whenever that is: only a server knows when all have.
        let all_settled = !R::CHILDREN_CONTROL
            && (0..self.state.policy.slots).all(|slot| settled(slot).is_some());
        for key in self.listeners.release_unclaimed(settled, all_settled) {
            let text = format!("no worker listens on {} any more: closed", key.address);
            self.logging.log.log(Level::Info, &text);
            match &self.upstream {
                // If it does not arrive, the supervisor closes the socket with the next server.
                Some(upstream) => upstream.say_release(key),
                None => self.remove_socket_file(&key),
            }
        }
    }

    /// Removes the file of a socket that was closed, unless another server has the socket, too.
    fn remove_socket_file(&self, key: &SocketKey) {
        if !self.sharing.as_ref().is_some_and(Sharing::has_successor) {
            remove_file(key);
        }
    }

    pub(super) fn release_listener(&mut self, key: &SocketKey) {
        self.listeners.release(key);
        self.remove_socket_file(key);
    }
}
