//! The configuration of workers: published by a reload, acknowledged by each.

use crate::log::Level;

use super::role::guarded;
use super::{Control, Role};

impl<R: Role> Control<R> {
    /// Makes the next version of what the server wants its workers to work with.
    pub(super) fn publish_config(&mut self) -> Result<(), String> {
        let text = guarded("worker_config", || Ok(self.role.worker_config()))?;
        if self.config.publish(text)? {
            let shared = self.config.share();
            self.shared_config = Some(shared.map_err(|error| {
                format!("the workers' configuration cannot be shared with them: {error}")
            })?);
            self.config_reported = false;
        }
        Ok(())
    }

    /// Says when all children have acknowledged the newest version.
    pub(super) fn report_config(&mut self) {
        let version = self.config.version;
        let all = self
            .children
            .values()
            .all(|it| it.config_version() == version);
        if all && !self.config_reported {
            self.config_reported = true;
            let count = self.children.len();
            let text = format!("configuration {version} is taken over by all {count} workers");
            self.logging.log.log(Level::Info, &text);
        }
    }
}
