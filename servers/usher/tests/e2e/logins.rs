//! Accounts from the operator's command to the player's session, and what is told to who has none.
//!
//! Read next: `usher_logic::back_off`, `usher_secure::scram`.

use crate::cluster::{ACCOUNTS_WITHOUT_HALL, Cluster, Folder, Process, ROOMS, free_address, usher};
use crate::page::{PATIENCE, metric, until};
use crate::wire::{Wire, enter, greet, log_in_as, prove, try_log_in, visit_hall};
use rustix::process::Signal;
use serde_json::Value;
use socket2::{Domain, Socket, Type};
use std::fs;
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Output, Stdio};
use usher_proto::first_frame::Role;
use usher_proto::message::{CloseReason, Closing, Credentials, LogInDenial};
use usher_proto::{Message, ServerKind};
use usher_secure::private_file;

/// A login that knows the accounts of this folder.
fn login_only(folder: Folder) -> Cluster {
    let mut cluster = Cluster::in_folder(folder);
    let nobody_exempt = format!("{ACCOUNTS_WITHOUT_HALL}[addresses]\nexempt = []\n");
    cluster.add(ServerKind::Login, "login", "127.0.0.1:0", &nobody_exempt);
    cluster
}

fn account(args: &[&str], database: &Path, input: &str) -> Output {
    let mut command = usher();
    command.arg("account").args(args).arg("--accounts").arg(database);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // Whoever refuses its arguments does not read.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// A command that ends well, and what it said.
fn done(args: &[&str], database: &Path, input: &str) -> String {
    let ended = account(args, database, input);
    assert!(ended.status.success(), "{args:?}: {}", text(&ended.stderr));
    text(&ended.stdout).into()
}

/// One that does not.
fn refused(args: &[&str], database: &Path, input: &str, code: i32) -> String {
    let ended = account(args, database, input);
    assert_eq!(ended.status.code(), Some(code), "{args:?}: {}", text(&ended.stderr));
    text(&ended.stderr).into()
}

#[test]
fn what_an_operator_does_to_an_account_is_what_its_owner_meets_next() {
    let folder = Folder::new();
    let database = folder.write_accounts(&["ada"]);
    let cluster = login_only(folder);
    let login = cluster.address("login");
    let enter =
        |name: &str, password: &str| try_log_in(login, name, password).1.map(|it| it.identity.account);
    let ada = enter("ada", "ada").unwrap();
    assert_eq!(enter("zoë", "pässword"), Err(LogInDenial::WrongCredentials));

    let said = done(&["add", "zoë", "--password-stdin"], &database, "pässword\nignored\n");
    let zoe = enter("zoë", "pässword").unwrap();
    assert!(said.contains(&format!("zoë: added, number {}", zoe.0)), "{said}");

    done(&["passwd", "ada", "--password-stdin"], &database, "countess");
    assert_eq!(enter("ada", "ada"), Err(LogInDenial::WrongCredentials));
    assert_eq!(enter("ada", "countess"), Ok(ada));

    done(&["disable", "ada"], &database, "");
    assert_eq!(enter("ada", "countess"), Err(LogInDenial::Disabled));
    assert_eq!(enter("ada", "guess"), Err(LogInDenial::WrongCredentials), "only its owner is told");
    let listed = done(&["list"], &database, "");
    assert!(listed.lines().count() == 2 && listed.contains("disabled"), "{listed}");
    done(&["enable", "ada"], &database, "");
    assert_eq!(enter("ada", "countess"), Ok(ada));
}

#[test]
fn a_name_that_nobody_has_is_asked_as_everybody_is() {
    let folder = Folder::new();
    folder.write_accounts(&["ada"]);
    let mut cluster = login_only(folder);
    let ask = |cluster: &Cluster, name: &str| {
        let (asked, denied) = try_log_in(cluster.address("login"), name, "wrong");
        assert_eq!(denied.unwrap_err(), LogInDenial::WrongCredentials);
        let (nonce, salt) = asked.split_once(",s=").unwrap();
        (nonce.len(), salt.to_string())
    };
    let (known, unknown) = (ask(&cluster, "ada"), ask(&cluster, "eve"));
    assert_eq!(known.0, unknown.0);
    assert_eq!(known.1.len(), unknown.1.len(), "{known:?} {unknown:?}");
    cluster.server("login").kill();
    cluster.restart(ServerKind::Login, "login");
    assert_eq!(ask(&cluster, "eve"), unknown, "after a restart as before");
    assert_eq!(ask(&cluster, "ada"), known);
}

/// A connection from one of this machine's own addresses.
fn from(own: [u8; 4], login: &str) -> Wire {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((own, 0)).into()).unwrap();
    socket.connect_timeout(&login.parse::<SocketAddr>().unwrap().into(), PATIENCE).unwrap();
    Wire::over(socket.into()).greet(Role::Login, b"").expect("the login takes everybody")
}

