//! The socket manager in the control loop: who asks by name, and the server that takes over.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use crate::lifeline::frame::Frame;
use crate::lifeline::{Lifeline, Message};
use crate::listen::manager::Server;
use crate::listen::{Origin, SocketKey};
use crate::log::Level;
use crate::sys::{self, Peer as Credentials};

use super::{Control, Role, Source};

/// Most connections at the same time.
const PEERS_MAX: usize = 256;

/// Stands for the manager's own socket among the peers.
pub(super) const LISTENER: u64 = 0;

/// The name this process serves, and those who are connected.
pub(super) struct Sharing {
    server: Arc<Server>,
    /// Users who may ask, beside root and this process's own.
    users: Vec<u32>,
    peers: BTreeMap<u64, Peer>,
    last_peer: u64,
    /// The connection of the server that has taken everything over and lives.
    successor: Option<u64>,
}

struct Peer {
    line: Lifeline,
    credentials: Option<Credentials>,
    /// What a server that takes over has not got yet.
    hand_over: Option<VecDeque<SocketKey>>,
}

impl Sharing {
    pub(super) fn new(server: Arc<Server>, users: Vec<u32>) -> Self {
        Self {
            server,
            users,
            peers: BTreeMap::new(),
            last_peer: LISTENER,
            successor: None,
        }
    }

    /// Returns whether another server answers for the sockets from now on.
    pub(super) fn has_successor(&self) -> bool {
        self.successor.is_some()
    }

    fn insert(&mut self, line: Lifeline, credentials: Option<Credentials>) -> u64 {
        self.last_peer += 1;
        let peer = Peer {
            line,
            credentials,
            hand_over: None,
        };
        self.peers.insert(self.last_peer, peer);
        self.last_peer
    }
}

impl<R: Role> Control<R> {
    /// Begins to serve the manager's name, with what was taken over from another server.
    pub(super) fn share(&mut self, mut server: Server, users: Vec<u32>) -> io::Result<()> {
        let taken = std::mem::take(&mut server.taken);
        let count = taken.sockets.len();
        for (key, socket) in taken.sockets {
            self.listeners.adopt(key, socket, Origin::TakenOver);
        }
        self.poller.add(server.as_fd(), Source::Peer(LISTENER))?;
        let mut sharing = Sharing::new(Arc::new(server), users);
        if let Some(line) = taken.predecessor {
            let id = sharing.insert(line, None);
            if let Some(peer) = sharing.peers.get(&id) {
                self.poller.add(peer.line.as_fd(), Source::Peer(id))?;
            }
            let text = format!("{count} listening sockets are taken over from another server");
            self.logging.log.log(Level::Info, &text);
        }
        self.sharing = Some(sharing);
        Ok(())
    }

    /// Ends the service. Returns whether the sockets' files are this process's to remove.
    pub(super) fn end_sharing(&mut self) -> bool {
        match self.sharing.take() {
            Some(sharing) if sharing.has_successor() => false,
            Some(sharing) => {
                sharing.server.remove();
                true
            }
            None => true,
        }
    }

    pub(super) fn read_peer(&mut self, id: u64) {
        if id == LISTENER {
            return self.accept_peer();
        }
        loop {
            let Some(sharing) = &mut self.sharing else {
                return;
            };
            let Some(peer) = sharing.peers.get_mut(&id) else {
                return;
            };
            match peer.line.receive() {
                Ok(Message::Frame(Frame::Listen { request, key }, _)) => {
                    let answer = self.listeners.socket(&key, None);
                    let (frame, socket) = match answer {
                        Ok(socket) => (Frame::Listener { request }, Some(socket)),
                        Err(refusal) => {
                            let (errno, text) = (refusal.errno, refusal.detail);
                            let frame = Frame::Refused {
                                request,
                                errno,
                                text,
                            };
                            (frame, None)
                        }
                    };
                    self.tell_peer(id, &frame, socket.as_ref());
                    self.tell_successor();
                }
                Ok(Message::Frame(Frame::TakeOver, _)) => self.hand_over(id),
                Ok(Message::Frame(Frame::Socket { key }, Some(socket)))
                    if peer.credentials.is_none() =>
                {
                    self.listeners.adopt(key, socket, Origin::TakenOver);
                }
                Ok(Message::Frame(..) | Message::Unknown) => {}
                Ok(Message::Nothing) => return,
                Ok(Message::Closed) | Err(_) => return self.peer_left(id),
            }
        }
    }

