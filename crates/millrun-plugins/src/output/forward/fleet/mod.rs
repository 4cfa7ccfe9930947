//! The servers of one output, as all its flush threads see them.
//!
//! ```text
//! <server>, <service_discovery> ──▶ Fleet ──▶ members, and a version that counts changes
//!                                     │
//!              heartbeats ──────────▶ Member ◀── deliverers: failed, took data
//!                                     health
//! ```
//!
//! Members that stay keep their health when others come and go. A chunk under way to one that goes is
//! waited for by whoever sent it.

mod detector;
mod health;
mod heartbeat;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};
use std::time::{Duration, Instant};

use millrun_core::PluginId;

pub(super) use self::health::Watch;
use self::health::{Health, Reason};
pub(super) use self::heartbeat::{Beats, Heart};
use super::parameters::Server;
use crate::transport::ClientTransport;

/// The most servers used. Each has a thread for its heartbeats.
pub(super) const SERVERS_MAX: usize = 256;

/// One server and how it is.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) server: Server,
    health: Mutex<Health>,
    /// TCP or TLS to it, with the sessions that can be resumed.
    transport: OnceLock<ClientTransport>,
}

impl Member {
    pub(super) fn new(server: Server, watch: Option<Watch>, now: Instant) -> Self {
        Self {
            server,
            health: Mutex::new(Health::new(watch, now)),
            transport: OnceLock::new(),
        }
    }

    /// How connections to it are made: heartbeats and chunks resume each other's sessions.
    pub(super) fn transport(&self, all: &ClientTransport) -> &ClientTransport {
        self.transport.get_or_init(|| all.for_one_server())
    }

    pub(super) fn is_available(&self, now: Instant) -> bool {
        self.health().is_available(now)
    }

    /// Until when it is left alone, if it failed in use.
    pub(super) fn left_alone_until(&self, now: Instant) -> Option<Instant> {
        self.health().left_alone_until(now)
    }

    /// Leaves it alone for `pause`; true if it was sound before.
    pub(super) fn failed(&self, now: Instant, pause: Duration) -> bool {
        self.health().failed(now, pause)
    }

    /// Takes note that it took data; true if it was left alone before.
    pub(super) fn succeeded(&self, now: Instant) -> bool {
        self.health().succeeded(now)
    }

    /// Takes note of a heartbeat.
    fn beat(&self, id: &PluginId, now: Instant) {
        if self.health().beat(now) {
            tracing::warn!(
                plugin_id = id.given(),
                host = self.server.host,
                port = self.server.port,
                "recovered forwarding server '{}'",
                self.server.name
            );
        }
    }

    /// Looks whether it has been silent for too long.
    fn look(&self, id: &PluginId, now: Instant) {
        let reason = self.health().look(now);
        let Server {
            name, host, port, ..
        } = &self.server;
        let plugin_id = id.given();
        match reason {
            Some(Reason::Silent) => tracing::warn!(
                plugin_id,
                host,
                port,
                hard_timeout = true,
                "detached forwarding server '{name}'"
            ),
            Some(Reason::Suspicious { phi }) => tracing::warn!(
                plugin_id,
                host,
                port,
                phi,
                "detached forwarding server '{name}'"
            ),
            None => {}
        }
    }

    fn is_fresh(&self, now: Instant) -> bool {
        self.health().is_fresh(now)
    }

    fn health(&self) -> MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The members at one time.
pub(super) type Members = Arc<[Arc<Member>]>;

/// All servers.
#[derive(Debug)]
pub(super) struct Fleet {
    watch: Option<Watch>,
    members: RwLock<Members>,
    version: AtomicU64,
}

impl Fleet {
    pub(super) fn new(servers: Vec<Server>, watch: Option<Watch>) -> Self {
        let now = Instant::now();
        let members = servers.into_iter().take(SERVERS_MAX);
        let members = members.map(|server| Arc::new(Member::new(server, watch, now)));
        Self {
            watch,
            members: RwLock::new(members.collect()),
            version: AtomicU64::new(0),
        }
    }

    /// Counts the changes of the members.
    pub(super) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    pub(super) fn members(&self) -> Members {
        let members = self.members.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&members)
    }

    /// From now on the servers are these; says in the log which come and go.
    pub(super) fn set(&self, servers: Vec<Server>, id: &PluginId, now: Instant) {
        let old = self.members();
        if servers.len() > SERVERS_MAX {
            tracing::warn!(
                plugin_id = id.given(),
                found = servers.len(),
                limit = SERVERS_MAX,
                "more servers than can be used; the first ones are"
            );
        }
        let keep = |server: Server| {
            let same = old.iter().find(|member| member.server == server);
            same.map_or_else(
                || Arc::new(Member::new(server, self.watch, now)),
                Arc::clone,
            )
        };
        let new: Members = servers.into_iter().take(SERVERS_MAX).map(keep).collect();
        let differ = |these: &Members, those: &Members, word: &str| {
            let mut count = 0;
            for member in these.iter().filter(|member| !holds(those, member)) {
                let Server {
                    given_name,
                    host,
                    port,
                    ..
                } = &member.server;
                let name = given_name.as_deref().unwrap_or_default();
                tracing::info!(plugin_id = id.given(), "{word}: name={name} {host}:{port}");
                count += 1;
            }
            count
        };
        let changes = differ(&new, &old, "Service in") + differ(&old, &new, "Service out");
        if changes > 0 {
            *self.members.write().unwrap_or_else(PoisonError::into_inner) = new;
            self.version.fetch_add(1, Ordering::AcqRel);
        }
    }
}

/// Whether `members` hold this very one.
pub(super) fn holds(members: &Members, one: &Arc<Member>) -> bool {
    members.iter().any(|member| Arc::ptr_eq(member, one))
}
