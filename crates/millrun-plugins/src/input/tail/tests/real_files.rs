//! What is timed or cannot be modelled.

use super::*;

const NONE: &str = "@type none";

#[test]
fn a_line_comes_at_once_and_not_with_the_timer() {
    let mut scene = Scene::new("prompt", "path $D/a.log\ntag t\nread_from_head true", NONE);
    scene.append("a.log", "first\n");
    scene.start();
    scene.wait_for(1);
    let mut fastest = Duration::MAX;
    for count in 2..6 {
        let start = Instant::now();
        scene.append("a.log", "next\n");
        scene.wait_for(count);
        fastest = fastest.min(start.elapsed());
    }
    assert!(fastest < Duration::from_millis(500), "{fastest:?}");
}

#[test]
fn without_notifications_the_timer_finds_it() {
    let source = "path $D/a.log\ntag t\nread_from_head true\nenable_stat_watcher false";
    let mut scene = Scene::new("timer", source, NONE);
    scene.start();
    scene.append("a.log", "x\n");
    scene.wait_for(1);
}

#[test]
fn what_was_rotated_while_nobody_watched_is_read_to_its_end() {
    let mut scene = Scene::new("down", "path $D/a.log\ntag t\nread_from_head true", NONE);
    scene.append("a.log", "1\n");
    scene.start();
    scene.wait_for(1);
    scene.stop();
    scene.append("a.log", "2\n3 without end");
    fs::rename(scene.path("a.log"), scene.path("a.log.1")).unwrap();
    scene.append("a.log", "4\n");
    scene.start();
    scene.wait_for(3);
    // The line without an end comes once nobody has written to the file for rotate_wait.
    scene.wait_for(4);
    scene.stop();
    assert_eq!(scene.messages(), ["1", "2", "4", "3 without end"]);
}

#[test]
fn truncated_and_rewritten_longer_between_two_looks_gives_no_torn_line() {
    let source = "path $D/a.log\ntag t\nread_from_head true\nenable_stat_watcher false";
    let mut scene = Scene::new("rewritten", source, NONE);
    scene.append("a.log", "aaaa\n");
    scene.start();
    scene.wait_for(1);
    fs::write(scene.path("a.log"), "bbbb\ncccc\ndddd\n").unwrap();
    scene.wait_for(4);
    scene.stop();
    assert_eq!(scene.messages(), ["aaaa", "bbbb", "cccc", "dddd"]);
}

#[test]
fn fluentds_position_file_is_taken_over_with_the_rest_of_a_rotated_file() {
    let source = "path $D/a.log,$D/b.log\ntag t\npos_file $D/pos";
    let mut scene = Scene::new("takeover", source, NONE);
    scene.append("a.log", "old\nnew\n");
    scene.append("b.log", "read\nunread\n");
    let inode = |name: &str| fs::metadata(scene.path(name)).unwrap().ino();
    let entry = |name: &str, position: u64| {
        format!(
            "{}\t{position:016x}\t{:016x}\n",
            scene.path(name).display(),
            inode(name)
        )
    };
    let positions = entry("a.log", 4) + &entry("b.log", 5);
    fs::write(scene.path("pos"), positions).unwrap();
    fs::rename(scene.path("b.log"), scene.path("b.log.1")).unwrap();
    scene.append("b.log", "next\n");
    scene.start();
    scene.wait_for(3);
    scene.stop();
    let mut messages = scene.messages();
    messages.sort();
    assert_eq!(messages, ["new", "next", "unread"]);
    // Our own start after that takes nothing twice.
    scene.start();
    scene.append("a.log", "later\n");
    scene.wait_for(4);
    scene.stop();
    assert_eq!(scene.messages().last().unwrap(), "later");
    assert_eq!(scene.events().len(), 4);
}

