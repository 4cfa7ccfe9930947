//! Several lines, one event.

use super::*;

const BY_FIRST_LINE: &str = "@type multiline\nformat_firstline /^\\d/\nformat1 /^(?<message>.*)/";

fn scene(name: &str, further: &str, parse: &str) -> Scene {
    let source = format!(
        "path $D/a.log\ntag t\nread_from_head true\npos_file $D/pos\nrotate_wait 1s\n{further}"
    );
    Scene::new(name, &source, parse)
}

/// Time for a look and for the position file.
fn settle() {
    std::thread::sleep(Duration::from_millis(2300));
}

#[test]
fn a_group_is_held_before_its_position_until_the_next_one_begins() {
    let mut scene = scene("held", "", BY_FIRST_LINE);
    scene.append("a.log", "1 a\n b\n2 c\n");
    scene.start();
    scene.wait_for(1);
    settle();
    assert_eq!(scene.positions()[0][1], format!("{:016x}", 7));
    scene.append("a.log", " d\n e\n3 f\n");
    scene.wait_for(2);
    // The last one goes with the end of the tail.
    scene.stop();
    assert_eq!(scene.messages(), ["1 a\n b", "2 c\n d\n e", "3 f"]);
    assert_eq!(scene.positions()[0][1], format!("{:016x}", 21));
}

#[test]
fn a_group_that_waits_too_long_goes_alone() {
    let mut scene = scene("waiting", "multiline_flush_interval 1s", BY_FIRST_LINE);
    scene.append("a.log", "1 a\n b\n");
    scene.start();
    scene.wait_for(1);
    scene.append("a.log", "late\n2 c\n");
    scene.wait_for(2);
    scene.stop();
    assert_eq!(scene.messages(), ["1 a\n b", "2 c"]);
    let warning = format!(
        "[warn]: got incomplete line before first line from {}: \"late\"",
        scene.path("a.log").display()
    );
    assert!(logged::lines("waiting").contains(&warning));
}

#[test]
fn a_rotated_file_ends_its_last_group() {
    let mut scene = scene("rotated_group", "", BY_FIRST_LINE);
    scene.append("a.log", "1 a\n b\n");
    scene.start();
    settle();
    fs::rename(scene.path("a.log"), scene.path("a.log.1")).unwrap();
    scene.append("a.log", "2 c\n3 d\n");
    scene.wait_for(2);
    scene.wait_for(2);
    settle();
    scene.stop();
    let mut messages = scene.messages();
    messages.sort();
    assert_eq!(messages, ["1 a\n b", "2 c", "3 d"]);
}

#[test]
fn without_a_first_line_lines_are_added_until_they_match() {
    let parse = "@type multiline\nformat1 /^begin\\n/\nformat2 /(?<message>.*)\\nend/";
    let mut scene = scene("until", "", parse);
    scene.append("a.log", "begin\nx\n");
    scene.start();
    settle();
    assert_eq!(scene.events().len(), 0);
    scene.append("a.log", "end\nbegin\ny\nend\n");
    scene.wait_for(2);
    scene.stop();
    assert_eq!(scene.messages(), ["x", "y"]);
}

#[test]
fn more_lines_than_one_block_holds_keep_their_groups() {
    let mut scene = scene("blocks", "", BY_FIRST_LINE);
    let mut text = String::new();
    for number in 0..20_000 {
        text += &format!("{number} first\n continued {number}\n");
    }
    scene.append("a.log", &text);
    scene.start();
    scene.wait_for(19_999);
    scene.stop();
    let messages = scene.messages();
    assert_eq!(messages.len(), 20_000);
    for (number, message) in messages.iter().enumerate() {
        assert_eq!(*message, format!("{number} first\n continued {number}"));
    }
}
