//! `millrun language-server`: what `millrun check` knows, in an editor (Language Server Protocol).
//!
//! ```text
//! editor ──JSON-RPC on stdin──▶ wire ──▶ Server ──▶ Workspace   open texts over the files on disk
//!        ◀──────stdout──────── wire ◀──┘    │
//!                                           ├── findings     what check says, per file
//!                                           ├── completion   directives, plugins, parameters, words, labels
//!                                           ├── hover        their documentation
//!                                           └── definition   the label or the files that are meant
//! ```
//!
//! Where the cursor is, the tree of a text file says (`cursor`), and the lines of a YAML file (`outline`); what may
//! be said there is the same.
//!
//! The [`Server`] is a state machine: messages in, messages out. It reads files as a check does,
//! runs nothing and asks no network. Messages are JSON values: of the protocol's hundreds of types
//! a dozen are needed, so no crate for them is.

mod completion;
mod cursor;
mod definition;
mod describe;
mod findings;
mod hover;
mod outline;
mod place;
mod server;
#[cfg(test)]
mod tests;
mod wire;
mod workspace;

use std::io;
use std::process::ExitCode;

use self::server::Server;

/// Talks with an editor until it says exit. The status is 0 after an orderly shutdown, else 1.
pub(crate) fn run() -> ExitCode {
    let mut input = io::stdin().lock();
    let mut output = io::stdout().lock();
    let mut server = Server::new();
    loop {
        let message = match wire::read(&mut input) {
            Ok(Some(message)) => message,
            // An editor that is gone did not say exit.
            Ok(None) => return ExitCode::FAILURE,
            Err(error) => {
                complain(&error);
                return ExitCode::FAILURE;
            }
        };
        for answer in server.handle(&message) {
            if wire::write(&mut output, &answer).is_err() {
                return ExitCode::FAILURE;
            }
        }
        if let Some(is_orderly) = server.exit() {
            return ExitCode::from(u8::from(!is_orderly));
        }
    }
}

/// The standard output belongs to the protocol; editors show the standard error.
fn complain(error: &io::Error) {
    use io::Write as _;
    // Nobody is left to tell when the editor is gone.
    let _ = writeln!(io::stderr(), "millrun language-server: {error}");
}
