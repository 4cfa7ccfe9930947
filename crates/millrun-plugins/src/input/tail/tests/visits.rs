//! Files that are open only while they are looked at.

use super::*;

/// The names of files of the scene that this process holds open.
fn held_open(scene: &Scene) -> Vec<PathBuf> {
    let directory = fs::canonicalize(scene.path(".")).unwrap();
    let links = fs::read_dir("/proc/self/fd").unwrap();
    let open = links.filter_map(|link| fs::read_link(link.unwrap().path()).ok());
    open.filter(|path| path.starts_with(&directory) && path.extension().is_some_and(|e| e == "log"))
        .collect()
}

fn wait_until_closed(scene: &Scene) {
    let deadline = Instant::now() + PATIENCE;
    while let [held, ..] = &*held_open(scene) {
        assert!(Instant::now() < deadline, "{} stays open", held.display());
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn open_on_every_update_holds_no_file_open_between_looks() {
    let source =
        "path $D/a.log\ntag t\nread_from_head true\nopen_on_every_update true\npos_file $D/pos";
    let mut scene = Scene::new("visits", source, "@type none");
    scene.append("a.log", "1\n");
    scene.start();
    for count in 1..4 {
        scene.wait_for(count);
        wait_until_closed(&scene);
        scene.append("a.log", "next\n");
    }
    scene.wait_for(4);
    // The position is that of a file which is followed, though it is not open.
    let inode = fs::metadata(scene.path("a.log")).unwrap().ino();
    let entry = [[
        scene.path("a.log").display().to_string(),
        format!("{:016x}", 2 + 3 * 5),
        format!("{inode:016x}"),
    ]];
    let deadline = Instant::now() + PATIENCE;
    while scene.positions() != entry {
        assert!(Instant::now() < deadline, "{:?}", scene.positions());
        std::thread::sleep(Duration::from_millis(20));
    }
    scene.stop();
    assert_eq!(scene.messages(), ["1", "next", "next", "next"]);
}

#[test]
fn open_on_every_update_reads_what_was_rotated_between_two_looks_to_its_end() {
    let source =
        "path $D/a.log\ntag t\nread_from_head true\nopen_on_every_update true\nrotate_wait 1s";
    let mut scene = Scene::new("visits_rotated", source, "@type none");
    scene.append("a.log", "1\n");
    scene.start();
    scene.wait_for(1);
    wait_until_closed(&scene);
    scene.append("a.log", "2\n3 without end");
    fs::rename(scene.path("a.log"), scene.path("a.log.1")).unwrap();
    scene.append("a.log", "4\n");
    scene.wait_for(4);
    wait_until_closed(&scene);
    fs::remove_file(scene.path("a.log")).unwrap();
    scene.append("b.log", "5\n");
    fs::rename(scene.path("b.log"), scene.path("a.log")).unwrap();
    scene.wait_for(5);
    // In place.
    wait_until_closed(&scene);
    fs::write(scene.path("a.log"), "six\n").unwrap();
    scene.wait_for(6);
    scene.stop();
    let mut messages = scene.messages();
    messages.sort();
    assert_eq!(messages, ["1", "2", "3 without end", "4", "5", "six"]);
}

#[test]
fn open_on_every_update_goes_on_after_a_restart() {
    let source = "path $D/a.log\ntag t\nread_from_head true\nopen_on_every_update true";
    let mut scene = Scene::new("visits_restart", source, "@type none");
    scene.append("a.log", "1\n");
    scene.start();
    scene.wait_for(1);
    scene.stop();
    scene.append("a.log", "2\n");
    scene.start();
    scene.wait_for(2);
    scene.stop();
    assert_eq!(scene.messages(), ["1", "2"]);
}
