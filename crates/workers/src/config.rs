//! `[workers]`: which workers a process has, and what they are for. A room server's config may have it, a host's has it.
//!
//! Why: which game is played by whom, and every limit with its default, stand in one place.
//! Owns: the checks of the sections ([`Section::check`]) and what is made of them; as parsed they are `config/sections.rs`'s.
//! Invariants: a group has a command or hosts, not both, and no key that is for the other; a game is played by one group.
//! Limits: [`GROUPS_MAX`] groups of [`INSTANCES_MAX`] workers.
//! Read next: docs/workers.md.

mod sections;

pub use sections::{Format, GroupSection, Section};

use crate::high_water::{self, HIGH_WATER_BYTES_MAX};
use crate::pool::PoolConfig;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use toml::Spanned;
use usher_games::WorkerGame;
use usher_proto::codec::Form;
use usher_proto::limits::WORK_KIND_BYTES_MAX;
use usher_runtime::config::{ConfigError, ConfigFile, SPAN_MS_MAX, millis};
use usher_runtime::keys::workers_key_file;

/// Groups of one process.
pub const GROUPS_MAX: usize = 64;
/// Workers, or hosts, of one group.
pub const INSTANCES_MAX: usize = 256;
/// Requests that may wait.
const QUEUE_MAX: u64 = 1_000_000;
/// The name of a group.
const GROUP_NAME_BYTES_MAX: usize = 32;

/// The workers of a process, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// What this process calls itself to hosts.
    pub name: String,
    /// See [`Section::heartbeat_ms`].
    pub heartbeat: Duration,
    /// See [`Section::dead_letters`].
    pub dead_letters: PathBuf,
    /// Where workers run.
    pub folder: PathBuf,
    /// The groups.
    pub groups: Vec<GroupConfig>,
}

/// One group, checked.
#[derive(Clone, Debug)]
pub struct GroupConfig {
    /// See [`GroupSection::name`].
    pub name: String,
    /// Who works.
    pub members: Members,
    /// See [`GroupSection::games`].
    pub games: Vec<String>,
    /// See [`GroupSection::kinds`].
    pub kinds: Vec<String>,
    /// See [`GroupSection::repeatable`].
    pub repeatable: Vec<String>,
    /// See [`GroupSection::in_flight_max`].
    pub in_flight_max: usize,
    /// See [`GroupSection::queue_max`].
    pub queue_max: usize,
    /// See [`GroupSection::deadline_ms`].
    pub deadline: Duration,
}

/// Who the workers of a group are.
#[derive(Clone, Debug)]
pub enum Members {
    /// Children of this process.
    Children {
        /// See [`GroupSection::command`].
        command: Vec<String>,
        /// See [`GroupSection::instances`].
        instances: usize,
        /// See [`GroupSection::format`].
        form: Form,
    },
    /// Processes elsewhere that have children.
    Hosts {
        /// Where they are.
        addresses: Vec<SocketAddr>,
        /// See [`GroupSection::key_file`].
        key_file: PathBuf,
    },
}

impl Members {
    /// How many there are.
    pub fn count(&self) -> usize {
        match self {
            Self::Children { instances, .. } => *instances,
            Self::Hosts { addresses, .. } => addresses.len(),
        }
    }

    /// How they are spoken to.
    pub fn form(&self) -> Form {
        match self {
            Self::Children { form, .. } => *form,
            Self::Hosts { .. } => Form::MessagePack,
        }
    }
}

impl GroupConfig {
    pub(crate) fn pool(&self, seed: u64) -> PoolConfig {
        PoolConfig {
            instances: self.members.count(),
            in_flight_max: self.in_flight_max,
            queue_max: self.queue_max,
            deadline: self.deadline,
            is_remote: matches!(self.members, Members::Hosts { .. }),
            seed,
        }
    }

    /// Whether work of this kind may be repeated.
    pub(crate) fn may_repeat(&self, kind: &str) -> bool {
        self.repeatable.iter().any(|it| it == kind)
    }
}

