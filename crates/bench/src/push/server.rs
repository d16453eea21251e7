//! The push server to be measured: the binary as it is delivered, a config of its own, ports of the kernel's choice.
//!
//! - Invariants: it ends with its handle, or with the bench if that is killed; its config is gone when it has read it.
//! - Limit: what the config does not name has the server's defaults, so nothing here is denied: full logs let the oldest
//!   instruction go.
//!
//! Read next: `deploy/local/push.toml`; `../station.rs`.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::child::Child;
use crate::station::{Engine, START_MAX, Server};

/// What is kept of instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Logs {
    /// As much as the server's defaults say.
    Default,
    /// The last one to each terminal or topic.
    OfOne,
}

/// Where else than for terminals a push server listens.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ports {
    pub(crate) controllers: SocketAddr,
    pub(crate) admin: SocketAddr,
}

/// The line that says that it is ready.
#[derive(Deserialize)]
struct Ready {
    admin: SocketAddr,
    listeners: BTreeMap<String, SocketAddr>,
}

/// A folder that is gone with its handle.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("usher-bench-{}-{number}", std::process::id()));
        fs::create_dir(&path).with_context(|| format!("creating {}", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0); // what is left is in the system's folder for such things
    }
}

fn config(engine: Engine, logs: Logs) -> String {
    let port = "listen = \"127.0.0.1:0\"";
    let limits = match logs {
        Logs::Default => "",
        Logs::OfOne => "log_entries_max = 1\nown_log_entries_max = 1",
    };
    format!(
        "kind = \"push\"\n[server]\nname = \"push\"\n[terminals]\n{port}\n[controllers]\n{port}\n[administrators]\n\
         {port}\n[addresses]\nexempt = [\"127.0.0.0/8\"]\n[limits]\n{limits}\n[stages]\nengine = \"{engine}\"\n[log]\nlevel = \"warn\"\n"
    )
}

/// Waits until it is ready.
pub(crate) fn start(program: &Path, engine: Engine, logs: Logs) -> Result<Server> {
    let folder = Folder::new()?;
    let file = folder.0.join("push.toml");
    fs::write(&file, config(engine, logs)).with_context(|| format!("writing {}", file.display()))?;
    let mut command = Command::new(program);
    command.args(["--die-with-parent", "-c"]).arg(&file);
    let mut child = Child::spawn(command)?;
    let Ready { admin, listeners } = child.answer(START_MAX)?;
    let listener =
        |name: &str| listeners.get(name).copied().with_context(|| format!("it does not listen for {name}"));
    let ports = Ports { controllers: listener("controllers")?, admin };
    Ok(Server { ports: Some(ports), ..Server::at(child, listener("terminals")?) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use usher_push::Config;
    use usher_runtime::config::ConfigFile;

    #[test]
    fn configs_are_good() {
        let load = |logs| {
            let file = ConfigFile::from_text(Path::new("push.toml"), &config(Engine::Mio, logs));
            Config::load(&file).unwrap().sections.limits
        };
        assert_eq!(load(Logs::OfOne).own_log_entries_max, 1);
        assert!(load(Logs::Default).own_log_entries_max > 1);
    }
}
