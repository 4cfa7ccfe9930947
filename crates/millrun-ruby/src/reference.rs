//! The tables of docs/ruby-subset.md, made from the tables the parser reads.

use crate::{
    class::Class,
    method::{ClassMethod, Function, Method},
};

const RECEIVERS: &[(char, &str)] = &[
    ('O', "everything"),
    ('S', "strings"),
    ('Y', "symbols"),
    ('I', "integers"),
    ('F', "floats"),
    ('A', "arrays"),
    ('H', "hashes"),
    ('R', "ranges"),
    ('T', "times and dates"),
    ('X', "regular expressions"),
    ('M', "matches"),
    ('E', "exceptions"),
    ('L', "nil"),
];

fn tables() -> String {
    let mut out = String::from("| Receiver | Methods |\n|---|---|\n");
    let list = |names: Vec<&str>| {
        let mut names = names;
        names.sort_unstable();
        let quoted: Vec<String> = names
            .iter()
            .map(|name| format!("`{}`", name.replace('|', "\\|")))
            .collect();
        quoted.join(" ")
    };
    for (letter, title) in RECEIVERS {
        let names = Method::TABLE
            .iter()
            // Methods with a dot are two of Ruby's, written behind each other.
            .filter(|(_, receivers)| receivers.contains(*letter))
            .map(|(name, _)| *name)
            .collect();
        out.push_str(&format!("| {title} | {} |\n", list(names)));
    }
    out.push_str(&format!(
        "| functions | {} |\n",
        list(Function::NAMES.to_vec())
    ));
    out.push_str(&format!(
        "| of classes | {} |\n",
        list(ClassMethod::NAMES.to_vec())
    ));
    out.push_str(&format!(
        "| classes to ask for or rescue | {} |\n",
        list(Class::NAMES.to_vec())
    ));
    out
}

#[test]
fn the_documentation_has_the_tables() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/ruby-subset.md");
    let documentation = std::fs::read_to_string(path).unwrap();
    let tables = tables();
    assert!(
        documentation.contains(&tables),
        "docs/ruby-subset.md must have these tables:\n{tables}"
    );
}
