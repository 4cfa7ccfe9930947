//! What a person sees when a configuration is wrong: the whole text of every error.

use millrun_config::RenderStyle;

use crate::support::{Test, unindent};

#[test]
fn an_escape_that_does_not_exist() {
    Test::new(
        r#"
            <match a>
              path "C:\dir"
            </match>
        "#,
    )
    .says(
        r#"
            error: unexpected back-slash escape character 'd'
             --> fluent.conf:2:11
              |
            2 |   path "C:\dir"
              |           ^^ expected one of \" \' \\ \n \r \t \f \b \0
              |
              = help: write '\\' for a backslash, or use single quotes
        "#,
    );
}

#[test]
fn a_literal_that_is_no_json() {
    Test::new(
        "
            <match a>
              k {a: 1}
            </match>
        ",
    )
    .says(
        "
            error: got incomplete JSON hash configuration
             --> fluent.conf:2:6
              |
            2 |   k {a: 1}
              |      ^ expected a key in double quotes
              |
              = help: quote the whole value if it is not meant as JSON
        ",
    );
}

#[test]
fn a_json_value_without_quotes() {
    Test::new(
        "
            <match a>
              k [1, # one
                two]
            </match>
        ",
    )
    .says(
        "
            error: got incomplete JSON array configuration
             --> fluent.conf:3:5
              |
            3 |     two]
              |     ^ expected a JSON value; text must be in double quotes
              |
              = help: quote the whole value if it is not meant as JSON
        ",
    );
}

