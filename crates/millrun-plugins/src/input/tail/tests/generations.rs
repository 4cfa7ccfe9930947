//! Generations that were rotated away before anybody looked.

use super::*;

const NONE: &str = "@type none";

/// A scene whose `in.log` was read up to `1` and is stopped.
fn stopped(name: &str, further: &str) -> Scene {
    let source = format!("path $D/in.log\ntag t\nrotate_wait 1s\n{further}");
    let mut scene = Scene::new(name, &source, NONE);
    for (file, text) in [("in.log.3", "ancient\n"), ("in.log.9", "older\n")] {
        scene.append(file, text);
    }
    tick();
    scene.append("in.log", "0\n");
    scene.start();
    settle();
    scene.append("in.log", "1\n");
    scene.wait_for(1);
    scene.stop();
    scene
}

/// The clock of the file system moves on.
fn tick() {
    std::thread::sleep(Duration::from_millis(20));
}

/// The first look is over.
fn settle() {
    std::thread::sleep(Duration::from_millis(300));
}

fn rotate(scene: &Scene, suffix: &str, text: &str) {
    let rotated = format!("in.log{suffix}");
    fs::rename(scene.path("in.log"), scene.path(&rotated)).unwrap();
    tick();
    scene.append("in.log", text);
    tick();
}

#[test]
fn all_that_lived_while_nobody_looked_are_read_oldest_first() {
    let mut scene = stopped("generations", "");
    scene.append("in.log", "2\n");
    rotate(&scene, ".6", "3\n4\n");
    rotate(&scene, ".7", "5\n");
    rotate(&scene, "-20261121", "6\n");
    // Neither finished copies nor files put aside are generations.
    for name in ["in.log.7.gz", "in.log.bak", "in.log.1.swp", "in.log.x"] {
        scene.append(name, "foreign\n");
    }
    fs::copy(scene.path("in.log.6"), scene.path("in.log.5")).unwrap();
    rotate(&scene, ".8", "7\n");
    scene.start();
    scene.wait_for(7);
    settle();
    scene.stop();
    assert_eq!(scene.messages(), ["1", "2", "3", "4", "5", "6", "7"]);
    let line = format!(
        "[info]: following {}, which was {} while nobody looked",
        scene.path("in.log.7").display(),
        scene.path("in.log").display()
    );
    assert!(logged::lines("generations").contains(&line));
    // Nor is anything read at the next start.
    scene.start();
    scene.append("in.log", "8\n");
    scene.wait_for(8);
    scene.stop();
    assert_eq!(scene.messages().last().unwrap(), "8");
    assert_eq!(scene.events().len(), 8);
}

#[test]
fn rotations_between_two_looks_of_a_slow_tail_are_read() {
    let mut scene = stopped("slow", "enable_stat_watcher false");
    scene.start();
    settle();
    for number in 2..8 {
        rotate(&scene, &format!(".1{number}"), &format!("{number}\n"));
    }
    scene.wait_for(7);
    settle();
    scene.stop();
    assert_eq!(scene.messages(), ["1", "2", "3", "4", "5", "6", "7"]);
}

#[test]
fn a_generation_whose_successor_does_not_come_is_read() {
    let mut scene = stopped("last", "");
    rotate(&scene, ".2", "2\n");
    fs::rename(scene.path("in.log"), scene.path("in.log.1")).unwrap();
    scene.start();
    scene.wait_for(2);
    settle();
    scene.stop();
    assert_eq!(scene.messages(), ["1", "2"]);
}

#[test]
fn unpacked_files_of_old_are_not_read() {
    let mut scene = stopped("unpacked", "");
    scene.append("in.log.4", "unpacked\n");
    let old = std::time::SystemTime::now() - Duration::from_secs(86_400);
    let file = OpenOptions::new().write(true).open(scene.path("in.log.4"));
    file.unwrap().set_modified(old).unwrap();
    rotate(&scene, ".1", "2\n");
    scene.start();
    scene.wait_for(2);
    settle();
    scene.stop();
    assert_eq!(scene.messages(), ["1", "2"]);
}

