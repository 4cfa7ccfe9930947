//! The system calls of the engine: the only place with `unsafe`.
//!
//! Descriptors go in borrowed and come out owned, every one of them close-on-exec from its birth. No
//! function here decides anything.
#![allow(unsafe_code)] // This module is the one exception of the crate; each block says why it is sound.

mod allocator;
mod capture;
mod descriptors;
mod memory;
mod process;
mod signal;
mod socket;
mod time;
mod title;
mod user;

pub(crate) use allocator::{allocator_classes, allocator_totals};
#[cfg(feature = "backtrace")]
pub(crate) use capture::REGISTERS;
pub(crate) use capture::{Camera, Snapshot, capture_signal};
pub(crate) use descriptors::{
    adopt_descriptor, allow_only, close_all_but, inode, open_null, put_onto, read,
    remove_variables, set_nonblocking,
};
pub(crate) use memory::{SharedPage, memory_file, read_own_memory};
pub(crate) use process::{
    Fork, PidFd, children_of_this_process, clear_parent_death_signal, exit_now, fork, kill_child,
    kill_group, new_session, own_process_group, parent_id, reap, reap_blocking,
    set_child_subreaper, set_name, set_parent_death_signal, set_process_group,
};
pub(crate) use signal::{SignalFd, block_signals, signal_name};
pub(crate) use socket::{
    Peer, Received, accept, poll_many, poll_readable, receive, send, seqpacket_pair,
};
pub(crate) use time::{local_offset_seconds, monotonic};
pub(crate) use title::set_title;
pub(crate) use user::{
    Account, account, group_id, group_ids, groups, groups_of, own_user, set_group, set_groups,
    set_umask, set_user, user_ids,
};