impl Config {
    /// The group that plays this game.
    pub fn group_of(&self, game: &str) -> Option<usize> {
        self.groups.iter().position(|group| group.games.iter().any(|it| it == game))
    }
}

/// The group that does work of this kind for somebody elsewhere: that names it, or else that names none.
pub(crate) fn group_for<'a>(
    mut groups: impl Iterator<Item = &'a GroupConfig> + Clone,
    kind: &str,
) -> Option<usize> {
    let named = groups.clone().position(|group| group.kinds.iter().any(|it| it == kind));
    named.or_else(|| groups.position(|group| group.kinds.is_empty()))
}

impl Section {
    /// Checks it, for the process of this name.
    pub fn check(&self, file: &ConfigFile, name: &str) -> Result<Config, ConfigError> {
        file.check_ranges(&[
            ("workers.heartbeat_ms", self.heartbeat_ms, 10..=SPAN_MS_MAX),
            ("workers.groups", self.groups.len() as u64, 1..=GROUPS_MAX as u64),
        ])?;
        let groups =
            self.groups.iter().map(|group| group.check(file, name)).collect::<Result<Vec<_>, _>>()?;
        check_once(file, "workers.groups.name", groups.iter().map(|group| &group.name))?;
        check_once(file, "workers.groups.games", groups.iter().flat_map(|group| &group.games))?;
        check_once(file, "workers.groups.kinds", groups.iter().flat_map(|group| &group.kinds))?;
        let folder = file.relative(Path::new("."));
        Ok(Config {
            name: name.into(),
            heartbeat: millis(self.heartbeat_ms),
            dead_letters: file.relative(&self.dead_letters),
            folder,
            groups,
        })
    }
}

fn check_once<'a>(
    file: &ConfigFile,
    field: &str,
    names: impl Iterator<Item = &'a String>,
) -> Result<(), ConfigError> {
    let mut known = BTreeSet::new();
    for name in names {
        if !known.insert(name) {
            return Err(file.wrong(field, format!("`{name}` stands twice")));
        }
    }
    Ok(())
}

impl GroupSection {
    fn check(&self, file: &ConfigFile, name: &str) -> Result<GroupConfig, ConfigError> {
        if self.name.is_empty()
            || self.name.len() > GROUP_NAME_BYTES_MAX
            || self.name.contains(['"', '\\', '\n'])
        {
            let message = format!("must have 1 to {GROUP_NAME_BYTES_MAX} bytes and no quotes");
            return Err(file.wrong("workers.groups.name", message));
        }
        file.check_ranges(&[
            ("workers.groups.instances", self.children().0 as u64, 1..=INSTANCES_MAX as u64),
            ("workers.groups.hosts", self.hosts.len() as u64, 0..=INSTANCES_MAX as u64),
            ("workers.groups.in_flight_max", self.in_flight_max as u64, 1..=u64::MAX),
            ("workers.groups.queue_max", self.queue_max as u64, 1..=QUEUE_MAX),
            ("workers.groups.deadline_ms", self.deadline_ms, 1..=SPAN_MS_MAX),
        ])?;
        for game in &self.games {
            if WorkerGame::named(game).is_none() {
                let message =
                    format!("`{game}` is no name of a game: small letters, digits, hyphens, at most 16");
                return Err(file.wrong("workers.groups.games", message));
            }
        }
        for (field, kinds) in [("kinds", &self.kinds), ("repeatable", &self.repeatable)] {
            if let Some(kind) = kinds.iter().find(|kind| kind.is_empty() || kind.len() > WORK_KIND_BYTES_MAX)
            {
                let message = format!("`{kind}`: a kind has 1 to {WORK_KIND_BYTES_MAX} bytes");
                return Err(file.wrong(&format!("workers.groups.{field}"), message));
            }
        }
        let members = self.members(file, name)?;
        let in_flight_max = high_water::in_flight_max(members.form());
        if self.in_flight_max > in_flight_max {
            let message = format!(
                "of `{}` must be at most {in_flight_max}: so many of the longest requests are the {} MiB that may wait for a worker",
                self.name,
                HIGH_WATER_BYTES_MAX >> 20
            );
            return Err(file.wrong("workers.groups.in_flight_max", message));
        }
        Ok(GroupConfig {
            name: self.name.clone(),
            members,
            games: self.games.clone(),
            kinds: self.kinds.clone(),
            repeatable: self.repeatable.clone(),
            in_flight_max: self.in_flight_max,
            queue_max: self.queue_max,
            deadline: millis(self.deadline_ms),
        })
    }

