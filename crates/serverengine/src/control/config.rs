//! The configuration: loaded by a helper, taken over here, published to workers, acknowledged by each.
//!
//! ```text
//!   LoadConfig ─► helper (see `loading`) ─┐
//!              └► handed down from above ─┴─► role: rules, hook ─► publish ─► ConfigLoaded
//! ```

use std::os::fd::AsFd;

use crate::core::{Change, Event, Mode, Monotonic};
use crate::dump::DumpRules;
use crate::loading::Loading;
use crate::log::Level;

use super::child::Child;
use super::role::guarded;
use super::{Control, Kind, Role, Source};

/// Loads of the configuration.
#[derive(Default)]
pub(super) struct Loads {
    running: Option<(Change, Loading, Monotonic)>,
    /// What was asked for meanwhile: what is loaded now may be from before.
    next: Option<Change>,
    /// What the level above has loaded, for the order that follows.
    handed: Option<String>,
}

impl Loads {
    pub(super) fn deadline(&self) -> Option<Monotonic> {
        self.running.as_ref().map(|(_, _, deadline)| *deadline)
    }

    pub(super) fn hand(&mut self, text: String) {
        self.handed = Some(text);
    }
}

impl<R: Role> Control<R> {
    /// Loads the configuration for a reload or restart.
    pub(super) fn load_config(&mut self, change: Change) {
        if let Some(text) = self.loads.handed.take() {
            return self.config_is_there(change, Ok(Some(text)));
        }
        let Some(loader) = self.role.loader().filter(|loader| loader.can_load()) else {
            return self.config_is_there(change, Ok(None));
        };
        if self.loads.running.is_some() {
            self.loads.next = Some(weightier(self.loads.next, change));
            return;
        }
        if loader.is_fresh() {
            let text = "configuration: the file has not changed since it was loaded just now";
            self.logging.log.log(Level::Info, text);
            return self.config_is_there(change, Ok(None));
        }
        let begun = loader.task();
        let begun = begun.and_then(|(task, mut loading)| {
            match self.role.kind() {
                Kind::Thread => task.run_on_thread()?,
                Kind::Process => loading.helper = Some(self.fork_helper(|| task.run())?),
            }
            if let Err(error) = self.poller.add(loading.as_fd(), Source::Loading) {
                if let Some(pid) = loading.helper {
                    self.end_helper(pid);
                }
                return Err(error);
            }
            Ok(loading)
        });
        match begun {
            Ok(loading) => {
                let deadline = self.now().saturating_add(loading.limit);
                self.loads.running = Some((change, loading, deadline));
            }
            Err(error) => self.config_is_there(change, Err(format!("cannot load it: {error}"))),
        }
    }

    /// A helper has ended.
    pub(super) fn config_arrived(&mut self) {
        let Some((change, loading)) = self.end_loading() else {
            return;
        };
        let result = loading.finish().map(|(text, stamp)| {
            if let Some(loader) = self.role.loader() {
                loader.note(stamp);
            }
            Some(text)
        });
        self.config_is_there(change, result);
        self.load_next();
    }

    /// Gives a helper up that takes too long.
    pub(super) fn give_up_loading(&mut self, now: Monotonic) {
        if self.loads.deadline().is_none_or(|deadline| now < deadline) {
            return;
        }
        if let Some((change, loading)) = self.end_loading() {
            self.config_is_there(change, Err(loading.give_up()));
            self.load_next();
        }
    }

    fn end_loading(&mut self) -> Option<(Change, Loading)> {
        let (change, loading, _) = self.loads.running.take()?;
        self.poller.remove(loading.as_fd());
        if let Some(pid) = loading.helper {
            self.end_helper(pid);
        }
        Some((change, loading))
    }

    fn load_next(&mut self) {
        if let Some(change) = self.loads.next.take() {
            self.load_config(change);
        }
    }

    /// Takes a configuration over, or says why not. `None`: there was none to load.
    fn config_is_there(&mut self, change: Change, loaded: Result<Option<String>, String>) {
        let result = loaded
            .and_then(|text| {
                guarded("the reload hook", || {
                    self.role.load_config(change, text.as_deref())
                })
            })
            .and_then(|load| self.publish_config().map(|()| load));
        let result = result.map(|load| {
            if let Some(config) = load.config {
                self.release_after = config.listener_release_after;
                self.dump_rules = DumpRules::of(&config);
            }
            if !load.fixed.is_empty() {
                let text = format!(
                    "configuration: {} changed, which takes the next start of the server",
                    load.fixed.join(", ")
                );
                self.logging.log.log(Level::Warn, &text);
            }
            load.policy
        });
        self.events
            .push_back(Event::ConfigLoaded { change, result });
    }

    /// Makes the next version of what the server wants its workers to work with.
    pub(super) fn publish_config(&mut self) -> Result<(), String> {
        let text = guarded("worker_config", || Ok(self.role.worker_config()))?;
        self.config.publish(text)?;
        self.shared_config = self.config.share().map_err(|error| {
            format!("the workers' configuration cannot be shared with them: {error}")
        })?;
        self.config_reported = self.children.is_empty();
        Ok(())
    }

    /// Says which version a child works with, for a dump.
    pub(super) fn config_of(&self, child: &Child) -> String {
        if R::CHILDREN_CONTROL {
            String::new()
        } else {
            format!(" configuration {}", child.config_version())
        }
    }

    /// Says when all children have acknowledged the newest version. Programs cannot.
    pub(super) fn report_config(&mut self) {
        if self.config_reported || R::CHILDREN_CONTROL || !self.role.takes_orders() {
            return;
        }
        let version = self.config.version;
        let all = self
            .children
            .values()
            .all(|it| it.config_version() == version);
        if all {
            self.config_reported = true;
            let count = self.children.len();
            let text = format!("configuration {version} is taken over by all {count} workers");
            self.logging.log.log(Level::Info, &text);
        }
    }
}

/// Of two changes the one that does more: a restart reloads, too.
fn weightier(one: Option<Change>, other: Change) -> Change {
    match (one, other) {
        (None | Some(Change::Reload), other) => other,
        (Some(Change::Restart(Mode::Immediate)), _) => Change::Restart(Mode::Immediate),
        (Some(restart), Change::Reload) => restart,
        (Some(_), restart) => restart,
    }
}
