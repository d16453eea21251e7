//! Config files of every kind: an error names the file and a line of it; what is taken and printed is taken again.
//!
//! Files that name a host or a database are passed over, so that no name is resolved and no disk touched.
//! Read next: `usher_runtime::config`.

use std::net::SocketAddr;
use std::path::Path;
use toml::{Table, Value};
use usher_runtime::App;
use usher_runtime::config::{ConfigError, ConfigFile, Kind};

const FILE: &str = "server.toml";

pub(super) fn run(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    if reaches_out(text) {
        return;
    }
    match file(text).kind() {
        Ok(Kind::Manager) => check::<usher_manager::Manager>(text),
        Ok(Kind::Login) => check::<usher_login::Login>(text),
        Ok(Kind::Hall) => check::<usher_hall::Hall>(text),
        Ok(Kind::Room) => check::<usher_room::Room>(text),
        Ok(Kind::Gateway) => check::<usher_gateway::App>(text),
        Ok(Kind::Push) => check::<usher_push::Push>(text),
        Ok(Kind::Workers) => check::<usher_workers::Host>(text),
        Err(error) => check_error(text, &error),
    }
}

fn file(text: &str) -> ConfigFile {
    ConfigFile::from_text(Path::new(FILE), text)
}

fn check<A: App>(text: &str) {
    match A::load(&file(text)) {
        Ok(config) => {
            let printed = A::effective(&config).expect("what was read can be printed");
            let again = A::load(&file(&printed)).unwrap_or_else(|error| panic!("{error}\n{printed}"));
            assert_eq!(A::effective(&again).expect("what was read can be printed"), printed);
        }
        Err(error) => check_error(text, &error),
    }
}

fn check_error(text: &str, error: &ConfigError) {
    assert!(error.to_string().starts_with(FILE), "{error}");
    assert!(!error.message.is_empty());
    if let Some(line) = error.line {
        assert!((1..=text.lines().count() + 1).contains(&line), "{error}");
    }
}

/// Whether to check it would ask the resolver or open a database.
fn reaches_out(text: &str) -> bool {
    let Ok(table) = text.parse::<Table>() else { return false };
    let field = |section: &str, key: &str| table.get(section).and_then(|section| section.get(key));
    let manager = field("cluster", "manager").into_iter();
    let halls = field("login", "halls").and_then(Value::as_array).into_iter().flatten();
    let servers = field("gateway", "servers").and_then(Value::as_array).into_iter().flatten();
    let inner = servers.filter_map(|server| server.get("inner"));
    let groups = field("workers", "groups").and_then(Value::as_array).into_iter().flatten();
    let hosts = groups.filter_map(|group| group.get("hosts")?.as_array()).flatten();
    let is_name = |address: &Value| address.as_str().is_some_and(|it| it.parse::<SocketAddr>().is_err());
    field("login", "accounts").is_some() || manager.chain(halls).chain(inner).chain(hosts).any(is_name)
}