#[test]
fn a_literal_without_an_end() {
    Test::new(
        "
            <match a>
              k [1,
            </match>
        ",
    )
    .says(
        "
            error: got incomplete JSON array configuration
             --> fluent.conf:2:5
              |
            2 |   k [1,
              |     ^ expected a matching ']' somewhere below
        ",
    );
}

#[test]
fn a_double_quote_without_an_end() {
    Test::new(
        r#"
            <match a>
              k "abc
            </match>
        "#,
    )
    .says(
        r#"
            error: unexpected end of file in a double quoted string
             --> fluent.conf:2:5
              |
            2 |   k "abc
              |     ^ this quote is never closed
        "#,
    );
}

#[test]
fn a_single_quote_without_an_end() {
    Test::new(
        "
            <match a>
              k 'abc
            </match>
        ",
    )
    .says(
        "
            error: unexpected end of line in a single quoted string
             --> fluent.conf:2:5
              |
            2 |   k 'abc
              |     ^ this quote is never closed
              |
              = help: a string over several lines needs double quotes
        ",
    );
}

#[test]
fn text_after_a_value() {
    Test::new(
        r#"
            <match a>
              k "v" w # c
            </match>
        "#,
    )
    .says(
        r#"
            error: expected end of line
             --> fluent.conf:2:9
              |
            2 |   k "v" w # c
              |         ^^^^^ only a comment may follow
        "#,
    );
}

#[test]
fn a_tag_without_an_end() {
    Test::new(
        "
            <match a
              @type x
            </match>
        ",
    )
    .says(
        "
            error: expected '>'
             --> fluent.conf:1:9
              |
            1 | <match a
              |         ^ expected '>' at the end of the tag
        ",
    );
}

#[test]
fn a_tag_without_a_name() {
    Test::new(
        "
            <>
            </>
        ",
    )
    .says(
        "
            error: expected tag name
             --> fluent.conf:1:1
              |
            1 | <>
              | ^ expected a name such as 'match' after '<'
        ",
    );
}

#[test]
fn a_closing_tag_that_is_misspelt() {
    Test::new(
        "
            <match a>
              @type x
            </macth>
        ",
    )
    .says(
        "
            error: unmatched end tag
             --> fluent.conf:3:1
              |
            1 | <match a>
              | --------- this section is open
            2 |   @type x
            3 | </macth>
              | ^^^^^^^ expected '</match>'
        ",
    );
}

#[test]
fn a_closing_tag_of_an_outer_section() {
    Test::new(
        "
            <match a>
              <buffer>
                @type x
            </match>
            x y
        ",
    )
    .says(
        "
            error: unmatched end tag
             --> fluent.conf:4:1
              |
            2 |   <buffer>
              |   -------- this section is open
            3 |     @type x
            4 | </match>
              | ^^^^^^^ expected '</buffer>'
        ",
    );
}

#[test]
fn a_closing_tag_without_a_section() {
    Test::new(
        "
            </a>
        ",
    )
    .says(
        "
            error: unmatched end tag
             --> fluent.conf:1:1
              |
            1 | </a>
              | ^^^ there is no open section here
        ",
    );
}

#[test]
fn a_section_without_a_closing_tag() {
    Test::new(
        "
            <a>
              k v
        ",
    )
    .says(
        "
            error: expected end tag '</a>' but got end of file
             --> fluent.conf:2:7
              |
            1 | <a>
              | --- this section is never closed
            2 |   k v
              |      ^ the file ends here
        ",
    );
}

#[test]
fn two_tags_on_a_line() {
    Test::new(
        "
            <a>
              <b>
              </b></a>
        ",
    )
    .says(
        "
            error: expected end of line after end tag
             --> fluent.conf:3:7
              |
            3 |   </b></a>
              |       ^^^ this belongs on a line of its own
        ",
    );
}

#[test]
fn text_after_a_tag() {
    Test::new(
        "
            <a> b
            </a> c
        ",
    )
    .says(
        "
            error: expected end of line after tag
             --> fluent.conf:1:5
              |
            1 | <a> b
              |     ^ only a comment may follow

            error: expected end of line after end tag
             --> fluent.conf:2:6
              |
            2 | </a> c
              |      ^ only a comment may follow
        ",
    );
}

#[test]
fn a_reserved_name() {
    Test::new(
        "
            <match a>
              @tpye x
            </match>
        ",
    )
    .says(
        "
            error: parameter '@tpye' begins with '@', which is reserved
             --> fluent.conf:2:3
              |
            2 |   @tpye x
              |   ^^^^^ expected @type, @id, @label, @log_level, @include
              |
              = help: did you mean '@type'?
        ",
    );
}

#[test]
fn a_name_with_an_at_sign_where_records_are_made() {
    Test::new(
        "
            <record>
              @timestamp x
            </record>
        ",
    )
    .says(
        "
            warning: parameter '@timestamp' begins with '@', which is reserved
             --> fluent.conf:2:3
              |
            2 |   @timestamp x
              |   ^^^^^^^^^^
        ",
    );
}

#[test]
fn embedded_ruby_that_is_not_supported() {
    Test::new(
        r##"
            <match a>
              path "#{Marshal.dump(1)}/x"
            </match>
        "##,
    )
    .says(
        r##"
            error: there is no class or module `Marshal` in the subset
             --> fluent.conf:2:11
              |
            2 |   path "#{Marshal.dump(1)}/x"
              |           ^^^^^^^
              |
              = help: docs/ruby-subset.md lists what there is
        "##,
    );
}

#[test]
fn embedded_ruby_that_is_misspelt() {
    Test::new(
        r##"
            <match a>
              host "#{hostnam}"
            </match>
        "##,
    )
    .says(
        r##"
            error: undefined local variable or method `hostnam'
             --> fluent.conf:2:11
              |
            2 |   host "#{hostnam}"
              |           ^^^^^^^
              |
              = help: did you mean `hostname`?
        "##,
    );
}

#[test]
fn embedded_ruby_without_an_end() {
    Test::new(
        r##"
            <match a>
              k "#{1
            </match>
        "##,
    )
    .says(
        r##"
            error: unexpected end of file in embedded Ruby
             --> fluent.conf:2:6
              |
            2 |   k "#{1
              |      ^^ expected a matching '}'
              |
              = help: write '\#{' for the characters themselves
        "##,
    );
}

#[test]
fn embedded_ruby_that_needs_a_variable() {
    Test::new(
        r##"
            <match a>
              k ["#{ENV.fetch('NOPE')}"]
            </match>
        "##,
    )
    .says(
        r##"
            error: key not found: "NOPE"
             --> fluent.conf:2:9
              |
            2 |   k ["#{ENV.fetch('NOPE')}"]
              |         ^^^^^^^^^^^^^^^^^
              |
              = help: set the environment variable, or give a default as the second argument
        "##,
    );
}

#[test]
fn a_parameter_that_is_written_twice() {
    Test::new(
        "
            <match a>
              k v
              k w
            </match>
        ",
    )
    .says(
        "
            warning: parameter 'k' is written twice in <match a>
             --> fluent.conf:3:3
              |
            2 |   k v
              |   - this one does not
            3 |   k w
              |   ^^^ this one counts
        ",
    );
}

#[test]
fn a_comment_that_is_a_value() {
    Test::new(
        "
            <match a>
              flag   # on
            </match>
        ",
    )
    .says(
        "
            warning: the comment is the value of 'flag'
             --> fluent.conf:2:10
              |
            2 |   flag   # on
              |          ^^^^
              |
              = help: put the comment on a line of its own
        ",
    );
}

#[test]
fn all_errors_come_out_in_one_run_in_the_order_of_the_lines() {
    Test::new(
        r#"
            <match a>
              a "\q"
              b {a}
              c 'x
              d "y" z
            </match>
            </x>
        "#,
    )
    .says(
        r#"
            error: unexpected back-slash escape character 'q'
             --> fluent.conf:2:6
              |
            2 |   a "\q"
              |      ^^ expected one of \" \' \\ \n \r \t \f \b \0
              |
              = help: write '\\' for a backslash, or use single quotes

            error: got incomplete JSON hash configuration
             --> fluent.conf:3:6
              |
            3 |   b {a}
              |      ^ expected a key in double quotes
              |
              = help: quote the whole value if it is not meant as JSON

            error: unexpected end of line in a single quoted string
             --> fluent.conf:4:5
              |
            4 |   c 'x
              |     ^ this quote is never closed
              |
              = help: a string over several lines needs double quotes

            error: expected end of line
             --> fluent.conf:5:9
              |
            5 |   d "y" z
              |         ^ only a comment may follow

            error: unmatched end tag
             --> fluent.conf:7:1
              |
            7 | </x>
              | ^^^ there is no open section here
        "#,
    );
}

#[test]
fn texts_without_an_end_are_not_read_to_the_end_of_the_file_for_ever() {
    let parsed = Test::new(&"k [\n".repeat(40)).parse();
    let unclosed: Vec<String> = parsed
        .diagnostics
        .iter()
        .filter(|found| found.message.starts_with("got incomplete JSON"))
        .map(|found| found.render(&parsed.sources, RenderStyle::Plain))
        .collect();
    assert_eq!(unclosed.len(), 16);
    let last = "
        error: got incomplete JSON array configuration
          --> fluent.conf:16:3
           |
        16 | k [
           |   ^ expected a matching ']' somewhere below
           |
           = help: this is text number 16 without an end, what follows in this file is not read
    ";
    assert_eq!(unclosed[15].trim_end(), unindent(last).trim_end());
}
