//! Flat parameters of former times and the sections they become.

use crate::support::{Test, shape, unindent};
use millrun_config::{Diagnostics, Element, Parsed, RenderStyle, modernise, parameters};

parameters! {
    struct Tail in "source", type "tail" {
        tag: Option<String>;
    }
    sections {
        parse: Vec<Element>;
    }
    legacy { Parse }
}

parameters! {
    struct File in "match", type "file" {
        path: Option<String>;
    }
    sections {
        buffer: Option<Element>;
        format: Option<Element>;
        inject: Option<Element>;
    }
    legacy { TimeSlicedBuffer, Format, Inject }
}

parameters! {
    struct Forward in "match", type "forward" {
        port: u16 = "1";
    }
    sections {
        buffer: Option<Element>;
    }
    legacy { Buffer }
}

fn new_form(text: &str) -> (String, String) {
    let Parsed {
        mut root,
        sources,
        mut diagnostics,
    } = Test::new(text).parse();
    let schema_of = |element: &Element| match (element.name(), element.plugin_type()?) {
        ("source", "tail") => Some(Tail::SCHEMA),
        ("match", "file") => Some(File::SCHEMA),
        ("match" | "store", "forward") => Some(Forward::SCHEMA),
        _ => None,
    };
    modernise(&mut root, &schema_of, &mut diagnostics);
    let said = diagnostics.render(&sources, RenderStyle::Plain);
    let lines: Vec<_> = said.lines().map(str::trim_end).collect();
    (shape(&root), lines.join("\n"))
}

#[track_caller]
fn becomes(text: &str, expected: &str) {
    let (shape, said) = new_form(text);
    assert_eq!(shape, expected, "{said}");
}

#[test]
fn parameters_of_a_buffer() {
    becomes(
        "
        <match a>
          type forward
          port 2
          buffer_type file
          buffer_path /b
          num_threads 2
          flush_interval 5s
          buffer_chunk_limit 8m
          buffer_queue_limit 64
          buffer_queue_full_action exception
          retry_limit 3
          disable_retry_limit
          max_retry_wait 1h
        </match>
        ",
        "match(a){type=forward port=2 buffer(){@type=file path=/b flush_thread_count=2 \
         flush_interval=5s retry_forever= retry_max_times=3 retry_max_interval=1h \
         chunk_limit_size=8m queue_limit_length=64 overflow_action=throw_exception \
         flush_mode=interval}}",
    );
}

#[test]
fn time_slices() {
    becomes(
        "<match a>\n@type forward\ntime_slice_format %Y%m%d%H\ntime_slice_wait 1m\nutc\n</match>",
        "match(a){@type=forward buffer(time){timekey_wait=1m timekey=3600 timekey_use_utc=true}}",
    );
    becomes(
        "<match a>\n@type file\npath /p\nbuffer_path /b\n</match>",
        "match(a){@type=file path=/p buffer(time){path=/b timekey=86400}}",
    );
}

#[test]
fn parameters_of_a_parser() {
    becomes(
        "<source>\n@type tail\ntag t\nformat /^(?<a>.*)$/\ntime_format %s\n</source>",
        "source(){@type=tail tag=t parse(){time_format=%s @type=regexp expression=/^(?<a>.*)$/}}",
    );
    becomes(
        "<source>\n@type tail\nformat ltsv\ntypes a=integer;b=bool\ntypes_delimiter ;\n\
         types_label_delimiter =\nlocaltime\n</source>",
        "source(){@type=tail parse(){@type=ltsv types={\"a\":\"integer\",\"b\":\"bool\"} \
         localtime=true utc=false}}",
    );
    becomes(
        "<source>\n@type tail\nformat multiline\nformat_firstline /^a/\nformat1 /b/\n</source>",
        "source(){@type=tail parse(){format_firstline=/^a/ format1=/b/ @type=multiline}}",
    );
}

#[test]
fn one_flat_parameter_for_several_sections() {
    becomes(
        "<match a>\n@type file\nformat json\ninclude_time_key\ninclude_tag_key yes\ntimezone +09:00\n\
         </match>",
        "match(a){@type=file buffer(time){timekey_zone=+09:00 timekey=86400} \
         format(){@type=json timezone=+09:00} \
         inject(){timezone=+09:00 time_key=time time_type=string tag_key=tag}}",
    );
}

#[test]
fn what_is_written_in_the_new_form_stays() {
    let text = "<match a>\n@type forward\nbuffer_type file\n<buffer>\n</buffer>\n</match>";
    becomes(text, "match(a){@type=forward buffer_type=file buffer(){}}");
    becomes(
        "<match a>\n@type other\nbuffer_type file\n</match>",
        "match(a){@type=other buffer_type=file}",
    );
}

#[test]
fn outputs_inside_others() {
    becomes(
        "<label @A>\n<match a>\n@type copy\n<store>\n@type forward\nretry_limit 1\n</store>\n\
         </match>\n</label>",
        "label(@A){match(a){@type=copy store(){@type=forward buffer(){retry_max_times=1}}}}",
    );
}

#[test]
fn the_warning_shows_the_new_form() {
    let (_, said) = new_form(
        "
        <match a>
          @type file
          buffer_path /b
          flush_interval 5s
        </match>
        ",
    );
    let expected = "
        warning: buffer_path, flush_interval are old names of what a <buffer> section says
         --> fluent.conf:3:3
          |
        3 |   buffer_path /b
          |   ^^^^^^^^^^^
        4 |   flush_interval 5s
          |   --------------
          |
          = help: write
                  <buffer time>
                    path /b
                    flush_interval 5s
                    timekey 86400
                    flush_mode interval
                  </buffer>";
    assert_eq!(said, unindent(expected));
}

#[test]
fn faults() {
    let text = "<match a>\n@type forward\ntime_slice_format %Y%m\nutc\nlocaltime\n</match>";
    let (_, said) = new_form(text);
    let expected = "
        error: time_slice_format only with %Y or %m is too long
         --> fluent.conf:3:19
          |
        3 | time_slice_format %Y%m
          |                   ^^^^ expected %d, %H, %M or %S in it

        error: both of utc and localtime are specified, use only one of them
         --> fluent.conf:4:1
          |
        4 | utc
          | ^^^
        5 | localtime
          | --------- the other one";
    assert_eq!(said, unindent(expected));
    let text = "<match a>\n@type forward\nflush_interval 1s\n<buffer>\n</buffer>\n</match>";
    let (shape, said) = new_form(text);
    assert_eq!(
        shape,
        "match(a){@type=forward buffer(){flush_mode=interval}}"
    );
    let expected = "
        warning: 'flush_interval' is configured at out side of <buffer>. 'flush_mode' is set to \
         'interval' and the value is not used
         --> fluent.conf:3:1
          |
        3 | flush_interval 1s
          | ^^^^^^^^^^^^^^
          |
          = help: write the line inside <buffer>";
    assert_eq!(said, unindent(expected));
}

#[test]
fn the_declarations_are_read() {
    let section = Test::new("<match a>\n</match>").parse().root;
    let mut diagnostics = Diagnostics::default();
    let section = &section.elements()[0];
    assert_eq!(
        Forward::read(section, &mut diagnostics).map(|f| f.port),
        Some(1)
    );
    assert!(File::read(section, &mut diagnostics).is_some_and(|f| f.path.is_none()));
    assert!(Tail::read(section, &mut diagnostics).is_some_and(|t| t.tag.is_none()));
}
