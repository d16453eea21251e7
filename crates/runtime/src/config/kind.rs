//! What a config file is for: the servers of a cluster, and those that stand alone.
//!
//! Why: `check-config` and `up` find out from the file which program reads it. A cluster knows its own five
//! ([`ServerKind`]); a server that no manager knows has a config all the same.
//! Read next: [`crate::app`].

use serde::{Deserialize, Serialize};
use usher_proto::ServerKind;

/// Which program a config is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The manager of a cluster.
    Manager,
    /// A login server of a cluster.
    Login,
    /// A hall server of a cluster.
    Hall,
    /// A room server of a cluster.
    Room,
    /// A gateway of a cluster.
    Gateway,
    /// A push server; it stands alone.
    Push,
    /// A host of workers; room servers find it.
    Workers,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Manager, Self::Login, Self::Hall, Self::Room, Self::Gateway, Self::Push, Self::Workers];

    /// The kind as configs, commands and logs write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Manager => ServerKind::Manager.as_str(),
            Self::Login => ServerKind::Login.as_str(),
            Self::Hall => ServerKind::Hall.as_str(),
            Self::Room => ServerKind::Room.as_str(),
            Self::Gateway => ServerKind::Gateway.as_str(),
            Self::Push => "push",
            Self::Workers => "workers",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_written_as_it_is_called() {
        for kind in Kind::ALL {
            assert_eq!(toml::Value::try_from(kind).unwrap().as_str(), Some(kind.as_str()));
        }
    }
}
