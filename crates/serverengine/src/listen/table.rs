//! The table of listening sockets of the topmost control process.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;

use crate::core::{Generation, SlotId};

use super::open::open;
use super::{ListenAddress, SocketKey};

/// How many listening sockets one server may hold.
const LISTENERS_MAX: usize = 1024;

/// Listening sockets by their exact key.
///
/// Dropping it closes the descriptors and nothing else, so that a forked child may drop its copy.
/// [`ListenerTable::close`] is the end of the sockets themselves.
#[derive(Debug, Default)]
pub(crate) struct ListenerTable {
    sockets: BTreeMap<SocketKey, Held>,
    /// What was opened and is not told to a server that has taken over.
    news: Vec<SocketKey>,
}

/// A socket, and the last generation of each slot that asked for it.
#[derive(Debug)]
struct Held {
    socket: OwnedFd,
    origin: Origin,
    claims: BTreeMap<SlotId, Generation>,
    /// Somebody without a life-line has it: nobody knows for how long.
    is_kept: bool,
}

/// Where a socket comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Opened here, or by the level above.
    Opened,
    /// By a server before this one, with the same options.
    TakenOver,
    /// By a service manager, which also looks after its file. It is found by its address.
    Activated,
}

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Claim {
    pub(crate) slot: SlotId,
    pub(crate) generation: Generation,
}

/// Why there is no socket.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) errno: i32,
    pub(crate) detail: String,
}

impl ListenerTable {
    /// Returns a duplicate of the socket of this key, which is opened if nobody asked for it before.
    /// Without a claim it is kept until the end.
    pub(crate) fn socket(
        &mut self,
        key: &SocketKey,
        claim: impl Into<Option<Claim>>,
    ) -> Result<OwnedFd, Refusal> {
        let claim = claim.into();
        if let Some(known) = self.known(key, claim) {
            return known;
        }
        if self.sockets.len() >= LISTENERS_MAX {
            let detail = format!("this server holds {LISTENERS_MAX} listening sockets already");
            return Err(Refusal {
                errno: libc::EMFILE,
                detail,
            });
        }
        let socket = open(key).map_err(|error| refusal(&error, self.conflict(key)))?;
        let duplicate = socket.try_clone().map_err(|error| refusal(&error, None))?;
        self.hold(key.clone(), socket, Origin::Opened, claim);
        self.news.push(key.clone());
        Ok(duplicate)
    }

    /// Returns a duplicate of the socket of this key if it is here.
    pub(crate) fn known(
        &mut self,
        key: &SocketKey,
        claim: impl Into<Option<Claim>>,
    ) -> Option<Result<OwnedFd, Refusal>> {
        let place = if self.sockets.contains_key(key) {
            key.clone()
        } else {
            let activated = |(other, held): &(&SocketKey, &Held)| {
                held.origin == Origin::Activated && other.address == key.address
            };
            let (place, _) = self.sockets.iter().find(activated)?;
            place.clone()
        };
        let held = self.sockets.get_mut(&place)?;
        held.claim(claim.into());
        Some(
            held.socket
                .try_clone()
                .map_err(|error| refusal(&error, None)),
        )
    }

    /// Takes a socket that a level above holds, so that the next worker is answered here.
    pub(crate) fn insert(&mut self, key: SocketKey, socket: OwnedFd, claim: Claim) {
        self.hold(key, socket, Origin::Opened, Some(claim));
    }

    /// Takes a socket that somebody else has opened and nobody here has asked for yet.
    pub(crate) fn adopt(&mut self, key: SocketKey, socket: OwnedFd, origin: Origin) {
        self.sockets.entry(key).or_insert(Held {
            socket,
            origin,
            claims: BTreeMap::new(),
            is_kept: false,
        });
    }

    fn hold(&mut self, key: SocketKey, socket: OwnedFd, origin: Origin, claim: Option<Claim>) {
        let held = self.sockets.entry(key).or_insert(Held {
            socket,
            origin,
            claims: BTreeMap::new(),
            is_kept: false,
        });
        held.claim(claim);
    }

