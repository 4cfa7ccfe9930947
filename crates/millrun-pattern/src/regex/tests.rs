//! The engines against each other, and the dialect.

use proptest::prelude::*;

use super::{emit::Dialect, *};

const NGINX: &str = r#"^(?<remote>[^ ]*) (?<host>[^ ]*) (?<user>[^ ]*) \[(?<time>[^\]]*)\] "(?<method>\S+)(?: +(?<path>[^\"]*?)(?: +\S*)?)?" (?<code>[^ ]*) (?<size>[^ ]*)(?: "(?<referer>[^\"]*)" "(?<agent>[^\"]*)"(?:\s+\"?(?<forwarded>[^\"]*)\"?)?)?$"#;

fn compile(source: &str) -> Regex {
    Regex::compile(source, Flags::default()).unwrap()
}

/// The whole match and all captures as text.
fn captures(regex: &Regex, line: &str) -> Option<Vec<Option<String>>> {
    let mut spans = regex.spans();
    regex
        .captures_into(line.as_bytes(), &mut spans)
        .unwrap()
        .then(|| {
            (0..=regex.captures())
                .map(|number| {
                    spans
                        .get(number)
                        .map(|(start, end)| line[start..end].to_owned())
                })
                .collect()
        })
}

fn matched(source: &str, line: &str) -> Option<String> {
    captures(&compile(source), line).map(|all| all[0].clone().unwrap())
}

fn error(source: &str) -> String {
    Regex::compile(source, Flags::default())
        .unwrap_err()
        .to_string()
}

/// What PCRE2 alone says.
fn captures_by_pcre(regex: &Regex, line: &[u8]) -> Option<Vec<usize>> {
    let mut slots = vec![0; (regex.captures() + 1) * 2];
    regex
        .pcre
        .captures(line, &mut regex.pcre.locations(), &mut slots)
        .unwrap()
        .then_some(slots)
}

fn assert_engines_agree(regex: &Regex, line: &[u8]) -> Result<(), TestCaseError> {
    let program = regex
        .splitter
        .as_ref()
        .expect("the expression is one for the splitter");
    let mut spans = regex.spans();
    let found = match splitter_run::run(program, line, &mut spans.slots, &mut spans.ways) {
        Outcome::Match => Some(
            (0..=regex.captures())
                .flat_map(|number| {
                    spans
                        .get(number)
                        .map_or([usize::MAX; 2], |(start, end)| [start, end])
                })
                .collect::<Vec<_>>(),
        ),
        Outcome::NoMatch => None,
        Outcome::GaveUp => return Ok(()),
    };
    prop_assert_eq!(
        found,
        captures_by_pcre(regex, line),
        "on {:?}",
        String::from_utf8_lossy(line)
    );
    Ok(())
}

proptest! {
    #[test]
    fn the_splitter_agrees_with_pcre_on_access_logs(line in r#"([a-] ){0,3}\[?[0-9 ]{0,3}\]? ?"?(GET|a"|\\x16)( +(/p?q|"| )){0,3}( +HTTP)?"? [0-9]{0,2} [0-9]{0,2}( "[a"-]{0,2}"){0,2}[ \n]{0,2}"?[9."]{0,3}"?\n?"#) {
        assert_engines_agree(&compile(NGINX), line.as_bytes())?;
    }

    #[test]
    fn the_splitter_agrees_with_pcre_on_any_chain(
        source in r#"\^(\(\?<[ab]>([^^$\\\[\](){}?*+|.]|a|\[\^b\]\*|\[\^ab\]\+|\.\*|\.\*\?|\\S\+|[ab]\{1,2\}\??|\\w\+\?|[ab]\?)\)|a|b| |\(\?:(a|\.\*|b\+| \(\?<c>a\*\))\)\?|\(b\|(a|ab)\)|\$|\\Z|\\z|\n|\(\?:a\|\.\)\?\?){1,6}"#,
        line in "[ab \n]{0,12}",
    ) {
        if let Ok(regex) = Regex::compile(&source, Flags::default())
            && regex.level() == Level::Splitter {
                assert_engines_agree(&regex, line.as_bytes())?;
            }
    }

    #[test]
    fn the_linear_engine_agrees_with_pcre(
        source in r"(a|b|\.|\^|\$|\\h|\\Z|\\s|\[a[^b]\]|\(\?i:A\)|é|\[\^é\]|\(a\|b\)|a\*|a\+\?|\n){0,6}",
        text in "[ab \né]{0,8}",
    ) {
        if let Ok(syntax) = parse::parse(&source, Flags::default())
            && let Some(linear) = emit::emit(&syntax, Dialect::Linear) {
                let linear = regex::bytes::RegexBuilder::new(&linear).unicode(syntax.unicode).build().unwrap();
                let pcre = Pcre::compile(&syntax).unwrap();
                prop_assert_eq!(linear.is_match(text.as_bytes()), pcre.is_match(text.as_bytes()).unwrap(), "{}", source);
            }
    }

    #[test]
    fn no_text_panics_the_compiler(source in r"[\[\]()|*+?{},a-c0-9\\<>=!:^$.&~'# -]{0,24}", line in "[a-c]{0,5}") {
        if let Ok(regex) = Regex::compile(&source, Flags::default()) {
            let _ = regex.captures_into(line.as_bytes(), &mut regex.spans());
        }
    }
}

