//! Every command as a person meets it: its help, its typos, its colours, its end; and the page that names them all.
//!
//! Read next: `commands.rs`, for configs and exit codes; docs/commands.md.

use crate::cluster::{Folder, ROOMS, config, usher};
use crate::page::until;
use crate::terminal::Terminal;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Output, Stdio};
use usher_proto::ServerKind;

fn run(args: &[&str]) -> Output {
    usher().args(args).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// A command, as its help describes it.
struct Help {
    /// Its words, `usher` first.
    words: Vec<String>,
    text: String,
}

impl Help {
    fn name(&self) -> String {
        self.words.join(" ")
    }

    fn of(words: Vec<String>) -> Self {
        let args: Vec<_> = words[1..].iter().map(String::as_str).chain(["--help"]).collect();
        let shown = run(&args);
        assert_eq!(shown.status.code(), Some(0), "{words:?}");
        assert!(shown.stderr.is_empty(), "{words:?}");
        Self { text: text(&shown.stdout).into(), words }
    }

    /// The first words of the lines of a part, such as `Commands:`.
    fn part(&self, name: &str) -> impl Iterator<Item = &str> {
        let lines = self.text.lines().skip_while(move |line| *line != name).skip(1);
        let lines = lines.take_while(|line| !line.is_empty());
        lines.filter(|line| line.starts_with("  ") && !line.starts_with("     ")).map(str::trim)
    }

    fn commands(&self) -> impl Iterator<Item = &str> {
        self.part("Commands:")
            .filter_map(|line| line.split_whitespace().next())
            .filter(|name| *name != "help")
    }

    /// The long flags it takes, but for those that every command has.
    fn flags(&self) -> BTreeSet<String> {
        flags(&self.part_text("Options:"))
            .into_iter()
            .filter(|flag| flag != "--help" && flag != "--version")
            .collect()
    }

    fn part_text(&self, name: &str) -> String {
        let lines =
            self.text.lines().skip_while(|line| *line != name).skip(1).take_while(|line| !line.is_empty());
        lines.filter(|line| line.trim_start().starts_with('-')).collect::<Vec<_>>().join("\n")
    }
}

/// All that look like `--flag`, each line's first.
fn flags(text: &str) -> BTreeSet<String> {
    let flag = |line: &str| {
        let from = line.find("--")?;
        let flag: String = line[from..]
            .chars()
            .take_while(|char| char.is_ascii_lowercase() || "-".contains(*char))
            .collect();
        (flag.len() > 2).then_some(flag)
    };
    text.lines().filter_map(flag).collect()
}

/// `usher` and every command below it.
fn all() -> Vec<Help> {
    let (mut found, mut open) = (Vec::new(), vec![vec!["usher".to_owned()]]);
    while let Some(words) = open.pop() {
        let help = Help::of(words);
        let below = help.commands().map(|name| [&help.words[..], &[name.to_owned()]].concat());
        open.extend(below.collect::<Vec<_>>());
        found.push(help);
    }
    found
}

#[test]
fn every_help_has_examples_and_exit_codes_and_no_colours_in_a_pipe() {
    let all = all();
    let names: BTreeSet<_> = all.iter().map(Help::name).collect();
    for known in ["usher demo", "usher status", "usher announce", "usher account import", "usher completions"]
    {
        assert!(names.contains(known), "{known} in {names:?}");
    }
    for help in &all {
        let (name, text) = (help.name(), &help.text);
        assert!(text.contains("\nExamples:\n  "), "{name} has no examples:\n{text}");
        assert!(text.contains("Exit codes: 0 "), "{name} does not say how it ends:\n{text}");
        assert!(!text.contains('\u{1b}'), "{name} paints a pipe");
        let examples = help.part("Examples:").filter(|line| line.contains("usher "));
        assert!(examples.count() > 0, "{name}: an example begins with usher");
    }
    println!("{} commands: {names:?}", all.len());
}

#[test]
fn a_slip_of_the_finger_is_answered_with_what_was_meant() {
    let cases: [(&[&str], &str); 7] = [
        (&["dmeo"], "'demo'"),
        (&["annonce", "hello"], "'announce'"),
        (&["account", "lst"], "'list'"),
        (&["demo", "--player", "5"], "'--players'"),
        (&["status", "--wacth"], "'--watch'"),
        (&["completions", "bahs"], "'bash'"),
        (&["room", "--print-confg"], "'--print-config'"),
    ];
    for (args, meant) in cases {
        let ended = run(args);
        let said = text(&ended.stderr);
        assert_eq!(ended.status.code(), Some(2), "{args:?}: {said}");
        assert!(said.contains("tip: ") && said.contains(meant), "{args:?}: {said}");
        assert!(!said.contains('\u{1b}') && ended.stdout.is_empty(), "{args:?}");
    }
}

#[test]
fn a_slip_in_a_config_is_answered_with_what_was_meant() {
    let folder = Folder::new();
    let good =
        config(ServerKind::Room, "room", "127.0.0.1:0", "", &format!("[limits]\nserve_max = 10\n{ROOMS}"));
    for (from, to, meant) in [
        ("serve_max = 10", "serv_max = 10", "did you mean `serve_max`?"),
        ("[limits]", "[limit]", "did you mean [limits]?"),
        ("kind = \"room\"", "kind = \"rooom\"", "did you mean `room`?"),
        ("capacity = 8", "capcity = 8", "did you mean `capacity`?"),
    ] {
        assert!(good.contains(from), "{from}");
        let file = folder.write("room.toml", &good.replacen(from, to, 1));
        let checked = run(&["check-config", file.to_str().unwrap()]);
        let said = text(&checked.stderr);
        assert_eq!(checked.status.code(), Some(2), "{said}");
        assert!(said.trim_end().ends_with(meant), "{to}: {said}");
    }
}

#[test]
fn a_terminal_is_painted_unless_somebody_minds() {
    for (no_color, painted) in [(None, true), (Some(""), true), (Some("1"), false)] {
        let mut command = usher();
        command.arg("dmeo");
        if let Some(value) = no_color {
            command.env("NO_COLOR", value);
        }
        let mut terminal = Terminal::start(&command, (100, 20));
        terminal.until("tip: ");
        assert_eq!(terminal.ended().code(), Some(2));
        assert_eq!(terminal.has_colors(), painted, "NO_COLOR={no_color:?}");
    }
}

#[test]
fn a_reader_who_has_heard_enough_is_no_fault() {
    let folder = Folder::new();
    let room = folder.write("room.toml", &config(ServerKind::Room, "room", "127.0.0.1:0", "", ROOMS));
    let (room, keys) = (room.to_str().unwrap(), folder.0.join("keys"));
    let cases: [&[&str]; 8] = [
        &["--help"],
        &["demo", "--help"],
        &["--version"],
        &["completions", "bash"],
        &["check-config", room],
        &["room", "-c", room, "--print-config"],
        &["keygen", keys.to_str().unwrap()],
        &["plan", "--players", "1000", "--no-trial"],
    ];
    for args in cases {
        let mut child = usher().args(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let ended = until("its end", || child.try_wait().unwrap());
        let said = std::io::read_to_string(child.stderr.take().unwrap()).unwrap();
        assert!(ended.success() && said.is_empty(), "{args:?}: {ended}, {said}");
    }
}

#[test]
fn without_a_word_it_helps_and_it_knows_its_version() {
    let none = run(&[]);
    assert_eq!(none.status.code(), Some(2), "nothing was done");
    assert!(text(&none.stderr).contains("Commands:\n  demo") && none.stdout.is_empty());
    let version = run(&["--version"]);
    assert_eq!(text(&version.stdout), format!("usher {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn completions_are_made_for_each_shell_and_know_every_command() {
    for (shell, mark) in [
        ("bash", "complete -F _usher"),
        ("zsh", "#compdef usher"),
        ("fish", "complete -c usher"),
        ("elvish", "edit:completion:arg-completer[usher]"),
        ("powershell", "Register-ArgumentCompleter"),
    ] {
        let printed = run(&["completions", shell]);
        let script = text(&printed.stdout);
        assert!(printed.status.success() && script.contains(mark), "{shell}");
        for command in Help::of(vec!["usher".into()]).commands() {
            assert!(script.contains(command), "{shell} does not know {command}");
        }
    }
    let folder = Folder::new();
    let script = folder.write("usher.bash", text(&run(&["completions", "bash"]).stdout));
    let line = "source \"$0\"; COMP_WORDS=(usher sta); COMP_CWORD=1; _usher usher sta usher; echo \"${COMPREPLY[@]}\"";
    let completed = std::process::Command::new("bash").args(["-c", line]).arg(&script).output().unwrap();
    assert_eq!(text(&completed.stdout).trim(), "status", "{}", text(&completed.stderr));
}

/// The part of docs/commands.md below a command's heading.
fn sections(page: &str) -> Vec<(String, String)> {
    let parts = page.split("\n## `").skip(1);
    parts
        .map(|part| {
            let (name, rest) = part.split_once('`').expect("a heading is a command");
            (name.to_owned(), rest.to_owned())
        })
        .collect()
}

/// The flags that a section's table explains: the first cell of each row.
fn explained(section: &str) -> BTreeSet<String> {
    let cells = section.lines().filter_map(|line| line.strip_prefix("| ")?.split(" | ").next());
    flags(&cells.collect::<Vec<_>>().join("\n"))
}

#[test]
fn the_page_of_commands_names_every_command_and_every_option_and_no_other() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/commands.md");
    let page = fs::read_to_string(page).unwrap();
    let sections = sections(&page);
    let all = all();
    let described: BTreeSet<_> = sections.iter().map(|(name, _)| name.clone()).collect();
    let there: BTreeSet<_> = all.iter().map(Help::name).filter(|name| name != "usher").collect();
    assert_eq!(described, there, "the headings of docs/commands.md, and the commands");
    for help in all.iter().filter(|help| help.words.len() > 1) {
        let (name, section) =
            sections.iter().find(|(name, _)| *name == help.name()).expect("it is described");
        assert_eq!(explained(section), help.flags(), "the options of {name} on the page, and in its help");
        let has_example = section.contains("\n```sh\nusher ");
        assert!(has_example || help.commands().next().is_some(), "{name} has an example on the page");
    }
}