#[test]
fn guessing_is_slowed_down_and_keeps_nobody_out_of_his_account() {
    let folder = Folder::new();
    folder.write_accounts(&["ada", "bob"]);
    let cluster = login_only(folder);
    let login = cluster.address("login");
    log_in_as(login, "ada");
    let guess = |own, name: &str| prove(from(own, login), name, "wrong").1.unwrap_err();
    let guesses: Vec<_> = (0..5).map(|_| guess([127, 0, 0, 2], "ada")).collect();
    assert_eq!(guesses[..4], [LogInDenial::WrongCredentials; 4]);
    assert!(matches!(guesses[4], LogInDenial::TryLater { retry_after_ms: 1..=501 }), "{guesses:?}");
    log_in_as(login, "ada");
    assert!(prove(from([127, 0, 0, 3], login), "bob", "bob").1.is_ok(), "other accounts are not held");
    until("its owner comes in from elsewhere", || prove(from([127, 0, 0, 3], login), "ada", "ada").1.ok());
    let mut nobody = (0..20).map(|at| guess([127, 0, 0, 4], &format!("nobody-{at}")));
    let held = nobody.position(|denied| matches!(denied, LogInDenial::TryLater { .. }));
    assert_eq!(held, Some(11), "an address has ten for free, and one that begins the wait");
    let admin = cluster.admin("login");
    let name = "usher_logins_held_total{by=\"address\"}";
    until("it is counted", || (metric(admin, name)? == 1).then_some(()));
}

#[test]
fn guests_are_let_in_only_where_the_config_says_so() {
    let folder = Folder::new();
    folder.write_accounts(&["ada"]);
    let cluster = login_only(folder);
    let mut wire = from([127, 0, 0, 1], cluster.address("login"));
    let world = usher_proto::WorldId(1);
    wire.say(usher_proto::message::LogIn { world, credentials: Credentials::Guest });
    let denied = wire.await_said("a denial", |message| match message {
        Message::LogInDenied(denied) => Some(denied.reason),
        _ => None,
    });
    assert_eq!(denied, LogInDenial::NoGuests);
}

#[test]
fn commands_that_cannot_be_carried_out_say_where_and_what_to_do() {
    let folder = Folder::new();
    let database = folder.write_accounts(&["ada"]);
    let path = database.display().to_string();
    let cases: [(&[&str], &str, i32, String); 8] = [
        (
            &["add", "ada", "--password-stdin"],
            "x",
            1,
            format!("error: {path}: there is an account \"ada\" already"),
        ),
        (&["add", "b\u{7}b", "--password-stdin"], "x", 1, format!("error: {path}: \"b\u{7}b\" is no name")),
        (&["add", "bob", "--password-stdin"], "", 2, "error: a password has 1 to 128 bytes".into()),
        (&["add", "bob"], "x\n", 2, "error: nobody is here to type a password: use --password-stdin".into()),
        (
            &["passwd", "bob", "--password-stdin"],
            "x",
            1,
            format!("error: {path}: there is no account \"bob\""),
        ),
        (&["disable", "bob"], "", 1, format!("error: {path}: there is no account \"bob\"")),
        (&["import", "/nowhere/list"], "", 2, "error: /nowhere/list: ".into()),
        (&["import"], "", 2, "error: the following required arguments".into()),
    ];
    for (args, input, code, begins) in cases {
        let said = refused(args, &database, input, code);
        assert!(said.starts_with(&begins), "{args:?}: {said}");
    }
    let missing = folder.0.join("none.db");
    let said = refused(&["passwd", "ada", "--password-stdin"], &missing, "x", 1);
    assert!(said.contains("there is no such file; `usher account add"), "{said}");
    let said = refused(&["disable", "ada", "--manager-admin", "127.0.0.1:1"], &database, "", 1);
    assert!(said.contains("the account is disabled, but the manager at 127.0.0.1:1"), "{said}");
    let config = crate::cluster::config(ServerKind::Login, "login", "127.0.0.1:0", "", ACCOUNTS_WITHOUT_HALL);
    let config = folder.write("login.toml", &config);
    let listed = usher().args(["account", "list", "-c"]).arg(&config).output().unwrap();
    assert!(text(&listed.stdout).starts_with("ada "), "{}", text(&listed.stderr));
}

