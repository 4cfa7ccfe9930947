//! The server's side of the conversation: messages in, messages out.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::cursor::{self, Cursor};
use super::workspace::Workspace;
use super::{completion, definition, findings, hover, place};

/// The protocol's numbers for errors.
const METHOD_NOT_FOUND: i32 = -32601;
const INVALID_REQUEST: i32 = -32600;

/// A language server.
pub(super) struct Server {
    workspace: Workspace,
    /// Files that the editor shows findings of.
    published: BTreeSet<PathBuf>,
    is_shut_down: bool,
    exit: Option<bool>,
}

impl Server {
    pub(super) fn new() -> Self {
        Self {
            workspace: Workspace::new(),
            published: BTreeSet::new(),
            is_shut_down: false,
            exit: None,
        }
    }

    /// Whether the editor said exit, and if so, whether in the right order.
    pub(super) fn exit(&self) -> Option<bool> {
        self.exit
    }

    /// Takes a message; returns what there is to say.
    pub(super) fn handle(&mut self, message: &Value) -> Vec<Value> {
        let method = message.get("method").and_then(Value::as_str);
        let parameters = message.get("params").unwrap_or(&Value::Null);
        match (method, message.get("id")) {
            (Some(method), Some(id)) => vec![self.request(method, id, parameters)],
            (Some(method), None) => self.notification(method, parameters),
            // An answer to a request; there are none of ours.
            (None, _) => Vec::new(),
        }
    }

    fn request(&mut self, method: &str, id: &Value, parameters: &Value) -> Value {
        if self.is_shut_down {
            return refusal(id, INVALID_REQUEST, "the server is shut down");
        }
        let result = match method {
            "initialize" => capabilities(),
            "shutdown" => {
                self.is_shut_down = true;
                Value::Null
            }
            "textDocument/completion" => self.completion(parameters),
            "textDocument/hover" => self.hover(parameters).unwrap_or(Value::Null),
            "textDocument/definition" => self.definition(parameters),
            other => {
                let text = format!("the method {other} is not known");
                return refusal(id, METHOD_NOT_FOUND, &text);
            }
        };
        json!({"jsonrpc": "2.0", "id": id, "result": result})
    }

    fn notification(&mut self, method: &str, parameters: &Value) -> Vec<Value> {
        let path = document(parameters);
        match (method, path) {
            ("textDocument/didOpen", Some(path)) => {
                let text = parameters.pointer("/textDocument/text");
                self.put(path, text)
            }
            ("textDocument/didChange", Some(path)) => {
                // Changes are whole texts: the last one counts.
                let changes = parameters.get("contentChanges").and_then(Value::as_array);
                let last = changes.and_then(|changes| changes.last());
                self.put(path, last.and_then(|change| change.get("text")))
            }
            ("textDocument/didClose", Some(path)) => {
                self.workspace.remove(&path);
                self.publish_all()
            }
            ("textDocument/didSave", Some(_)) | ("workspace/didChangeWatchedFiles", _) => {
                self.publish_all()
            }
            ("exit", _) => {
                self.exit = Some(self.is_shut_down);
                Vec::new()
            }
            _ => Vec::new(),
        }
    }

    fn put(&mut self, path: PathBuf, text: Option<&Value>) -> Vec<Value> {
        let Some(text) = text.and_then(Value::as_str) else {
            return Vec::new();
        };
        self.workspace.put(path, text.to_owned());
        self.publish_all()
    }

    /// Checks every configuration with an open file, and says what was found in each of its files.
    fn publish_all(&mut self) -> Vec<Value> {
        let open: Vec<PathBuf> = self.workspace.open().map(Path::to_owned).collect();
        let mut done = BTreeSet::new();
        let mut told = std::collections::BTreeMap::new();
        for path in open {
            if told.contains_key(&path) {
                continue;
            }
            let (main, analysis) = self.workspace.analysis_of(&path);
            if done.insert(main.clone()) {
                told.extend(findings::by_file(&main, &analysis));
            }
        }
        let gone: Vec<_> = self
            .published
            .iter()
            .filter(|path| !told.contains_key(*path))
            .cloned()
            .collect();
        told.extend(gone.into_iter().map(|path| (path, Vec::new())));
        self.published.clear();
        let mut messages = Vec::new();
        for (path, findings) in told {
            messages.push(json!({
                "jsonrpc": "2.0",
                "method": "textDocument/publishDiagnostics",
                "params": {"uri": place::uri(&path), "diagnostics": findings},
            }));
            if !findings.is_empty() {
                self.published.insert(path);
            }
        }
        messages
    }

    fn completion(&mut self, parameters: &Value) -> Value {
        let items = self.at(parameters, |cursor, analysis, workspace| {
            completion::items(cursor, &analysis.root, &workspace.registry)
        });
        json!({"isIncomplete": false, "items": items.unwrap_or_default()})
    }

    fn hover(&mut self, parameters: &Value) -> Option<Value> {
        self.at(parameters, |cursor, analysis, workspace| {
            hover::hover(cursor, analysis, &workspace.registry)
        })
        .flatten()
    }

    fn definition(&mut self, parameters: &Value) -> Value {
        let places = self.at(parameters, |cursor, analysis, _| {
            definition::places(cursor, analysis)
        });
        Value::Array(places.unwrap_or_default())
    }

    /// Answers a question about a position of an open file.
    fn at<T>(
        &mut self,
        parameters: &Value,
        answer: impl FnOnce(&Cursor<'_>, &super::workspace::Analysis, &Workspace) -> T,
    ) -> Option<T> {
        let path = document(parameters)?;
        let offset = place::offset(self.workspace.text(&path)?, parameters.get("position")?);
        let (_, analysis) = self.workspace.analysis_of(&path);
        let outline = cursor::outline(&analysis, &path, offset);
        let cursor = Cursor::new(&analysis, outline.as_ref(), &path, offset)?;
        Some(answer(&cursor, &analysis, &self.workspace))
    }
}

/// The file a message is about.
fn document(parameters: &Value) -> Option<PathBuf> {
    let uri = parameters.pointer("/textDocument/uri")?;
    place::path(uri.as_str()?)
}

fn refusal(id: &Value, code: i32, message: &str) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": message}})
}

fn capabilities() -> Value {
    json!({
        "capabilities": {
            "positionEncoding": "utf-16",
            "textDocumentSync": {"openClose": true, "change": 1, "save": true},
            "completionProvider": {"triggerCharacters": ["<", "@", "$", "/", " "]},
            "hoverProvider": true,
            "definitionProvider": true,
        },
        "serverInfo": {"name": "millrun", "version": env!("CARGO_PKG_VERSION")},
    })
}
