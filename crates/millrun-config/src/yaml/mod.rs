//! A configuration in YAML becomes the same tree of elements (fluentd.md section 1.10).
//!
//! ```text
//! system:                          <system>
//!   workers: 2                       workers 2
//! config:                          </system>
//!   - source:                      <source>
//!       $type: tail                  @type tail
//!       path: /var/log/*.log         path /var/log/*.log
//!       parse: {$type: none}         <parse>
//!   - match:                           @type none
//!       $tag: app.**                 </parse>
//!       $type: stdout              </source>
//!   - !include more/*.yaml         <match app.**> …
//!
//! $type $label $id $log_level      @type … of the section, before its other parameters
//! $tag  $name  $arg                the argument: of filter and match, of label, of any other
//! a mapping                        a section; a list of mappings is one section each
//! a list of scalars                a parameter with the JSON of the list
//! !fluent/s "…#{…}"                embedded Ruby; nowhere else is it looked for
//! !fluent/json {…}                 the JSON of the value, as text
//! ```
//!
//! Events of the YAML parser become nodes (`node`), where anchors and includes are followed; plain
//! scalars get the types Ruby's parser gives them (`scalar`); nodes become elements (`tree`).

mod data;
mod node;
mod scalar;
mod tree;

pub use data::YamlError;
pub(crate) use data::read;

use crate::{Element, FileId, parser::Parser};

/// Most nodes a tree is built from. Aliases name a node again and again, and a few lines of them
/// could stand for more than any memory holds.
pub(crate) const MAX_NODES: usize = 200_000;

/// Reads a file into an empty root.
pub(crate) fn file(parser: &mut Parser<'_>, file: FileId, root: &mut Element) {
    if let Some(document) = node::compose(parser, file) {
        tree::Builder::new(parser).root(&document, root);
    }
}