#[test]
fn where_all_that_was_known_is_gone_a_warning_says_what_is_not_read() {
    let mut scene = stopped("undecided", "");
    // Not removed: its number must not be used again.
    fs::create_dir(scene.path("away")).unwrap();
    fs::rename(scene.path("in.log"), scene.path("away/in.log.2")).unwrap();
    scene.append("in.log", "lost\n");
    rotate(&scene, ".1", "2\n");
    scene.start();
    settle();
    scene.stop();
    assert_eq!(scene.messages(), ["1", "2"]);
    let is_told = logged::lines("undecided")
        .iter()
        .any(|line| line.contains("rotated files beside it that are unknown are not read"));
    assert!(is_told);
}

#[test]
fn it_can_be_switched_off() {
    let mut scene = stopped("off", "read_missed_rotations false");
    rotate(&scene, ".6", "2\n");
    rotate(&scene, ".7", "3\n");
    scene.start();
    scene.wait_for(2);
    settle();
    scene.stop();
    assert_eq!(scene.messages(), ["1", "3"]);
}

/// Compresses `in.log` to `name`, all but the last `missing` bytes, and begins a new file.
fn compress(scene: &Scene, name: &str, missing: usize) {
    let plain = fs::read(scene.path("in.log")).unwrap();
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(&plain).unwrap();
    let packed = encoder.finish().unwrap();
    fs::write(scene.path(name), &packed[..packed.len() - missing]).unwrap();
    fs::remove_file(scene.path("in.log")).unwrap();
    scene.append("in.log", "new\n");
}

#[test]
fn the_rest_of_a_compressed_file_is_read() {
    let mut scene = stopped("packed", "");
    scene.append("in.log", "2\n");
    scene.append("in.log", &"x".repeat(600_000));
    scene.append("in.log", "\nlast");
    compress(&scene, "in.log.1.gz", 0);
    scene.start();
    scene.wait_for(5);
    scene.stop();
    let long = "x".repeat(600_000);
    let mut messages = scene.messages();
    messages.sort();
    assert_eq!(messages, ["1", "2", "last", "new", &*long]);
    let line = format!(
        "[info]: following the rest of {} in its copy {}",
        scene.path("in.log").display(),
        scene.path("in.log.1.gz").display()
    );
    assert!(logged::lines("packed").contains(&line));
    scene.start();
    settle();
    scene.stop();
    assert_eq!(scene.events().len(), 5, "once");
}

#[test]
fn a_compressed_file_that_breaks_off_is_told() {
    let mut scene = stopped("broken", "");
    for number in 0..20_000 {
        scene.append("in.log", &format!("{number} {}\n", number * 7919 % 10_007));
    }
    compress(&scene, "in.log.1.gz", 1000);
    scene.start();
    let warning = format!(
        "[warn]: what was {} cannot be read to the end of its copy; what is behind this position is lost",
        scene.path("in.log").display()
    );
    let deadline = Instant::now() + PATIENCE;
    while !logged::lines("broken").contains(&warning) {
        assert!(Instant::now() < deadline, "{:?}", logged::lines("broken"));
        std::thread::sleep(Duration::from_millis(20));
    }
    scene.stop();
}

#[test]
fn what_was_copied_and_truncated_while_nobody_looked_is_read_out_of_the_copy() {
    let mut scene = stopped("copied", "");
    scene.append("in.log", "2\n");
    fs::copy(scene.path("in.log"), scene.path("in.log.1")).unwrap();
    fs::write(scene.path("in.log"), "3\n").unwrap();
    scene.start();
    scene.wait_for(3);
    settle();
    scene.stop();
    let mut messages = scene.messages();
    messages.sort();
    assert_eq!(messages, ["1", "2", "3"]);
    scene.start();
    settle();
    scene.stop();
    assert_eq!(scene.events().len(), 3, "once");
}
