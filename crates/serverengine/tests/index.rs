//! `TESTS.md`: which test shows that we do not have a fault of the reference, and which is which of its
//! acceptance tests. A number without a test, or a test that vanished, fails here.
//!
//! A test says by its name what it belongs to: `b4_…`, `acceptance_20_b28_…`, `b7_b8_…`.
//! `SERVERENGINE_UPDATE=1 cargo test -p serverengine --test index` writes the page anew.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // Tests.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// What Ruby's ServerEngine does, or what it says and does not do.
const FAULTS: [(&str, &str); 35] = [
    ("b1", "workers live on when their server is killed"),
    (
        "b1b",
        "after a killed server, old and new workers work side by side",
    ),
    (
        "b1c",
        "a frozen server is replaced while its workers live on",
    ),
    ("b2", "a live restart starts no second server"),
    (
        "b2b",
        "a detached server that ends quickly takes the supervisor with it",
    ),
    ("b3", "a stop during the start delays is half forgotten"),
    (
        "b4",
        "who closes its inherited descriptors cannot be stopped",
    ),
    (
        "b5",
        "an immediate stop waits for the next turn of the graceful one",
    ),
    ("b6", "process workers never see a reloaded configuration"),
    ("b7", "the groups of whoever started it are kept"),
    (
        "b8",
        "user, group, mask and pid file are ignored in the foreground",
    ),
    ("b9", "the end of a command pipe spins, and signals are off"),
    ("b10", "an unknown command ends the reading of commands"),
    ("b11", "every exit code of a worker is seen as 1"),
    ("b12", "nothing is torn down at the end of a worker"),
    (
        "b13",
        "with unrecoverable codes the exit code is not what is documented",
    ),
    ("b14", "`enable_detach` is documented as on, and off"),
    ("b15", "`disable_reload` disables half of a reload"),
    ("b16", "the server's own kill keys have no effect"),
    ("b17", "heartbeat keys have no effect for programs"),
    ("b18", "the kill comes up to 21 minutes after the stop"),
    (
        "b19",
        "surplus workers go on until something else ends them",
    ),
    ("b20", "a graceful restart takes all workers away together"),
    (
        "b21",
        "after the first second each line of the log costs a look at the file",
    ),
    ("b22", "0.0.0.0 and 127.0.0.1 are taken for each other"),
    ("b23", "socket files are left behind"),
    (
        "b24",
        "the pid file is neither atomic, nor locked, nor removed",
    ),
    ("b25", "the launcher has a zombie"),
    (
        "b26",
        "a stop is decided and logged again every half second",
    ),
    ("b27", "the level `trace` has no method"),
    ("b28", "the wall clock decides"),
    ("b29", "a stop while the supervisor waits is not looked at"),
    ("b30", "two threads change the same state without a lock"),
    (
        "b31",
        "an embedded worker that returns at once runs in a tight loop",
    ),
    ("b32", "who is busy is taken for dead"),
];

