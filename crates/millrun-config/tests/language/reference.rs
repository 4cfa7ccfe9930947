//! The reference page of a declaration.

use crate::support::unindent;
use millrun_config::{
    Diagnostics, Element, NoIncludes, NoRuby, ReferencePage, Secret, Size, parameters, parse_str,
    summary, words,
};

words! {
    /// How.
    enum How {
        /// One way.
        Text = "text",
        /// Another.
        Gzip = "gzip",
    }
}

parameters! {
    /// One receiver.
    struct Server in "server" {
        /// Where it listens.
        host: String = required;
        /// Its key.
        key_word: Option<Secret<String>>, key = "key", secret;
    }
}

parameters! {
    /// Sends events elsewhere.
    ///
    /// Details.
    struct Sender in "match", type "sender" {
        /// What must be
        /// written.
        tag: String = required;
        /// How | much.
        limit: Size = "8m", alias = "size";
        /// How it is sent.
        how: How = "text";
        /// Names.
        names: Vec<String> = "";
        /// Old.
        old: Option<bool>, deprecated = "it has no effect";
        /// Gone.
        gone: Option<bool>, obsolete = "use <server>";
    }
    sections {
        /// A receiver.
        server: Vec<Server>, required;
        /// Where events wait.
        buffer: Option<Element>;
    }
    legacy { Buffer, Inject }
}

#[test]
fn a_page_shows_the_whole_declaration() {
    assert_eq!(summary(Sender::SCHEMA), "Sends events elsewhere.");
    let expected = "
        # output `sender`

        Sends events elsewhere.

        Details.

        ```text
        <match PATTERN>
          @type sender
          tag TAG
          <server>
            host HOST
          </server>
        </match>
        ```

        ## Parameters

        | Name | Type | Default | |
        |---|---|---|---|
        | `tag` | string | required | What must be written. |
        | `limit` | size in bytes | `8m` | How \\| much. Old name: `size`. |
        | `how` | `text`, `gzip` | `text` | How it is sent. |
        | `names` | array of string | empty | Names. |
        | `old` | bool | – | Old. Deprecated: it has no effect. |
        | `gone` | bool | – | Gone. Removed: use \\<server>. |

        ## `<server>`

        A receiver.

        At least once.

        | Name | Type | Default | |
        |---|---|---|---|
        | `host` | string | required | Where it listens. |
        | `key` | string | – | Its key. Shown nowhere. |

        ## `<buffer>`

        Where events wait.

        At most once.

        See [its page](buffer.md).

        Old files write `<buffer>`, `<inject>` as flat parameters; they are read with a warning that \
         shows the new form.
    ";
    assert_eq!(
        ReferencePage {
            title: "output `sender`",
            plugin_type: Some("sender"),
            schema: Sender::SCHEMA,
            elsewhere: &|name| (name == "buffer").then(|| "See [its page](buffer.md).".to_owned()),
        }
        .text()
        .trim_end(),
        unindent(expected).trim_end()
    );
}

#[test]
fn the_declaration_is_read() {
    let text = "<match a>\ntag t\n<server>\nhost h\n</server>\n</match>";
    let parsed = parse_str("f", text, &mut NoRuby, &mut NoIncludes);
    let mut diagnostics = Diagnostics::default();
    let sender = Sender::read(&parsed.root.elements()[0], &mut diagnostics).unwrap();
    assert_eq!((sender.tag.as_str(), sender.limit.0), ("t", 8 << 20));
    assert_eq!((sender.how, sender.names.len()), (How::Text, 0));
    assert!(sender.old.is_none() && sender.gone.is_none() && sender.buffer.is_none());
    let server = &sender.server[0];
    assert!(server.host == "h" && server.key_word.is_none());
}
