//! Command lines and config files, good and bad, by exit code and by what is said.
//!
//! Read next: `usher_runtime::config`.

use crate::cluster::{Folder, GUESTS, PUSH, ROOMS, config, usher};
use crate::gateway::INNER;
use std::path::Path;
use std::process::Output;
use usher_proto::ServerKind;

fn run(args: &[&str]) -> Output {
    usher().args(args).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn bad_usage_ends_with_2_and_help_with_0() {
    let cases: [(&[&str], i32); 11] = [
        (&["--help"], 0),
        (&["--version"], 0),
        (&["demo", "--help"], 0),
        (&[], 2),
        (&["dance"], 2),
        (&["demo", "--playerz", "5"], 2),
        (&["demo", "--players", "many"], 2),
        (&["demo", "--players", "0"], 2),
        (&["room"], 2),
        (&["client-sim", "--login"], 2),
        (&["up", "-c", "/nowhere/at/all"], 2),
    ];
    for (args, code) in cases {
        let ended = run(args);
        assert_eq!(ended.status.code(), Some(code), "{args:?}: {}", text(&ended.stderr));
        if code != 0 {
            assert!(!ended.stderr.is_empty() && ended.stdout.is_empty(), "{args:?}");
        }
    }
}

#[test]
fn a_broken_config_ends_with_2_and_names_file_line_and_field() {
    let folder = Folder::new();
    let limits = "[limits]\nserve_max = 10\n";
    let good = config(ServerKind::Room, "room", "127.0.0.1:0", "", &(limits.to_string() + ROOMS));
    let cases = [
        ("serve_max = 10", "serve_maxx = 10", ":11: limits.serve_maxx: "),
        ("serve_max = 10", "serve_max = \"ten\"", ":11: limits.serve_max: "),
        ("serve_max = 10", "serve_max = 0", ":11: limits.serve_max: "),
        ("[limits]", "[limitz]", ":10: limitz: "),
        ("kind = \"room\"", "kind = \"hall\"", ":1: kind: "),
        ("kind = \"room\"", "kind = \"palace\"", ":1: kind: "),
        ("kind = \"room\"\n", "", ": kind: "),
        ("listen = \"127.0.0.1:0\"", "listen = \"here\"", ":4: server.listen: "),
        ("manager = \"127.0.0.1:1\"\n", "", ": cluster.manager: "),
        ("game = \"gomoku\"", "game = \"chess\"", ":14: room.rooms.game: "),
        ("capacity = 8", "capacity = ", ":16: room.rooms.capacity: "),
    ];
    let file = folder.write("room.toml", &good);
    let file = file.to_str().unwrap();
    assert!(run(&["check-config", file]).status.success(), "{}", text(&run(&["check-config", file]).stderr));
    for (from, to, place) in cases {
        assert!(good.contains(from), "{from}");
        folder.write("room.toml", &good.replacen(from, to, 1));
        let place = format!("error: {file}{place}");
        for args in
            [&["room", "-c", file][..], &["room", "-c", file, "--print-config"], &["check-config", file]]
        {
            let ended = run(args);
            let said = text(&ended.stderr);
            if args[0] == "check-config" && to == "kind = \"hall\"" {
                assert_eq!(ended.status.code(), Some(2), "{said}"); // a hall has no [room]
                continue;
            }
            assert_eq!(ended.status.code(), Some(2), "{args:?} with {to}: {said}");
            assert!(said.starts_with(&place), "{args:?} with {to}: wanted {place}, is {said}");
        }
    }
    let ended = run(&["hall", "-c", "/nowhere/hall.toml"]);
    assert_eq!(ended.status.code(), Some(2));
    assert!(
        text(&ended.stderr).starts_with("error: /nowhere/hall.toml: cannot be read"),
        "{}",
        text(&ended.stderr)
    );
}

#[test]
fn what_print_config_prints_is_a_good_config_that_prints_itself() {
    let folder = Folder::new();
    let kinds = [
        (ServerKind::Manager, ""),
        (ServerKind::Login, GUESTS),
        (ServerKind::Hall, ""),
        (ServerKind::Room, ROOMS),
        (ServerKind::Room, &(INNER.to_owned() + ROOMS)),
        (ServerKind::Gateway, ""),
    ];
    for (kind, sections) in kinds {
        let name = kind.as_str();
        let file = folder.write(&format!("{name}.toml"), &config(kind, name, "127.0.0.1:0", "", sections));
        let printed = run(&[name, "-c", file.to_str().unwrap(), "--print-config"]);
        assert!(printed.status.success(), "{name}: {}", text(&printed.stderr));
        let first = text(&printed.stdout);
        assert!(first.contains("lease_ms = 4000"), "{name}: {first}");
        let file = folder.write(&format!("{name}-printed.toml"), first);
        let checked = run(&["check-config", file.to_str().unwrap()]);
        assert!(checked.status.success(), "{name}: {}", text(&checked.stderr));
        let again = run(&[name, "-c", file.to_str().unwrap(), "--print-config"]);
        assert_eq!(text(&again.stdout), first, "{name}");
    }
}

#[test]
fn a_push_server_is_checked_and_printed_like_any_other() {
    let folder = Folder::new();
    let file = folder.write("push.toml", PUSH);
    let file = file.to_str().unwrap();
    let checked = run(&["check-config", file]);
    assert_eq!(text(&checked.stdout), format!("{file}: a good push config\n"), "{}", text(&checked.stderr));
    let printed = run(&["push", "-c", file, "--print-config"]);
    assert!(text(&printed.stdout).contains("portion_bytes_max = 32768"), "{}", text(&printed.stderr));
    let wrong = run(&["room", "-c", file]);
    assert_eq!(wrong.status.code(), Some(2));
    let said = format!("error: {file}:1: kind: is `push`, but this is the room server\n");
    assert_eq!(text(&wrong.stderr), said);
    folder.write("push.toml", &format!("{PUSH}[limits]\ntopics_max = 0\n"));
    for args in [&["push", "-c", file][..], &["check-config", file]] {
        let wrong = run(args);
        assert_eq!(wrong.status.code(), Some(2));
        let place = format!("error: {file}:11: limits.topics_max: must be at least 1");
        assert!(text(&wrong.stderr).starts_with(&place), "{}", text(&wrong.stderr));
    }
}

#[test]
fn every_config_that_is_delivered_is_good() {
    for folder in ["local", "worlds"] {
        check_configs(folder);
    }
}

fn check_configs(folder: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy").join(folder);
    let files = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let configs: Vec<_> = files.filter(|path| path.extension().is_some_and(|it| it == "toml")).collect();
    assert!(!configs.is_empty(), "there is none in {}", folder.display());
    for path in &configs {
        let checked = run(&["check-config", path.to_str().unwrap()]);
        assert!(checked.status.success(), "{}", text(&checked.stderr));
    }
    println!("{} configs are good", configs.len());
}
