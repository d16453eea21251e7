//! Files that load, files that do not, and who is let in.

use super::*;
use rand::Rng;
use usher_secure::os_rng;

const TWO: &str = r#"
# players
[[account]]
name = "ada"
password = "lovelace"

[[account]]
name = "alan"
password = "türing 1"
"#;

fn parse(text: &str) -> Result<Accounts, String> {
    Accounts::parse(Path::new("accounts.toml"), text).map_err(|error| error.to_string())
}

fn account(name: &str, password: &str) -> String {
    format!("[[account]]\nname = \"{name}\"\npassword = \"{password}\"\n")
}

#[test]
fn the_right_password_opens_its_own_account_alone() {
    let accounts = parse(TWO).unwrap();
    assert_eq!(accounts.len(), 2);
    let ada = accounts.check("ada", "lovelace").unwrap();
    let alan = accounts.check("alan", "türing 1").unwrap();
    assert_ne!(ada, alan);
    for (name, password) in [
        ("ada", "türing 1"),
        ("ada", ""),
        ("ada", "lovelac"),
        ("ada", "lovelace "),
        ("Ada", "lovelace"),
        ("", ""),
        ("nobody", "lovelace"),
        ("nobody", "nobody"),
    ] {
        assert_eq!(accounts.check(name, password), None, "{name:?} {password:?}");
    }
}

#[test]
fn numbers_come_from_the_name_alone_and_stay() {
    let other_file = format!("{}{}", account("ada", "changed"), account("zoe", "x"));
    let (before, after) = (parse(TWO).unwrap(), parse(&other_file).unwrap());
    assert_eq!(before.check("ada", "lovelace"), after.check("ada", "changed"));
    // BLAKE2b-256 of "ada", first eight bytes, top bit clear.
    assert_eq!(number("ada"), AccountId(0x5407_6bbd_24e6_774a));
}

#[test]
fn guests_and_named_accounts_never_meet() {
    for _ in 0..100 {
        assert_ne!(guest(&mut os_rng()).0 & GUEST_BIT, 0);
        let name = format!("name-{}", os_rng().next_u64());
        assert_eq!(number(&name).0 & GUEST_BIT, 0);
    }
    assert_ne!(guest(&mut os_rng()), guest(&mut os_rng()));
}

#[test]
fn an_empty_file_is_a_cluster_of_guests() {
    let accounts = parse("# nobody yet\n").unwrap();
    assert!(accounts.is_empty());
    assert_eq!(accounts.check("ada", "lovelace"), None);
}

#[test]
fn errors_name_file_line_and_field_and_no_password() {
    let secret = "hunter2hunter2";
    let long_name = "n".repeat(NAME_BYTES_MAX + 1);
    let long_password = secret.repeat(PASSWORD_BYTES_MAX);
    let cases = [
        (account("", secret), "accounts.toml:2: name: is empty"),
        (account("ada", ""), "accounts.toml:3: password: is empty"),
        (account(&long_name, secret), "accounts.toml:2: name: 33 bytes, over the limit of 32"),
        (account("ada", &long_password), "accounts.toml:3: password: 1792 bytes, over the limit of 128"),
        (
            format!("{}{}", account("ada", secret), account("ada", secret)),
            "accounts.toml:5: name: \"ada\" was used above",
        ),
        (
            "[[account]]\nname = \"ada\"\npassword = 271828\n".into(),
            "accounts.toml:3: password: is not in quotes",
        ),
        ("[[account]]\nname = \"ada\"\n".into(), "accounts.toml:1: missing field `password`"),
        (
            format!("{}pasword = \"{secret}\"\n", account("ada", secret)),
            "accounts.toml:4: unknown field `pasword`, expected `name` or `password`",
        ),
        ("\n\n[[acount]]\n".into(), "accounts.toml:3: unknown field `acount`, expected `account`"),
    ];
    for (text, expected) in cases {
        let error = parse(&text).unwrap_err();
        assert_eq!(error, expected);
        assert!(!error.contains(secret));
    }
    for text in [
        account("ada", secret).replace("password = ", "password "),
        format!("[[account]]\nname = \"ada\"\npassword = {secret}\n"),
        format!("[[account]]\nname = \"ada\"\npassword = [\"{secret}\"]\n"),
    ] {
        let error = parse(&text).unwrap_err();
        assert!(error.starts_with("accounts.toml:3: ") && !error.contains(secret), "{error}");
    }
}

#[test]
fn names_that_give_one_number_are_told_apart_from_a_name_used_twice() {
    assert_eq!(clash("ada", "ada"), "name: \"ada\" was used above");
    assert!(clash("ada", "zoe").contains("\"ada\" and \"zoe\""));
}

#[test]
fn a_file_with_too_many_accounts_is_refused() {
    let many: Vec<_> = (0..=ACCOUNTS_MAX).map(|at| account(&at.to_string(), "p")).collect();
    let error = parse(&many.concat()).unwrap_err();
    assert!(error.ends_with("account: more than 100000"), "{error}");
    assert_eq!(parse(&many[1..].concat()).unwrap().len(), ACCOUNTS_MAX);
}

#[test]
fn debug_shows_how_many_alone() {
    assert_eq!(format!("{:?}", parse(TWO).unwrap()), "Accounts(2)");
}

#[cfg(unix)]
#[test]
fn a_file_that_others_may_read_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let path = std::env::temp_dir().join(format!("usher-store-{}.toml", std::process::id()));
    let _ = std::fs::remove_file(&path);
    private_file::write(&path, TWO).unwrap();
    let loaded = Accounts::load(&path).map(|it| it.len());
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let refused = Accounts::load(&path).unwrap_err();
    std::fs::remove_file(&path).unwrap();
    assert_eq!(loaded.unwrap(), 2);
    assert!(refused.to_string().ends_with(&format!("`chmod 600 {}`", path.display())), "{refused}");
    let missing = Accounts::load(&path).unwrap_err();
    assert!(missing.to_string().starts_with(&path.display().to_string()), "{missing}");
}
