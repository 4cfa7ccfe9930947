//! Limits, encodings, and a position file that is kept short.

use super::*;

const NONE: &str = "@type none";

#[test]
fn a_group_reads_its_lines_in_each_period_and_loses_none() {
    let source = "path $D/*_a.log\ntag t\nread_from_head true\n\
                  <group>\npattern /\\/(?<namespace>[^\\/_]+)_a\\.log$/\nrate_period 0.4\n\
                  <rule>\nmatch {\"namespace\":\"/^shop$/\"}\nlimit 3\n</rule>\n</group>";
    let mut scene = Scene::new("group_limit", source, NONE);
    scene.append("shop_a.log", "1\n2\n3\n4\n5\n6\n7\n8\n");
    let start = Instant::now();
    scene.start();
    scene.wait_for(8);
    // Three, three and two: two periods were waited for.
    assert!(start.elapsed() >= Duration::from_millis(800));
    assert_eq!(scene.messages(), ["1", "2", "3", "4", "5", "6", "7", "8"]);
}

#[test]
fn a_file_is_read_at_its_rate_and_others_beside_it() {
    let source = "path $D/*.log\ntag t\nread_from_head true\nread_bytes_limit_per_second 64k";
    let mut scene = Scene::new("byte_limit", source, NONE);
    let line = format!("{}\n", "x".repeat(1023));
    scene.append("large.log", &line.repeat(130));
    scene.append("small.log", "small\n");
    let start = Instant::now();
    scene.start();
    scene.wait_for(131);
    assert!(start.elapsed() >= Duration::from_secs(2));
    let messages = scene.messages();
    let small = messages.iter().position(|message| message == "small");
    assert!(small.is_some_and(|at| at <= 64), "{small:?}");
}

#[test]
fn lines_are_converted_to_utf8() {
    let source = "path $D/in.log\ntag t\nread_from_head true\nencoding utf-8\nfrom_encoding cp932";
    let mut scene = Scene::new("converted", source, NONE);
    fs::write(scene.path("in.log"), b"\x93\xfa\x96{\n\x93\nok\n").unwrap();
    scene.start();
    scene.wait_for(3);
    assert_eq!(scene.messages(), ["日本", "\u{fffd}", "ok"]);
}

#[test]
fn the_position_file_is_compacted_while_the_tail_runs() {
    let source = "path $D/a.log,$D/b.log\ntag t\npos_file $D/pos\nread_from_head true\n\
                  rotate_wait 0s\npos_file_compaction_interval 1s";
    let mut scene = Scene::new("compacted", source, NONE);
    scene.append("a.log", "a\n");
    scene.append("b.log", "b\n");
    scene.start();
    scene.wait_for(2);
    let wait = |count| {
        let deadline = Instant::now() + PATIENCE;
        while scene.positions().len() != count {
            assert!(Instant::now() < deadline, "{:?}", scene.positions());
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    wait(2);
    fs::rename(scene.path("a.log"), scene.path("away")).unwrap();
    wait(1);
    assert!(scene.positions()[0][0].ends_with("/b.log"));
    // What is written afterwards stands in its place.
    scene.append("b.log", "more\n");
    scene.wait_for(3);
    let deadline = Instant::now() + PATIENCE;
    while scene.positions()[0][1] != format!("{:016x}", 7) {
        assert!(Instant::now() < deadline, "{:?}", scene.positions());
        std::thread::sleep(Duration::from_millis(20));
    }
}