#[test]
fn a_file_that_is_renamed_and_not_replaced_leaves_a_tombstone() {
    let source = "path $D/a.log\ntag t\nread_from_head true\npos_file $D/pos\nrotate_wait 2s";
    let mut scene = Scene::new("tombstone", source, NONE);
    scene.append("a.log", "1\n");
    scene.start();
    scene.wait_for(1);
    // What never had an entry gets no tombstone.
    let deadline = Instant::now() + PATIENCE;
    while scene.positions().is_empty() {
        assert!(Instant::now() < deadline, "no position is written");
        std::thread::sleep(Duration::from_millis(20));
    }
    fs::rename(scene.path("a.log"), scene.path("a.log.1")).unwrap();
    scene.append("a.log.1", "late\n");
    scene.wait_for(2);
    let inode = format!(
        "{:016x}",
        fs::metadata(scene.path("a.log.1")).unwrap().ino()
    );
    let path = scene.path("a.log").display().to_string();
    let tombstone = [[path, "ffffffffffffffff".to_owned(), inode]];
    let deadline = Instant::now() + PATIENCE;
    while scene.positions() != tombstone {
        assert!(Instant::now() < deadline, "{:?}", scene.positions());
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn crlf_nul_and_bytes_that_are_no_text_pass() {
    let mut scene = Scene::new("bytes", "path $D/a.log\ntag t\nread_from_head true", NONE);
    fs::write(scene.path("a.log"), b"crlf\r\n\n nul \0 \n\xff\xfe\n").unwrap();
    scene.start();
    scene.wait_for(4);
    scene.stop();
    assert_eq!(
        scene.messages(),
        ["crlf", "", " nul \0 ", "\u{fffd}\u{fffd}"]
    );
}

#[test]
fn lines_over_max_line_size_are_dropped_with_a_warning() {
    let source = "path $D/a.log\ntag t\nread_from_head true\nmax_line_size 20";
    let mut scene = Scene::new("oversized", source, NONE);
    scene.append("a.log", &format!("short\n{}\nend\n", "x".repeat(30)));
    scene.start();
    scene.wait_for(2);
    scene.stop();
    assert_eq!(scene.messages(), ["short", "end"]);
    let warning = "[warn]: received line length is longer than 20".to_owned();
    assert!(logged::lines("oversized").contains(&warning));
}

#[test]
fn a_line_longer_than_the_block_comes_whole() {
    let mut scene = Scene::new("long", "path $D/a.log\ntag t\nread_from_head true", NONE);
    let long = "x".repeat(3 * super::super::block::BLOCK_BYTES + 17);
    scene.append("a.log", "before\n");
    scene.append("a.log", &long);
    scene.start();
    scene.wait_for(1);
    scene.append("a.log", "\nafter\n");
    scene.wait_for(3);
    scene.stop();
    assert_eq!(scene.messages(), ["before", &*long, "after"]);
}

#[test]
fn a_refused_batch_is_read_again_and_comes_once() {
    let mut scene = Scene::new("refused", "path $D/a.log\ntag t\nread_from_head true", NONE);
    scene.config = scene
        .config
        .replace("name refused", "name refused\nrefusals 3");
    scene.append("a.log", "1\n2\n");
    scene.start();
    scene.wait_for(2);
    scene.append("a.log", "3\n");
    scene.wait_for(3);
    scene.stop();
    assert_eq!(scene.messages(), ["1", "2", "3"]);
    let warning = format!(
        "[warn]: cannot keep what was read of {}; it is read again later",
        scene.path("a.log").display()
    );
    assert!(
        logged::lines("refused").contains(&warning),
        "{:?}",
        logged::lines("refused")
    );
}

/// How often the thread of the source `name` went to sleep so far.
fn sleeps(name: &str) -> u64 {
    let comm = format!("input-{name}\n");
    let task = fs::read_dir("/proc/self/task")
        .unwrap()
        .map(|task| task.unwrap().path());
    let mut task =
        task.filter(|task| fs::read_to_string(task.join("comm")).is_ok_and(|c| c == comm));
    let status = fs::read_to_string(task.next().unwrap().join("status")).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("voluntary_ctxt_switches"))
        .unwrap();
    line.split_whitespace().last().unwrap().parse().unwrap()
}

#[test]
fn an_idle_tail_wakes_once_a_second() {
    let source = "path $D/a.log\ntag t\nread_from_head true\npos_file $D/pos";
    let mut scene = Scene::new("idle", source, NONE);
    scene.append("a.log", "1\n");
    scene.start();
    scene.wait_for(1);
    // The first position is written by then.
    std::thread::sleep(Duration::from_millis(1500));
    let before = sleeps("idle");
    std::thread::sleep(Duration::from_secs(3));
    let count = sleeps("idle") - before;
    assert!((1..=5).contains(&count), "{count} times in 3 seconds");
}

#[test]
fn two_sources_with_one_position_file_do_not_start() {
    let mut scene = Scene::new("shared", "path $D/a.log\ntag t\npos_file $D/pos", NONE);
    let second = scene.config.replace("@id shared", "@id second");
    scene.config += &second;
    let expected = format!(
        "cannot use pos_file {}: another source or process uses it; each needs one of its own \
         (set it to a file of this source alone that this user may write)",
        scene.path("pos").display()
    );
    assert_eq!(scene.try_start().unwrap_err().to_string(), expected);
}

#[test]
fn a_start_at_the_end_is_remembered_from_the_first_sight() {
    let mut scene = Scene::new("end", "path $D/a.log\ntag t", NONE);
    scene.append("a.log", "before\n");
    scene.start();
    std::thread::sleep(Duration::from_millis(300));
    scene.stop();
    scene.append("a.log", "while down\n");
    scene.start();
    scene.wait_for(1);
    scene.stop();
    assert_eq!(scene.messages(), ["while down"]);
}

#[test]
fn an_unreadable_path_is_told_and_does_no_harm() {
    let mut scene = Scene::new("unreadable", "path $D/a*\ntag t\nread_from_head true", NONE);
    // A link to itself cannot be looked at, also not by root.
    std::os::unix::fs::symlink(scene.path("a1"), scene.path("a1")).unwrap();
    fs::create_dir(scene.path("a2")).unwrap();
    scene.start();
    scene.append("a3", "x\n");
    scene.wait_for(1);
    scene.stop();
    let warning = format!(
        "[warn]: {} unreadable. It is excluded and would be examined next time.",
        scene.path("a1").display()
    );
    assert!(
        logged::lines("unreadable").contains(&warning),
        "{:?}",
        logged::lines("unreadable")
    );
}

#[test]
fn the_last_position_follows_what_memory_buffers_delivered_at_the_end() {
    let source = "path $D/a.log\ntag t\nread_from_head true\npos_file $D/pos";
    let mut scene = Scene::new("flushed", source, NONE);
    let directory = scene.directory.path().display();
    let output = format!(
        "@type file\npath {directory}/out\nappend true\n\
         <buffer []>\n@type memory\nflush_mode lazy\nflush_at_shutdown true\n</buffer>\n"
    );
    scene.config = scene
        .config
        .replace("@type capture\nname flushed\n", &output);
    scene.append("a.log", "1\n2\n");
    scene.start();
    let deadline = Instant::now() + PATIENCE;
    while scene.positions().is_empty() {
        assert!(Instant::now() < deadline);
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(scene.positions()[0][1], "0000000000000000", "in memory");
    scene.stop();
    assert_eq!(scene.positions()[0][1], "0000000000000004", "delivered");
}

#[test]
fn a_path_that_was_vacant_for_a_while_is_told_twice_when_it_is_taken_up() {
    let name = "vacant";
    let source = "path $D/a.log\ntag t\nread_from_head true\nrotate_wait 1";
    let mut scene = Scene::new(name, source, NONE);
    let path = scene.path("a.log");
    scene.append("a.log", "1\n");
    scene.start();
    scene.wait_for(1);
    fs::rename(&path, scene.path("a.log.1")).unwrap();
    let path = path.display();
    let rotation = format!("[info]: detected rotation of {path}; waiting 1 seconds");
    let deadline = Instant::now() + PATIENCE;
    while !logged::lines(name).contains(&rotation) {
        assert!(Instant::now() < deadline, "{:?}", logged::lines(name));
        std::thread::sleep(Duration::from_millis(5));
    }
    std::thread::sleep(Duration::from_millis(400));
    scene.append("a.log", "2\n");
    scene.wait_for(2);
    scene.stop();
    let following = format!("[info]: following tail of {path}");
    let told = [&following, &rotation, &following, &following];
    let lines = logged::lines(name);
    assert_eq!(lines.iter().collect::<Vec<_>>(), told);
}