    fn members(&self, file: &ConfigFile, name: &str) -> Result<Members, ConfigError> {
        match (self.command.is_empty(), self.hosts.is_empty()) {
            (false, true) => self.members_here(file),
            (true, false) => self.members_elsewhere(file, name),
            (false, false) => {
                Err(file
                    .wrong("workers.groups.hosts", format!("`{}` has a command too: remove one", self.name)))
            }
            (true, true) => {
                Err(file
                    .wrong("workers.groups.name", format!("`{}` has neither a command nor hosts", self.name)))
            }
        }
    }

    fn members_here(&self, file: &ConfigFile) -> Result<Members, ConfigError> {
        if self.command.first().is_some_and(String::is_empty) {
            return Err(file.wrong("workers.groups.command", "must name a program"));
        }
        if let Some(key_file) = &self.key_file {
            let message = format!("is for hosts, and `{}` has a command: remove it", self.name);
            return Err(file.wrong_at(key_file.span(), message));
        }
        let (instances, format) = self.children();
        Ok(Members::Children { command: self.command.clone(), instances, form: format.into() })
    }

    fn members_elsewhere(&self, file: &ConfigFile, name: &str) -> Result<Members, ConfigError> {
        let of_a_command =
            [self.instances.as_ref().map(Spanned::span), self.format.as_ref().map(Spanned::span)];
        if let Some(span) = of_a_command.into_iter().flatten().next() {
            let message = format!("is for a command, and `{}` has hosts: remove it", self.name);
            return Err(file.wrong_at(span, message));
        }
        let found = self.hosts.iter().map(|host| file.address("workers.groups.hosts", host));
        let addresses = found.collect::<Result<Vec<_>, _>>()?;
        let own = || workers_key_file(name).into();
        let key_file = self.key_file.as_ref().map_or_else(own, |it| it.get_ref().clone());
        Ok(Members::Hosts { addresses, key_file: file.relative(&key_file) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::{Deserialize, Serialize};

    #[derive(Serialize, Deserialize)]
    struct Whole {
        workers: Section,
    }

    const GOOD: &str = "[workers]\nheartbeat_ms = 500\n\n[[workers.groups]]\nname = \"games\"\n\
        command = [\"python3\", \"rps.py\"]\ninstances = 4\ngames = [\"rps\"]\n\n[[workers.groups]]\nname = \"far\"\n\
        hosts = [\"127.0.0.1:7100\"]\nkinds = [\"mail\"]\n";

    fn check(text: &str) -> Result<Config, ConfigError> {
        let file = ConfigFile::from_text(Path::new("deploy/room.toml"), text);
        file.parse::<Whole>()?.workers.check(&file, "room-1")
    }

    #[test]
    fn a_good_section_is_taken() {
        let config = check(GOOD).unwrap();
        assert_eq!(config.folder, Path::new("deploy/."));
        assert_eq!(config.dead_letters, Path::new("deploy/dead-letters.jsonl"));
        assert_eq!((config.group_of("rps"), config.group_of("chess")), (Some(0), None));
        let group_for = |kind| group_for(config.groups.iter(), kind);
        assert_eq!((group_for("mail"), group_for("else")), (Some(1), Some(0)));
        let Members::Hosts { key_file, .. } = &config.groups[1].members else { panic!("{config:?}") };
        assert_eq!(key_file, Path::new("deploy/workers-room-1.key"));
        assert_eq!(config.groups[0].members.form(), Form::Json);
    }

    #[test]
    fn no_worker_may_have_more_than_may_wait_for_it() {
        let with = |in_flight_max, form| {
            let group = format!("name = \"far\"\nin_flight_max = {in_flight_max}\n{form}");
            check(&GOOD.replace("name = \"far\"\nhosts = [\"127.0.0.1:7100\"]\n", &group))
        };
        for (form, most) in [
            ("command = [\"x\"]\n", 1_020),
            ("command = [\"x\"]\nformat = \"msgpack\"\n", 2_036),
            ("hosts = [\"127.0.0.1:7100\"]\n", 2_036),
        ] {
            let config = with(most, form).unwrap();
            let high_water = high_water::high_water_bytes(&config.groups);
            assert!(high_water > HIGH_WATER_BYTES_MAX - (1 << 20), "{high_water}");
            let error = with(most + 1, form).unwrap_err();
            assert_eq!(
                (error.line, error.field.as_str()),
                (Some(12), "workers.groups.in_flight_max"),
                "{error}"
            );
            assert!(error.to_string().contains(&format!("at most {most}: so many")), "{error}");
        }
    }

    #[test]
    fn what_is_wrong_names_file_line_and_field() {
        let cases = [
            ("heartbeat_ms = 500", "heartbeat_ms = 1", 2, "workers.heartbeat_ms"),
            ("name = \"games\"", "name = \"\"", 5, "workers.groups.name"),
            ("name = \"far\"", "name = \"games\"", 5, "workers.groups.name"),
            ("instances = 4", "instances = 0", 7, "workers.groups.instances"),
            ("instances = 4", "instancez = 4", 7, "workers.groups.instancez"),
            ("instances = 4", "format = \"xml\"", 7, "workers.groups.format"),
            ("\"rps\"]", "\"Rock\"]", 8, "workers.groups.games"),
            ("\"rps\"]", "\"rps\", \"rps\"]", 8, "workers.groups.games"),
            ("127.0.0.1:7100", "nowhere", 12, "workers.groups.hosts"),
            ("hosts = [\"127.0.0.1:7100\"]", "deadline_ms = 5", 5, "workers.groups.name"),
            ("kinds", "command = [\"x\"]\nkinds", 12, "workers.groups.hosts"),
            ("games =", "key_file = \"x.key\"\ngames =", 8, "workers.groups.key_file"),
            ("kinds", "instances = 1\nkinds", 13, "workers.groups.instances"),
            ("kinds", "format = \"json\"\nkinds", 13, "workers.groups.format"),
        ];
        for (from, to, line, field) in cases {
            assert!(GOOD.contains(from), "{from}");
            let error = check(&GOOD.replacen(from, to, 1)).unwrap_err();
            assert_eq!((error.line, error.field.as_str()), (Some(line), field), "{error}");
        }
    }

    #[test]
    fn what_is_ignored_is_refused_with_what_to_do() {
        let error = check(&GOOD.replace("kinds", "instances = 4\nkinds")).unwrap_err().to_string();
        let said =
            "deploy/room.toml:13: workers.groups.instances: is for a command, and `far` has hosts: remove it";
        assert_eq!(error, said);
        let error = check(&GOOD.replace("games =", "key_file = \"x\"\ngames =")).unwrap_err().to_string();
        let said =
            "deploy/room.toml:8: workers.groups.key_file: is for hosts, and `games` has a command: remove it";
        assert_eq!(error, said);
    }

    #[test]
    fn what_is_printed_has_the_defaults_and_is_as_good() {
        let text = GOOD.replace("instances = 4\n", "");
        let whole: Whole = toml::from_str(&text).unwrap();
        let printed = toml::to_string_pretty(&whole).unwrap();
        let [_, children, hosts] = printed.split("[[workers.groups]]").collect::<Vec<_>>()[..] else {
            panic!("{printed}")
        };
        assert!(
            children.contains("instances = 1\n") && children.contains("format = \"json\"\n"),
            "{printed}"
        );
        assert!(!hosts.contains("instances") && !hosts.contains("format"), "{printed}");
        let members = |text| check(text).unwrap().groups.into_iter().map(|group| group.members);
        assert!(members(&printed).map(|it| format!("{it:?}")).eq(members(&text).map(|it| format!("{it:?}"))));
    }
}