/// The acceptance tests, with what shows them beside tests that are named after them. 15, 25 and 26 belong
/// to upgrades and readiness, which are still to come.
const ACCEPTANCE: [(u32, &str, &[&str]); 23] = [
    (
        1,
        "kill -9 of the server: all workers gone within a second",
        &[
            "b1_no_worker_survives_a_killed_server",
            "b1_no_program_survives_a_killed_server",
        ],
    ),
    (
        2,
        "kill -9 of the supervisor: the whole tree gone",
        &[
            "b1_no_process_survives_a_killed_supervisor",
            "b1_a_killed_supervisor_takes_both_generations_with_it",
        ],
    ),
    (
        3,
        "a frozen server: the old generation dead before the new one starts",
        &["b1c_a_frozen_server_is_replaced_after_all_of_it_is_gone"],
    ),
    (
        4,
        "detach with a fast and a slow server",
        &[
            "b2_a_detached_server_finishes_beside_its_successor",
            "b2b_a_detached_server_that_is_quick_is_replaced",
            "b2_no_connection_is_refused_in_a_live_restart",
        ],
    ),
    (
        5,
        "TERM at random instants of the start, with start delays",
        &["b3_a_term_during_start_delays_is_honoured"],
    ),
    (
        6,
        "who closed every descriptor is stoppable",
        &[
            "b4_a_worker_that_closed_every_descriptor_is_stoppable",
            "b4_a_program_that_closed_every_descriptor_is_stoppable",
        ],
    ),
    (
        7,
        "QUIT after TERM acts at once",
        &["b5_quit_after_term_acts_at_once"],
    ),
    (
        8,
        "a reload is seen in every type of worker",
        &[
            "b6_a_reload_reaches_every_worker_and_is_acknowledged",
            "b6_a_reload_reaches_threads",
            "a_reload_signal_reaches_a_program",
        ],
    ),
    (
        9,
        "groups exact in foreground and daemon",
        &[
            "b7_b8_user_and_groups_are_exact_in_the_foreground",
            "b7_groups_are_those_of_the_account_and_no_others",
        ],
    ),
    (
        10,
        "the end of the command channel: no spin, signals work",
        &["b9_the_end_of_a_command_pipe_takes_no_time_and_no_signal_away"],
    ),
    (
        11,
        "an unknown command is answered, the next one works",
        &["b10_an_unknown_word_is_reported_and_the_next_one_obeyed"],
    ),
    (
        12,
        "every way to exit is seen as it was",
        &["b11_every_way_to_exit_is_seen_as_it_was"],
    ),
    (
        13,
        "the kill schedule of the reference, and deadlines by default",
        &[
            "b18_the_default_schedule_of_serverengine",
            "b18_a_schedule_that_was_measured",
            "b18_the_kill_comes_at_the_deadline",
            "b16_the_keys_of_the_servers_kill_schedule_have_an_effect",
        ],
    ),
    (
        14,
        "scale down drains at once",
        &[
            "b19_a_reload_changes_the_number_of_workers_at_once",
            "b19_surplus_children_leave_at_once_and_missing_ones_start_at_once",
        ],
    ),
    (
        16,
        "0.0.0.0 and 127.0.0.1 are different keys",
        &["b22_all_addresses_and_loopback_are_never_taken_for_each_other"],
    ),
    (
        17,
        "no file left after a stop, nor after kill -9 and restart",
        &[
            "b23_no_socket_file_is_left_behind_and_a_stale_one_is_no_obstacle",
            "b24_a_pid_file_left_by_a_killed_server_is_replaced",
        ],
    ),
    (
        18,
        "no zombie in the launcher",
        &["b25_the_launcher_leaves_no_zombie"],
    ),
    (
        19,
        "one line says that it stops",
        &["b26_a_stop_is_logged_and_sent_once"],
    ),
    (20, "the clock steps an hour", &[]),
    (
        21,
        "TERM during a restart wait",
        &["b29_a_stop_while_a_child_waits_for_its_restart_ends_at_once"],
    ),
    (
        22,
        "who returns at once obeys the backoff, in all types",
        &[
            "b31_a_worker_that_fails_at_once_does_not_spin",
            "b31_a_thread_that_fails_at_once_does_not_spin",
            "b31_an_embedded_worker_that_returns_at_once_does_not_spin",
            "a_program_that_does_not_exist_is_named",
        ],
    ),
    (23, "64 processes log through rotation", &[]),
    (
        24,
        "every child's descriptors are on the list",
        &[
            "b1_a_worker_holds_no_descriptor_of_the_engine_but_its_own",
            "a_program_gets_the_descriptors_it_was_allowed_and_no_other",
        ],
    ),
];

/// Functions without arguments, each with its file. Among them are all tests.
fn functions(folder: &Path, found: &mut BTreeMap<String, PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            functions(&path, found);
        } else if path.extension().is_some_and(|it| it == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let names = text
                .lines()
                .filter_map(|line| line.trim().strip_prefix("fn ")?.split_once("() {"));
            found.extend(names.map(|(name, _)| (name.to_owned(), path.clone())));
        }
    }
}

