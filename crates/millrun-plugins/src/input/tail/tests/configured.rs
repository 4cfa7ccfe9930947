//! Parameters one by one, on real files: that each has its effect.

use std::time::SystemTime;

use super::*;

const NONE: &str = "@type none";

/// The messages of a source of these lines that has read `count` events and nothing more.
fn messages(name: &str, source: &str, count: usize, prepare: impl FnOnce(&Scene)) -> Vec<String> {
    let source = format!("tag t\nread_from_head true\n{source}");
    let mut scene = Scene::new(name, &source, NONE);
    prepare(&scene);
    scene.start();
    scene.wait_for(count);
    scene.stop();
    let mut messages = scene.messages();
    messages.sort();
    messages
}

#[test]
fn paths_are_lists_and_patterns_with_exceptions() {
    let files = |scene: &Scene| {
        for name in ["a.log", "b.log", "c.txt", "d.log"] {
            scene.append(name, &format!("{name}\n"));
        }
    };
    let excluded = "path $D/*.log,$D/c.txt\nexclude_path [\"$D/b.*\"]";
    assert_eq!(
        messages("excluded", excluded, 3, files),
        ["a.log", "c.txt", "d.log"]
    );
    let braces = "path $D/{a,c}.*|$D/d.log\npath_delimiter |\nglob_policy always";
    assert_eq!(
        messages("braces", braces, 3, files),
        ["a.log", "c.txt", "d.log"]
    );
    let extended = "path $D/[ab].log\nglob_policy extended";
    assert_eq!(messages("extended", extended, 2, files), ["a.log", "b.log"]);
}

#[test]
fn a_path_has_the_time_of_its_zone() {
    let source = "path $D/%H.log\npath_timezone Asia/Tokyo";
    let seconds = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let hour = |later: u64| format!("{:02}.log", (seconds / 3600 + later) % 24);
    let found = messages("zone", source, 1, |scene| {
        scene.append(&hour(0), "of UTC\n");
        // The next one, too: the hour may end between this and the look.
        scene.append(&hour(9), "of Tokyo\n");
        scene.append(&hour(10), "of Tokyo\n");
    });
    assert_eq!(found, ["of Tokyo"]);
}

#[test]
fn files_that_were_left_alone_for_long_are_left_out() {
    let source = "path $D/*.log\nlimit_recently_modified 1h";
    let found = messages("old", source, 1, |scene| {
        scene.append("new.log", "new\n");
        scene.append("old.log", "old\n");
        let old = fs::File::options().append(true).open(scene.path("old.log"));
        let two_hours = Duration::from_secs(7200);
        old.unwrap()
            .set_modified(SystemTime::now() - two_hours)
            .unwrap();
    });
    assert_eq!(found, ["new"]);
}

#[test]
fn the_first_look_at_patterns_can_wait() {
    let begun = Instant::now();
    let source = "path $D/*.log\nskip_refresh_on_startup true\nrefresh_interval 1s";
    let found = messages("later", source, 1, |scene| scene.append("a.log", "a\n"));
    assert_eq!(found, ["a"]);
    assert!(begun.elapsed() >= Duration::from_secs(1));
}

#[test]
fn without_the_timer_notifications_find_it() {
    let source = "path $D/a.log\ntag t\nread_from_head true\nenable_watch_timer false";
    let mut scene = Scene::new("no_timer", source, NONE);
    scene.append("a.log", "1\n");
    scene.start();
    scene.wait_for(1);
    scene.append("a.log", "2\n");
    scene.wait_for(2);
}

#[test]
fn lines_that_do_not_match_come_with_their_path() {
    let source =
        "path $D/a.log\ntag t\nread_from_head true\npath_key file\nemit_unmatched_lines true";
    let mut scene = Scene::new(
        "unmatched",
        source,
        "@type regexp\nexpression /^(?<n>\\d+)$/",
    );
    scene.append("a.log", "1\nx\n");
    scene.start();
    scene.wait_for(2);
    let file = scene.path("a.log").display().to_string();
    assert_eq!(
        scene.events(),
        [
            json!({"_tag": "t", "n": "1", "file": file}),
            json!({"_tag": "t", "unmatched_line": "x", "file": file})
        ]
    );
}

#[test]
fn follow_inodes_reads_a_renamed_file_on_under_the_pattern() {
    let source = "path $D/a.log*\ntag t\nread_from_head true\npos_file $D/pos\nfollow_inodes true\nrefresh_interval 1s";
    let mut scene = Scene::new("inodes", source, NONE);
    scene.append("a.log", "1\n");
    scene.start();
    scene.wait_for(1);
    fs::rename(scene.path("a.log"), scene.path("a.log.1")).unwrap();
    scene.append("a.log.1", "2\n");
    scene.append("a.log", "3\n");
    scene.wait_for(3);
    scene.stop();
    let mut messages = scene.messages();
    messages.sort();
    assert_eq!(messages, ["1", "2", "3"]);
    // Each file has its entry.
    let inode = |name: &str| fs::metadata(scene.path(name)).unwrap().ino();
    let mut inodes: Vec<String> = scene
        .positions()
        .into_iter()
        .map(|[_, _, inode]| inode)
        .collect();
    inodes.sort();
    let mut expected = ["a.log", "a.log.1"].map(|name| format!("{:016x}", inode(name)));
    expected.sort();
    assert_eq!(inodes, expected);
}
