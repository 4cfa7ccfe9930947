//! Users and groups: what they are called, and becoming them.

use std::ffi::CString;
use std::io;

use nix::sys::stat::Mode;
use nix::unistd::{self, Gid, Group, Uid, User};

/// An account of this system.
#[derive(Debug)]
pub(crate) struct Account {
    pub(crate) name: String,
    pub(crate) user: u32,
    pub(crate) group: u32,
}

/// Looks up a name, or a number that may be a name.
pub(crate) fn account(name: &str) -> io::Result<Option<Account>> {
    let mut found = User::from_name(name)?;
    if found.is_none()
        && let Ok(number) = name.parse()
    {
        found = User::from_uid(Uid::from_raw(number))?;
    }
    Ok(found.map(|user| Account {
        name: user.name,
        user: user.uid.as_raw(),
        group: user.gid.as_raw(),
    }))
}

/// Looks up a group's name; a number stands for itself.
pub(crate) fn group_id(name: &str) -> io::Result<Option<u32>> {
    let found = Group::from_name(name)?.map(|group| group.gid.as_raw());
    Ok(found.or_else(|| name.parse().ok()))
}

/// Returns the groups an account is in, `group` among them.
pub(crate) fn groups_of(name: &str, group: u32) -> io::Result<Vec<u32>> {
    let name = CString::new(name).map_err(io::Error::other)?;
    let groups = unistd::getgrouplist(&name, Gid::from_raw(group))?;
    Ok(groups.into_iter().map(Gid::as_raw).collect())
}

pub(crate) fn set_groups(groups: &[u32]) -> io::Result<()> {
    let groups: Vec<_> = groups.iter().copied().map(Gid::from_raw).collect();
    Ok(unistd::setgroups(&groups)?)
}

pub(crate) fn groups() -> io::Result<Vec<u32>> {
    Ok(unistd::getgroups()?.into_iter().map(Gid::as_raw).collect())
}

/// Becomes a group: real, effective and saved.
pub(crate) fn set_group(group: u32) -> io::Result<()> {
    let group = Gid::from_raw(group);
    Ok(unistd::setresgid(group, group, group)?)
}

/// Becomes a user: real, effective and saved.
pub(crate) fn set_user(user: u32) -> io::Result<()> {
    let user = Uid::from_raw(user);
    Ok(unistd::setresuid(user, user, user)?)
}

/// Returns the real, effective and saved group.
pub(crate) fn group_ids() -> io::Result<[u32; 3]> {
    let ids = unistd::getresgid()?;
    Ok([ids.real, ids.effective, ids.saved].map(Gid::as_raw))
}

/// Returns the real, effective and saved user.
pub(crate) fn user_ids() -> io::Result<[u32; 3]> {
    let ids = unistd::getresuid()?;
    Ok([ids.real, ids.effective, ids.saved].map(Uid::as_raw))
}

/// Returns the effective user of this process.
pub(crate) fn own_user() -> u32 {
    unistd::geteuid().as_raw()
}

pub(crate) fn set_umask(umask: u32) {
    nix::sys::stat::umask(Mode::from_bits_truncate(umask));
}