#[test]
fn a_list_is_imported_whole_or_not_at_all() {
    let folder = Folder::new();
    let database = folder.0.join("accounts.db");
    let list = |name: &str, text: &str| {
        let path = folder.0.join(name);
        private_file::write(&path, text).unwrap();
        path.display().to_string()
    };
    let wrong = [
        ("no-comma", "ada,x\nbob\n", 2, ":2: expected name,password"),
        ("twice", "# list\nada,x\n\nada,y\n", 1, ":4: "),
        ("no-password", "ada,\n", 1, ":1: a password has 1 to 128 bytes"),
        ("empty", "# nobody\n", 2, ": there is no account in it"),
    ];
    for (name, text, code, place) in wrong {
        let path = list(name, text);
        let said = refused(&["import", &path], &database, "", code);
        assert!(said.contains(&format!("{path}{place}")), "{said}");
    }
    let good = list("good", "# players\r\nada,love,lace\r\n\nbob,builder\n");
    assert!(done(&["import", &good], &database, "").contains("2 accounts added"));
    assert_eq!(done(&["list"], &database, "").lines().count(), 2, "none of the wrong lists left any");
    let cluster = login_only(folder);
    let login = cluster.address("login");
    assert!(try_log_in(login, "ada", "love,lace").1.is_ok() && try_log_in(login, "bob", "builder").1.is_ok());
}

#[test]
fn an_import_that_is_stopped_has_not_been() {
    let folder = Folder::new();
    let database = folder.write_accounts(&["ada"]);
    let list = folder.0.join("long");
    let lines: Vec<_> = (0..100_000).map(|number| format!("player-{number},secret\n")).collect();
    private_file::write(&list, &lines.concat()).unwrap();
    let mut command = usher();
    command.args(["account", "import"]).arg(&list).arg("--accounts").arg(&database);
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let log = folder.0.join("accounts.db-wal");
    until("it has begun", || fs::metadata(&log).is_ok().then_some(()));
    crate::cluster::signal(child.id(), Signal::INT);
    let status = until("its end", || child.try_wait().unwrap());
    let said = std::io::read_to_string(child.stderr.take().unwrap()).unwrap();
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(said.contains("stopped; nothing was changed"), "{said}");
    assert_eq!(done(&["list"], &database, "").lines().count(), 1);
}

#[test]
fn simulated_players_log_in_with_cached_keys() {
    const PLAYERS: &str = "12";
    let folder = Folder::new();
    let (database, keys) = (folder.0.join("accounts.db"), folder.0.join("players.keys"));
    let path = keys.display().to_string();
    done(&["import", "--test-players", PLAYERS, "--keys", &path], &database, "");
    let again = refused(&["import", "--test-players", "1", "--keys", &path], &database, "", 2);
    assert!(again.contains("is there already"), "{again}");
    let report = folder.0.join("report.json");
    let mut cluster = Cluster::in_folder(folder);
    cluster.add_all(&[
        (ServerKind::Manager, "manager", ""),
        (ServerKind::Room, "room", ROOMS),
        (ServerKind::Hall, "hall", ""),
        (ServerKind::Login, "login", "[login]\naccounts = \"accounts.db\"\n"),
    ]);
    for name in ["manager", "room", "hall", "login"] {
        let admin = cluster.admin(name);
        until("every server ready", || (crate::page::get(admin, "/readyz")?.0 == 200).then_some(()));
    }
    let sim = |players: &str| {
        let mut command = usher();
        command.args(["client-sim", "--rate", "20", "--seconds", "1", "--processes", "2", "--quiet"]);
        command.args(["--players", players, "--login", cluster.address("login")]);
        command.args(["--login-key", &crate::secrets::login_key().public().to_string()]);
        command.arg("--accounts").arg(&keys).arg("--json").arg(&report);
        command.output().unwrap()
    };
    let ended = sim(PLAYERS);
    let said: Value = serde_json::from_str(&fs::read_to_string(&report).unwrap()).unwrap();
    assert!(ended.status.success(), "{said:#} {}", text(&ended.stderr));
    assert_eq!((&said["accounts"], &said["seated"]), (&"cached keys".into(), &12.into()));
    let too_many = sim("13");
    assert_eq!(too_many.status.code(), Some(2));
    assert!(text(&too_many.stderr).contains("has 12 accounts, 13 players need one each"));
}