/// Returns what a test says it belongs to: faults, and the numbers of acceptance tests.
fn belongs_to(name: &str) -> (Vec<String>, Vec<u32>) {
    let (mut faults, mut acceptance) = (Vec::new(), Vec::new());
    let mut words = name.split('_');
    while let Some(word) = words.next() {
        let digits = word.strip_prefix('b').unwrap_or_default();
        let is_fault = digits.starts_with(|it: char| it.is_ascii_digit());
        if word == "acceptance" {
            acceptance.extend(words.next().and_then(|it| it.parse::<u32>().ok()));
        } else if is_fault {
            faults.push(format!("b{}", digits.trim_start_matches('0')));
        } else {
            break;
        }
    }
    (faults, acceptance)
}

fn page(tests: &BTreeMap<String, PathBuf>) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let list = |names: Vec<&String>| {
        let links = names.into_iter().map(|name| {
            let file = tests[name].strip_prefix(root).unwrap();
            format!("[`{name}`]({})", file.display())
        });
        links.collect::<Vec<_>>().join("<br>")
    };
    let mut text = "# What shows it\n\nMade from the names of the tests by `tests/index.rs`.\n\n\
        ## Faults of Ruby's ServerEngine that are not here\n\n| | There | Tests here |\n|---|---|---|\n"
        .to_owned();
    for (fault, there) in FAULTS {
        let names: Vec<_> = tests
            .keys()
            .filter(|name| belongs_to(name).0.iter().any(|it| it == fault))
            .collect();
        assert!(!names.is_empty(), "{fault} ({there}) has no test");
        let number = fault.replacen('b', "B", 1);
        writeln!(text, "| {number} | {there} | {} |", list(names)).unwrap();
    }
    text.push_str("\n## Acceptance tests\n\n| | What is shown | Tests |\n|---|---|---|\n");
    for (number, what, others) in ACCEPTANCE {
        let mut names: Vec<_> = tests
            .keys()
            .filter(|name| belongs_to(name).1.contains(&number))
            .collect();
        for other in others {
            let known = tests.get_key_value(*other);
            names.push(known.unwrap_or_else(|| panic!("{other} is gone")).0);
        }
        assert!(
            !names.is_empty(),
            "acceptance test {number} ({what}) has no test"
        );
        writeln!(text, "| {number} | {what} | {} |", list(names)).unwrap();
    }
    text
}

#[test]
fn every_fault_and_every_acceptance_test_has_its_tests() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut tests = BTreeMap::new();
    functions(&root.join("src"), &mut tests);
    functions(&root.join("tests"), &mut tests);
    let text = page(&tests);
    let path = root.join("TESTS.md");
    if std::env::var_os("SERVERENGINE_UPDATE").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    // The page may be short of a test that was added; what it says must be true, and about all numbers.
    let rows = |page: &str| page.lines().filter(|it| it.starts_with('|')).count();
    let named = written.split("[`").skip(1);
    let gone: Vec<_> = named
        .filter_map(|it| it.split_once('`'))
        .filter(|(name, _)| !tests.contains_key(*name))
        .collect();
    assert!(
        gone.is_empty() && rows(&written) == rows(&text),
        "TESTS.md is not up to date: {gone:?}; SERVERENGINE_UPDATE=1 cargo test -p serverengine --test index"
    );
}

#[test]
fn names_say_what_tests_belong_to() {
    let faults = |name| belongs_to(name).0;
    assert_eq!(faults("b7_b8_user_and_groups"), ["b7", "b8"]);
    assert_eq!(faults("b02b_a_quick_server"), ["b2b"]);
    assert_eq!(faults("a_b4_of_something"), Vec::<String>::new());
    let (faults, acceptance) = belongs_to("acceptance_20_b28_a_wall_clock");
    assert_eq!((faults, acceptance), (vec!["b28".to_owned()], vec![20]));
}
