//! `usher play` as a person meets it: keys in, screens out, against bots.
//!
//! The screens are in the test's log: `cargo test -p usher --test e2e play:: -- --nocapture`.
//!
//! Read next: `terminal.rs`.

use crate::cable::Cable;
use crate::cluster::{Cluster, Folder, GUESTS, free_address, usher};
use crate::page::{self, until, until_in_rooms};
use crate::secrets;
use crate::terminal::Terminal;
use crate::wire::{enter, log_in};
use std::process::{Child, Command, Stdio};
use usher_proto::ServerKind;
use usher_proto::message::Credentials;

/// A room of each game.
const EACH_GAME: &str = "[room]\nnext_hand_delay_ms = 200\n\
    [[room.rooms]]\nname = \"Gomoku\"\ngame = \"gomoku\"\ncount = 1\ncapacity = 8\n\
    [[room.rooms]]\nname = \"Cards\"\ngame = \"doudizhu\"\ncount = 1\ncapacity = 9\n\
    [[room.rooms]]\nname = \"Heaps\"\ngame = \"nim\"\ncount = 1\ncapacity = 4\n";
/// More turns than any hand takes in which one side does not try to win.
const TURNS_MAX: usize = 80;

fn cluster() -> Cluster {
    Cluster::start(&[
        (ServerKind::Manager, "manager", ""),
        (ServerKind::Room, "room", EACH_GAME),
        (ServerKind::Hall, "hall", ""),
        (ServerKind::Login, "login", GUESTS),
    ])
}

fn play(cluster: &Cluster) -> Command {
    let mut command = usher();
    command.args(["play", "--login", cluster.address("login")]);
    command.args(["--login-key", &secrets::login_key().public().to_string()]);
    command
}

/// Bots, gone with their test.
struct Bots(Child);