    /// Returns a duplicate of a socket that is here, for one who makes no claim.
    pub(crate) fn duplicate(&self, key: &SocketKey) -> Option<OwnedFd> {
        self.sockets.get(key)?.socket.try_clone().ok()
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &SocketKey> {
        self.sockets.keys()
    }

    pub(crate) fn len(&self) -> usize {
        self.sockets.len()
    }

    /// Returns what was opened since the last call.
    pub(crate) fn take_news(&mut self) -> Vec<SocketKey> {
        std::mem::take(&mut self.news)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.sockets.is_empty()
    }

    /// Gives up the sockets that nobody wants any more. `settled` returns a slot's generation that runs
    /// and has had the time to ask for all it needs; `all_settled`: that holds for every slot, so what
    /// nobody has ever asked for is not wanted either.
    pub(crate) fn release_unclaimed(
        &mut self,
        settled: impl Fn(SlotId) -> Option<Generation>,
        all_settled: bool,
    ) -> Vec<SocketKey> {
        let void = |(slot, generation): (&SlotId, &Generation)| {
            settled(*slot).is_some_and(|current| current > *generation)
        };
        self.sockets
            .extract_if(.., |_, held| {
                !held.is_kept
                    && held.claims.iter().all(void)
                    && (all_settled || !held.claims.is_empty())
            })
            .map(|(key, _)| key)
            .collect()
    }

    /// Gives up one socket.
    pub(crate) fn release(&mut self, key: &SocketKey) {
        self.sockets.remove(key);
    }

    /// Closes all sockets and removes the files of Unix sockets. Only for the process that opened them.
    pub(crate) fn close(&mut self) {
        for (key, held) in std::mem::take(&mut self.sockets) {
            if held.origin != Origin::Activated {
                remove_file(&key);
            }
        }
    }

    /// Closes the descriptors only: the sockets live on in another server.
    pub(crate) fn leave(&mut self) {
        self.sockets.clear();
    }

    // The kernel says "in use" without a name; if it is one of ours, we can tell.
    fn conflict(&self, key: &SocketKey) -> Option<String> {
        let port = port(&key.address)?;
        let other = self.sockets.keys().find(|other| {
            *other != key
                && std::mem::discriminant(&other.address) == std::mem::discriminant(&key.address)
                && self::port(&other.address) == Some(port)
        })?;
        Some(if other.address == key.address {
            "this server itself listens there with other options".to_owned()
        } else {
            format!("this server itself listens on {}", other.address)
        })
    }
}

impl Held {
    fn claim(&mut self, claim: Option<Claim>) {
        match claim {
            Some(claim) => drop(self.claims.insert(claim.slot, claim.generation)),
            None => self.is_kept = true,
        }
    }
}

/// Removes the file of a Unix socket that was closed. Only for the process that opened it.
pub(crate) fn remove_file(key: &SocketKey) {
    if let ListenAddress::Unix(path) | ListenAddress::UnixDatagram(path) = &key.address {
        // Whoever removed it before us had the same wish.
        let _ = std::fs::remove_file(path);
    }
}

fn port(address: &ListenAddress) -> Option<u16> {
    match address {
        ListenAddress::Tcp(address) | ListenAddress::Udp(address) => Some(address.port()),
        ListenAddress::Unix(_) | ListenAddress::UnixDatagram(_) => None,
    }
}

fn refusal(error: &io::Error, conflict: Option<String>) -> Refusal {
    match error.raw_os_error() {
        Some(errno) => Refusal {
            errno,
            detail: conflict
                .filter(|_| errno == libc::EADDRINUSE)
                .unwrap_or_default(),
        },
        // Not the kernel's: a path that no socket address can hold.
        None => Refusal {
            errno: libc::EINVAL,
            detail: error.to_string(),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::net::{SocketAddr, TcpListener};

    use super::*;
    use crate::listen::ListenOptions;

    const FIRST: Claim = Claim {
        slot: 0,
        generation: Generation(1),
    };

    fn tcp(address: SocketAddr) -> SocketKey {
        SocketKey {
            address: ListenAddress::Tcp(address),
            options: ListenOptions::default(),
        }
    }

    fn address_of(socket: OwnedFd) -> SocketAddr {
        TcpListener::from(socket).local_addr().unwrap()
    }

    #[test]
    fn the_same_key_is_the_same_socket() {
        let mut table = ListenerTable::default();
        let key = tcp("127.0.0.1:0".parse().unwrap());
        let first = address_of(table.socket(&key, FIRST).unwrap());
        let second = address_of(table.socket(&key, FIRST).unwrap());
        assert_eq!(first, second);
    }

    #[test]
    fn b22_all_addresses_and_loopback_are_never_taken_for_each_other() {
        let mut table = ListenerTable::default();
        let any = address_of(
            table
                .socket(&tcp("0.0.0.0:0".parse().unwrap()), FIRST)
                .unwrap(),
        );
        // The key says port 0; ask for the port it became.
        let any_key = tcp(any);
        let socket = table.sockets.pop_first().unwrap().1.socket;
        table.insert(any_key.clone(), socket, FIRST);

        let loopback = tcp(SocketAddr::from(([127, 0, 0, 1], any.port())));
        let refusal = table.socket(&loopback, FIRST).unwrap_err();
        assert_eq!(refusal.errno, libc::EADDRINUSE);
        assert_eq!(
            refusal.detail,
            format!("this server itself listens on tcp {any}")
        );

        let mut other = any_key;
        other.options.backlog = 1;
        let refusal = table.socket(&other, FIRST).unwrap_err();
        assert_eq!(
            refusal.detail,
            "this server itself listens there with other options"
        );
    }

    #[test]
    fn b23_no_socket_file_is_left_behind_and_a_stale_one_is_no_obstacle() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("test.sock");
        let key = SocketKey {
            address: ListenAddress::Unix(path.clone()),
            options: ListenOptions {
                mode: Some(0o600),
                ..ListenOptions::default()
            },
        };
        let mut killed = ListenerTable::default();
        killed.socket(&key, FIRST).unwrap();
        // While somebody listens the path is not taken away.
        let mut second = ListenerTable::default();
        assert_eq!(
            second.socket(&key, FIRST).unwrap_err().errno,
            libc::EADDRINUSE
        );
        drop(killed); // as a kill would: the file stays
        assert!(path.exists());

        second.socket(&key, FIRST).unwrap();
        second.close();
        assert!(!path.exists());
    }

    #[test]
    fn a_socket_is_released_when_all_who_wanted_it_have_successors_that_do_not() {
        let mut table = ListenerTable::default();
        let old = tcp("127.0.0.1:0".parse().unwrap());
        let new = tcp("127.0.0.2:0".parse().unwrap());
        let claim = |slot, generation| Claim {
            slot,
            generation: Generation(generation),
        };
        table.socket(&old, claim(0, 1)).unwrap();
        table.socket(&old, claim(1, 1)).unwrap();
        table.socket(&new, claim(0, 2)).unwrap();
        // Slot 0 has a successor, slot 1 has none that has settled.
        let settled = |slot| (slot == 0).then_some(Generation(2));
        assert_eq!(table.release_unclaimed(settled, false), []);
        // Those who asked are settled themselves: theirs stays.
        assert_eq!(table.release_unclaimed(|_| Some(Generation(1)), true), []);
        assert_eq!(
            table.release_unclaimed(|_| Some(Generation(2)), true),
            [old]
        );
        assert_eq!(table.sockets.into_keys().collect::<Vec<_>>(), [new]);
    }

    #[test]
    fn what_was_adopted_waits_for_a_claim_until_all_have_had_their_time() {
        let mut table = ListenerTable::default();
        let settled = |_: SlotId| Some(Generation(1));
        let listener = || TcpListener::bind("127.0.0.1:0").unwrap();
        let activated = listener();
        let wanted = tcp(activated.local_addr().unwrap());
        table.adopt(wanted.clone(), activated.into(), Origin::Activated);
        let unwanted = tcp("127.0.0.3:1".parse().unwrap());
        table.adopt(unwanted.clone(), listener().into(), Origin::TakenOver);
        assert_eq!(table.release_unclaimed(settled, false), []);
        // Found by its address, whatever the options.
        let mut other = wanted.clone();
        other.options.backlog = 7;
        let same = address_of(table.socket(&other, FIRST).unwrap());
        assert_eq!(ListenAddress::Tcp(same), wanted.address);
        assert_eq!(table.release_unclaimed(settled, true), [unwanted]);
        // Who has no life-line keeps it.
        table.socket(&wanted, None).unwrap();
        let later = |_: SlotId| Some(Generation(9));
        assert_eq!(table.release_unclaimed(later, true), []);
    }
}