#[test]
fn a_mere_text_is_searched_for_as_such() {
    let matches = |source: &str, text: &[u8]| {
        let matcher = Matcher::compile(source, Flags::default()).unwrap();
        let regex = compile(source);
        assert_eq!(matcher.is_match(text), regex.is_match(text), "{source}");
        matcher.is_match(text).unwrap()
    };
    assert!(matches(r"a\.b", b"xa.by") && !matches(r"a\.b", b"axb"));
    assert!(matches("", b"") && matches("é", "né".as_bytes()));
    assert!(matches(r"\xff", b"a\xff") && !matches(r"\xff", b"a"));
    let flags = Flags {
        ignore_case: true,
        ..Flags::default()
    };
    assert!(
        Matcher::compile("warn", flags)
            .unwrap()
            .is_match(b"WARN")
            .unwrap()
    );
}

#[test]
fn the_nginx_expression_is_a_splitter() {
    let regex = compile(NGINX);
    assert!(regex.level() == Level::Splitter);
    let line = r#"10.1.2.3 - bob [01/Feb/2024:03:04:05 +0900] "GET /a b HTTP/1.1" 200 777 "-" "UA x" "9.9.9.9""#;
    let found = captures(&regex, line).unwrap();
    let fields: Vec<_> = found
        .iter()
        .skip(1)
        .map(|field| field.as_deref().unwrap())
        .collect();
    let time = "01/Feb/2024:03:04:05 +0900";
    assert_eq!(
        fields,
        [
            "10.1.2.3", "-", "bob", time, "GET", "/a b", "200", "777", "-", "UA x", "9.9.9.9"
        ]
    );
}

#[test]
fn ruby_anchors_are_line_anchors() {
    assert_eq!(matched("^b$", "a\nb\nc"), Some("b".into()));
    assert_eq!(matched(r"\Ab", "a\nb"), None);
    assert_eq!(matched(r"a\Z", "a\n"), Some("a".into()));
    assert_eq!(matched(r"a\z", "a\n"), None);
    assert_eq!(matched("(?m)a.b", "a\nb"), Some("a\nb".into()));
    assert_eq!(matched("a.b", "a\nb"), None);
}

#[test]
fn ruby_escapes_keep_their_meaning() {
    assert_eq!(matched(r"\h+", "xyFf09g"), Some("Ff09".into()));
    assert_eq!(matched(r"[\h_]+\H", "x_9_y"), Some("_9_y".into()));
    assert_eq!(matched(r"\v", "a\x0b"), Some("\x0b".into()));
    assert_eq!(matched(r"\v", "\n"), None);
    assert_eq!(matched(r"\u00e9", "é"), Some("é".into()));
    assert_eq!(matched(r"\y\Q.\/", "yQ./"), Some("yQ./".into()));
    assert_eq!(matched(r"a{,2}b{x}", "aab{x}"), Some("aab{x}".into()));
    assert_eq!(
        matched(r"(?:ab){2}+", "ababababab"),
        Some("abababab".into())
    );
    assert_eq!(matched(r"a++a", "aaa"), None);
    assert_eq!(matched(r"(?>a+)b", "aab"), Some("aab".into()));
    assert_eq!(matched(r"(?<!a)b", "abb"), Some("b".into()));
}

#[test]
fn classes_nest_and_intersect() {
    assert_eq!(matched("[a-z&&[^aeiou]]+", "aexyzu"), Some("xyz".into()));
    assert_eq!(matched("[^a-z&&[^aeiou]]+", "xae1y"), Some("ae1".into()));
    assert_eq!(matched("[a[0-9]]+", "xa1b"), Some("a1".into()));
    assert_eq!(matched("[[:alpha:]]+", "1éa2"), Some("éa".into()));
    assert_eq!(matched("[^[:alpha:]]+", "é12a"), Some("12".into()));
    assert_eq!(matched("[]a]+", "x]a"), Some("]a".into()));
    assert_eq!(matched("[a-]+", "x-a"), Some("-a".into()));
    assert_eq!(matched(r"[\]\-x]+", "]-x"), Some("]-x".into()));
    assert_eq!(matched(r"\p{Hiragana}+", "aひらb"), Some("ひら".into()));
    assert_eq!(matched(r"\p{^Alpha}+", "a12b"), Some("12".into()));
}

#[test]
fn named_groups_silence_unnamed_ones() {
    assert_eq!(
        captures(&compile("(a)(?<n>b)"), "ab"),
        Some(vec![Some("ab".into()), Some("b".into())])
    );
    assert_eq!(compile("(a)(b)").captures(), 2);
}

