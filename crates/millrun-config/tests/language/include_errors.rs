//! What a person sees when an include is wrong: the whole text of every error.

use crate::support::Test;

#[test]
fn an_include_from_the_network() {
    Test::new(
        "
            @include http://x/y.conf
        ",
    )
    .says(
        "
            error: http includes are not supported
             --> fluent.conf:1:10
              |
            1 | @include http://x/y.conf
              |          ^^^^^^^^^^^^^^^ expected a path or a pattern
              |
              = help: fetch the file before the start and include the copy
        ",
    );
}

#[test]
fn an_include_without_a_file() {
    Test::new(
        "
            @include
        ",
    )
    .says(
        "
            error: @include names no file
             --> fluent.conf:1:1
              |
            1 | @include
              | ^^^^^^^^ expected a path or a pattern
        ",
    );
}

#[test]
fn an_error_in_an_included_file_is_shown_there() {
    Test::new(
        "
            <match a>
              @include conf.d/*.conf
            </match>
        ",
    )
    .file("conf.d/a.conf", "  k v\n  l 'w\n")
    .says(
        "
            error: unexpected end of line in a single quoted string
             --> conf.d/a.conf:2:3
              |
            2 | l 'w
              |   ^ this quote is never closed
              |
              = help: a string over several lines needs double quotes
        ",
    );
}

#[test]
fn an_include_of_itself() {
    Test::new(
        "
            @include a.conf
        ",
    )
    .file("a.conf", "@include b.conf")
    .file("b.conf", "@include ./a.conf")
    .says(
        "
            error: 'a.conf' includes itself
             --> b.conf:1:10
              |
            1 | @include ./a.conf
              |          ^^^^^^^^ this include is left out
              |
              = help: read so far: fluent.conf → a.conf → b.conf
        ",
    );
}

#[test]
fn an_include_of_a_backup() {
    Test::new(
        "
            @include *.conf
        ",
    )
    .file("a.old.conf", "k v")
    .says(
        "
            warning: 'a.old.conf' looks like a backup and is included
             --> fluent.conf:1:10
              |
            1 | @include *.conf
              |          ^^^^^^
              |
              = help: move the file out of the directory
        ",
    );
}

#[test]
fn an_include_without_an_at_sign() {
    Test::new(
        "
            include none.conf
        ",
    )
    .says(
        "
            warning: 'include' is deprecated. Use '@include' instead
             --> fluent.conf:1:1
              |
            1 | include none.conf
              | ^^^^^^^
        ",
    );
}