impl Bots {
    fn start(cluster: &Cluster, game: &str, players: u32) -> Self {
        let mut command = usher();
        command.args(["client-sim", "--quiet", "--die-with-parent", "--seconds", "600"]);
        command.args(["--reconnect-per-mille", "0", "--play", game, "--players", &players.to_string()]);
        command.args(["--login", cluster.address("login")]);
        command.args(["--login-key", &secrets::login_key().public().to_string()]);
        Self(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Bots {
    fn drop(&mut self) {
        let _ = self.0.kill(); // they may have ended already
        let _ = self.0.wait();
    }
}

/// Leafs through the list until it shows that game's rooms.
fn look_for(terminal: &mut Terminal, game: &str) {
    const FILTERS: [&str; 4] = ["all games", "Gomoku", "Dou Dizhu", "Nim"];
    let titles = FILTERS.map(|filter| format!("rooms with space: {filter} "));
    let mut at = terminal.until_any(&titles.each_ref().map(String::as_str));
    while FILTERS[at] != game {
        at = (at + 1) % FILTERS.len();
        terminal.keys("g");
        terminal.until(&titles[at]);
    }
}

/// From the list into the room of that game, and to a table where somebody waits.
fn sit_down(terminal: &mut Terminal, game: &str, room: &str) {
    look_for(terminal, game);
    terminal.show(&format!("the rooms of {game}"));
    terminal.keys("\r");
    terminal.until(&format!("You stand in {room}"));
    terminal.show("inside");
    terminal.keys("s");
    terminal.until("hand 1 begins");
    terminal.show("the hand begins");
}

/// From a table to the list, though the next hand may have begun.
fn back_to_the_rooms(terminal: &mut Terminal) {
    terminal.keys("\x1b");
    if terminal.until_any(&["rooms with space", "press it again"]) == 1 {
        terminal.keys("\x1b");
    }
    terminal.until("rooms with space");
}

/// Takes turns until the hand is over, and counts them; `turn` types what is done in the turn of that number.
fn play_a_hand(terminal: &mut Terminal, mut turn: impl FnMut(&mut Terminal, usize)) -> usize {
    for number in 0..TURNS_MAX {
        if terminal.until_any(&["is over:", "your turn"]) == 0 {
            return number;
        }
        turn(terminal, number);
        // The turn is over when the screen says whose it is now, or that the hand is over.
        terminal.until_any(&["is over:", "is to move"]);
    }
    panic!("the hand does not end\n{}", terminal.text());
}

fn gomoku_turn(terminal: &mut Terminal, number: usize) {
    match number {
        // By its name, after one that does not exist and one that was taken.
        0 => {
            terminal.keys("h77\r");
            terminal.until("`h77` is no cell");
            terminal.keys("h8\r");
            if terminal.until_any(&["you played h8", "illegal: the cell is occupied"]) == 1 {
                terminal.keys("h7\r");
                terminal.until("you played h7");
            }
        }
        1 => {
            terminal.keys("h8\r");
            terminal.until("illegal: the cell is occupied");
            terminal.show("an illegal move is explained");
            terminal.keys("?\r");
        }
        // By the cursor.
        2 => terminal.keys("a1\x7f\x7f\x1b[A\x1b[A\x1b[B\r"),
        3..=6 => terminal.keys("?\r"),
        // No longer trying: the left edge, from below.
        row => terminal.keys(&format!("a{}\r", row - 4)),
    }
}

fn cards_turn(terminal: &mut Terminal, number: usize) {
    if terminal.text().contains("bidding:") {
        terminal.keys("7\r");
        terminal.until("`7` is no bid");
        terminal.keys("3\r");
        terminal.until("landlord"); // three ends the bidding, and who bid it leads
    }
    if number == 3 {
        terminal.show("in the middle of the hand");
    }
    if terminal.text().contains("nothing to beat: who moves leads")
        && !terminal.text().contains("may not pass")
    {
        terminal.keys("p\r");
        terminal.until("illegal: who leads may not pass");
        terminal.keys("3b\r");
        terminal.until_any(&["illegal: cards that may not be played together", "you do not hold 3 b"]);
        terminal.show("what is illegal is explained");
    }
    terminal.keys("?\r");
}

fn nim_turn(terminal: &mut Terminal, number: usize) {
    terminal.until("you may: ");
    if number == 0 {
        terminal.show("a game without a screen of its own");
        // The most that a heap has is ten.
        let heap =
            ["a", "b", "c", "d"].into_iter().find(|heap| terminal.text().contains(&format!("{heap}1 ")));
        terminal.keys(&format!("{}11\r", heap.unwrap()));
        terminal.until("11` is none of what you may do");
    }
    terminal.keys("?\r");
}

#[test]
fn a_person_spends_an_evening_with_bots_a_whole_hand_of_each_game() {
    let cluster = cluster();
    let bots = [("gomoku", 1), ("doudizhu", 2), ("nim", 1)];
    let _bots = bots.map(|(game, players)| Bots::start(&cluster, game, players));
    until_in_rooms(cluster.admin("manager"), 4);
    let mut terminal = Terminal::start(&play(&cluster), (100, 30));

    sit_down(&mut terminal, "Gomoku", "Gomoku");
    terminal.keys("\tgood evening\r");
    terminal.until("you: good evening");
    terminal.keys("\t");
    assert!(play_a_hand(&mut terminal, gomoku_turn) >= 4, "the bot needs five stones");
    terminal.show("the hand of Gomoku is over");
    assert!(terminal.text().contains("(won)"), "{}", terminal.text());
    assert!(terminal.has_colors());

    terminal.resize(40, 10);
    terminal.until("make the window larger");
    terminal.resize(120, 40);
    terminal.until("what was said and what happened");
    back_to_the_rooms(&mut terminal);

    sit_down(&mut terminal, "Dou Dizhu", "Cards");
    assert!(play_a_hand(&mut terminal, cards_turn) >= 1, "nobody wins before the second turn of the last");
    terminal.show("the hand of Dou Dizhu is over");
    assert!(terminal.text().contains("landlord"), "{}", terminal.text());
    assert!(terminal.text().contains("(won)"), "{}", terminal.text());

    back_to_the_rooms(&mut terminal);
    sit_down(&mut terminal, "Nim", "Heaps");
    assert!(play_a_hand(&mut terminal, nim_turn) >= 1, "nobody takes four heaps at once");
    terminal.show("the hand of Nim is over");
    assert!(terminal.text().contains("(won)"), "{}", terminal.text());

    terminal.keys("\x03");
    assert!(terminal.ended().success());
    assert!(!terminal.is_taken_over(), "the terminal is given back");
    until_in_rooms(cluster.admin("manager"), 4);
}

#[test]
fn a_seat_outlives_a_pulled_cable_and_what_was_missed_is_shown() {
    let (room, folder) = (free_address(), Folder::new());
    let cable = Cable::to(&room);
    let mut cluster = Cluster::in_folder(folder);
    cluster.add(ServerKind::Manager, "manager", "127.0.0.1:0", "");
    // What clients are told is the cable.
    let listen = format!("{room}\"\nadvertise = \"{}", cable.address);
    let few_kept = EACH_GAME.replace("[room]", "[room]\nreplay_max = 2");
    cluster.add(ServerKind::Room, "room", &listen, &few_kept);
    cluster.add_all(&[(ServerKind::Hall, "hall", ""), (ServerKind::Login, "login", GUESTS)]);
    cluster.until_whole();
    let mut terminal = Terminal::start(play(&cluster).env("NO_COLOR", "1"), (130, 26));
    look_for(&mut terminal, "Gomoku");
    terminal.keys("\r");
    terminal.until("You stand in Gomoku");
    terminal.keys("2s");
    terminal.until("you sit at table 2");
    let friend = log_in(cluster.address("login"), Credentials::Guest);
    let (mut friend, _) = enter(&room, &friend.ticket, None).unwrap();
    friend.chat("hello");
    terminal.until(": hello");

    cable.pull();
    terminal.until("connection lost");
    terminal.show("the cable is out");
    for text in ["one", "two", "three", "four"] {
        friend.chat(text);
    }
    cable.put_back();
    terminal.until("you missed 4 chats: 2 are not kept any more");
    terminal.show("and back");
    assert!(terminal.text().contains(": four") && terminal.text().contains("- table 2 -"));
    assert!(!terminal.has_colors(), "NO_COLOR is set");

    terminal.keys("q");
    assert!(terminal.ended().success());
    assert!(!terminal.is_taken_over());
}

#[test]
fn an_account_is_asked_for_its_password_and_a_wrong_one_is_explained() {
    let folder = Folder::new();
    folder.write_accounts(&["ada"]);
    let mut cluster = Cluster::in_folder(folder);
    cluster.add_all(&[
        (ServerKind::Manager, "manager", ""),
        (ServerKind::Room, "room", EACH_GAME),
        (ServerKind::Hall, "hall", ""),
        (ServerKind::Login, "login", "[login]\naccounts = \"accounts.db\"\n"),
    ]);
    let admin = cluster.admin("hall");
    until("the hall is ready", || (page::get(admin, "/readyz")?.0 == 200).then_some(()));
    let ada = |password: &str| {
        let mut terminal = Terminal::start(play(&cluster).args(["--name", "ada"]), (80, 24));
        terminal.until("Password of ada:");
        terminal.keys(&format!("{password}\r"));
        terminal
    };
    let mut terminal = ada("ada");
    terminal.until("logged in as player ");
    terminal.until("rooms with space");
    terminal.keys("q");
    assert!(terminal.ended().success());

    let mut terminal = ada("lovelace");
    assert_eq!(terminal.ended().code(), Some(1));
    terminal.until("error: wrong name or password");
    assert!(!terminal.text().contains("lovelace") && !terminal.is_taken_over());
}

#[test]
fn without_a_terminal_or_a_key_it_says_so() {
    let output = usher().arg("play").output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("for a person at a terminal") && output.stdout.is_empty(), "{said}");
    let folder = Folder::new();
    let mut terminal = Terminal::start(usher().arg("play").current_dir(&folder.0), (120, 24));
    assert_eq!(terminal.ended().code(), Some(2));
    terminal.until("start a cluster with `usher up`");
}
