//! The database by itself: who is found, who is refused, what survives.

use crate::error::Refusal;
use crate::{Change, Database, StoreError, Writer};
use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use usher_secure::os_rng;
use usher_secure::scram::{ClientKeys, ITERATIONS_MIN, Standing, Verifier};

/// A folder of this test's own, gone with it.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new(test: &str) -> Self {
        let path = std::env::temp_dir().join(format!("usher-store-{test}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn database(&self) -> PathBuf {
        self.0.join("accounts.db")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn open(path: &Path) -> Database {
    Database::open_or_create(path, ITERATIONS_MIN).unwrap()
}

fn verifier() -> Verifier {
    Verifier::of_keys(&ClientKeys::generate(ITERATIONS_MIN, &mut os_rng()))
}

fn add(name: &str) -> Change {
    Change::Add { name: name.into(), verifier: verifier() }
}

fn make(database: &mut Database, change: &Change) -> Result<(), StoreError> {
    let import = database.import()?;
    import.change(change, 7)?;
    import.commit()
}

fn refusal(outcome: Result<(), StoreError>) -> Refusal {
    match outcome {
        Err(StoreError::Refused { refusal, .. }) => refusal,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_account_is_found_as_it_was_made_and_changed() {
    let folder = Folder::new("found");
    let mut database = open(&folder.database());
    let (first, second) = (verifier(), verifier());
    make(&mut database, &Change::Add { name: "ada".into(), verifier: first.clone() }).unwrap();
    let found = database.find("ada").unwrap();
    assert_eq!((&found.verifier, found.standing), (&first, Standing::Good));
    assert_eq!(found.id, crate::accounts::number("ada"));
    make(&mut database, &Change::SetVerifier { name: "ada".into(), verifier: second.clone() }).unwrap();
    make(&mut database, &Change::SetDisabled { name: "ada".into(), disabled: true }).unwrap();
    drop(database);
    let mut database = Database::open(&folder.database()).unwrap();
    let found = database.find("ada").unwrap();
    assert_eq!((&found.verifier, found.standing), (&second, Standing::Disabled));
    make(&mut database, &Change::SetDisabled { name: "ada".into(), disabled: false }).unwrap();
    assert_eq!(database.find("ada").unwrap().standing, Standing::Good);
    assert_eq!(database.count().unwrap(), 1);
    let listed = database.list_after("").unwrap();
    assert!(listed.len() == 1 && listed[0].name == "ada" && !listed[0].disabled);
    assert!(database.list_after("ada").unwrap().is_empty());
}

#[test]
fn a_name_nobody_has_looks_the_same_over_restarts() {
    let folder = Folder::new("unknown");
    let before = open(&folder.database()).find("nobody").unwrap();
    let after = Database::open(&folder.database()).unwrap().find("nobody").unwrap();
    assert_eq!(before, after);
    assert_eq!((before.standing, before.verifier.iterations), (Standing::Unknown, ITERATIONS_MIN));
    let other = Folder::new("unknown-other");
    assert_ne!(before.verifier.salt, open(&other.database()).find("nobody").unwrap().verifier.salt);
}

#[test]
fn what_cannot_be_is_refused_and_named() {
    let folder = Folder::new("refused");
    let mut database = open(&folder.database());
    make(&mut database, &add("ada")).unwrap();
    assert_eq!(refusal(make(&mut database, &add("ada"))), Refusal::NameTaken("ada".into()));
    for name in ["", "bell\u{7}", "\u{2168}", &"n".repeat(33)] {
        assert_eq!(refusal(make(&mut database, &add(name))), Refusal::BadName(name.into()));
    }
    let set = Change::SetVerifier { name: "zoe".into(), verifier: verifier() };
    let disable = Change::SetDisabled { name: "zoe".into(), disabled: true };
    for change in [set, disable] {
        assert_eq!(refusal(make(&mut database, &change)), Refusal::NoSuchAccount("zoe".into()));
    }
    assert_eq!(database.count().unwrap(), 1);
}

#[test]
fn an_import_that_is_dropped_has_not_been() {
    let folder = Folder::new("dropped");
    let mut database = open(&folder.database());
    let import = database.import().unwrap();
    (0..100).for_each(|at| import.change(&add(&format!("player-{at}")), 7).unwrap());
    drop(import);
    assert_eq!(database.count().unwrap(), 0);
}

#[test]
fn a_file_that_is_no_database_of_ours_is_said_so() {
    let folder = Folder::new("foreign");
    let path = folder.database();
    let said = |path: &Path| Database::open(path).unwrap_err().to_string();
    assert!(said(&path).ends_with("makes it"), "{}", said(&path));
    fs::write(&path, "[[account]]\nname = \"ada\"\n".repeat(100)).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    assert!(said(&path).contains("is not an account database"), "{}", said(&path));
    fs::write(&path, "").unwrap();
    assert!(said(&path).contains("is not an account database"), "{}", said(&path));
    drop(open(&path));
    rusqlite::Connection::open(&path).unwrap().pragma_update(None, "user_version", 2).unwrap();
    assert!(said(&path).contains("is of schema 2, this program knows 1"), "{}", said(&path));
    for opened in [Database::open(&path), Database::open_or_create(&path, ITERATIONS_MIN)] {
        assert!(matches!(opened, Err(StoreError::Newer { found: 2, .. })));
    }
}

#[test]
fn only_the_owner_may_read_it_and_its_log() {
    let folder = Folder::new("mode");
    let path = folder.database();
    let mut database = open(&path);
    make(&mut database, &add("ada")).unwrap();
    for entry in fs::read_dir(&folder.0).unwrap().flatten() {
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o077, 0, "{:?}", entry.path());
    }
    drop(database);
    fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
    let error = Database::open(&path).unwrap_err().to_string();
    assert!(error.ends_with(&format!("`chmod 600 {}`", path.display())), "{error}");
}

#[test]
fn several_writers_and_a_reader_share_a_file_and_commits_are_few() {
    const EACH: usize = 500;
    let folder = Folder::new("writers");
    let path = folder.database();
    let reader = open(&path);
    let writers: Vec<_> = (0..2).map(|_| Writer::start(open(&path)).unwrap()).collect();
    std::thread::scope(|scope| {
        for (at, writer) in writers.iter().enumerate() {
            scope.spawn(move || {
                let names = (0..EACH).map(|number| format!("player-{at}-{number}"));
                let receipts: Vec<_> = names.map(|name| writer.change(add(&name), 7)).collect();
                for receipt in receipts {
                    receipt.wait().unwrap();
                }
            });
        }
        scope.spawn(move || {
            while reader.find("player-1-0").unwrap().standing == Standing::Unknown {
                std::thread::yield_now();
            }
        });
    });
    assert_eq!(open(&path).count().unwrap(), 2 * EACH as u64);
    let commits: u64 = writers.iter().map(Writer::commits).sum();
    assert!(commits < EACH as u64, "{commits} commits for {} changes", 2 * EACH);
    println!("{commits} commits for {} changes", 2 * EACH);
}

#[test]
fn a_refused_change_does_not_keep_the_others_of_its_commit() {
    let folder = Folder::new("group");
    let writer = Writer::start(open(&folder.database())).unwrap();
    let names = ["ada", "bob", "ada", "", "zoe"];
    let receipts = names.map(|name| writer.change(add(name), 7));
    let made = receipts.map(|receipt| receipt.wait().is_ok());
    assert_eq!(made, [true, true, false, false, true]);
    drop(writer);
    assert_eq!(open(&folder.database()).count().unwrap(), 3);
}

/// Where the child of the next test writes; not a test of its own.
const VICTIM: &str = "USHER_STORE_VICTIM";

#[test]
fn victim() {
    let Some(path) = std::env::var_os(VICTIM) else { return };
    let writer = Writer::start(open(Path::new(&path))).unwrap();
    for at in 0_u32.. {
        let batch = (0..20).map(|number| writer.change(add(&format!("{at}-{number}")), 7));
        batch.collect::<Vec<_>>().into_iter().for_each(|receipt| receipt.wait().unwrap());
        println!("acknowledged {at}");
    }
}

#[test]
fn killed_in_the_middle_of_it_the_file_is_sound_and_holds_what_was_acknowledged() {
    let folder = Folder::new("killed");
    let path = folder.database();
    let mut acknowledged = 0;
    for round in 0..5_u32 {
        let _ = fs::remove_file(&path);
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "tests::victim", "--nocapture"])
            .env(VICTIM, &path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let seen = lines.map_while(Result::ok).filter_map(|line| {
            line.rsplit_once("acknowledged ").and_then(|(_, number)| number.parse::<u32>().ok())
        });
        let last = seen.take_while(|number| *number <= round * 3).last().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        let database = Database::open(&path).unwrap();
        for number in 0..20 {
            let found = database.find(&format!("{last}-{number}")).unwrap();
            assert_eq!(found.standing, Standing::Good, "{last}-{number} of round {round}");
        }
        let sound: String = rusqlite::Connection::open(&path)
            .unwrap()
            .pragma_query_value(None, "integrity_check", |row| row.get(0))
            .unwrap();
        assert_eq!(sound, "ok");
        acknowledged += last + 1;
        for log in ["accounts.db-wal", "accounts.db-shm"] {
            let _ = fs::remove_file(folder.0.join(log));
        }
    }
    println!("killed 5 times, {acknowledged} acknowledged batches all there");
}
