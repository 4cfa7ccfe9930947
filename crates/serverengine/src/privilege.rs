//! Who a process is: user, group, exactly the groups that belong to them, and the umask.
//!
//! Names are looked up once, at the start. The order of the change is: groups, group, user; then it is
//! verified, also that there is no way back. The kernel forgets the parent death signal with it, so
//! whoever has a parent asks for it again.

use std::io;

use crate::sys::{self, Account};

/// What a process is to become. `None`: it stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Identity {
    user: Option<u32>,
    group: Option<u32>,
    groups: Vec<u32>,
    umask: Option<u32>,
}

/// Names of the keys of one identity, for messages.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Keys {
    pub(crate) user: &'static str,
    pub(crate) group: &'static str,
}

pub(crate) const DAEMON: Keys = Keys {
    user: "chuser",
    group: "chgroup",
};
pub(crate) const WORKER: Keys = Keys {
    user: "worker_chuser",
    group: "worker_chgroup",
};

impl Identity {
    /// Looks names up. Numbers need no account, but then their group must be named.
    pub(crate) fn resolve(
        keys: Keys,
        user: Option<&str>,
        group: Option<&str>,
        umask: Option<u32>,
    ) -> Result<Self, String> {
        let failed = |key: &str, name: &str, why: &str| Err(format!("{key} {name:?}: {why}"));
        let mut identity = Self {
            umask,
            ..Self::default()
        };
        if let Some(name) = group {
            match sys::group_id(name) {
                Ok(Some(id)) => identity.group = Some(id),
                Ok(None) => return failed(keys.group, name, "there is no such group"),
                Err(error) => return failed(keys.group, name, &error.to_string()),
            }
        }
        let Some(name) = user else {
            identity.groups.extend(identity.group);
            return Ok(identity);
        };
        let account = match sys::account(name) {
            Ok(account) => account,
            Err(error) => return failed(keys.user, name, &error.to_string()),
        };
        match (account, name.parse::<u32>()) {
            (Some(Account { user, group, name }), _) => {
                let group = identity.group.unwrap_or(group);
                identity.user = Some(user);
                identity.group = Some(group);
                identity.groups = match sys::groups_of(&name, group) {
                    Ok(groups) => groups,
                    Err(error) => return failed(keys.user, &name, &error.to_string()),
                };
            }
            (None, Ok(number)) if identity.group.is_some() => {
                identity.user = Some(number);
                identity.groups.extend(identity.group);
            }
            (None, Ok(_)) => {
                let why = format!("has no account, so {} must be set, too", keys.group);
                return failed(keys.user, name, &why);
            }
            (None, Err(_)) => return failed(keys.user, name, "there is no such user"),
        }
        identity.groups.sort_unstable();
        identity.groups.dedup();
        Ok(identity)
    }

    /// Returns the user, if it is to be another one.
    pub(crate) fn user(&self) -> Option<u32> {
        self.user
    }

    /// Becomes it.
    pub(crate) fn assume(&self) -> io::Result<()> {
        if let Some(umask) = self.umask {
            sys::set_umask(umask);
        }
        if let Some(group) = self.group {
            sys::set_groups(&self.groups)?;
            sys::set_group(group)?;
        }
        if let Some(user) = self.user {
            sys::set_user(user)?;
        }
        self.verify()
    }

    fn verify(&self) -> io::Result<()> {
        let wrong = |what: String| Err(io::Error::other(what));
        if let Some(group) = self.group {
            let mut groups = sys::groups()?;
            groups.sort_unstable();
            groups.dedup();
            if groups != self.groups {
                return wrong(format!("the groups are {groups:?}, not {:?}", self.groups));
            }
            if sys::group_ids()? != [group; 3] {
                return wrong(format!("the group is not {group} in all respects"));
            }
        }
        if let Some(user) = self.user {
            if sys::user_ids()? != [user; 3] {
                return wrong(format!("the user is not {user} in all respects"));
            }
            if user != 0 && sys::set_user(0).is_ok() {
                return wrong("privileges could be taken back".to_owned());
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_is_named() {
        let resolve = |user, group| Identity::resolve(DAEMON, user, group, None);
        assert_eq!(
            resolve(Some("no such user"), None).unwrap_err(),
            "chuser \"no such user\": there is no such user"
        );
        assert_eq!(
            resolve(None, Some("no such group")).unwrap_err(),
            "chgroup \"no such group\": there is no such group"
        );
        assert_eq!(
            Identity::resolve(WORKER, Some("3999999999"), None, None).unwrap_err(),
            "worker_chuser \"3999999999\": has no account, so worker_chgroup must be set, too"
        );
    }

    #[test]
    fn b7_groups_are_those_of_the_account_and_no_others() {
        let root = Identity::resolve(DAEMON, Some("root"), None, None).unwrap();
        assert_eq!(root.user, Some(0));
        assert!(root.groups.contains(&0));
        let number = Identity::resolve(DAEMON, Some("0"), None, None).unwrap();
        assert_eq!(number, root);
        let bare = Identity::resolve(DAEMON, Some("3999999999"), Some("3999999998"), None);
        assert_eq!(bare.unwrap().groups, [3_999_999_998]);
        assert_eq!(
            Identity::resolve(DAEMON, None, None, Some(0o27))
                .unwrap()
                .groups,
            []
        );
    }
}