#[test]
fn of_groups_with_one_name_the_last_that_took_part_counts() {
    let regex = compile("^(?<a>.)(?<b>.)(?<a>x)?$");
    let mut spans = regex.spans();
    assert!(regex.captures_into(b"pq", &mut spans).unwrap());
    let [a, b] = regex.capture_names() else {
        panic!("two names")
    };
    assert_eq!((a.as_str(), a.numbers()), ("a", &[1, 3][..]));
    assert_eq!(
        (spans.named(a), spans.named(b)),
        (Some((0, 1)), Some((1, 2)))
    );
    assert!(regex.captures_into(b"pqx", &mut spans).unwrap());
    assert_eq!(spans.named(a), Some((2, 3)));
}

#[test]
fn names_may_be_referred_to_and_called() {
    assert_eq!(matched(r"(?<q>['-])x\k<q>", "'x- -x-"), Some("-x-".into()));
    assert_eq!(
        matched(r"(?<p>\((?:[^()]|\g<p>)*\))", "a(b(c)d)e"),
        Some("(b(c)d)".into())
    );
    assert_eq!(matched(r"(a|b)\1", "abb"), Some("bb".into()));
    assert_eq!(matched(r"(?<XFF-host>[^ ]*)", "h x"), Some("h".into()));
}

#[test]
fn options_hold_to_the_end_of_their_group() {
    assert_eq!(matched("a(?i)b|c", "aC"), Some("aC".into()));
    assert_eq!(matched("(?:a(?i)b)c", "aBC"), None);
    assert_eq!(matched("(?i-m:A)b", "ab"), Some("ab".into()));
    assert_eq!(matched("(?x) a b # c \n c", "abc"), Some("abc".into()));
    let flags = Flags {
        ignore_case: true,
        ..Flags::default()
    };
    assert!(
        Regex::compile("^É[^x]$", flags)
            .unwrap()
            .is_match("éa".as_bytes())
            .unwrap()
    );
}

#[test]
fn a_dot_is_a_character_not_a_byte() {
    assert_eq!(matched("^(?<a>.)", "éa"), Some("é".into()));
    assert_eq!(matched("^é+(.*)$", "ééa"), Some("ééa".into()));
    let regex = compile("(?<a>.)b");
    assert!(
        regex
            .captures_into(b"\xff\xfeab", &mut regex.spans())
            .unwrap()
    );
}

#[test]
fn hostile_expressions_end_in_an_error() {
    let line = [&[b'a'; 64][..], b"!"].concat();
    for source in [r"(a+)+$", r"^(?<x>(a|aa)+)$", r"^(?:a|a)*(?:a|a)*[bc]"] {
        let regex = compile(source);
        assert_eq!(
            regex.captures_into(&line, &mut regex.spans()),
            Err(MatchError::Limit),
            "{source}"
        );
    }
    let long = vec![b'a'; 40_000];
    let chain = compile("^.*x.*x.*x.*x.*$");
    assert!(chain.level() == Level::Splitter);
    assert!(matches!(
        chain.captures_into(&long, &mut chain.spans()),
        Ok(false) | Err(MatchError::Limit)
    ));
    let deep = compile("^(?<x>(?:a|b)*)$");
    assert!(matches!(
        deep.captures_into(&vec![b'a'; 4 << 20], &mut deep.spans()),
        Ok(true) | Err(MatchError::Limit)
    ));
}

#[test]
fn the_errors_name_the_place_and_the_way_out() {
    assert_eq!(
        error("a(b"),
        "at byte 1: this `(` is never closed; write `\\(` for the character itself"
    );
    assert_eq!(
        error("a)"),
        "at byte 1: this `)` closes nothing; write `\\)` for the character itself"
    );
    assert_eq!(
        error("x[a"),
        "at byte 1: this `[` is never closed; write `\\[` for the character itself"
    );
    assert_eq!(
        error("(*LIMIT_MATCH=9)"),
        "at byte 1: `*` repeats nothing; write `\\*` for the character itself"
    );
    assert_eq!(
        error("(?<a>x)\\1"),
        "at byte 7: a numbered reference is not allowed beside named groups; write `\\k<name>`"
    );
    assert_eq!(error("\\k<b>(?<a>x)"), "at byte 0: no group is named `b`");
    assert_eq!(
        error("a(?~b)"),
        "at byte 1: the absence operator `(?~` is not supported; write a lazy repeat up to the text"
    );
    assert_eq!(
        error("(?u)a"),
        "at byte 2: the option `(?u)` is not supported; write the characters out as a class"
    );
    assert_eq!(
        error("[b-a]"),
        "at byte 1: this range ends before it begins; write the smaller character first"
    );
    assert_eq!(
        error("a{2,1}"),
        "at byte 1: the repeat ends before it begins; write the smaller number first"
    );
    assert_eq!(
        error(&"(".repeat(200)),
        "at byte 100: groups nest deeper than 100 levels"
    );
    assert_eq!(
        error(&"a".repeat(70_000)),
        "the expression has 70000 bytes, at most 65536 are accepted"
    );
    assert_eq!(
        error("(?<=a+)b"),
        "the expression is refused: length of lookbehind assertion is not limited"
    );
}