#[test]
fn a_disabled_account_is_shown_out_of_its_room_and_its_ticket_opens_none() {
    let folder = Folder::new();
    let database = folder.write_accounts(&["ada", "bob"]);
    let mut cluster = Cluster::in_folder(folder);
    cluster.add(ServerKind::Manager, "manager", &free_address(), "");
    cluster.add_all(&[
        (ServerKind::Room, "room", ROOMS),
        (ServerKind::Hall, "hall", ""),
        (ServerKind::Login, "login", "[login]\naccounts = \"accounts.db\"\nguests = true\n"),
    ]);
    cluster.until_whole();
    let [ada, bob] = ["ada", "bob"].map(|name| log_in_as(cluster.address("login"), name));
    let room = cluster.address("room");
    let (mut ada_at_table, _) = enter(room, &ada.ticket, None).unwrap();
    let (mut bob_at_table, _) = enter(room, &bob.ticket, None).unwrap();
    ada_at_table.sit();
    let manager = cluster.admin("manager").to_string();
    done(&["disable", "ada", "--manager-admin", &manager], &database, "");
    assert_eq!(ada_at_table.last_word(), Some(CloseReason::Evicted));
    until("it is counted", || {
        (metric(cluster.admin("manager"), "usher_revocations_total")? == 1).then_some(())
    });
    let hall = cluster.address("hall").to_string();
    let room = room.to_string();
    let is_out = || {
        let evicted = Some(Message::from(Closing { reason: CloseReason::Evicted }));
        assert_eq!(
            greet(&hall, Role::Hall, &ada.ticket).err(),
            evicted,
            "the ticket is good, the login is over"
        );
        assert_eq!(greet(&room, Role::Room, &ada.ticket).err(), evicted);
    };
    is_out();
    cluster.server("manager").kill();
    is_out();
    cluster.restart(ServerKind::Manager, "manager");
    cluster.until_whole();
    until("the new manager knows of it", || {
        (metric(cluster.admin("manager"), "usher_revocations_total")? == 1).then_some(())
    });
    is_out();
    visit_hall(&hall, &bob.ticket);
    bob_at_table.chat("I am still here");
}

#[test]
fn nothing_is_changed_by_a_page_of_another_origin_or_without_the_token() {
    let folder = Folder::new();
    let database = folder.write_accounts(&["ada"]);
    let token = folder.0.join("admin.token");
    private_file::write(&token, "seven times seven\n").unwrap();
    let text = crate::cluster::config(ServerKind::Manager, "manager", "127.0.0.1:0", "", "");
    let text = text.replace("[cluster]", "admin_token_file = \"admin.token\"\n[cluster]");
    let manager = Process::start(ServerKind::Manager, &folder.write("manager.toml", &text));
    let post = |header: &str, value: &str| {
        let url = format!("http://{}/api/evict/7", manager.ready.admin);
        let request = ureq::post(url).header(header, value).config().http_status_as_error(false).build();
        request.send_empty().unwrap().status().as_u16()
    };
    assert_eq!(post("Accept", "*/*"), 401);
    assert_eq!(post("Authorization", "Bearer seven times eight"), 401);
    assert_eq!(post("Origin", "http://evil.example"), 403);
    assert_eq!(post("Authorization", "Bearer seven times seven"), 200);

    let admin = manager.ready.admin.to_string();
    let disable = ["disable", "ada", "--manager-admin", &admin];
    let said = refused(&disable, &database, "", 1);
    assert!(said.contains("the account is disabled, but") && said.contains("--admin-token-file"), "{said}");
    let with_token = [&disable[..], &["--admin-token-file", token.to_str().unwrap()]].concat();
    assert!(done(&with_token, &database, "").contains("ada: evicted"));
    refused(&["disable", "ada", "--admin-token-file", "admin.token"], &database, "", 2);
}
