//! `REFERENCE.md` says of every configuration key and every signal what the code says.
//!
//! `SERVERENGINE_UPDATE=1 cargo test --test reference` writes it anew.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // Tests.

use std::fmt::Write;
use std::path::Path;

use serverengine::{Signal, SignalMeanings};

fn reference() -> String {
    let mut text = "# Reference\n\nMade from the code by `tests/reference.rs`.\n\n## Configuration\n\n\
        The fields of `Config`, and the keys of a configuration file by the same names. Numbers of the unit s \
        are seconds, with a fraction if need be; in a file a time can also be written `250ms`, `10s`, `2m` or \
        `1h`. What has – under *In a file* can only be given by the program; what has – under *Reload* is fixed \
        when the server is started.\n\n"
        .to_owned();
    text.push_str(&serverengine::reference_table());
    text.push_str(
        "\n## Signals\n\nThe default meaning of each to supervisor and server; `Config::signals` changes it.\n\n\
         | Signal | Meaning |\n|---|---|\n",
    );
    let meanings = SignalMeanings::default();
    for signal in Signal::ALL {
        let name = format!("{signal:?}").to_uppercase();
        writeln!(text, "| {name} | `{:?}` |", meanings.meaning(signal)).unwrap();
    }
    text.push_str(
        "\nA worker process that gets one directly: TERM, INT and USR1 call its `stop`, QUIT and HUP end it at \
         once, USR2 calls `reload`, CONT dumps.\n",
    );
    text
}

#[test]
fn the_reference_says_what_the_code_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("REFERENCE.md");
    let reference = reference();
    if std::env::var_os("SERVERENGINE_UPDATE").is_some() {
        std::fs::write(&path, &reference).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == reference,
        "REFERENCE.md is not up to date: SERVERENGINE_UPDATE=1 cargo test --test reference"
    );
}

/// Every key of ServerEngine 2.4.0, documented there or not.
const SERVERENGINE_KEYS: &str = "
    daemonize pid_path supervisor worker_type disable_sigdump daemon_process_name chuser chgroup chumask
    daemonize_error_exit_code command_sender command_pipe windows_daemon_cmdline server_process_name
    restart_server_process enable_detach exit_on_detach disable_reload server_restart_wait
    server_detach_wait server_heartbeat_interval server_heartbeat_timeout server_graceful_kill_interval
    server_graceful_kill_interval_increment server_graceful_kill_timeout server_immediate_kill_interval
    server_immediate_kill_interval_increment server_immediate_kill_timeout workers start_worker_delay
    start_worker_delay_rand restart_worker_interval worker_process_name worker_heartbeat_interval
    worker_heartbeat_timeout worker_graceful_kill_interval worker_graceful_kill_interval_increment
    worker_graceful_kill_timeout worker_immediate_kill_interval worker_immediate_kill_interval_increment
    worker_immediate_kill_timeout worker_chuser worker_chgroup worker_chumask worker_reload_signal
    unrecoverable_exit_codes stop_immediately_at_unrecoverable_exit log logger logger_class log_level
    log_rotate_age log_rotate_size log_stdout log_stderr signal_graceful_stop signal_detach
    signal_immediate_stop signal_graceful_restart signal_immediate_restart signal_reload signal_dump";

#[test]
fn every_key_of_serverengine_is_there_or_absent_for_a_reason() {
    let table = serverengine::reference_table();
    for key in SERVERENGINE_KEYS.split_whitespace() {
        assert!(
            table.contains(&format!("| `{key}` |")) || table.contains(&format!("* `{key}`: ")),
            "{key}"
        );
    }
}
