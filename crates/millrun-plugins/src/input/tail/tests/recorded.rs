//! The recorded scenarios of Fluentd's in_tail, played with real files.

use super::*;

/// Recorded cases that end differently here: in what, and why.
const DEVIATIONS: &[(&str, &[&str], &str)] = &[
    (
        "no pos_file restart",
        &["events"],
        "positions are kept without a pos_file too",
    ),
    (
        "old file written after rotate_wait",
        &["events", "log"],
        "the late line is found with the next refresh, not lost",
    ),
    (
        "rename, late write to old, create",
        &["log"],
        "one log line for a file that is followed, not one for each watcher of it",
    ),
];

fn run_case(number: usize, case: &Json) -> Vec<&'static str> {
    let text = |value: &Json| value.as_str().unwrap().to_owned();
    let mut source = format!(
        "path $D/{}\nrotate_wait 1s\nrefresh_interval 1s\n",
        text(&case["path"])
    );
    let given = case["source"].as_object().unwrap();
    for (key, value) in [("tag", "t"), ("pos_file", "$D/pos")] {
        match given.get(key) {
            Some(Json::Null) => {}
            Some(value) => source += &format!("{key} {}\n", text(value)),
            None => source += &format!("{key} {value}\n"),
        }
    }
    for (key, value) in given
        .iter()
        .filter(|(key, _)| !["tag", "pos_file"].contains(&&***key))
    {
        source += &format!("{key} {}\n", text(value));
    }
    let parse = case["parse"].as_str().unwrap_or("@type none");
    let mut scene = Scene::new(&format!("case_{number}"), &source, parse);
    for step in case["steps"].as_array().unwrap() {
        let argument = |index: usize| text(&step[index]);
        match step[0].as_str().unwrap() {
            "start" => scene.start(),
            // Crashes at every point are the model's; here the state is what counts.
            "stop" | "kill9" => scene.stop(),
            "append" => scene.append(&argument(1), &argument(2)),
            "sleep" => std::thread::sleep(Duration::from_secs_f64(step[1].as_f64().unwrap())),
            "rename" => {
                fs::rename(scene.path(&argument(1)), scene.path(&argument(2))).unwrap();
            }
            "truncate" => fs::write(scene.path(&argument(1)), "").unwrap(),
            "truncate_write" => fs::write(scene.path(&argument(1)), argument(2)).unwrap(),
            "symlink" => {
                let (link, new) = (scene.path(&argument(2)), scene.path("new link"));
                std::os::unix::fs::symlink(scene.path(&argument(1)), &new).unwrap();
                fs::rename(new, link).unwrap();
            }
            other => panic!("unknown step {other}"),
        }
    }
    scene.stop();

    let directory = scene.directory.path().to_str().unwrap().to_owned();
    let dotted = directory.trim_start_matches('/').replace('/', ".");
    let mut different = Vec::new();
    let expected: Vec<Json> = case["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| {
            let mut event = event.clone();
            for (key, value) in event.as_object_mut().unwrap() {
                let with = if key == "_tag" { &dotted } else { &directory };
                *value = value.as_str().unwrap().replace("$D", with).into();
            }
            event
        })
        .collect();
    if scene.events() != expected {
        eprintln!("events {:?}, expected {expected:?}", scene.events());
        different.push("events");
    }
    let inode = |name: &str| {
        let name = name.strip_prefix("ino:").unwrap();
        format!("{:016x}", fs::metadata(scene.path(name)).unwrap().ino())
    };
    let expected: Vec<[String; 3]> = case["pos"].as_array().map_or(Vec::new(), |entries| {
        let entry = |entry: &Json| {
            let path = text(&entry[0]).replace("$D", &directory);
            [path, text(&entry[1]), inode(entry[2].as_str().unwrap())]
        };
        entries.iter().map(entry).collect()
    });
    if scene.positions() != expected {
        eprintln!("positions {:?}, expected {expected:?}", scene.positions());
        different.push("pos");
    }
    let expected = case["log"].as_array().unwrap().iter();
    let expected: Vec<_> = expected
        .map(|line| text(line).replace("$D", &directory))
        .collect();
    let lines = logged::lines(&scene.name);
    if lines != expected {
        eprintln!("log {lines:?}, expected {expected:?}");
        different.push("log");
    }
    different
}

#[test]
fn recorded_scenarios_end_as_recorded() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conformance/cases/tail.jsonl");
    let cases = fs::read_to_string(path).unwrap();
    let cases: Vec<Json> = cases
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(cases.len() >= 16);
    // They mostly sleep.
    let outcomes: Vec<_> = std::thread::scope(|scope| {
        let run = |(number, case): (usize, &Json)| {
            let name = case["name"].as_str().unwrap().to_owned();
            let deviation = DEVIATIONS.iter().find(|(deviant, ..)| *deviant == name);
            let expected = deviation.map_or(&[][..], |(_, expected, _)| expected);
            let different = run_case(number, case);
            (different != expected)
                .then(|| format!("{name}: {different:?} differ, expected {expected:?}"))
        };
        let threads: Vec<_> = cases
            .iter()
            .enumerate()
            .map(|case| {
                let case = (case.0, case.1);
                scope.spawn(move || run(case))
            })
            .collect();
        threads
            .into_iter()
            .filter_map(|thread| thread.join().unwrap())
            .collect()
    });
    assert_eq!(outcomes, [""; 0]);
}