    fn accept_peer(&mut self) {
        let Some(sharing) = &mut self.sharing else {
            return;
        };
        let accepted = sys::accept(sharing.server.as_fd());
        let (socket, credentials) = match accepted {
            Ok(Some(accepted)) => accepted,
            Ok(None) => return,
            Err(error) => {
                let text = format!("socket manager: a connection could not be taken: {error}");
                return self.logging.log.log(Level::Warn, &text);
            }
        };
        let user = credentials.user;
        let allowed = user == 0 || user == sys::own_user() || sharing.users.contains(&user);
        let refused = if !allowed {
            Some("that user may not ask here")
        } else if sharing.peers.len() >= PEERS_MAX {
            Some("there are too many connections")
        } else {
            None
        };
        if let Some(why) = refused {
            let text = format!(
                "socket manager: process {} of user {user} was turned away: {why}",
                credentials.process
            );
            return self.logging.log.log(Level::Warn, &text);
        }
        let id = sharing.insert(Lifeline::from(socket), Some(credentials));
        if let Some(peer) = sharing.peers.get(&id)
            && self
                .poller
                .add(peer.line.as_fd(), Source::Peer(id))
                .is_err()
        {
            sharing.peers.remove(&id);
        }
    }

    /// Gives a server that takes over the next socket, and after the last one the name itself.
    fn hand_over(&mut self, id: u64) {
        let all = || self.listeners.keys().cloned().collect();
        let Some(sharing) = &mut self.sharing else {
            return;
        };
        let Some(peer) = sharing.peers.get_mut(&id) else {
            return;
        };
        let user = peer.credentials.map_or(0, |it| it.user);
        if user != 0 && user != sys::own_user() {
            let frame = Frame::Refused {
                request: 0,
                errno: libc::EPERM,
                text: "only the server's own user and root may take its sockets over".to_owned(),
            };
            return self.tell_peer(id, &frame, None);
        }
        let queue = peer.hand_over.get_or_insert_with(all);
        while let Some(key) = queue.pop_front() {
            // It may have been closed since.
            if let Some(socket) = self.listeners.duplicate(&key) {
                return self.tell_peer(id, &Frame::Socket { key }, Some(&socket));
            }
        }
        let process = peer.credentials.map_or(0, |it| it.process);
        let server = Arc::clone(&sharing.server);
        if let Err(error) = peer.line.send(&Frame::Manager, Some(server.as_fd())) {
            let text = format!("socket manager: process {process} did not take over: {error}");
            return self.logging.log.log(Level::Warn, &text);
        }
        sharing.successor = Some(id);
        self.poller.remove(server.as_fd());
        let text = format!(
            "process {process} has taken over {} listening sockets; it may be time to stop this one",
            self.listeners.len()
        );
        self.logging.log.log(Level::Info, &text);
        // From here on each new one is sent by itself.
        drop(self.listeners.take_news());
    }

    /// Sends the server that has taken over what was opened since.
    pub(super) fn tell_successor(&mut self) {
        let Some(successor) = self.sharing.as_ref().and_then(|it| it.successor) else {
            return;
        };
        for key in self.listeners.take_news() {
            if let Some(socket) = self.listeners.duplicate(&key) {
                self.tell_peer(successor, &Frame::Socket { key }, Some(&socket));
            }
        }
    }

    fn tell_peer(&self, id: u64, frame: &Frame, socket: Option<&OwnedFd>) {
        let peer = self.sharing.as_ref().and_then(|it| it.peers.get(&id));
        let Some(peer) = peer else { return };
        if let Err(error) = peer.line.send(frame, socket.map(AsFd::as_fd)) {
            let process = peer.credentials.map_or(0, |it| it.process);
            let text = format!("socket manager: process {process} did not take an answer: {error}");
            self.logging.log.log(Level::Warn, &text);
        }
    }

    fn peer_left(&mut self, id: u64) {
        let Some(sharing) = &mut self.sharing else {
            return;
        };
        let Some(peer) = sharing.peers.remove(&id) else {
            return;
        };
        self.poller.remove(peer.line.as_fd());
        if peer.credentials.is_none() {
            let text = "the server whose sockets were taken over has ended";
            self.logging.log.log(Level::Info, text);
        }
        if sharing.successor == Some(id) {
            sharing.successor = None;
            let text = "the server that took the sockets over is gone: serving them as before";
            self.logging.log.log(Level::Warn, text);
            let _ = self
                .poller
                .add(sharing.server.as_fd(), Source::Peer(LISTENER));
        }
    }
}
