//! The conversation itself; what is said about configurations is asked by a client of others in
//! `tests/end_to_end/editor.rs`.

use serde_json::{Value, json};

use super::server::Server;

fn request(id: u32, method: &str) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "method": method, "params": {}})
}

#[test]
fn an_editor_that_says_goodbye_in_order_gets_an_orderly_end() {
    let mut server = Server::new();
    let answers = server.handle(&request(1, "initialize"));
    assert_eq!(answers[0]["id"], 1);
    assert_eq!(answers[0]["result"]["capabilities"]["hoverProvider"], true);
    let answers = server.handle(&request(2, "textDocument/rename"));
    assert_eq!(
        answers[0]["error"],
        json!({"code": -32601, "message": "the method textDocument/rename is not known"})
    );
    assert_eq!(
        server.handle(&request(3, "shutdown"))[0]["result"],
        Value::Null
    );
    let answers = server.handle(&request(4, "textDocument/hover"));
    assert_eq!(answers[0]["error"]["message"], "the server is shut down");
    assert!(server.exit().is_none());
    assert!(
        server
            .handle(&json!({"jsonrpc": "2.0", "method": "exit"}))
            .is_empty()
    );
    assert_eq!(server.exit(), Some(true));
}

#[test]
fn an_exit_without_a_shutdown_is_none_in_order() {
    let mut server = Server::new();
    server.handle(&json!({"jsonrpc": "2.0", "method": "exit"}));
    assert_eq!(server.exit(), Some(false));
}

#[test]
fn what_no_editor_says_is_passed_over() {
    let mut server = Server::new();
    let odd = [
        json!(null),
        json!([1]),
        json!({"id": 1}),
        json!({"method": "textDocument/didOpen", "params": {"textDocument": {"uri": 3}}}),
        json!({"method": "textDocument/didOpen", "params": {"textDocument": {"uri": "untitled:1"}}}),
        json!({"method": "textDocument/didChange", "params": {"textDocument": {"uri": "file:///a"}}}),
    ];
    for message in odd {
        assert_eq!(server.handle(&message), Vec::<Value>::new(), "{message}");
    }
}
