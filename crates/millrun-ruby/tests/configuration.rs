//! Expressions of configurations: names, environment, files.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests may be as blunt as tests"
)]

use millrun_pattern::Zone;
use millrun_ruby::{Evaluated, Evaluator, Place, Program, SystemWorld};

fn text(code: &str) -> Evaluated {
    let program = Program::expression(code, Place::Configuration).unwrap();
    Evaluator::new(SystemWorld::new("web1", "3", Zone::UTC, 1))
        .text(&program)
        .unwrap()
}

#[test]
fn the_names_of_a_configuration() {
    let is = |code: &str, expected: &str| {
        assert_eq!(text(code), Evaluated::Text(expected.to_owned()), "{code}");
    };
    is("1+1", "2");
    is("'a'*3", "aaa");
    is("nil", "");
    is(r#"ENV["UNSET_X"]"#, "");
    is(r#"ENV["UNSET_X"] || "d""#, "d");
    is(r#"ENV['UNSET_X'] || 9200"#, "9200");
    is(r#"ENV.fetch("UNSET_X", "d")"#, "d");
    is(r#"[1,2].join(",")"#, "1,2");
    is("hostname", "web1");
    is("worker_id", "3");
    is("Socket.gethostname", "web1");
    is("`hostname`.strip", "web1");
    is(
        r#"'https://' + hostname + ':' + 9200.to_s + '/api'"#,
        "https://web1:9200/api",
    );
    assert_eq!(text("use_nil"), Evaluated::Nil);
    assert_eq!(text(r#"ENV["UNSET_X"] || use_default"#), Evaluated::Default);
    assert_eq!(text("begin; use_nil; rescue => e; 1; end"), Evaluated::Nil);
}

#[test]
fn files_are_read_and_no_more() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("secret");
    std::fs::write(&path, "s3cret\n").unwrap();
    let path = path.display();
    let is = |code: String, expected: &str| {
        assert_eq!(text(&code), Evaluated::Text(expected.to_owned()), "{code}");
    };
    is(format!("File.read('{path}').strip"), "s3cret");
    is(format!("File.open('{path}').read.chomp"), "s3cret");
    is(format!("File.open('{path}') {{ |f| f.read }}.size"), "7");
    is(format!("File.exist?('{path}') ? 'y' : 'n'"), "y");
    is(format!("File.read('{path}x') rescue 'none'"), "none");
    is(
        format!("File.readlines('{path}', chomp: true).first"),
        "s3cret",
    );
    let code = format!("File.read('{path}x')");
    let program = Program::expression(&code, Place::Configuration).unwrap();
    let error = Evaluator::new(SystemWorld::new("h", "", Zone::UTC, 1))
        .text(&program)
        .unwrap_err();
    assert_eq!(
        error.message,
        format!("No such file or directory @ rb_sysopen - {path}x")
    );
}
